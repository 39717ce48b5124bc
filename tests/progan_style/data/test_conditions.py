"""Columns as conditions: heights as ranks, numbers standardised, categories by name; the missing, the refused."""

import math

import numpy as np
import pytest
import torch
from data_tools import one_line

from progan_style import Dataset
from progan_style.data.conditions import DROPPED, SliceConditions


def data_of(**columns):
    n = len(next(iter(columns.values())))
    images = {8: np.zeros((n, 1, 8, 8), np.uint8)}
    texts = {name: np.array([str(cell) for cell in cells]) for name, cells in columns.items()}
    paths = tuple(f"CN/{i}.png" for i in range(n))
    return Dataset(images, np.zeros(n, np.int64), np.array([f"p{i}" for i in range(n)]), ("A",), paths, texts)


def heights_of(heights):
    return SliceConditions.read(data_of(slice_mm=heights), {"slice_mm": "position"})


def test_ranks_are_even_from_minus_1_to_1_whatever_the_unit():
    read = heights_of([3.0, -70.0, 8.0, 1000.0])
    assert read.rank.tolist() == [-0.25, -0.75, 0.25, 0.75]  # the middle of each quarter
    position = read.described.position
    assert position.ends == (-70, 1000) and len(position.quantiles) == 33 and position.unit == "mm"
    asked, values = read.of(np.array([3, 0]), 0, torch.arange(2))
    assert asked.tolist() == [0.75, -0.25] and values is None


def test_equal_heights_share_their_middle_rank_in_training_and_when_asked_for():
    read = heights_of(np.repeat([0.0, 4.0, 9.0], [100, 200, 100]))
    assert sorted(set(read.rank.tolist())) == [-0.75, 0.0, 0.75]
    for height, rank in ((0.0, -0.75), (4.0, 0.0), (9.0, 0.75)):
        assert read.described.position.encoded(height) == pytest.approx(rank, abs=2 / 32)
        assert read.described.position.decoded(rank) == pytest.approx(height)


def test_numbers_are_standardised_and_categories_are_places_in_the_alphabet():
    ages = [60.0, 70.0, "", 80.0, "n/a", "NaN"]
    data = data_of(age=ages, sex=["M", "F", "F", "", "M", "X"])
    read = SliceConditions.read(data, {"age": "number", "sex": "category"})
    age, sex = read.described.others
    assert (age.mean, age.unit, sex.names) == (70.0, "years", ["F", "M", "X"])
    assert age.sd == pytest.approx(math.sqrt(200 / 3))
    z = np.array([-10, 0, math.nan, 10, math.nan, math.nan]) / age.sd
    assert np.allclose(read.values[:, 0], z, equal_nan=True)
    assert np.array_equal(read.values[:, 1], [1, 0, 0, math.nan, 1, 2], equal_nan=True)
    assert not read.remarks and read.rank is None


def test_the_range_is_rounded_outwards_so_that_nobodys_own_number_is_in_the_file():
    ages = np.random.default_rng(0).normal(72.0, 7.0, 50)
    age = SliceConditions.read(data_of(age=ages), {"age": "number"}).described.others[0]
    assert (age.low, age.high) == (math.floor(ages.min()), math.ceil(ages.max()))


def test_a_tenth_is_made_unknown_by_the_image_number_alone():
    n = 4000
    data = data_of(age=np.arange(n) % 40, sex=np.where(np.arange(n) % 2, "F", "M"))
    read = SliceConditions.read(data, {"age": "number", "sex": "category"})
    _, together = read.of(np.arange(n), 5, torch.arange(n))
    _, part = read.of(np.arange(100, 200), 5, torch.arange(100, 200))
    assert torch.equal(part.nan_to_num(9.0), together[100:200].nan_to_num(9.0))
    unknown = together.isnan()
    assert (unknown.float().mean(dim=0) - DROPPED).abs().max() < 0.02
    assert 0.005 < unknown.all(dim=1).float().mean() < 0.016  # apart from each other
    assert torch.equal(together[~unknown], torch.from_numpy(read.values)[~unknown])
    _, other = read.of(np.arange(n), 6, torch.arange(n))
    assert not torch.equal(other.isnan(), unknown)


def test_what_is_missing_in_more_than_half_is_said():
    read = SliceConditions.read(data_of(age=[60, 70, "", "", ""]), {"age": "number"})
    assert len(read.remarks) == 1 and "says no age of 3 of 5 training slices" in read.remarks[0]
    assert not SliceConditions.read(data_of(age=[60, 70, "", ""]), {"age": "number"}).remarks


def test_other_conditions_are_other_data():
    kinds = {"age": "number"}
    one, same, other = (SliceConditions.read(data_of(age=ages), kinds) for ages in ([1, 2, ""], [1, 2, ""], [2, 1, ""]))
    assert one.digest() == same.digest() != other.digest()
    assert SliceConditions.read(data_of(age=[1, 2]), {}).digest() == {}


REFUSED = {
    "no such column": ("age", "number", {"agee": [1, 2]}, "no column 'age'; did you mean agee? it has agee"),
    "a word": ("age", "number", {"age": [1, "old", "older"]}, "expected numbers, got 'old' of CN/1.png (and 1 more)"),
    "infinity": ("age", "number", {"age": [1, 2, "inf"]}, "expected numbers, got 'inf' of CN/2.png (and 0 more)"),
    "one number": ("age", "number", {"age": [70, "70.0", ""]}, "the same of all training slices, '70'"),
    "one category": ("sex", "category", {"sex": ["F", "F", ""]}, "the same of all training slices, 'F'"),
    "nothing at all": ("age", "number", {"age": ["", "n/a"]}, "nothing of any training slice"),
    "51 categories": ("site", "category", {"site": range(51)}, "expected at most 50 categories, got 51 (0, 1, 10 ..)"),
    "a line break": ("sex", "category", {"sex": ["F", "a\nb"]}, r"expected names of categories, got 'a\nb'"),
    "a height as a word": ("z", "position", {"z": ["1", "top"]}, "column z: expected numbers, got 'top' of CN/1.png"),
    "no height": ("z", "position", {"z": ["1", "", "nan"]}, "no number for 2 of 3 training slices; fill them in, or"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_columns_that_are_no_conditions_are_refused(what):
    name, kind, columns, message = REFUSED[what]
    with pytest.raises(ValueError) as error:
        SliceConditions.read(data_of(**columns), {name: kind})
    assert message in one_line(error)
