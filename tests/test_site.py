"""The pages build to a site without a warning, where mkdocs is installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
THERE = all(importlib.util.find_spec(name) for name in ("mkdocs", "mkdocstrings"))


@pytest.mark.skipif(not THERE, reason="mkdocs is not installed: pip install '.[docs]'")
def test_the_site_builds_without_warnings(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(
        command, cwd=REPO, capture_output=True, text=True, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert "Raises ValueError" in (tmp_path / "reference" / "index.html").read_text()
    assert "penalty_interval" in (tmp_path / "configuration" / "index.html").read_text()
