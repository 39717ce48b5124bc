"""Folders of slices made up for tests."""

import csv

import numpy as np
from PIL import Image


def save(path, value=100, shape=(16, 16), dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, dtype)).save(path)


def write(root, names=("train/CN", "train/AD"), persons=10, slices=2, shape=(16, 16)):
    """CN slices are 50 + person, AD slices 150 + person; file names <class><person>x_<slice>.png."""
    for name in names:
        base = 150 if name.lower().endswith("ad") else 50
        for p in range(persons):
            for s in range(slices):
                save(root / name / f"{name[0]}{name[-2:]}{p:02}x_{s}.png", base + p, shape)
    return root


def manifest(root, rows, header=("path", "label", "subject", "split")):
    with open(root / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def all_rows(root, split="train", subject=lambda p: p.stem.split("x_")[0]):
    paths = sorted(root.glob("*/*/*.png")) + sorted(root.glob("*/*.png"))
    return [(p.relative_to(root).as_posix(), p.parent.name, subject(p), split) for p in paths]


def write_noise(root, splits=("Training Set", "Validate Set"), persons=12):
    """Three slices of noise of each person, no two alike; persons in the file names alone."""
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


def write_repeats(root, names, persons=24):
    """Two slices of each person, taken anew for every name of names(person), in AD or CN unless it names a folder, with
    a {k} for the slice; the same slice of a person looks alike in each, to the audit too."""
    y, x = np.mgrid[:32, :32] / 16 - 1
    for p in range(persons):
        for again, name in enumerate(names(p)):
            for k in (100, 140):
                own = np.random.default_rng([p, k]).normal(0, 30, (32, 32))
                noise = np.random.default_rng([p, k, again]).normal(0, 8, (32, 32))
                values = np.clip(120 + own + noise, 0, 255) * (x * x + y * y < 0.8)
                path = root / ("" if "/" in name else ("AD", "CN")[p % 2]) / name.format(k=k)
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values.astype(np.uint8)).resize((64, 64)).save(path)
    return root
