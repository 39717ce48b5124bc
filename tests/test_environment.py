"""environment.yml, pyproject.toml and constraints.txt name the same packages and compatible versions."""

import tomllib
from importlib import metadata
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPO = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]


def pip_section() -> list[str]:
    tree = yaml.safe_load((REPO / "environment.yml").read_text())
    return next(d["pip"] for d in tree["dependencies"] if isinstance(d, dict))


def test_the_conda_environment_is_the_projects():
    first, *packages, last = pip_section()
    assert sorted(packages) == sorted(PROJECT["dependencies"])
    assert first == "-c constraints.txt" and last == "-e .[dev]"


def test_python_is_the_same():
    tree = yaml.safe_load((REPO / "environment.yml").read_text())
    assert f"python{PROJECT['requires-python']}" in tree["dependencies"]


def read_pins() -> dict[str, str]:
    lines = (REPO / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_what_the_packages_bring_along_is_pinned_too():
    """As it is installed here. torch itself pins what it needs of CUDA."""
    pins, todo = read_pins(), [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    seen: set[str] = set()
    while todo:
        requirement = Requirement(todo.pop())
        name = canonicalize_name(requirement.name)
        if name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        todo += metadata.requires(name) or []
    assert len(seen) > 40
    assert not [name for name in seen - pins.keys() if not name.startswith(("nvidia-", "cuda-", "triton"))]


def test_the_pins_satisfy_the_floors():
    pins = read_pins()
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text
