"""The commands of README.md and docs/ run, tiny: 16 px for 64, 20 phantoms, a few steps; their links lead somewhere.

What a sentence of them, a message or a docstring tells a user to type is not run, but it exists and knows its options.
Python lines of docs/ run in tests/analysis/test_docs.py.
"""

import ast
import contextlib
import functools
import importlib
import importlib.util
import io
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

import progan_style_cli
from analysis import check_sections, utility

REPO = Path(__file__).parents[1]
README = REPO / "README.md"
DOCS = [*sorted((REPO / "docs").glob("*.md")), *sorted((REPO / "docs" / "experiments").glob("*.md"))]
UTILITY = REPO / "docs" / "utility.md"
NOT_RUN = {  # how a command begins -> why it is not run here
    "python -m benchmarks.": "takes minutes to days; tests/benchmarks runs the benchmarks tiny",
    "torchrun ": "starts processes; tests/progan_style/test_distributed.py does so",
    "make ": "sets up an environment, and runs this very test",
    "source ": "sets up an environment",
    "conda ": "sets up an environment, from the network",
    "pip ": "sets up an environment; tests/test_packaging.py looks into the wheel",
}
LENGTHS = ("schedule.fade_kimg", "schedule.hold_kimg", "schedule.resolutions")  # settings that the tiny sizes replace


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def lines(path: Path) -> list[str]:
    """The commands of a page, continued lines joined, without comments."""
    text = "\n".join(blocks(path, "bash")).replace("\\\n", " ")
    return [shlex.join(words) for words in (shlex.split(line, comments=True) for line in text.splitlines()) if words]


def commands(path: Path) -> list[list[str]]:
    """Those that run here, as words after `python`; `progan-style` stays in front of its own."""
    found = [shlex.split(line) for line in lines(path) if not line.startswith(tuple(NOT_RUN))]
    assert all(words[0] in ("python", "progan-style") for words in found), (path, found)
    return [words if words[0] == "progan-style" else words[1:] for words in found]


def value(words: list[str], option: str, default: str = "") -> str:
    return words[words.index(option) + 1] if option in words else default


def replaced(words: list[str], option: str, new: str) -> list[str]:
    i = words.index(option) + 1
    return [*words[:i], new, *words[i + 1 :]]


def tiny(words: list[str], overlay: Path) -> list[str]:
    """The same command with small sizes."""
    for name in ("--size", "--until"):
        if value(words, name) in ("32", "64"):
            words = replaced(words, name, "16")
    if words[0] == "train.py":
        for setting in [w for w in words if w.startswith(LENGTHS)]:
            i = words.index(setting)
            words = words[: i - 1] + words[i + 1 :]
        if "--config" in words:
            words = replaced(words, "--config", str(overlay))
        elif not Path(value(words, "--run", "saved_output/run"), "config.yaml").exists():
            words = [*words, "--config", str(overlay)]  # a run that goes on keeps its configuration
    if words[0] == "predict.py":
        words = [*words, "--samples-per-label", "20", "--unseen-phantoms", "20"]
        if "saved_output/mine" in words:  # six persons are too few for the other sections, which say so
            words = [*words, "--parts", "grid"]
    if words[0] == "prepare.py" and "--labels" in words:
        words = [*words, "--workers", "1"]
    if words[0] == "generate.py":
        words = [{"500": "20"}.get(w, w) for w in words]
    if words[:2] == ["progan-style", "compare"]:
        words = [*words, "--parts", "copies"]
    if words[:2] == ["-m", "progan_style.phantoms"]:
        words = [*words, "--persons", "20", "--slices", "1"]
    return words


def main_of(words: list[str]):
    """The function behind `python` and these words, or behind progan-style; the words that it is given."""
    if words[0] == "progan-style":
        return progan_style_cli.console, words[1:]
    if words[0] == "-m":
        name = {
            "analysis": "analysis.commands.compare",
            "progan_style.phantoms": "progan_style.phantoms.__main__",
        }.get(words[1], words[1])
        return importlib.import_module(name).main, words[2:]
    spec = importlib.util.spec_from_file_location(words[0].removesuffix(".py"), REPO / words[0])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main, words[1:]


def run(words: list[str]) -> None:
    main, arguments = main_of(words)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    assert code == 0, (words, err.getvalue())


def check_configuration(words: list[str]) -> None:
    """What a train.py command says, at its full size, is a configuration."""
    from progan_style import find_overlay, load_config

    settings = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    overlay = find_overlay(value(words, "--config")) if "--config" in words else None
    config = load_config(overlay=overlay, overrides=settings)
    assert int(value(words, "--until", "0")) in (0, *config.schedule.resolutions), words


@pytest.fixture
def few_trainings(monkeypatch):
    plan = utility.ComparisonPlan(seeds=2, steps=4, synthetic=16)
    monkeypatch.setattr(utility, "compare", functools.partial(utility.compare, plan=plan))


# ---------------------------------------------------------------- README.md


def write_scans(root: Path, scan_tools) -> None:
    """The folder of scans and the spreadsheet that the README shows."""
    rows = ["subject,group"]
    for person in range(1, 7):
        scan_tools.write_nifti(root / "scans" / f"sub-0{person}_T1w.nii.gz", *scan_tools.head(6.0, seed=person))
        rows.append(f"sub-0{person},{('AD', 'CN')[person % 2]}")
    (root / "diagnoses.csv").write_text("\n".join(rows) + "\n")


def test_the_readme_has_commands():
    assert {words[0] for words in commands(README)} == {
        *("train.py", "predict.py", "generate.py", "prepare.py", "-m", "progan-style")
    }


def test_every_command_and_the_python_lines_run(tmp_path, monkeypatch, tiny_overlay, scan_tools, quick):
    monkeypatch.chdir(tmp_path)
    write_scans(tmp_path, scan_tools)
    for words in commands(README):
        if words[0] == "train.py":
            check_configuration(words)
        run(tiny(words, tiny_overlay))
    assert (tmp_path / "saved_output/demo/analysis-016/metrics.json").is_file()
    for code in blocks(README, "python"):
        exec(code.replace("stage-064", "stage-016"), {})


def test_the_makefile_s_demo_is_the_readme_s():
    makefile = (REPO / "Makefile").read_text()
    for words in commands(README):
        if "saved_output/demo" in words:
            assert shlex.join(words) in makefile


# ---------------------------------------------------------------- docs/


@pytest.fixture(scope="module")
def house(tmp_path_factory, tiny_overlay):
    """A folder with phantoms, a finished run on them, and slices that it generated."""
    folder = tmp_path_factory.mktemp("house")
    with contextlib.chdir(folder):
        run(["-m", "progan_style.phantoms", "--to", "phantoms", "--persons", "20", "--slices", "4"])
        run(["train.py", "--data", "phantoms", "--config", str(tiny_overlay)])
        run(["generate.py", "--count", "20", "--to", "synthetic"])
    return folder


def furnish(folder: Path, house: Path, page: Path) -> None:
    """What a page takes for granted: data, and runs that it does not train itself."""
    for name in ("phantoms", "OASIS", "DATA"):
        (folder / name).symlink_to(house / "phantoms")
    (folder / "OTHER").symlink_to(house / "synthetic")
    trained = {value(words, "--run", "saved_output/run") for words in commands(page) if words[0] == "train.py"}
    used = {value(words, "--run", "saved_output/run") for words in commands(page) if words[0] != "train.py"}
    for name in used - trained:
        shutil.copytree(house / "saved_output" / "run", folder / name)


@pytest.mark.parametrize("page", [p for p in DOCS if commands(p)], ids=lambda p: p.stem)
def test_the_commands_of_a_page_run(page, house, tmp_path, monkeypatch, tiny_overlay, quick, few_trainings):
    furnish(tmp_path, house, page)
    monkeypatch.chdir(tmp_path)
    for words in commands(page):
        small = tiny(words, tiny_overlay)
        if words[0] == "train.py":
            check_configuration(words)
        if words[0] == "predict.py" and page != UTILITY:  # README's commands make every other section
            assert "--parts" not in words or check_sections(value(words, "--parts").split(","))
            small = [*small, "--parts", "grid"]
        run(small)


@pytest.mark.parametrize("begins", NOT_RUN)
def test_what_is_not_run_stands_somewhere(begins):
    assert any(line.startswith(begins) for page in (README, *DOCS) for line in lines(page))


@pytest.mark.parametrize("page", [README, REPO / "saved_output" / "README.md", *DOCS], ids=lambda p: p.stem)
def test_links_of_a_page_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, title = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE) if title else []
        assert not title or title in [re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles], link


# ---------------------------------------------------------------- what is only told


QUOTED = r"(?:python (?:-m [\w.]+\w|\w+\.py)|progan-style [a-z]+)[^\n;`(]*"


def quoted() -> list[tuple[str, str]]:
    """(where, command) of sentences in the pages, of strings in the sources, of comments in the YAML files."""
    found = []
    for page in (README, *DOCS):
        found += [(page.name, code) for code in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8"))]
        found += [(page.name, line) for line in lines(page)]
    for path in (REPO / "hyperparameters.yaml", *sorted((REPO / "configs").glob("*.yaml"))):
        found += [(path.name, line) for line in path.read_text().splitlines() if "#" in line]
    for path in (
        *sorted(REPO.glob("*.py")),
        *(p for d in ("progan_style", "analysis", "explorer", "benchmarks") for p in sources(d)),
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(v.value) if isinstance(v, ast.Constant) else "VALUE" for v in node.values)
                found.append((path.name, text))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append((path.name, node.value))
    return sorted({(where, line) for where, text in found for line in re.findall(QUOTED, text)})


def sources(package: str) -> list[Path]:
    return sorted((REPO / package).rglob("*.py"))


@functools.cache
def options_of(*words: str) -> set[str]:
    """The options that a command's --help tells."""
    main, _ = main_of(list(words))
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    return set(re.findall(r"--[a-z][\w-]*", out.getvalue()))


@pytest.mark.parametrize(("where", "line"), quoted())
def test_a_command_that_is_told_exists_and_knows_its_options(where, line):
    words = [word.rstrip(":,.)") for word in line.split()]
    if words[0] == "progan-style":
        import progan_style_cli

        assert words[1] in progan_style_cli.COMMANDS, (where, line)
        return
    command = words[1:3] if words[1] == "-m" else words[1:2]
    told = set(re.findall(r"(?<!\S)\[?(--[a-z][\w-]*)", line))
    assert told <= options_of(*command), (where, line, told - options_of(*command))


# ---------------------------------------------------------------- the shipped YAML


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
    slices = ["--data", toy_root]
    if config.data.conditions:  # of which the toy slices know nothing
        tree["data"]["phantom"] |= {"persons": 20, "slices": 2}
        slices = []
    overlay = tmp_path / path.name
    overlay.write_text(yaml.safe_dump(tree))
    done = call_shell("train.py", "--config", overlay, *slices, "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr
