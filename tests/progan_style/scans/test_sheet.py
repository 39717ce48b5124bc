"""Contact sheets: what is shown of many scans, and where."""

import numpy as np
import pytest
from PIL import Image

from progan_style.scans.sheet import ACROSS, BAR, ROWS, THUMB, contact_sheet, evenly


@pytest.mark.parametrize(("count", "most", "chosen"), [(3, 8, [0, 1, 2]), (9, 3, [0, 4, 8]), (100, 2, [0, 99])])
def test_a_choice_has_both_ends(count, most, chosen):
    assert evenly(count, most) == chosen


def write(folder, level, count):
    folder.mkdir()
    for k in range(count):
        Image.fromarray(np.full((20, 20), level + k, np.uint8)).save(folder / f"{k}.png")
    return sorted(folder.glob("*.png"))


def middle(picture, top, column):
    return picture[top + BAR + THUMB // 2, column * THUMB + THUMB // 2]


def test_one_level_of_all_scans_stands_in_a_row_and_then_each_scan_by_levels(tmp_path):
    """The second scan lacks the lowest level: its slices stay under those of the same level, with a gap."""
    first = dict(zip((-2.0, 0.0, 2.0), write(tmp_path / "p1", 100, 3), strict=True))
    second = dict(zip((0.0, 2.0), write(tmp_path / "p2", 200, 2), strict=True))
    picture = np.asarray(contact_sheet("CN", {"p1": first, "p2": second}, "the nose", "mm"))
    assert picture.shape == (3 * BAR + 3 * (THUMB + BAR), 480)
    assert [middle(picture, 2 * BAR, k) for k in range(2)] == [101, 200]
    for number, values in enumerate(([100, 101, 102], [0, 200, 201])):
        top = 3 * BAR + (1 + number) * (THUMB + BAR)
        assert [middle(picture, top, k) for k in range(3)] == values


def test_of_many_scans_and_slices_some_are_shown(tmp_path):
    slices = dict(enumerate(write(tmp_path / "p", 10, ACROSS + 3)))
    picture = contact_sheet("CN", {f"p{i}": slices for i in range(ROWS + 5)}, "")
    assert picture.size == (ACROSS * THUMB, 3 * BAR + (ROWS // ACROSS + ROWS) * (THUMB + BAR))
