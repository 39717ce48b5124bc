"""Class probabilities of images -> accuracy, AUC, confusion and calibration, each with its control.

Letters: M images, K classes. All functions are pure: arrays in, numbers out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_auc_score

from analysis.persons import FEWEST_OF_CLASS, fewest_of_class, halves_of_each_class, middle_95, permuted


def auc(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Area under the ROC curve: the chance that a slice of a class ranks above one of another.

    Two classes: of the second's probability. More: the mean of one class against the rest.
    labels [M], probabilities [M, K]. Raises ValueError if a class has no image.
    """
    labels, probabilities = _judged(labels, probabilities)
    classes = probabilities.shape[1]
    missing = [index for index in range(classes) if not (labels == index).any()]
    if missing or classes < 2:
        raise ValueError(f"AUC needs images of two classes or more, {classes} known and none of index {missing}")
    if classes == 2:
        return float(roc_auc_score(labels, probabilities[:, 1]))
    return float(np.mean([roc_auc_score(labels == index, probabilities[:, index]) for index in range(classes)]))


def auc_interval(
    labels: NDArray[Any], probabilities: NDArray[Any], groups: NDArray[Any], seed: int = 0, draws: int = 500
) -> tuple[float, float] | None:
    """The middle 95 % of an AUC over 500 halves of each class's persons: both of each parting, drawn at random.

    See persons.half_sample_intervals for why. None where a class has fewer persons than FEWEST_OF_CLASS.

    Slices of one person are no independent draws: an interval over slices would be far too narrow.
    groups [M], "" where an image stands for itself. Raises ValueError as auc does.
    """
    labels, probabilities = _judged(labels, probabilities)
    whole = auc(labels, probabilities)
    if fewest_of_class(groups, labels, range(probabilities.shape[1])) < FEWEST_OF_CLASS:
        return None
    rng = np.random.default_rng(seed)
    halves = halves_of_each_class(groups, labels, rng, draws)
    low, high = middle_95(np.array([auc(labels[some], probabilities[some]) for some in halves]), whole)
    return max(0.0, low), min(1.0, high)


def ends(key: str, interval: tuple[float, float] | None) -> dict[str, float]:
    """An interval as numbers, `key`.low and `key`.high; none where there is none."""
    return {} if interval is None else {f"{key}.low": interval[0], f"{key}.high": interval[1]}


def accuracy(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Share of images whose most probable class is their label; unlike the AUC it moves with the threshold."""
    labels, probabilities = _judged(labels, probabilities)
    return float((probabilities.argmax(axis=1) == labels).mean())


def confusion(labels: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[np.int64]:
    """Images by label (rows) and most probable class (columns): [K, K]"""
    labels, probabilities = _judged(labels, probabilities)
    return confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(probabilities.shape[1]))


def shuffled_auc(
    labels: NDArray[Any], probabilities: NDArray[Any], groups: NDArray[Any], seed: int = 0, draws: int = 100
) -> tuple[float, float]:
    """The control of an AUC: its mean over permuted labels of persons, and what the luckiest 2.5 % of them reach.

    groups [M], "" where an image stands for itself.
    """
    rng = np.random.default_rng(seed)
    labels = np.asarray(labels)
    values = [auc(permuted(labels, groups, rng), probabilities) for _ in range(draws)]
    return float(np.mean(values)), float(np.quantile(values, 0.975))


def _judged(labels: NDArray[Any], probabilities: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(
            f"labels [M] and probabilities [M, K] expected, got {list(labels.shape)} and {list(probabilities.shape)}"
        )
    return labels, probabilities


def calibration_error(labels: NDArray[Any], probabilities: NDArray[Any], bins: int = 10) -> float:
    """Expected calibration error: mean |share right - mean confidence| over bins of confidence, weighted by images.

    0 where a confidence of 80 % is right in 80 of 100. labels [M], probabilities [M, K].
    """
    labels, probabilities = _judged(labels, probabilities)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[place == b].sum() - confidence[place == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(labels))
