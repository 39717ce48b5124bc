import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from progan_style import Trainer, load_config, load_data, save_config


@pytest.fixture
def make(tiny_overlay, toy_root, tmp_path):
    """A tiny run, built from scratch: (trainer, run_dir)."""

    def build(name="run", *overrides, root=toy_root):
        torch.set_num_threads(1)
        run_dir = tmp_path / name
        run_dir.mkdir(exist_ok=True)
        config = load_config(overlay=tiny_overlay, overrides=[f"data.root={root}", *overrides])
        save_config(config, run_dir / "config.yaml")
        return Trainer(config, load_data(config, 16, progress=False).train), run_dir

    return build


@pytest.fixture(scope="session")
def reference():
    """tests/progan_style/reference/: training, written out plainly."""
    folder = Path(__file__).parent / "reference"
    spec = importlib.util.spec_from_file_location("reference", folder / "__init__.py")
    sys.modules["reference"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["reference"])
    for name in ("chance", "networks", "augmentation", "step"):
        importlib.import_module(f"reference.{name}")
    return sys.modules["reference"]


@pytest.fixture(scope="session")
def placed_root(tmp_path_factory, toy_root):
    """The toy set with a manifest that gives each slice a height."""
    import csv
    import shutil

    root = tmp_path_factory.mktemp("placed") / "slices"
    shutil.copytree(toy_root, root)
    with open(root / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "subject", "slice_mm"])
        for path in sorted(root.rglob("*.png")):
            writer.writerow([path.relative_to(root).as_posix(), path.stem[:-2], 6 + 4 * int(path.stem[-1])])
    return root


@pytest.fixture(scope="session")
def people_root(tmp_path_factory, placed_root):
    """The same with an age and a sex of each person; of every fifth the age is not known."""
    import csv
    import shutil

    root = tmp_path_factory.mktemp("people") / "slices"
    shutil.copytree(placed_root, root)
    with open(root / "manifest.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    number = {name: k for k, name in enumerate(dict.fromkeys(row["subject"] for row in rows))}
    for row in rows:
        k = number[row["subject"]]
        row |= {"age": "" if k % 5 == 4 else str(60 + 7 * k % 23), "sex": "FM"[k % 2]}
    with open(root / "manifest.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return root
