"""Features and probabilities -> numbers, each with the control it has to be read beside.

Letters: M images, F features, K classes. All functions are pure: arrays in, numbers out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics import confusion_matrix, roc_auc_score


def kid(
    x: NDArray[Any],
    y: NDArray[Any],
    x_groups: NDArray[Any] | None = None,
    y_groups: NDArray[Any] | None = None,
) -> float:
    """Kernel Inception Distance (Binkowski et al. 2018) on any features: 0 in expectation for equal distributions.

    The unbiased squared MMD with the kernel k(a, b) = (a.b / F + 1)^3; it may come out below 0.
        mean over i != j of k(x_i, x_j)  +  mean over i != j of k(y_i, y_j)  -  2 mean over i, j of k(x_i, y_j)
    Slices of one person are no independent draws: with groups, pairs of one group are left out of the first two
    means, or a person's own likeness would count as a distance between the sets ("" belongs to no group).
    x [M, F], y [M', F]. Raises ValueError if a set has fewer than two (groups of) images.
    """
    x, y = _features(x, y)
    return _within(x, x_groups) + _within(y, y_groups) - 2 * float(_kernel(x, y).mean())


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def _within(x: NDArray[np.float64], groups: NDArray[Any] | None) -> float:
    pairs = _strangers(len(x), groups)
    count = int(pairs.sum())
    if not count:
        raise ValueError(f"KID needs two images (of two persons) in each set, got {len(x)} images of one")
    return float(_kernel(x, x)[pairs].sum() / count)


def _strangers(count: int, groups: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Which pairs are two different images of different persons: [M, M]"""
    pairs = ~np.eye(count, dtype=bool)
    if groups is not None:
        groups = np.asarray(groups).astype(str)
        if len(groups) != count:
            raise ValueError(f"one group per image expected, got {len(groups)} for {count} images")
        pairs &= (groups[:, None] != groups[None, :]) | (groups == "")[:, None]
    return pairs


def _features(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"two tables of features [M, F] with one F expected, got {list(x.shape)} and {list(y.shape)}")
    return x, y


def coverage(real: NDArray[Any], fake: NDArray[Any], k: int = 5) -> float:
    """Share of real images that have a fake nearer than their k-th real neighbour (Naeem et al. 2020).

    Even equal distributions of equal size stay below 1 (about 1 - 2^-k), and both sizes matter: read it beside the
    same number for reals in the fakes' place. real [M, F], fake [M', F]. Raises ValueError for k reals or fewer.
    """
    real, fake = _features(real, fake)
    if len(real) <= k or not len(fake):
        raise ValueError(f"coverage needs more than k = {k} real images (persons), got {len(real)}")
    distances = cdist(real, real)
    np.fill_diagonal(distances, np.inf)
    radii = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return float((cdist(real, fake).min(axis=1) < radii).mean())


def coverage_of_persons(
    real: NDArray[Any],
    fake: NDArray[Any],
    real_groups: NDArray[Any],
    fake_groups: NDArray[Any],
    count: int,
    k: int = 5,
    draws: int = 20,
    seed: int = 0,
) -> float:
    """Coverage of `count` persons by `count` fakes, one slice of each: the mean of several draws.

    A person's slices lie so near each other that the ball around one would hold nobody else. "" is nobody: such an
    image stands for itself. real [M, F], fake [M', F], groups [M], [M'].
    Raises ValueError if either side has fewer than count persons, or count is not above k.
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        x, y = _one_each(real_groups, rng), _one_each(fake_groups, rng)
        if min(len(x), len(y)) < count:
            raise ValueError(f"coverage of {count} persons by as many asked for, got {len(x)} and {len(y)}")
        values.append(coverage(np.asarray(real)[x[:count]], np.asarray(fake)[y[:count]], k))
    return float(np.mean(values))


def independent(groups: NDArray[Any]) -> int:
    """How many independent draws a set of images is: its persons, and every image that belongs to nobody ("")."""
    return len(_one_each(groups, np.random.default_rng(0)))


def _one_each(groups: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """One row of each group, drawn, and every row without a group, in random order."""
    names = np.asarray(groups).astype(str)
    order = rng.permutation(len(names))
    _, first = np.unique(names[order], return_index=True)
    rows = order[first]
    return rng.permutation(np.concatenate([rows[names[rows] != ""], np.flatnonzero(names == "")]))


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
) -> tuple[float, float]:
    """The middle 95 % of an AUC over draws of persons with replacement, as many of each class as there are.

    Slices of one person are no independent draws: an interval over slices would be far too narrow.
    groups [M], none of them "". Raises ValueError as auc does.
    """
    labels, probabilities = _judged(labels, probabilities)
    auc(labels, probabilities)
    names = np.asarray(groups).astype(str)
    persons = {
        label: [np.flatnonzero((names == name) & (labels == label)) for name in np.unique(names[labels == label])]
        for label in np.unique(labels)
    }
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        drawn = [rows[i] for rows in persons.values() for i in rng.integers(len(rows), size=len(rows))]
        some = np.concatenate(drawn)
        values.append(auc(labels[some], probabilities[some]))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def accuracy(labels: NDArray[Any], probabilities: NDArray[Any]) -> float:
    """Share of images whose most probable class is their label; unlike the AUC it moves with the threshold."""
    labels, probabilities = _judged(labels, probabilities)
    return float((probabilities.argmax(axis=1) == labels).mean())


def confusion(labels: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[np.int64]:
    """Images by label (rows) and most probable class (columns): [K, K]"""
    labels, probabilities = _judged(labels, probabilities)
    return confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(probabilities.shape[1]))


def shuffled_auc(
    labels: NDArray[Any], probabilities: NDArray[Any], seed: int = 0, draws: int = 100
) -> tuple[float, float]:
    """The control of an AUC: its mean over permuted labels, and what the luckiest 2.5 % of them reach."""
    rng = np.random.default_rng(seed)
    values = [auc(rng.permutation(np.asarray(labels)), probabilities) for _ in range(draws)]
    return float(np.mean(values)), float(np.quantile(values, 0.975))


def _judged(labels: NDArray[Any], probabilities: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(
            f"labels [M] and probabilities [M, K] expected, got {list(labels.shape)} and {list(probabilities.shape)}"
        )
    return labels, probabilities


def median_difference(values: NDArray[Any], labels: NDArray[Any], low: int, high: int) -> float:
    """median(values of class `high`) - median(values of class `low`), in the values' unit."""
    values, labels = np.asarray(values), np.asarray(labels)
    return float(np.median(values[labels == high]) - np.median(values[labels == low]))
