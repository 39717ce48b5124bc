"""The notebook runs from its first cell to its last, and ends with a number."""

import json
from pathlib import Path

NOTEBOOK = Path(__file__).parents[1] / "docs" / "first_steps.ipynb"


def test_the_notebook_runs_and_its_number_is_that_of_larger_ventricles(tmp_path, monkeypatch):
    import matplotlib

    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    names = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert names["growth"] > 1.2 and names["larger"] > 0.8
