"""Every command and every Python line of README.md runs, tiny: 16 px for 64, 20 phantoms, a few steps."""

import functools
import importlib
import re
import shlex
from pathlib import Path

import pytest
import yaml

from analysis import utility

REPO = Path(__file__).parents[1]
README = (REPO / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("python ")]


def tiny(words: list[str], overlay: Path) -> list[str]:
    """The same command with small sizes."""
    for name in ("--size", "--until"):
        if name in words:
            i = words.index(name) + 1
            words = [*words[:i], {"64": "16"}.get(words[i], words[i]), *words[i + 1 :]]
    if words[0] == "train.py":
        if "--config" in words:
            i = words.index("--config") + 1
            assert (REPO / words[i]).is_file(), words[i]
            words = [*words[:i], str(overlay), *words[i + 1 :]]
        elif "--stage" not in words:  # a run that goes on keeps its configuration
            words = [*words, "--config", str(overlay)]
    if words[0] == "predict.py":
        words = [*words, "--samples-per-label", "20", "--unseen-phantoms", "20"]
        if "saved_output/mine" in words:  # six persons are too few for the other sections, which say so
            words = [*words, "--parts", "grid"]
    if words[0] == "prepare.py" and "--labels" in words:
        words = [*words, "--workers", "1"]
    if words[0] == "generate.py":
        words = [{"500": "20"}.get(w, w) for w in words]
    return words


def write_scans(root: Path, scan_tools) -> None:
    """The folder of scans and the spreadsheet that the README speaks of."""
    lines = ["subject,group"]
    for person in range(6):
        scan_tools.write_nifti(root / "scans" / f"p{person}.nii.gz", *scan_tools.head(6.0, seed=person))
        lines.append(f"p{person},{('Dementia', 'Normal')[person % 2]}")
    (root / "diagnoses.csv").write_text("\n".join(lines) + "\n")


def test_the_readme_has_commands():
    assert {words[1] for words in commands()} >= {"train.py", "predict.py", "generate.py", "prepare.py", "-m"}


def test_every_command_and_the_python_lines_run(tmp_path, monkeypatch, tiny_overlay, call_shell, scan_tools, quick):
    monkeypatch.chdir(tmp_path)
    write_scans(tmp_path, scan_tools)
    monkeypatch.setattr(
        utility,
        "compare",
        functools.partial(utility.compare, plan=utility.ComparisonPlan(seeds=2, steps=4, synthetic=16)),
    )
    for words in commands():
        if words[1] == "-c":
            continue
        if words[1:3] == ["-m", "analysis"]:
            done = call_shell("analysis/__main__.py", *tiny(words[3:], tiny_overlay), "--parts", "copies")
            assert done.returncode == 0, (words, done.stderr)
        elif words[1] == "-m":
            module, few = {
                "progan_style.phantoms": ("progan_style.phantoms.__main__", ["--persons", "20", "--slices", "1"]),
                "progan_style.commands.share": ("progan_style.commands.share", []),
            }[words[2]]
            assert importlib.import_module(module).main([*words[3:], *few]) == 0
        else:
            shell, *arguments = tiny(words[1:], tiny_overlay)
            done = call_shell(shell, *arguments)
            assert done.returncode == 0, (words, done.stderr)
    assert (tmp_path / "saved_output/run/analysis-016/metrics.json").is_file()
    for code in blocks("python"):
        exec(code.replace("stage-064", "stage-016"), {})


@pytest.mark.parametrize("path", sorted((REPO / "configs").glob("*.yaml")), ids=lambda p: p.name)
def test_every_shipped_yaml_trains_tiny(path, tmp_path, toy_root, tiny_overlay, call_shell):
    """Its own tables, with a few images per stage."""
    from progan_style import load_config

    config = load_config(overlay=path)
    tree = yaml.safe_load(path.read_text())
    rows = config.schedule.resolutions[:2]
    tree["schedule"] |= {"resolutions": list(rows), "fade_kimg": dict.fromkeys(rows, 0.01)}
    tree["schedule"] |= {"hold_kimg": dict.fromkeys(rows, 0.01), "batch_size": dict.fromkeys(rows, 8)}
    # The toy slices have 32 pixels; a file may begin at 64.
    tree["data"] = tree.get("data", {}) | {"cache": str(tmp_path / "cache"), "allow_upsampling": True}
    overlay = tmp_path / path.name
    overlay.write_text(yaml.safe_dump(tree))
    done = call_shell("train.py", "--config", overlay, "--data", toy_root, "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr


def test_files_that_the_readme_names_exist():
    for name in re.findall(r"\]\(([^)#]+)\)", README):
        assert (REPO / name).exists(), name
