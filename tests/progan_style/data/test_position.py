"""Heights of slices as ranks: equally frequent, ties in the middle, and back from the column's unit."""

import numpy as np
import pytest
import torch

from progan_style import Dataset, rank_of
from progan_style.data.position import Positions


def data_of(heights, column="slice_mm"):
    n = len(heights)
    images = {8: np.zeros((n, 1, 8, 8), np.uint8)}
    text = np.array([str(h) for h in heights])
    return Dataset(images, np.zeros(n, np.int64), np.full(n, ""), ("A",), tuple(map(str, range(n))), {column: text})


def test_ranks_are_even_from_minus_1_to_1_whatever_the_unit():
    heights = np.array([3.0, -70.0, 8.0, 1000.0])
    read = Positions.read(data_of(heights), "slice_mm")
    assert read.rank.tolist() == [-0.25, -0.75, 0.25, 0.75]  # the middle of each quarter
    assert read.values[0] == -70 and read.values[-1] == 1000 and len(read.values) == 33
    assert read.of(np.array([3, 0]), torch.device("cpu")).tolist() == [0.75, -0.25]


def test_equal_heights_share_their_middle_rank_in_training_and_when_asked_for():
    heights = np.repeat([0.0, 4.0, 9.0], [100, 200, 100])
    read = Positions.read(data_of(heights), "slice_mm")
    assert sorted(set(read.rank.tolist())) == [-0.75, 0.0, 0.75]
    header = read.header()
    for height, rank in ((0.0, -0.75), (4.0, 0.0), (9.0, 0.75)):
        assert rank_of(height, header) == pytest.approx(rank, abs=2 / 32)


def test_a_height_outside_of_what_was_trained_is_refused():
    header = Positions.read(data_of([1.0, 2.0]), "slice_mm").header()
    assert -1 <= rank_of(1.5, header) <= 1
    for height in (0.9, 2.1):
        with pytest.raises(ValueError, match=rf"position {height}: expected 1 to 2, .* range of slice_mm"):
            rank_of(height, header)


@pytest.mark.parametrize(
    ("heights", "column", "message"),
    [
        ([1.0], "z", "no column 'z'; it has slice_mm"),
        (["1", "top"], "slice_mm", "column slice_mm: expected numbers"),
        (
            ["1", "", "inf"],
            "slice_mm",
            "no number for 2 of 3 training slices; fill them in, or set",
        ),
    ],
)
def test_heights_that_are_none_are_refused(heights, column, message):
    with pytest.raises(ValueError, match=message):
        Positions.read(data_of(heights), column)
