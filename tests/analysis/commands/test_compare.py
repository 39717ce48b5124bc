"""python -m analysis on two folders: what it writes, what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell_tools import refused


@pytest.fixture
def call(call_shell, quick):
    return lambda *arguments: call_shell("analysis/__main__.py", *arguments)


def write(root: Path, images, split="") -> Path:
    """CLASS/<n>.png for {"CN": [M, R, R], ...}."""
    for name, pictures in images.items():
        folder = root / split / name
        folder.mkdir(parents=True)
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / f"made_{i}.png")
    return root


def noise(side=16, count=24):
    return {
        name: np.random.default_rng(1).integers(0, 255, (count, side, side)).astype(np.uint8) for name in ("CN", "AD")
    }


def test_noise_is_at_its_worst_everywhere(call, toy_root, tmp_path):
    fake = write(tmp_path / "noise", noise(32))
    parts = ("--parts", "similarity,copies,umap")
    done = call("--real", toy_root, "--fake", fake, "--size", 16, "--to", tmp_path / "out", *parts)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "out" / "metrics.json").read_text())
    for name in ("CN", "AD"):
        assert numbers[f"coverage.{name}"] < 0.2 < 0.8 < numbers[f"coverage.{name}.baseline"]
        assert numbers[f"kid.{name}"] > 5 * abs(numbers[f"kid.{name}.baseline"])
        assert numbers[f"spectrum.{name}"] > 5 * numbers[f"spectrum.{name}.baseline"]
    assert numbers["umap.realness"] > 0.95 and numbers["copies.share"] == 0
    assert (tmp_path / "out" / "report.html").is_file() and "KID AD" in done.stdout


def test_copied_training_slices_are_found(call, toy_root, tmp_path):
    shutil.copytree(toy_root / "train", tmp_path / "copied")
    done = call("--real", toy_root, "--fake", tmp_path / "copied", "--to", tmp_path / "out", "--parts", "copies")
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert numbers["copies.share"] == 1 and numbers["resolution"] == 32


def test_folders_that_do_not_fit_are_refused_in_one_line(call, toy_root, tmp_path):
    start = ("--real", toy_root, "--to", tmp_path / "out", "--fake")
    refused(call(*start, tmp_path / "nowhere"), "nowhere: no such folder; expected slices: see --fake")
    one = write(tmp_path / "one", {"CN": noise()["CN"]})
    refused(call(*start, one), "no images of class AD")
    small = write(tmp_path / "small", noise(16))
    refused(call(*start, small), "has slices of 32x32 pixels")
    refused(call(*start, small), "give --size")
    refused(call(*start, small, "--size", 32), "16 x 16 pixels")
    refused(call(*start, toy_root, "--parts", "fidelty"), "--parts: expected some of")
    refused(call(*start, toy_root, "--classes", "CN,MCI"), "no images of class MCI")
    alone = write(tmp_path / "alone", noise(32), "train")
    refused(call("--real", alone, "--fake", toy_root, "--to", tmp_path / "out"), "a test or a validate part expected")
    refused(call(*start, toy_root, "--inception", tmp_path / "w.pth"), "w.pth: no such file")


def test_nan_pixels_are_refused(call, toy_root, tmp_path):
    fake = write(tmp_path / "nan", noise(32))
    values = np.full((32, 32), np.nan, dtype=np.float32)
    Image.fromarray(values).save(fake / "CN" / "bad.tif")
    refused(call("--real", toy_root, "--fake", fake, "--to", tmp_path / "out"), "bad.tif: pixels of kind F")


def test_too_few_persons_are_named_and_lose_no_other_part_that_folders_have(call, toy_root, tmp_path):
    few = write(tmp_path / "few", noise(32, count=4))
    done = call("--real", toy_root, "--fake", few, "--to", tmp_path / "out")
    refused(done, "left out: umap: 15 neighbours of other persons needed")
    assert "inception" not in done.stderr and "similarity" not in done.stderr
    numbers = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert "copies.share" in numbers and "kid.CN" in numbers and "coverage.CN" not in numbers
    assert "discriminator.auc" not in numbers and "nimg" not in numbers
    assert any("coverage needs more than k = 5 real images (persons), got 4" in note for note in numbers["notes"])
