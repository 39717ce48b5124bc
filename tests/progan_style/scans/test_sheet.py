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


def test_each_scan_is_a_row_of_its_slices_in_order(tmp_path):
    scans = {"p1": write(tmp_path / "p1", 100, 3), "p2": write(tmp_path / "p2", 200, 2)}
    picture = np.asarray(contact_sheet("CN", scans, "the nose"))
    assert picture.shape == (BAR + 2 * (THUMB + BAR), 480)

    def at(row, column):
        return picture[2 * BAR + row * (THUMB + BAR) + THUMB // 2, column * THUMB + THUMB // 2]

    assert [at(0, k) for k in range(3)] == [100, 101, 102] and [at(1, k) for k in range(3)] == [200, 201, 0]


def test_of_many_scans_and_slices_some_are_shown(tmp_path):
    paths = write(tmp_path / "p", 10, ACROSS + 3)
    picture = contact_sheet("CN", {f"p{i}": paths for i in range(ROWS + 5)}, "")
    assert picture.size == (ACROSS * THUMB, BAR + ROWS * (THUMB + BAR))
