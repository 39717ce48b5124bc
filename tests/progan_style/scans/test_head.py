"""Where the head is: its vertex, and whether it is a brain without skull."""

import numpy as np
import pytest

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
