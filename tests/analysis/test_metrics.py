import numpy as np
import pytest

from analysis.metrics import (
    accuracy,
    auc,
    auc_interval,
    confusion,
    coverage,
    coverage_of_persons,
    independent,
    kid,
    median_difference,
    shuffled_auc,
)


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
    # equal distributions: a real is left out if its k nearest of 2n - 1 others are all real, about 1 in 2^k
    assert coverage_of_persons(real, other, groups, groups, 40) == pytest.approx(1 - 2**-5, abs=0.05)
    assert coverage_of_persons(real, other + 9, groups, groups, 40) == 0
    nobody = np.full(320, "")
    assert coverage_of_persons(real[::8], other[::8], nobody[:40], nobody[:40], 40) == coverage(real[::8], other[::8])


def test_coverage_says_what_it_needs():
    with pytest.raises(ValueError, match="k = 5"):
        coverage(np.zeros((5, 2)), np.zeros((9, 2)))
    with pytest.raises(ValueError, match="of 6 persons by as many asked for, got 2 and 9"):
        coverage_of_persons(np.zeros((9, 2)), np.zeros((9, 2)), np.repeat(["a", "b"], [4, 5]), np.full(9, ""), 6)


def two(probabilities):
    second = np.asarray(probabilities, dtype=float)
    return np.stack([1 - second, second], axis=1)


def test_auc_is_the_share_of_ordered_pairs():
    assert auc(np.array([0, 0, 1, 1]), two([0.1, 0.4, 0.35, 0.8])) == pytest.approx(3 / 4)
    assert auc(np.array([0, 0, 1, 1]), two([0.1, 0.2, 0.3, 0.4])) == 1


def test_auc_of_three_classes_is_the_mean_of_one_against_the_rest():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4], [0.5, 0.2, 0.3]])
    labels = np.array([0, 1, 2, 2])
    # 0 against the rest: all 3 pairs in order; 1: all 3; 2: 0.4 before 0.1 and 0.3, 0.3 before 0.1, tied with 0.3
    assert auc(labels, probabilities) == pytest.approx((1 + 1 + 3.5 / 4) / 3)


def test_auc_says_which_class_is_missing():
    with pytest.raises(ValueError, match=r"\[1\]"):
        auc(np.zeros(4, dtype=int), two([0.1, 0.2, 0.3, 0.4]))


def test_the_interval_of_an_auc_is_over_persons_not_slices():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 20)
    scores = 1 / (1 + np.exp(-rng.normal(labels, 1)))
    persons = np.arange(40).astype(str)
    low, high = auc_interval(labels, two(scores), persons)
    assert low < auc(labels, two(scores)) < high
    # Ten copies of each slice tell nothing new, and change nothing.
    again = auc_interval(np.repeat(labels, 10), two(np.repeat(scores, 10)), np.repeat(persons, 10))
    assert again == pytest.approx((low, high), abs=0.02)
    assert high - low > 0.15


def test_accuracy_moves_with_the_threshold_and_auc_does_not():
    labels = np.array([0, 0, 1, 1])
    assert accuracy(labels, two([0.1, 0.2, 0.3, 0.4])) == 0.5
    assert auc(labels, two([0.1, 0.2, 0.3, 0.4])) == 1


def test_shuffled_labels_are_at_chance():
    labels = np.repeat([0, 1], 200)
    mean, high = shuffled_auc(labels, two(np.linspace(0, 1, 400)))
    assert mean == pytest.approx(0.5, abs=0.02)
    assert mean < high < 0.6


def test_confusion_has_the_true_class_in_rows():
    counts = confusion(np.array([0, 0, 1, 1]), two([0.1, 0.9, 0.9, 0.9]))
    assert counts.tolist() == [[1, 1], [0, 2]]


def test_median_difference_is_high_minus_low():
    assert median_difference(np.array([1.0, 2, 3, 7, 8, 9]), np.repeat([0, 1], 3), low=0, high=1) == 6
