import io
import json
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image

from explorer.downloads import KINDS, Pair, affine_of, nifti, npz, png
from explorer.pictures import difference
from explorer.state import State
from progan_style import Field

FIELD = Field(256.0, "axial")
STATE = State(16, "CN", "AD", seed=7, weight=0.4, given=(("slice_mm", 3.0),))


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, (2, 16, 16), dtype=np.uint8)
    return Pair(first, second, STATE, "run", 1000, FIELD)


def test_a_png_is_a_picture_that_says_how_it_was_made(pair):
    with Image.open(io.BytesIO(png(pair))) as image:
        assert image.width > 1000 and len(set(image.convert("L").getdata())) > 50
        assert image.info["Description"] == pair.settings
    for word in ("run, 16x16, 1,000 images", "seed 7, own noise", "CN to AD 0.4 by direction", "slice_mm 3"):
        assert word in pair.settings
    assert png(replace(pair, field=None)) != png(pair)  # without a bar
    dollars = replace(pair, run="cost$5_$", state=replace(STATE, low="a$_$", high="b$^$"))
    assert png(dollars).startswith(b"\x89PNG")  # and no formula


def test_npz_has_the_arrays_and_the_state(pair):
    with np.load(io.BytesIO(npz(pair))) as found:
        assert np.array_equal(found["first"], pair.first) and found["second"].dtype == np.uint8
        assert np.array_equal(found["difference"], difference(pair.first, pair.second))
        assert found["mm_per_pixel"] == 16.0
        state = json.loads(str(found["state"]))
    assert state["run"] == "run" and state["seed"] == 7 and state["given"] == {"slice_mm": 3.0}
    with np.load(io.BytesIO(npz(replace(pair, field=None)))) as found:
        assert np.isnan(found["mm_per_pixel"])


def test_nifti_lies_in_ras_with_its_millimetres(pair, tmp_path):
    file = tmp_path / "brain.nii.gz"
    file.write_bytes(nifti(pair))
    image = nibabel.load(file)
    assert image.shape == (16, 16, 1, 3) and image.header.get_zooms()[:2] == (16.0, 16.0)
    assert nibabel.aff2axcodes(image.affine) == ("R", "P", "S")
    values = np.asarray(image.dataobj)
    assert np.array_equal(values[:, :, 0, 1].T, pair.second)
    assert np.array_equal(values[:, :, 0, 2].T, difference(pair.first, pair.second))
    # Turned to RAS, the first row of the picture is the front and its first column the left.
    canonical = nibabel.as_closest_canonical(image)
    assert np.array_equal(np.asarray(canonical.dataobj)[:, ::-1, 0, 0].T, pair.first)
    assert np.allclose(image.affine @ [7.5, 7.5, 0, 1], [0, 0, 0, 1])
    assert nifti(pair) == nifti(pair)


@pytest.mark.parametrize(("plane", "axes"), (("axial", "RPS"), ("coronal", "RIA"), ("sagittal", "PIR")))
def test_every_plane_has_its_axes(plane, axes):
    assert "".join(nibabel.aff2axcodes(affine_of(Field(225.28, plane), 64))) == axes


@pytest.mark.parametrize("field", (None, Field(256.0, "")))
def test_nifti_is_refused_where_nobody_knows_the_millimetres_or_the_left(pair, field):
    with pytest.raises(ValueError, match="nobody knows how many mm a pixel has, or which side is left"):
        nifti(replace(pair, field=field))


def test_each_kind_has_a_writer_and_a_type():
    assert set(KINDS) == {"png", "npz", "nii.gz"} and all(callable(write) and kind for write, kind in KINDS.values())


def test_the_way_is_told_in_words(pair):
    assert pair.names == ("CN", "40% of the way to AD")
    assert replace(pair, state=replace(STATE, weight=1.0)).names == ("CN", "AD")
    assert replace(pair, state=replace(STATE, weight=0.0)).names == ("CN", "CN")
