"""Commands and Python lines of the analysis' documents and error messages: they parse, name what exists, and run."""

import re
import shlex
from pathlib import Path

import pytest

from analysis import check_sections
from analysis.commands import compare, predict

REPO = Path(__file__).parents[2]
DOCS = ("analysis", "latents", "utility")


def commands():
    """The commands of the documents, and those that the sources tell a user to type."""
    found = []
    for name in DOCS:
        text = (REPO / "docs" / f"{name}.md").read_text(encoding="utf-8")
        lines = [line for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
        found += [line.split("#")[0].strip() for line in lines + re.findall(r"`(python [^`]+)`", text)]
    for path in sorted((REPO / "analysis").rglob("*.py")):
        found += re.findall(r"\((python -m [^){]+)\)", path.read_text(encoding="utf-8"))
    return sorted({line for line in found if line.startswith("python ")})


@pytest.mark.parametrize("line", commands())
def test_a_command_exists_and_its_options_are_known(line, call_shell):
    import importlib.util

    _, *words = shlex.split(line)
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1]), line
    if words[0] == "predict.py" or words[:2] == ["-m", "analysis"]:
        of = compare if words[0] == "-m" else predict
        args = of.parse(words[1 + (words[0] == "-m") :], "it")
        assert not args.parts or check_sections(args.parts.split(","))
    elif words[0] != "-m":
        assert (REPO / words[0]).is_file()


@pytest.mark.parametrize("name", DOCS)
def test_python_lines_run(name, tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved_output").mkdir()
    (tmp_path / "saved_output" / "run").symlink_to(tiny_run.run_dir)
    text = (REPO / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(code.replace("stage-064", "stage-016"), {})


@pytest.mark.parametrize("name", DOCS)
def test_files_that_a_document_names_exist(name):
    text = (REPO / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (REPO / "docs" / link).exists(), link
