"""environment.yml, pyproject.toml and constraints.txt name the same packages and compatible versions."""

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

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


def test_the_pins_satisfy_the_floors():
    pins = {}
    for line in (REPO / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split("==")
            pins[name.lower()] = version
    for text in PROJECT["dependencies"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[requirement.name.lower()]), text
