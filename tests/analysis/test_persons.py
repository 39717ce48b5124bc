"""What an independent draw is: a person, and every image of nobody."""

from pathlib import Path

import numpy as np
import pytest

from analysis.distances import kid
from analysis.persons import (
    count_persons,
    half,
    half_of_each_class,
    half_sample_intervals,
    halves_of_each_class,
    independent,
    named,
    of_many_persons,
    one_each,
    permuted,
    smaller_half,
    some_one_each,
    strangers,
)


def people(count):
    return np.array([f"p{i:03d}" for i in range(count)], dtype=object)


def test_an_image_of_nobody_is_a_draw_of_its_own():
    groups = np.array(["a", "", "a", ""], dtype=object)
    assert independent(groups) == 3 and len(set(named(groups))) == 3
    assert count_persons(groups) is None and count_persons(groups[[0, 2]]) == 1
    assert strangers(4, groups).tolist() == [
        [False, True, False, True],
        [True, False, True, True],
        [False, True, False, True],
        [True, True, True, False],
    ]
    with pytest.raises(ValueError, match="one group per image expected, got 4 for 3 images"):
        strangers(3, groups)


def test_one_row_of_each_person_and_every_row_of_nobody():
    groups = np.array(["a", "a", "b", "", ""], dtype=object)
    drawn = {tuple(sorted(one_each(groups, np.random.default_rng(seed)))) for seed in range(20)}
    assert drawn == {(0, 2, 3, 4), (1, 2, 3, 4)}


def test_few_slices_are_of_as_many_persons_as_possible():
    groups = np.repeat(people(4), 3)
    assert len(set(groups[of_many_persons(groups, 4, seed=0)])) == 4
    assert sorted(of_many_persons(groups, 99, seed=0)) == list(range(12))


def test_halves_are_of_whole_persons():
    groups, rng = np.repeat(people(5), 3), np.random.default_rng(0)
    assert len(half(groups, rng)) == 9 and smaller_half(groups, rng).sum() == 6
    assert len(half(np.full(5, ""), rng)) == 3 and smaller_half(np.full(5, ""), rng).sum() == 2


def test_one_slice_per_person_is_drawn():
    subjects = np.array(["a", "a", "b", "b", "", ""], dtype=object)
    rows = some_one_each(subjects, np.arange(6), 10, np.random.default_rng(0))
    assert sorted(subjects[rows]) == ["", "", "a", "b"]


def test_an_interval_over_halves_is_as_wide_as_the_mean_is_uncertain():
    """The mean of 40 persons with 5 equal slices each: 1.96 standard errors to each side, whatever the slices."""
    rng = np.random.default_rng(5)
    values = np.repeat(rng.normal(size=40), 5)
    groups = np.repeat(np.arange(40).astype(str), 5)
    ((low, high),) = half_sample_intervals(
        lambda x, y: {"mean": values[x].mean()}, groups, groups, {"mean": values.mean()}, draws=2000
    ).values()
    error = values[::5].std(ddof=1) / np.sqrt(40)
    assert (low, high) == pytest.approx(values.mean() + np.array([-1.96, 1.96]) * error, abs=0.1 * error)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_an_interval_of_a_distance_is_as_wide_as_the_distance_is_uncertain(shift):
    """KID of 40 people a side with two slices each, equal and unequal ones: beside its spread over fresh people. Halves
    alone are 1.7 times as wide where the distributions are equal."""
    rng, groups = np.random.default_rng(1), np.repeat(np.arange(40).astype(str), 2)

    def sample(moved):
        return np.repeat(rng.normal(moved, 1.0, (40, 16)), 2, axis=0) + rng.normal(0, 0.3, (80, 16))

    def distance(x, y, some, others):
        return {"kid": kid(x[some], y[others], groups[some], groups[others])}

    every = np.arange(80)
    true = np.std([distance(sample(0), sample(shift), every, every)["kid"] for _ in range(300)])
    widths = []
    for seed in range(20):
        x, y = sample(0), sample(shift)
        whole = distance(x, y, every, every)
        ends = half_sample_intervals(
            lambda a, b, x=x, y=y: distance(x, y, a, b), groups, groups, whole, ("kid",), draws=60, seed=seed
        )
        widths.append(np.diff(ends["kid"])[0] / 3.92)
    assert np.mean(widths) == pytest.approx(true, rel=0.2)


def test_the_two_halves_of_a_parting_are_other_persons():
    seen = []
    groups = np.array([*"aabbccddee", "", "", ""], dtype=object)
    half_sample_intervals(lambda x, y: {"d": seen.append((x, y)) or 0.0}, groups, groups[:10], {"d": 0.0}, draws=4)
    for (x, y), (rest_x, rest_y) in (seen[:2], seen[2:]):
        assert sorted([*x, *rest_x]) == list(range(13)) and sorted([*y, *rest_y]) == list(range(10))
        assert not set(groups[y]) & set(groups[rest_y]) and len(y) == 6 and len(x) == 8


def test_a_number_that_some_half_lacks_has_no_interval():
    def statistic(x, y):
        return {"always": float(len(x))} | ({"sometimes": 1.0} if 0 in x else {})

    ends = half_sample_intervals(statistic, people(6), people(6), {"always": 6.0, "sometimes": 1.0}, draws=8)
    assert set(ends) == {"always"}


def test_there_are_as_many_halves_as_the_page_says():
    seen = []
    half_sample_intervals(lambda x, y: {"draw": seen.append(x) or 0.0}, people(4), people(4), {"draw": 0.0})
    page = (Path(__file__).parents[2] / "docs" / "analysis.md").read_text()
    assert f"There are {len(seen)} halves for distances" in " ".join(page.split())


def test_a_persons_slices_keep_one_label_when_labels_are_permuted():
    labels, groups = np.repeat([0, 1, 1], [4, 4, 2]), np.array([*"aaaabbbb", "", ""])
    lot = permuted(labels, groups, np.random.default_rng(1))
    assert len(set(lot[:4])) == len(set(lot[4:8])) == 1
    assert sorted([lot[0], lot[4], *lot[8:]]) == [0, 1, 1, 1]


def test_people_of_two_classes_keep_both_and_no_class_vanishes():
    """Everybody's first slice is of class 0: a label of each person's first slice would leave no other."""
    labels, groups = np.array([0, 0, 0, 1, 1, 0]), np.array([*"abcaba"])
    lots = [permuted(labels, groups, np.random.default_rng(seed)) for seed in range(40)]
    for lot in lots:
        assert lot[0] == lot[5]  # two slices of one person with one label
        assert sorted([lot[0], *lot[1:5]]) == [0, 0, 0, 1, 1]  # as many labels of people as there were
    assert {lot[2] for lot in lots} == {lot[4] for lot in lots} == {0, 1}


def test_half_of_the_persons_is_drawn_whole_and_in_both_classes():
    names, labels = np.repeat(people(10), 4), np.repeat([0, 1], 20)
    mask = half_of_each_class(names, labels, np.random.default_rng(0))
    assert mask.sum() == 24 and set(np.bincount(labels[mask])) == {12}  # three of five persons of each class
    assert not set(names[mask]) & set(names[~mask])


@pytest.mark.parametrize("count", [6, 7, 9])
def test_halves_of_each_class_vary_as_much_as_the_whole_does(count):
    """The variance of a mean of n people is s^2 / n; of an odd number the larger half has less, the smaller more."""
    values, labels, names = np.random.default_rng(3).normal(size=count), np.zeros(count), people(count)
    drawn = list(halves_of_each_class(names, labels, np.random.default_rng(0), 4000))
    assert len(drawn) == 4000 and all((one ^ other).all() for one, other in zip(drawn[::2], drawn[1::2], strict=True))
    means = np.array([values[some].mean() for some in drawn])
    assert means.std() == pytest.approx(values.std(ddof=1) / np.sqrt(count), rel=0.05)


def test_half_of_each_of_three_classes_is_drawn_from_that_class():
    labels = np.repeat([0, 1, 2], 12)
    names = np.array([f"c{label}p{k // 2}" for label in range(3) for k in range(12)], dtype=object)
    mask = half_of_each_class(names, labels, np.random.default_rng(0))
    assert np.bincount(labels[mask]).tolist() == [6, 6, 6]
