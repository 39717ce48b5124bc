"""Where the head is: its vertex, and whether it is a brain without skull."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.whole_heads import Pose, read_atlas, whole_head
from progan_style.phantoms.persons import draw_person
from progan_style.scans import cutting
from progan_style.scans.cutting import Cut, cut_slices
from progan_style.scans.head import find_head, find_vertex
from progan_style.scans.volumes import BadScan, make_volume


def middle(data, affine):
    """What the slices are cut about."""
    return cut_slices(make_volume(data.astype(np.float32), affine, "scan"), Cut(slices=5, spacing=8.0, size=64)).middle


def test_heights_are_mm_below_the_vertex(scan_tools):
    data, affine = scan_tools.head()
    volume = make_volume(data.astype(np.float32), affine, "scan")
    assert abs(find_vertex(find_head(volume)) - 90.0) <= 4.0
    found = cut_slices(volume, Cut(slices=3, spacing=10.0, size=64))
    assert found.middle == "vertex" and abs(found.centre[2] - 15.0) <= 4.0
    assert found.offsets.tolist() == [-10.0, 0.0, 10.0] and not found.outside


def test_a_brain_may_touch_the_lowest_plane_but_a_neck_is_a_head(scan_tools):
    """Without skull and cut through the stem it is a brain; a head with a black background is none."""
    data, affine, _ = scan_tools.bare_brain()
    stem = data.copy()
    stem[23:27, 28:32, :20] = 500
    assert middle(stem, affine) == "brain"
    head, _ = scan_tools.head()
    assert middle(np.where(head > 30, head, 0), affine) == "vertex"


def test_two_heads_in_a_volume_are_refused_and_a_brain_apart_from_its_scalp_is_one(scan_tools):
    data, affine = scan_tools.head(8.0)
    for axis in (0, 1):
        both = np.concatenate([data, data], axis).astype(np.float32)
        with pytest.raises(BadScan, match="two heads in it, side by side; expected one"):
            find_head(make_volume(both, affine, "two"))
    dark_bone = np.where(data == 40, 0, data).astype(np.float32)
    assert find_head(make_volume(dark_bone, affine, "one")).inside.any()


@pytest.fixture(scope="module")
def whole():
    """scalp: bool -> a whole phantom head of 4 mm voxels, float32 [64, 64, 64], and its affine."""
    atlas, made = read_atlas(atrophy=False), {}
    for scalp in (True, False):
        pose = Pose((6.0, 2.0, 0.0), (3, 0, -12), 1.0, scalp, 0.05, 0.01)
        head = whole_head(draw_person(3, "test", 9, "clear"), pose, atlas, 9, voxel=4.0)
        made[scalp] = head.data, head.affine
    return made


def cut_of(data, affine, **how):
    return cut_slices(make_volume(data.astype(np.float32), affine, "scan"), Cut(slices=3, spacing=8.0, size=64, **how))


def cropped(data, affine, box):
    moved = affine.copy()
    moved[:3, 3] = affine[:3, :3] @ [part.start or 0 for part in box] + affine[:3, 3]
    return data[box], moved


def by_splines(data, affine):
    """Turned by 7 degrees onto voxels of 3.5 mm by cubic splines, which ring about an edge."""
    turn = np.eye(4)
    c, s = np.cos(np.radians(7)), np.sin(np.radians(7))
    turn[1:3, 1:3] = [[c, -s], [s, c]]
    to = turn @ affine @ np.diag([0.875, 0.875, 0.875, 1.0])
    way = np.linalg.inv(affine) @ to
    return ndimage.affine_transform(data, way[:3, :3], way[:3, 3], (74,) * 3, order=3), to


def scored(data, affine):
    inside = data != 0
    return np.where(inside, (data - data[inside].mean()) / data[inside].std(), 0), affine


def noisy(data, affine):
    return data + np.random.default_rng(0).normal(0, 0.001 * np.ptp(data), data.shape), affine


def tight(data, affine):
    at = np.argwhere(data != 0)
    return cropped(data, affine, tuple(slice(a, b + 1) for a, b in zip(at.min(axis=0), at.max(axis=0), strict=True)))


@pytest.mark.parametrize(
    "steps",
    [(tight,), (by_splines,), (noisy,), (scored,), (scored, tight), (scored, by_splines), (scored, noisy)],
    ids=lambda steps: "+".join(step.__name__ for step in steps),
)
def test_a_brain_without_skull_is_one_whatever_its_border_is(whole, steps):
    """Cropped, resampled by splines, with 0.1 % noise, as z-scores: about the same centre, the brain's."""
    first = cut_of(*whole[False])
    changed = whole[False]
    for step in steps:
        changed = step(*changed)
    found = cut_of(*changed)
    assert first.middle == found.middle == "brain"
    assert np.linalg.norm(np.array(found.centre) - first.centre) < 2.0
    assert np.abs((found.pictures[1] > 0).sum() / (first.pictures[1] > 0).sum() - 1) < 0.06
    if len(steps) == 1:  # noise and splines alter values, z-scores alone do not
        assert np.abs(found.pictures[1].astype(float) - first.pictures[1]).mean() < 12


def test_half_a_brain_is_none(whole):
    data, affine = tight(*whole[False])
    with pytest.raises(BadScan, match="the head is cut off at the right, where its cross-section has"):
        cut_of(*cropped(data, affine, (slice(0, round(data.shape[0] * 0.6)), slice(None), slice(None))))


def test_half_a_head_is_refused_and_a_slab_or_a_lost_ear_is_not(whole):
    """100 of 160 sagittal files, from either side; nothing is said about the middle of the volume."""
    data, affine = whole[True]
    x = np.flatnonzero((data > 0.1 * data.max()).sum(axis=(1, 2)) > 20)
    some = round(len(x) * 100 / 160)
    parts = {"right": slice(x[0], x[0] + some), "left": slice(x[-1] + 1 - some, x[-1] + 1)}
    for side, part in parts.items():
        half = cropped(data, affine, (part, slice(None), slice(None)))
        with pytest.raises(
            BadScan, match=f"the head is cut off at the {side}, where its cross-section .* --middle vol"
        ):
            cut_of(*half)
        assert cut_of(*half, middle="volume").middle == "volume"
    y = np.flatnonzero((data > 0.1 * data.max()).sum(axis=(0, 2)) > 20)
    slab = cropped(data, affine, (slice(None), slice(y[0] + 18, y[0] + 36), slice(None)))
    assert cut_of(*slab, plane="coronal").middle == "vertex"
    no_ears = cropped(data, affine, (slice(x[0] + 2, x[-1] - 1), slice(None), slice(None)))
    assert cut_of(*no_ears).middle == "vertex"


def test_a_scalp_may_touch_the_top_and_a_brain_may_not(whole):
    """The vertex is then reckoned, which is noted; where more than scalp and bone is missing it is not known."""
    data, affine = whole[True]
    vertex = find_vertex(find_head(make_volume(data, affine, "scan")))
    top = round((vertex - affine[2, 3]) / 4.0 + 0.5)  # voxels under the vertex
    touching = cut_of(*cropped(data, affine, (slice(None), slice(None), slice(0, top - 1))))  # by 4 mm
    assert abs(touching.centre[2] - (vertex - 75)) < 3.0 and touching.notes == (cutting.RECKONED,)
    with pytest.raises(BadScan, match="the head is cut off at the top"):
        cut_of(*cropped(data, affine, (slice(None), slice(None), slice(0, top - 5))))
    assert not cut_of(data, affine).notes
