"""Sizes whose answer is known: the ratio, its controls, a path that leads one way."""

import itertools

import numpy as np
import pytest

from analysis import atrophy


def persons(count):
    return np.array([f"p{i:03d}" for i in range(count)], dtype=object)


def test_a_ruler_that_does_not_follow_truth_is_refused():
    images, truth = np.zeros((50, 1, 4, 4), np.uint8), np.linspace(0, 1, 50)
    assert atrophy.validated(lambda images: truth**3, images, truth) == pytest.approx(1)
    noise = np.random.default_rng(0).normal(size=50)
    with pytest.raises(
        ValueError, match=r"rank correlation with truth is -?0\.\d\d on 50 held-out slices, 0.9 or more"
    ):
        atrophy.validated(lambda images: noise, images, truth)
    with pytest.raises(ValueError, match=r"0\.00 on 50"):
        atrophy.validated(lambda images: np.ones(50), images, truth)


def test_atrophy_of_known_sizes():
    rng = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    real = 1.0 + 1.0 * labels + 0.2 * rng.normal(size=2000)
    made = 1.5 + 0.5 * labels + 0.1 * rng.normal(size=2000)
    names = ("CN", "AD")
    numbers = atrophy.atrophy(made, labels, real, labels, persons(2000), 0, 1, names)
    assert numbers["atrophy.ratio"] == pytest.approx(0.5, abs=0.03)
    assert numbers["atrophy.ratio.low"] < numbers["atrophy.ratio"] < numbers["atrophy.ratio.high"]
    assert numbers["atrophy.ratio.high"] - numbers["atrophy.ratio.low"] < 0.1
    assert numbers["atrophy.spread.AD"] == pytest.approx(0.5, rel=0.1) == numbers["atrophy.spread.CN"]
    assert abs(numbers["atrophy.shuffled"]) < 0.02 < numbers["atrophy.shuffled.high"]
    # The other way round the ratio and its control change places with the classes
    swapped = atrophy.atrophy(made, 1 - labels, real, labels, persons(2000), 0, 1, names)
    assert swapped["atrophy.ratio"] == pytest.approx(-0.5, abs=0.03)
    unknown = atrophy.atrophy(made, labels, real, labels, np.full(2000, "", dtype=object), 0, 1, names)
    assert "atrophy.ratio.low" not in unknown
    with pytest.raises(ValueError, match=r"differ by -1\.0"):
        atrophy.atrophy(made, labels, 3.0 - np.round(real), labels, persons(2000), 0, 1, names)


def of_counts(*counts):
    """So many people of each class, a slice each; labels, sizes, names."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return labels, 1.0 * labels + 0.2 * np.random.default_rng(0).normal(size=len(labels)), persons(len(labels))


@pytest.mark.parametrize(("counts", "has"), [((8, 5), False), ((8, 6), True), ((8, 6, 3), True)])
def test_six_people_of_each_class_that_is_compared_make_an_interval(counts, has):
    labels, sizes, names = of_counts(*counts)
    numbers = atrophy.atrophy(sizes, labels, sizes, labels, names, 0, 1)
    assert numbers["atrophy.ratio"] == pytest.approx(1) and ("atrophy.ratio.low" in numbers) == has


def test_real_slices_of_one_class_are_nothing_to_compare_with():
    labels, sizes, names = of_counts(8)
    with pytest.raises(ValueError, match="real slices of CN and of AD expected"):
        atrophy.atrophy(np.arange(4.0), np.array([0, 0, 1, 1]), sizes, labels, names, 0, 1)


def test_an_interval_over_an_odd_number_of_people_is_of_both_halves():
    """Seven people of each class: all halves of three and of four, as many of each."""
    labels, sizes, names = of_counts(7, 7)
    found = atrophy.atrophy(sizes, labels, sizes, labels, names, 0, 1)
    ratios = [
        atrophy.median_difference(sizes, labels, 0, 1) / (np.median(sizes[7:][list(b)]) - np.median(sizes[:7][list(a)]))
        for count in (3, 4)
        for a, b in itertools.product(itertools.combinations(range(7), count), repeat=2)
    ]
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert found["atrophy.ratio.high"] - found["atrophy.ratio.low"] == pytest.approx(high - low, rel=0.1)


def test_a_path_that_rises_and_one_that_does_not():
    up = np.linspace(0, 1, 5)[:, None] + np.zeros((5, 40))
    numbers = atrophy.rising(up, "x")
    assert (numbers["x.median"], numbers["x.spearman"]) == (1.0, pytest.approx(1))
    assert abs(numbers["x.shuffled"]) < 0.4
    numbers = atrophy.rising(-up, "x")
    assert (numbers["x.median"], numbers["x.spearman"]) == (0.0, pytest.approx(-1))
    assert atrophy.rising(np.ones((5, 3)), "x")["x.spearman"] == 0.0


def test_median_difference_is_high_minus_low():
    assert atrophy.median_difference(np.array([1.0, 2, 3, 7, 8, 9]), np.repeat([0, 1], 3), low=0, high=1) == 6
