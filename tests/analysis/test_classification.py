"""Accuracy, AUC and calibration of known answers, and their intervals over persons."""

import itertools

import numpy as np
import pytest

from analysis.classification import accuracy, auc, auc_interval, calibration_error, confusion, ends, shuffled_auc


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
    mean, high = shuffled_auc(labels, two(np.linspace(0, 1, 400)), np.full(400, ""))
    assert mean == pytest.approx(0.5, abs=0.02)
    assert mean < high < 0.6


def test_labels_of_persons_are_shuffled_not_of_slices():
    """Eight people of 100 slices each, with answers of their own: chance alone has them far apart."""
    rng, above = np.random.default_rng(3), 0
    labels, people = np.repeat([0, 1], 400), np.repeat(np.arange(8).astype(str), 100)
    for seed in range(20):
        answers = two(1 / (1 + np.exp(-np.repeat(rng.normal(size=8), 100) - rng.normal(0, 0.3, 800))))
        above += auc(labels, answers) > shuffled_auc(labels, answers, people, seed=seed)[1]
    assert above <= 3  # 12 of 20, where slices are shuffled


def test_shuffled_labels_of_people_with_slices_in_both_classes_are_at_chance():
    """Each patient was healthy before: of people's first slices none is a patient's."""
    labels, people = np.repeat([0, 1], [40, 20]), np.array([f"p{k}" for k in [*range(40), *range(20)]])
    own = np.random.default_rng(0).normal(size=40)[[*range(40), *range(20)]]
    mean, high = shuffled_auc(labels, two(1 / (1 + np.exp(-own))), people)
    assert mean == pytest.approx(0.5, abs=0.03) and 0.5 < high < 0.8


def test_an_auc_of_few_people_of_a_class_has_no_interval():
    labels, answers = np.repeat([0, 1], [40, 10]), two(np.linspace(0.1, 0.9, 50))
    people = np.array([f"p{k}" for k in [*range(40), *np.repeat(np.arange(40, 45), 2)]])
    assert auc_interval(labels, answers, people) is None and ends("a", None) == {}
    assert auc_interval(labels, answers, np.full(50, "")) is not None
    assert ends("a", (0.1, 0.2)) == {"a.low": 0.1, "a.high": 0.2}


def test_an_interval_of_an_odd_number_of_people_is_of_both_halves():
    """Seven people of each class: all halves of three and of four. The larger halves alone vary by 0.87 of it."""
    labels, scores = np.repeat([0, 1], 7), np.random.default_rng(1).normal(np.repeat([0.0, 0.3], 7))
    low, high = auc_interval(labels, two(1 / (1 + np.exp(-scores))), np.arange(14).astype(str), draws=1000)
    above = scores[7:, None] > scores[None, :7]  # [patient, healthy]: the AUC is their mean
    of_halves = [
        above[np.ix_(b, a)].mean()
        for count in (3, 4)
        for a, b in itertools.product(itertools.combinations(range(7), count), repeat=2)
    ]
    ends = np.quantile(of_halves, [0.025, 0.975]) - np.mean(of_halves) + above.mean()
    assert ends[1] < 1 and high - low == pytest.approx(np.diff(ends)[0], rel=0.07)


def test_confusion_has_the_true_class_in_rows():
    counts = confusion(np.array([0, 0, 1, 1]), two([0.1, 0.9, 0.9, 0.9]))
    assert counts.tolist() == [[1, 1], [0, 2]]


def test_a_calibrated_answer_has_no_error():
    probabilities = two([0.8] * 10)
    assert calibration_error(np.array([1] * 8 + [0] * 2), probabilities) == pytest.approx(0, abs=1e-9)
    assert calibration_error(np.array([1] * 4 + [0] * 6), probabilities) == pytest.approx(0.4)
