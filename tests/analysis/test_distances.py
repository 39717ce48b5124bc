"""Frechet distance, KID, precision, recall, density and coverage: definitions, closed forms, expectations."""

from pathlib import Path

import numpy as np
import pytest

from analysis import distances
from analysis.distances import coverage, coverage_expected, frechet, kid, prdc, prdc_of_persons
from analysis.persons import independent


def kid_by_hand(x, y, x_groups=None, y_groups=None):
    """The definition, pair by pair."""

    def kernel(a, b):
        return (float(np.dot(a, b)) / len(a) + 1) ** 3

    def within(rows, groups):
        pairs = [
            kernel(rows[i], rows[j])
            for i in range(len(rows))
            for j in range(len(rows))
            if i != j and (groups is None or groups[i] == "" or groups[i] != groups[j])
        ]
        return sum(pairs) / len(pairs)

    across = [kernel(a, b) for a in x for b in y]
    return within(x, x_groups) + within(y, y_groups) - 2 * sum(across) / len(across)


def test_kid_is_the_definition_pair_by_pair():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(0.5, size=(5, 3))
    assert kid(x, y) == pytest.approx(kid_by_hand(x, y))
    groups = np.array(["a", "a", "b", "b", "", "", "c"])
    assert kid(x, y, groups) == pytest.approx(kid_by_hand(x, y, groups))


def test_kid_of_points_is_the_closed_form():
    # all of x at 0, all of y at 2, one feature: 1 + (4 + 1)^3 - 2 * 1
    assert kid(np.zeros((4, 1)), np.full((3, 1), 2.0)) == pytest.approx(124)


def test_kid_of_equal_distributions_is_zero_on_average():
    rng = np.random.default_rng(1)
    values = [kid(rows[:30], rows[30:]) for rows in rng.normal(size=(200, 60, 8))]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert kid(rng.normal(size=(60, 8)), rng.normal(1, size=(60, 8))) > 10 * np.std(values)


def test_kid_leaves_out_the_likeness_of_a_persons_own_slices():
    rng = np.random.default_rng(2)
    with_groups, without = [], []
    for _ in range(200):
        persons = rng.normal(size=(20, 1, 4)) + 0.1 * rng.normal(size=(20, 5, 4))
        groups = np.repeat([f"p{i}" for i in range(20)], 5)
        x, y = persons[:10].reshape(50, 4), persons[10:].reshape(50, 4)
        with_groups.append(kid(x, y, groups[:50], groups[50:]))
        without.append(kid(x, y))
    assert abs(np.mean(with_groups)) < 3 * np.std(with_groups) / np.sqrt(200)
    assert np.mean(without) > 3 * np.std(without) / np.sqrt(200)


@pytest.mark.parametrize("x", [np.zeros((1, 2)), np.zeros((3, 4))])
def test_kid_says_what_it_needs(x):
    with pytest.raises(ValueError, match="two"):
        kid(x, np.zeros((5, 2)))


def test_coverage_of_hand_made_sets():
    real = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0]])
    # k = 1: every ball has radius 1, open; 0.5 lies in those of 0 and 1, 11 in its own only
    assert coverage(real, np.array([[0.5], [11.0]]), k=1) == pytest.approx(3 / 6)
    assert coverage(real, real, k=1) == 1
    assert coverage(real, np.array([[100.0]]), k=2) == 0


def test_coverage_finds_dropped_modes():
    rng = np.random.default_rng(0)
    real, fake = (np.concatenate([rng.normal(centre, 0.1, (100, 2)) for centre in (0, 5, 10, 15)]) for _ in range(2))
    assert coverage(real, fake) > 0.9
    assert coverage(real, fake[:100]) < 0.3


def test_coverage_of_persons_takes_one_slice_of_each():
    rng = np.random.default_rng(0)
    persons = rng.normal(size=(80, 1, 2)) + 0.001 * rng.normal(size=(80, 8, 2))
    groups = np.repeat([f"p{i}" for i in range(40)], 8)
    real, other = persons[:40].reshape(-1, 2), persons[40:].reshape(-1, 2)
    assert independent(groups) == 40 and independent(np.array(["", "", "a", "a"])) == 3
    assert coverage(real, other) < 0.1
    assert prdc_of_persons(real, other, groups, groups, 40)["coverage"] == pytest.approx(1 - 2**-5, abs=0.05)
    assert set(prdc_of_persons(real, other + 9, groups, groups, 40).values()) == {0}
    nobody = np.full(320, "")
    assert prdc_of_persons(real[::8], other[::8], nobody[:40], nobody[:40], 40) == pytest.approx(
        prdc(real[::8], other[::8])
    )


def test_as_many_draws_are_averaged_as_the_page_says(monkeypatch):
    seen = []
    monkeypatch.setattr(distances, "prdc", lambda real, fake, k: seen.append(k) or {"coverage": len(seen)})
    some = np.arange(8.0)[:, None]
    assert prdc_of_persons(some, some, np.full(8, ""), np.full(8, ""), 8) == {"coverage": np.mean(range(1, 11))}
    page = (Path(__file__).parents[2] / "docs" / "analysis.md").read_text()
    assert f"average {len(seen)} draws" in " ".join(page.split())


def test_coverage_says_what_it_needs():
    with pytest.raises(ValueError, match="k = 5"):
        coverage(np.zeros((5, 2)), np.zeros((9, 2)))
    with pytest.raises(ValueError, match="6 persons against as many asked for, got 2 and 9"):
        prdc_of_persons(np.zeros((9, 2)), np.zeros((9, 2)), np.repeat(["a", "b"], [4, 5]), np.full(9, ""), 6)


def test_fid_of_identical_sets_is_zero():
    x = np.random.default_rng(0).normal(size=(50, 6))
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)


def test_fid_of_shifted_gaussians_is_the_closed_form():
    """Equal covariances: the squared shift of the means; independent axes: sum of (s_x - s_y)^2 besides."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 5))
    shift = np.array([3.0, 0, 0, -4, 0])
    assert frechet(x, x + shift) == pytest.approx(25)
    # Whitened to be exactly independent, then scaled: the roots of the covariances are the scales themselves.
    white = (x - x.mean(0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
    scales, others = np.array([1.0, 2, 3, 1, 5]), np.array([2.0, 2, 1, 4, 5])
    expected = ((scales - others) ** 2).sum() + 25
    assert frechet(white * scales, white * others + shift) == pytest.approx(expected)


def test_fid_is_the_definition_by_a_matrix_root():
    from scipy.linalg import sqrtm

    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(30, 4)) @ rng.normal(size=(4, 4)), rng.normal(1, 2, size=(20, 4))
    root = np.real(sqrtm(np.cov(x.T) @ np.cov(y.T)))
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root)
    assert frechet(x, y) == pytest.approx(expected)
    with pytest.raises(ValueError, match="Frechet distance needs two images"):
        frechet(x[:1], y)


def prdc_by_hand(real, fake, k):
    """The definitions, ball by ball."""

    def radius(rows, i):
        return sorted(np.linalg.norm(rows[i] - other) for j, other in enumerate(rows) if j != i)[k - 1]

    in_real = [[np.linalg.norm(r - f) < radius(real, i) for i, r in enumerate(real)] for f in fake]
    in_fake = [[np.linalg.norm(r - f) < radius(fake, j) for j, f in enumerate(fake)] for r in real]
    return {
        "precision": np.mean([any(balls) for balls in in_real]),
        "recall": np.mean([any(balls) for balls in in_fake]),
        "density": np.sum(in_real) / (k * len(fake)),
        "coverage": np.mean([any(balls[i] for balls in in_real) for i in range(len(real))]),
    }


def test_prdc_of_hand_made_sets():
    # k = 1: real balls are open and of radius 1 about 0, 1, 2 and 3 about 5; fakes at 0.5 and 4 lie 3.5 apart
    real, fake = np.array([[0.0], [1.0], [2.0], [5.0]]), np.array([[0.5], [4.0]])
    # 0.5 is in the balls of 0 and 1, 4 in that of 5; 0, 1, 2 and 5 are all nearer than 3.5 to a fake
    assert prdc(real, fake, k=1) == {"precision": 1, "recall": 1, "density": 3 / 2, "coverage": 3 / 4}
    assert set(prdc(real, fake + 100, k=1).values()) == {0}


def test_prdc_is_the_definition_ball_by_ball():
    rng = np.random.default_rng(3)
    real, fake = rng.normal(size=(20, 2)), rng.normal(0.5, 1.3, size=(15, 2))
    assert prdc(real, fake, k=3) == pytest.approx(prdc_by_hand(real, fake, 3))
    with pytest.raises(ValueError, match="more than k = 5 images"):
        prdc(real, fake[:5])


def test_coverage_of_equal_distributions_is_what_is_expected():
    rng = np.random.default_rng(4)
    values = [coverage(rows[:30], rows[30:]) for rows in rng.normal(size=(200, 50, 3))]
    assert np.mean(values) == pytest.approx(coverage_expected(30, 20), abs=3 * np.std(values) / np.sqrt(200))


def test_with_too_few_persons_the_expected_coverage_says_so():
    """As the other numbers do, so that a report leaves them out with the reason."""
    for count in (1, 2, 5):
        with pytest.raises(ValueError, match=f"more than k = 5 real images .persons., got {count}"):
            coverage_expected(count, count)
