"""The files at the top: versions and names agree, and nothing that a wheel needs is missing."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import progan_style
from progan_style.phantoms.folder import TERMS

REPO = Path(__file__).parents[1]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]


def test_the_version_stands_in_the_citation_and_the_changelog():
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text())
    assert citation["version"] == progan_style.__version__
    assert f"\n## {progan_style.__version__}\n" in (REPO / "CHANGELOG.md").read_text()
    assert citation["license"] == PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (REPO / "LICENSE").read_text()


def test_the_notice_of_the_template_is_that_which_phantoms_carry():
    authors = TERMS.partition("Copyright (C)")[2].split()
    for path in (REPO / "NOTICE", progan_style.EXAMPLE / "NOTICE.txt"):
        assert authors == path.read_text().partition("Copyright (C)")[2].split(), path


def test_the_workflow_tests_every_python_that_is_promised():
    workflow = yaml.safe_load((REPO / ".github" / "workflows" / "test.yml").read_text())
    versions = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={versions[0]},<3.{int(versions[-1][2:]) + 1}"
    assert any("make test" in step.get("run", "") for step in workflow["jobs"]["test"]["steps"])


def test_the_hooks_are_the_tools_of_make_test():
    hooks = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"]
    makefile = (REPO / "Makefile").read_text()
    assert all(hook["entry"].split(" --")[0] in makefile for hook in hooks[0]["hooks"])


def test_the_dockerfile_says_that_it_was_not_tried():
    assert "its build has not been tried" in (REPO / "Dockerfile").read_text()


@pytest.mark.parametrize("page", ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "progan_style/example/README.md"))
def test_links_of_a_page_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", (REPO / page).read_text()):
        assert "://" in link or ((REPO / page).parent / link).exists(), link
