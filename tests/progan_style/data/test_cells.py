"""Cells of several persons: nobody stands alone in them, and what is drawn goes together as in the slices."""

import math

import numpy as np
import pytest

from progan_style.data.cells import LEAST, cells_by_class, rounded, step_of
from progan_style.described import Category, Conditions, Number

AGE = Number(column="age", mean=72.0, sd=7.0, low=40.0, high=105.0)
SEX = Category(column="sex", names=["F", "M", "X"])


def study(n=400, seed=0):
    """Two slices of each person; diseased women are older; three persons are X; a fifth has no age."""
    random = np.random.default_rng(seed)
    labels, sex = random.integers(0, 2, n), random.integers(0, 2, n).astype(float)
    sex[:3] = 2
    age = random.normal(70 + 6 * labels * (sex == 0), 6.0)
    age[random.random(n) < 0.2] = math.nan
    persons = [f"p{i}" for i in range(n)]
    values = np.stack([age, sex], axis=1)
    return np.repeat(values, 2, axis=0), np.repeat(labels, 2), [p for p in persons for _ in range(2)]


def test_every_cell_and_every_category_in_it_has_several_persons():
    """Counted anew from the slices that lie in it."""
    values, labels, persons = study()
    for label, cells in enumerate(cells_by_class(values, labels, persons, [AGE, SEX], 2)):
        assert len(cells) > 10 and sum(cell.slices for cell in cells) == (labels == label).sum()
        for cell in cells:
            ages, sexes = cell.given
            inside = (labels == label) & (np.isnan(values[:, 0]) if ages is None else values[:, 0] >= ages[0])
            inside &= True if ages is None else values[:, 0] <= ages[1]
            assert len({persons[row] for row in np.flatnonzero(inside)}) >= LEAST
            for place, count in enumerate(sexes[:-1]):
                assert (
                    count == 0
                    or len({persons[row] for row in np.flatnonzero(inside & (values[:, 1] == place))}) >= LEAST
                )
        assert all(cell.given[1][2] == 0 for cell in cells)  # the three of a kind are nowhere


def test_no_number_of_the_file_is_a_persons_own():
    values, labels, persons = study()
    cells = [cell for of_class in cells_by_class(values, labels, persons, [AGE, SEX], 2) for cell in of_class]
    ends = {end for cell in cells if cell.given[0] for end in cell.given[0]}
    assert all(end == round(end) for end in ends) and not ends & set(values[:, 0].tolist())


def drawn(described, label, n=20_000):
    weights = [float(k == label) for k in range(2)]
    random = np.random.default_rng(1)
    encoded = np.array([described.draw(weights, random.random(4).tolist()) for _ in range(n)])
    return encoded[:, 0] * AGE.sd + AGE.mean, encoded[:, 1]


@pytest.mark.parametrize("label", (0, 1))
def test_what_is_drawn_is_together_as_in_the_slices(label):
    """The mean age of each sex within half a year, its spread, the shares, the unknown."""
    values, labels, persons = study()
    described = Conditions(others=[AGE, SEX], cells=cells_by_class(values, labels, persons, [AGE, SEX], 2))
    ages, sexes = drawn(described, label)
    mine = values[labels == label]
    assert np.isnan(ages).mean() == pytest.approx(np.isnan(mine[:, 0]).mean(), abs=0.02)
    for place in (0, 1):
        real = mine[mine[:, 1] == place, 0]
        made = ages[sexes == place]
        assert (sexes == place).mean() == pytest.approx((mine[:, 1] == place).mean(), abs=0.02)
        assert np.nanmean(made) == pytest.approx(np.nanmean(real), abs=0.5)
        assert np.nanstd(made) == pytest.approx(np.nanstd(real), rel=0.15)


def test_a_class_of_few_persons_has_the_cells_of_all_and_few_persons_in_all_have_none():
    values, labels, persons = study()
    few = np.concatenate([np.flatnonzero(labels == 0), np.flatnonzero(labels == 1)[: 2 * (LEAST - 1)]])
    cells = cells_by_class(values[few], labels[few], [persons[i] for i in few], [AGE, SEX], 2)
    assert sum(cell.slices for cell in cells[1]) == len(few)
    alone = cells_by_class(values[:4], labels[:4], persons[:4], [AGE, SEX], 2)
    assert [[cell.given for cell in of_class] for of_class in alone] == [[[None, [0, 0, 0, 4]]]] * 2


def test_slices_of_nobody_known_count_as_one_person_where_they_say_the_same():
    values = np.array([[70.0, 0.0]] * 50 + [[80.0, 1.0]] * 50)
    cells = cells_by_class(values, np.zeros(100, np.int64), [""] * 100, [AGE, SEX], 1)
    assert [cell.given for cell in cells[0]] == [[None, [0, 0, 0, 100]]]


def test_numbers_are_rounded_outwards_to_a_fifth_of_their_spread():
    assert [step_of(sd) for sd in (7.0, 5.0, 0.3, 1234.0)] == pytest.approx([1.0, 1.0, 0.05, 200.0])
    assert (rounded(71.3, 1.0, up=False), rounded(71.3, 1.0, up=True)) == (71.0, 72.0)
    assert rounded(0.3, 0.1, up=True) == rounded(0.3, 0.1, up=False) == 0.3 and rounded(-1.2, 0.5, up=False) == -1.5
