"""Neighbours are other people; purity and silhouette of known tables."""

import numpy as np
import pytest

from analysis.neighbours import neighbours, purity, purity_expected, purity_test, silhouette


def test_neighbours_are_of_other_persons():
    features, groups = np.array([[0.0], [0.1], [1.0], [3.0]]), np.array(["a", "a", "b", "c"])
    assert neighbours(features, groups, 1).ravel().tolist() == [2, 2, 1, 2]
    with pytest.raises(ValueError, match="3 neighbours of other persons needed for each image, some have 2"):
        neighbours(features, groups, 3)


def test_purity_and_its_control():
    rng = np.random.default_rng(6)
    labels = np.repeat([0, 1], 60)
    groups = np.repeat(np.arange(40).astype(str), 3)
    apart, mixed = rng.normal(labels[:, None] * 9, 1, (120, 3)), rng.normal(size=(120, 3))
    near = neighbours(apart, groups, 5)
    assert purity(labels, near) == 1
    shuffled, p = purity_test(labels, groups, near)
    # A permuted label finds 59 of the 119 others alike, persons as wholes: chance
    assert shuffled == pytest.approx(0.5, abs=0.03) and p == pytest.approx(1 / 200)
    shuffled, p = purity_test(labels, groups, neighbours(mixed, groups, 5))
    assert shuffled == pytest.approx(0.5, abs=0.03) and p > 0.02


def test_silhouette_is_the_textbooks_where_nobody_has_two_slices():
    from sklearn.metrics import silhouette_score

    rng = np.random.default_rng(7)
    features, labels = rng.normal(size=(30, 2)), np.arange(30) % 3
    nobody = np.full(30, "")
    assert silhouette(features, labels, nobody) == pytest.approx(silhouette_score(features, labels))
    with pytest.raises(ValueError, match="two classes"):
        silhouette(features, np.zeros(30), nobody)


@pytest.mark.parametrize("slices", [1, 5, 40])
def test_purity_of_equal_sets_is_what_is_expected_whatever_people_have(slices):
    """Sides of one distribution, people of so many slices: a person's own slices are no neighbours."""
    rng, found = np.random.default_rng(8), []
    sides, groups = np.repeat([0, 1], 120), np.repeat(np.arange(240 // slices).astype(str), slices)
    for _ in range(100):
        features = rng.normal(size=(240, 3)) + np.repeat(rng.normal(size=(240 // slices, 3)), slices, axis=0)
        found.append(purity(sides, neighbours(features, groups, 15)))
    assert np.mean(found) == pytest.approx(purity_expected(sides, groups), abs=0.03)
    assert purity_expected(sides, groups) == pytest.approx((120 - slices) / (240 - slices))
