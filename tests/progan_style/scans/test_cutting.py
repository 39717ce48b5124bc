"""Volumes become slices: the same slices however the scan is stored, at heights in mm, never squashed."""

from pathlib import Path

import numpy as np
import pytest

from progan_style.scans.cutting import Cut, cut_slices
from progan_style.scans.volumes import BadScan, make_volume, read_volume

SHARED = Path(__file__).parents[4] / "shared" / "data" / "volumes"
CUT = Cut(slices=5, spacing=8.0, size=64)


def slices_of(data, affine, cut=CUT, mask=None):
    return cut_slices(make_volume(data.astype(np.float32), affine, "scan"), cut, mask)


def test_all_48_axis_orders_give_the_same_slices(scan_tools):
    """Byte by byte: the nose is up and the marker, on the person's left, is on the left of every picture."""
    data, affine = scan_tools.head()
    expected = slices_of(data, affine).pictures
    assert len(scan_tools.ALL_ORDERS) == 48
    for order in scan_tools.ALL_ORDERS:
        stored, its_affine = scan_tools.stored_as(data, affine, order)
        assert np.array_equal(slices_of(stored, its_affine).pictures, expected), order
    middle = expected[2]
    rows, columns = np.nonzero(middle > 220)
    assert abs(columns.mean() - (31.5 - 30 / 4)) < 1 and abs(rows.mean() - (31.5 - 35 / 4)) < 1  # left, in front


@pytest.mark.parametrize(
    "plane, row, column", [("coronal", 31.5 - 15 / 4, 31.5 - 30 / 4), ("sagittal", 31.5 - 15 / 4, 31.5 - 35 / 4)]
)
def test_other_planes_have_the_vertex_up(scan_tools, plane, row, column):
    """Through the marker, at x = -30, y = 35, z = 15: left on the left; nose to the left."""
    data, affine = scan_tools.head()
    found = slices_of(data, affine, Cut(plane, slices=3, spacing=32.0, size=64, below=90.0))
    picture = found.pictures[{"coronal": 2, "sagittal": 0}[plane]]
    rows, columns = np.nonzero(picture > 220)
    assert abs(rows.mean() - row) < 1.5 and abs(columns.mean() - column) < 1.5


def test_an_oblique_scan_is_turned_back(scan_tools):
    """The same head sampled on a grid that is turned by 20 degrees: the pictures stay where they were."""
    data, affine = scan_tools.head(2.0)
    expected = slices_of(data, affine).pictures.astype(int)
    from scipy import ndimage

    oblique = scan_tools.turned(affine, 20.0, 0)
    to_stored = np.linalg.inv(affine) @ oblique
    stored = ndimage.affine_transform(data.astype(np.float32), to_stored[:3, :3], to_stored[:3, 3], order=1)
    difference = np.abs(slices_of(stored, oblique).pictures.astype(int) - expected)
    assert difference.mean() < 3.0  # two interpolations of noise and edges


def test_one_scale_of_mm_per_pixel_whatever_the_voxels(scan_tools):
    """A head of 150 x 190 mm is 150 x 190 pixels of 1 mm, from voxels of 4 mm and of 2 x 4 x 4."""
    data, affine = scan_tools.head()
    thin = np.repeat(data, 2, axis=0)
    half = affine @ np.diag([0.5, 1, 1, 1])
    half[0, 3] -= 1.0
    for scan in ((data, affine), (thin, half)):
        cut = Cut(slices=1, size=256, below=90.0)
        picture = slices_of(*scan, cut).pictures[0] > 60
        assert abs(np.ptp(np.flatnonzero(picture.any(0))) - 150) <= 8
        assert abs(np.ptp(np.flatnonzero(picture.any(1))) - 190) <= 8


def test_a_brain_without_skull_is_cut_about_its_centre(scan_tools):
    data, affine, mask = scan_tools.bare_brain()
    found = slices_of(data, affine)
    assert found.middle == "brain" and np.allclose(found.centre, 0, atol=1.0)
    masked = slices_of(scan_tools.head()[0], affine, mask=mask)
    assert masked.middle == "mask" and np.allclose(masked.centre, 0, atol=1.0)
    assert np.abs(masked.pictures.astype(int) - found.pictures).max() <= 2
    inside = masked.pictures[2][20:44, 22:42]
    assert inside.min() >= 1 and masked.pictures[2][:4].max() == 0  # 0 is outside the mask, and nothing else


def test_slices_outside_are_listed_not_invented(scan_tools):
    data, affine = scan_tools.head()
    cut = Cut(slices=9, spacing=20.0, size=64, middle="volume")
    slab = slice(25, 35)  # 40 mm
    low = affine.copy()
    low[:3, 3] = affine[:3, :3] @ [0, 0, slab.start] + affine[:3, 3]
    found = slices_of(data[:, :, slab], low, cut)
    assert found.offsets.tolist() == [-20.0, 0.0, 20.0]
    assert found.outside == (-80.0, -60.0, -40.0, 40.0, 60.0, 80.0)
    with pytest.raises(BadScan, match="the head is cut off at the top"):
        slices_of(data[:, :, slab], low, Cut(size=64))
    with pytest.raises(BadScan, match=r"all 1 slices lie outside the volume"):
        slices_of(data, affine, Cut(slices=1, size=64, below=250.0))


def test_a_coarse_picture_is_the_mean_of_a_fine_one(scan_tools):
    data, affine = scan_tools.head(2.0)
    fine = slices_of(data, affine, Cut(slices=1, size=128)).pictures[0].astype(float)
    coarse = slices_of(data, affine, Cut(slices=1, size=32)).pictures[0]
    blocks = fine.reshape(32, 4, 32, 4)
    unclipped = (blocks.min((1, 3)) > 0) & (blocks.max((1, 3)) < 255)
    assert unclipped.sum() > 100 and np.abs(blocks.mean((1, 3)) - coarse)[unclipped].max() <= 1.0


def test_intensities_are_percentiles_inside_the_head(scan_tools):
    data, affine = scan_tools.head(2.0)
    found = slices_of(data, affine)
    scaled = slices_of(data * 3 - 500, affine)
    assert np.abs(found.pictures.astype(int) - scaled.pictures).max() <= 1
    assert scaled.high == pytest.approx(found.high * 3 - 500, rel=1e-4)


@pytest.mark.parametrize(
    "options", ({"size": 100}, {"size": 2048}, {"slices": 0}, {"spacing": 0.0}, {"below": -1.0}, {"plane": "oblique"})
)
def test_an_impossible_cut_is_refused_by_its_option(options):
    with pytest.raises(ValueError, match=f"--{next(iter(options))}: expected"):
        Cut(**options)


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real volumes beside the repository")
def test_real_scans_are_upright():
    """Of a real whole head: the widest row of a brain lies behind its middle, and the head is longer than wide."""
    found = cut_slices(read_volume(SHARED / "chris_t1.nii.gz"), Cut(slices=3, spacing=10.0))
    assert found.middle == "vertex" and len(found.pictures) == 3
    head = found.pictures[1] > 30
    height, width = (np.ptp(np.flatnonzero(head.any(axis))) for axis in (1, 0))
    assert 150 < height < 230 and 120 < width < height
    brain = cut_slices(read_volume(SHARED / "niimath_T1_brain.nii.gz"), Cut(slices=3))
    assert brain.middle == "brain"


@pytest.mark.parametrize("size", ("kept", "template"))
def test_about_a_point_of_the_template_the_head_is_upright_and_keeps_its_size(scan_tools, monkeypatch, size):
    """Turned by 10 degrees and known to be 0.9 of the template: the pictures are those of the head as it was; with the
    template's size they show 0.9 of its millimetres per millimetre."""
    from progan_style.scans import cutting
    from progan_style.scans.registration import Registration

    data, affine = scan_tools.head(2.0)
    turn = scan_tools.turned(np.eye(4), 10.0, 0)
    T = turn.copy()
    T[:3, :3] *= 0.9
    T[:3, 3] = turn[:3, :3] @ (np.array([0.0, 0.0, 15.0]) - 0.9 * np.array([0.0, -17.0, 14.0]))
    monkeypatch.setattr(cutting, "register", lambda volume, mask=None: Registration(T, 0.6))
    cut = Cut(slices=3, spacing=10.0, size=64, middle="template", head_size=size)
    found = slices_of(data, turn @ affine, cut)
    assert found.middle == "template" and np.allclose(found.centre, turn[:3, :3] @ [0, 0, 15])
    lower = slices_of(data, turn @ affine, Cut(slices=3, spacing=10.0, size=64, middle="template", below=85.0))
    assert np.allclose(np.array(lower.centre) - found.centre, T[:3, :3] @ [0, 0, -10])
    width, length = (np.ptp(np.flatnonzero((found.pictures[1] > 60).any(axis))) + 1 for axis in (0, 1))
    mm = 4.0 * (1.0 if size == "kept" else 0.9)  # of the head per pixel
    assert abs(width * mm - 148) <= 5 and abs(length * mm - 187) <= 5  # a pixel and a blurred edge
    heights = cutting.template_heights(found.place, found.offsets, cut)
    assert np.allclose(heights, 14 + np.array([-10, 0, 10]) / (0.9 if size == "kept" else 1.0))


def test_a_miss_that_has_no_vertex_either_tells_both(scan_tools, monkeypatch):
    from progan_style.scans import cutting
    from progan_style.scans.registration import Registration

    missed = Registration(np.eye(4), 0.1, "30% of the brain would lie in the volume; expected 75%")
    monkeypatch.setattr(cutting, "register", lambda volume, mask=None: missed)
    data, affine = scan_tools.head()
    with pytest.raises(
        BadScan, match=r"no registration to the template \(30% .*\), and the head is cut off at the top"
    ):
        slices_of(data[:, :, 25:35], affine, Cut(size=64, middle="template"))
    whole = slices_of(data, affine, Cut(slices=1, size=64, middle="template"))
    assert whole.middle == "vertex" and whole.place.missed == missed.fault


def test_a_head_size_needs_a_template():
    with pytest.raises(ValueError, match="--head-size template: expected --middle template beside it, got auto"):
        Cut(head_size="template")
    with pytest.raises(ValueError, match="--head-size: expected kept, template, got mine"):
        Cut(head_size="mine")
