"""What a wheel holds, and the console command: the same functions as the scripts of a checkout."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import progan_style_cli
from progan_style import DEFAULT_CONFIG, EXAMPLE, find_overlay

REPO = Path(__file__).parents[1]
# Docker copies the checkout, and whoever has scans in it would pass them on with the image
IGNORED = (REPO / ".dockerignore").read_text().splitlines()
FOR_THE_IMAGE = [line[1:] for line in IGNORED if line.startswith("!")]
SCRIPTS = ("train.py", "predict.py", "generate.py", "prepare.py", "explore.py", "analysis/__main__.py")


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """What a build puts into a wheel, from the files that an image is built from and no others."""
    source, to = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in FOR_THE_IMAGE:
        if (REPO / name).is_dir():
            shutil.copytree(REPO / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(REPO / name, source)
    command = [sys.executable, "setup.py", "-q", "build", "--build-lib", str(to)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return to


def run(built, cwd, *arguments) -> subprocess.CompletedProcess:
    """The console command from what was built, in another folder."""
    code = f"import sys; sys.path[0] = {str(built)!r}; import progan_style_cli; sys.exit(progan_style_cli.console())"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=250
    )


def test_a_wheel_holds_every_module_and_the_shipped_configurations(built):
    def modules(root):
        packages = (root / name for name in ("progan_style", "analysis", "explorer"))
        return {path.relative_to(root).as_posix() for package in packages for path in package.rglob("*.py")}

    assert modules(built) == modules(REPO) and (built / "progan_style_cli.py").is_file()
    assert (built / "progan_style" / "hyperparameters.yaml").read_bytes() == DEFAULT_CONFIG.read_bytes()
    pages = {path.name: path.read_bytes() for path in (REPO / "progan_style" / "pages").iterdir()}
    assert {path.name: path.read_bytes() for path in (built / "progan_style" / "pages").iterdir()} == pages
    for name in ("progan_style/py.typed", "analysis/py.typed", "progan_style/example/README.md"):
        assert (built / name).is_file(), name
    shipped_run = {path.relative_to(EXAMPLE) for path in EXAMPLE.rglob("*")}
    assert {
        path.relative_to(built / "progan_style/example") for path in (built / "progan_style/example").rglob("*")
    } == shipped_run
    shipped = {path.name: path.read_bytes() for path in (REPO / "configs").iterdir()}
    assert {path.name: path.read_bytes() for path in (built / "progan_style" / "configs").iterdir()} == shipped


def test_an_image_is_built_from_the_package_and_nothing_else():
    assert [line for line in IGNORED if line and line[0] not in "#!"] == ["*", "**/__pycache__"]
    assert {"pyproject.toml", "constraints.txt", "progan_style"} <= set(FOR_THE_IMAGE)


def test_a_checkout_reads_its_own_file():
    assert DEFAULT_CONFIG == REPO / "hyperparameters.yaml"
    assert find_overlay("configs/cpu.yaml").samefile(REPO / "configs" / "cpu.yaml")


def test_outside_of_a_checkout_a_run_says_which_files_it_reads(built, tmp_path, toy_root, tiny_overlay):
    """Beside a foreign hyperparameters.yaml and a foreign analysis folder, which are left alone."""
    (tmp_path / "hyperparameters.yaml").write_text("theirs: 1\n")
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis" / "__init__.py").write_text("raise SystemExit('theirs')\n")
    arguments = ("--data", toy_root, "--run", "run", "--until", 8, "--set", "training.eval_kimg=0.02")
    done = run(built, tmp_path, "train", "--config", tiny_overlay, *arguments)
    assert done.returncode == 0, done.stderr
    assert f"config    {built / 'progan_style' / 'hyperparameters.yaml'}, {tiny_overlay}" in done.stdout
    again = run(built, tmp_path, "train", "--run", "run", "--until", 8)
    assert again.returncode == 0 and "the stages up to 8 are finished" in again.stdout, again.stderr
    both = ("--real", toy_root, "--fake", toy_root, "--size", 8)
    compared = run(built, tmp_path, "compare", *both, "--to", "compared", "--parts", "grid")
    assert compared.returncode == 0 and (tmp_path / "compared" / "report.html").is_file(), compared.stderr
    made = run(built, tmp_path, "generate", "--run", "run", "--count", 2, "--to", "made")
    assert made.returncode == 0 and len(list((tmp_path / "made").rglob("*.png"))) == 4, made.stderr


def test_a_shipped_overlay_is_found_outside_of_a_checkout_and_an_unknown_one_is_named(built, tmp_path):
    wrong = ("--set", "schedule.resolutions=[7]", "--run", "run")
    done = run(built, tmp_path, "train", "--config", "configs/cpu.yaml", *wrong)
    assert done.returncode == 2 and "cpu.yaml with --set: schedule.resolutions: expected powers" in done.stderr
    done = run(built, tmp_path, "train", "--config", "configs/mine.yaml", *wrong)
    assert done.returncode == 2 and "configs/mine.yaml: no such configuration file" in done.stderr


def test_every_command_tells_its_options_under_its_own_name(capsys):
    for name in progan_style_cli.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            progan_style_cli.console([name, "--help"])
        assert ended.value.code == 0 and f"usage: progan-style {name} " in capsys.readouterr().out


def test_an_unknown_command_is_refused_with_those_there_are(capsys):
    assert progan_style_cli.console(["trian"]) == 2
    assert "trian: expected one of prepare, phantoms, train" in capsys.readouterr().err
    assert progan_style_cli.console([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("usage: progan-style", *progan_style_cli.COMMANDS))


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_a_door(script):
    """Arguments and work stand in the packages."""
    assert len((REPO / script).read_text().splitlines()) <= 15
