"""A folder of slices, split by person."""

import csv

import numpy as np
from PIL import Image


def refused(done, message):
    """One line on stderr, exit 2, no traceback."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr, done.stderr
    assert message in done.stderr, done.stderr


def manifest(folder):
    return list(csv.DictReader((folder / "manifest.csv").read_text().splitlines()))


def write_slices(root, splits=("Training Set", "Validate Set"), persons=12):
    rng = np.random.default_rng(0)
    for name in ("AD", "NC"):
        for p in range(persons):
            folder = root / splits[p % len(splits)] / name if splits else root / name
            folder.mkdir(parents=True, exist_ok=True)
            for k in range(3):
                Image.fromarray(rng.integers(0, 255, (24, 32), np.uint8)).save(
                    folder / f"{name.lower()}{p:03d}_{k}.png"
                )
    return root


def test_a_folder_of_slices_is_grouped_and_split_anew(call_shell, tiny_overlay, tmp_path):
    source = write_slices(tmp_path / "in")
    done = call_shell("prepare.py", source, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "24 groups of the file names" in done.stdout
    rows = manifest(tmp_path / "out")
    assert len(rows) == 72 and {row["label"] for row in rows} == {"AD", "CN"}
    splits = {
        subject: {r["split"] for r in rows if r["subject"] == subject} for subject in {r["subject"] for r in rows}
    }
    assert len(splits) == 24 and all(len(of) == 1 for of in splits.values())
    originals = {path.read_bytes() for path in source.rglob("*.png")}
    assert {(tmp_path / "out" / row["path"]).read_bytes() for row in rows} == originals
    run = ("--run", tmp_path / "run", "--until", 8)
    assert call_shell("train.py", "--config", tiny_overlay, "--data", tmp_path / "out", *run).returncode == 0


def test_slices_of_unknown_persons_are_not_split(call_shell, tmp_path):
    source = write_slices(tmp_path / "in", splits=(), persons=4)
    refused(call_shell("prepare.py", source, "--to", tmp_path / "out"), "persons unknown")
    assert not (tmp_path / "out").exists()
    lines = [f"{path.relative_to(source)},{path.name[:5]}" for path in sorted(source.rglob("*.png"))]
    (tmp_path / "labels.csv").write_text("\n".join(["path,subject", *lines]))
    done = call_shell("prepare.py", source, "--labels", tmp_path / "labels.csv", "--to", tmp_path / "out")
    assert done.returncode == 0 and len({row["subject"] for row in manifest(tmp_path / "out")}) == 8, done.stderr
    refused(
        call_shell("prepare.py", source, "--to", tmp_path / "cut", "--size", 64),
        "--size: for scans; ",
    )


def test_an_unreadable_slice_is_listed(call_shell, tmp_path):
    source = write_slices(tmp_path / "in")
    victim = next(source.rglob("ad003_1.png"))
    victim.write_bytes(b"no picture")
    done = call_shell("prepare.py", source, "--to", tmp_path / "out")
    assert done.returncode == 1 and len(manifest(tmp_path / "out")) == 71
    assert "FAILED" in done.stderr and "ad003_1.png" in done.stderr
    refused(
        call_shell("prepare.py", source, "--to", tmp_path / "strict", "--strict"), "(--strict: nothing was written)"
    )
