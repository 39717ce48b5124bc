"""Who may import whom (docs/architecture.md), read from the source with ast."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import progan_style

REPO = Path(__file__).parents[1]
MODEL = sorted((REPO / "progan_style").rglob("*.py"))
ANALYSIS = sorted((REPO / "analysis").rglob("*.py"))
KNOWS_CONFIG = {"config.py", "run.py", "trainer.py", "__init__.py"}


def imports(path: Path) -> set[tuple[str, str]]:
    """(module, name) of every import in a file; name is "" for a plain import."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {(node.module or "", alias.name) for alias in node.names}
    return found


@pytest.mark.parametrize("path", MODEL, ids=lambda p: str(p.relative_to(REPO)))
def test_the_model_never_imports_the_analysis(path):
    assert not [m for m, _ in imports(path) if m.split(".")[0] == "analysis"]


@pytest.mark.parametrize("path", ANALYSIS, ids=lambda p: str(p.relative_to(REPO)))
def test_the_analysis_uses_public_names_only(path):
    public = {*progan_style.__all__, *(["shell"] if path.name == "__main__.py" else [])}  # __main__ is a shell
    for module, name in imports(path):
        if module.split(".")[0] == "progan_style":
            assert module == "progan_style" and name in public, f"{module}.{name}"


@pytest.mark.parametrize("path", MODEL, ids=lambda p: str(p.relative_to(REPO)))
def test_only_these_know_the_configuration(path):
    if path.name not in KNOWS_CONFIG:
        assert not [m for m, _ in imports(path) if m == "progan_style.config"]


@pytest.mark.parametrize("name", ("losses.py", "schedule.py", "networks/stylegan1.py", "networks/layers.py"))
def test_losses_schedule_and_networks_stand_alone(name):
    allowed = {"losses.py": set(), "schedule.py": set()}.get(name, {"progan_style.networks"})
    ours = {m for m, _ in imports(REPO / "progan_style" / name) if m.startswith("progan_style")}
    assert all(any(m.startswith(a) for a in allowed) for m in ours)
    if name == "schedule.py":
        assert not [m for m, _ in imports(REPO / "progan_style" / name) if m.split(".")[0] == "torch"]


def test_every_public_name_exists():
    for name in progan_style.__all__:
        assert getattr(progan_style, name) is not None
    with pytest.raises(AttributeError):
        progan_style.nothing_of_this_name  # noqa: B018


@pytest.mark.parametrize("shell", ("train.py", "predict.py", "generate.py", "prepare.py"))
def test_help_does_not_wait_for_torch(shell):
    code = (
        f"import runpy, sys\nsys.argv = ['{shell}', '--help']\n"
        f"try: runpy.run_path('{shell}', run_name='__main__')\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'umap' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0 and "usage" in done.stdout, done.stderr
