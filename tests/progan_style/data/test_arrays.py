"""Arrays become what the same pixels in files become, and nothing else gets in."""

import numpy as np
import pytest
from PIL import Image

from progan_style import Dataset, Trainer, load_config, load_folder

SLICES = np.random.default_rng(0).integers(0, 256, (6, 24, 32), np.uint8)
NAMES = ["CN", "AD"] * 3


def made(images=SLICES, labels=NAMES, subjects=None, **others):
    return Dataset.from_arrays(images, labels, subjects, **others)


def in_files(root, images=SLICES):
    for number, (image, name) in enumerate(zip(images, NAMES, strict=True)):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(root / name / f"{number}.png")
    data = load_folder(root, resolution=16, cache_dir=root.parent / "cache", progress=False).train
    return data.subset(np.argsort([int(path.split("/")[1][:-4]) for path in data.paths]))


def test_arrays_become_what_the_same_pixels_in_files_become(tmp_path):
    data, files = made(resolution=16), in_files(tmp_path / "slices")
    assert sorted(data.levels) == sorted(files.levels) == [8, 16]
    assert all(np.array_equal(data.at(r), files.at(r)) for r in (8, 16))
    assert np.array_equal(data.labels, files.labels)


def test_values_with_a_range_become_what_a_16_bit_file_becomes(tmp_path):
    deep = np.random.default_rng(1).integers(0, 65536, (6, 32, 32)).astype(np.uint16)
    deep[0, 0, :2] = 0, 65535  # the whole range, which a folder takes from its pictures
    files = in_files(tmp_path / "slices", deep)
    for images, limits in ((deep, (0, 65535)), (deep / 65535, (0.0, 1.0)), (deep / 65535 * 2 - 1, (-1.0, 1.0))):
        data = made(images, range=limits, resolution=16)
        assert all(np.array_equal(data.at(r), files.at(r)) for r in (8, 16)), limits


def test_the_pyramid_begins_at_the_largest_size_and_channels_are_one():
    assert sorted(made().levels) == [8, 16, 32]
    assert np.array_equal(made(SLICES[:, None]).at(32), made().at(32))


def test_persons_and_parts():
    data = made(subjects=["a", "b", "c", None, 5, "e"])
    assert data.subjects.tolist() == ["a", "b", "c", "", "5", "e"] and made().subjects.tolist() == [""] * 6
    assert data.subset([4, 1]).subjects.tolist() == ["5", "b"]
    assert made(labels=np.array([1, 0] * 3)).labels.tolist() == [1, 0] * 3
    assert made(labels=["ad", "cn"] * 3).labels.tolist() == [1, 0] * 3


def test_a_training_takes_them(tiny_overlay):
    trainer = Trainer(load_config(overlay=tiny_overlay), made())
    trainer.step(*trainer.batch())
    assert trainer.state.nimg == 8


FLOATS = SLICES / 255.0
WRONG = {
    "floats without a range": (dict(images=FLOATS), "images: expected uint8, or the range of the float64 values"),
    "integers without a range": (dict(images=SLICES.astype(int)), "or the range of the int64 values"),
    "outside of the range": (dict(images=FLOATS * 2, range=(0.0, 1.0)), "outside of range 0 to 1"),
    "NaN": (dict(images=np.where(FLOATS > 0.999, np.nan, FLOATS), range=(0.0, 1.0)), "images: NaN or infinity in"),
    "an empty range": (dict(images=FLOATS, range=(1.0, 1.0)), "range: expected the values that become black and white"),
    "one number as a range": (dict(images=FLOATS, range=255), "range: expected the values"),
    "texts": (dict(images=np.full((6, 8, 8), "x")), "images: expected numbers, got <U1"),
    "one image": (dict(images=SLICES[0]), r"images: expected [M, R, R] or [M, 1, R, R] with R 8 or more, got uint8"),
    "colours": (dict(images=np.zeros((6, 3, 8, 8), np.uint8)), "got uint8 [6, 3, 8, 8]"),
    "colours last": (dict(images=np.zeros((6, 8, 8, 3), np.uint8)), "got uint8 [6, 8, 8, 3]"),
    "none": (dict(images=np.zeros((0, 8, 8), np.uint8), labels=[]), "got uint8 [0, 8, 8]"),
    "too small": (dict(images=SLICES[:, :4, :4]), "got uint8 [6, 4, 4]"),
    "a size between": (dict(resolution=24), "resolution: expected a power of two, 8 or more, got 24"),
    "a size beyond": (dict(resolution=64), "resolution: expected at most the images' 32 pixels per side, got 64"),
    "few labels": (dict(labels=NAMES[:5]), "labels: expected one for each of 6 images, got [5]"),
    "an unknown name": (dict(labels=["CN", "MCI"] * 3), "labels: expected names from CN, AD, got MCI"),
    "a label beyond": (dict(labels=[0, 5] * 3), "labels: expected 0 to 1 for CN, AD, got 0 to 5"),
    "a label below": (dict(labels=[0, -1] * 3), "labels: expected 0 to 1 for CN, AD, got -1 to 0"),
    "a share of a label": (dict(labels=[0.0, 1.0] * 3), "labels: expected names of classes or whole numbers"),
    "few persons": (dict(subjects=["a"]), "subjects: expected one for each of 6 images, got [1]"),
    "a class twice": (dict(class_names=("AD", "ad")), "class_names: expected different names"),
    "a name alone": (dict(class_names="CN"), "class_names: expected several names"),
    "a path for a class": (dict(class_names=("../CN", "AD")), "expected a name that a folder can have"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_meant_is_refused_in_one_line(what):
    given, message = WRONG[what]
    with pytest.raises(ValueError) as error:
        made(**given)
    assert message in str(error.value) and "\n" not in str(error.value)
