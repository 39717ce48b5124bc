"""Do classes part in a table of features? Counted among neighbours of other persons, with permuted persons beside.

Letters: M images, F features. All functions are pure: arrays in, numbers out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from analysis.persons import permuted, strangers


def neighbours(features: NDArray[Any], groups: NDArray[Any], k: int = 15) -> NDArray[np.int64]:
    """The k nearest images of each that are of nobody's own person: indices [M, k].

    Raises ValueError if an image has fewer than k strangers.
    """
    features = np.asarray(features, dtype=np.float64)
    others = strangers(len(features), groups)
    fewest = int(others.sum(axis=1).min()) if len(features) else 0
    if fewest < k:
        raise ValueError(f"{k} neighbours of other persons needed for each image, some have {fewest}")
    distances = np.where(others, cdist(features, features), np.inf)
    return np.argpartition(distances, k - 1, axis=1)[:, :k]


def purity(labels: NDArray[Any], nearest: NDArray[np.int64]) -> float:
    """Share of neighbours that have an image's own label. labels [M], nearest [M, k]"""
    labels = np.asarray(labels)
    return float((labels[nearest] == labels[:, None]).mean())


def purity_expected(labels: NDArray[Any], groups: NDArray[Any]) -> float:
    """Purity of equal distributions: the mean share of an image's strangers that have its own label."""
    labels, others = np.asarray(labels), strangers(len(labels), groups)
    own = others & (labels[:, None] == labels[None, :])
    return float((own.sum(axis=1) / others.sum(axis=1)).mean())


def silhouette(features: NDArray[Any], labels: NDArray[Any], groups: NDArray[Any]) -> float:
    """Mean of (b - a) / max(a, b) (Rousseeuw 1987) with the person's own slices left out.

    a is an image's mean distance to its class, b the smallest mean distance to another one: 1 apart, 0 mixed.
    features [M, F]. Raises ValueError if an image has no stranger in some class.
    """
    features, labels = np.asarray(features, dtype=np.float64), np.asarray(labels)
    distances = cdist(features, features)
    others = strangers(len(features), groups)
    classes = np.unique(labels)
    counts = np.stack([(others & (labels == c)[None, :]).sum(axis=1) for c in classes], axis=1)
    if len(classes) < 2 or not counts.all():
        raise ValueError("a silhouette needs two classes, each with images of two persons or more")
    sums = np.stack([(distances * (others & (labels == c)[None, :])).sum(axis=1) for c in classes], axis=1)
    means = sums / counts
    own = labels[:, None] == classes[None, :]
    a, b = means[own], np.where(own, np.inf, means).min(axis=1)
    return float(((b - a) / np.maximum(np.maximum(a, b), 1e-12)).mean())


def purity_test(
    labels: NDArray[Any], groups: NDArray[Any], nearest: NDArray[np.int64], seed: int = 0, draws: int = 199
) -> tuple[float, float]:
    """The control of a purity: its mean over permuted labels of persons, and the share of them that reach it (p)."""
    rng = np.random.default_rng(seed)
    whole = purity(labels, nearest)
    values = [purity(permuted(labels, groups, rng), nearest) for _ in range(draws)]
    return float(np.mean(values)), (1 + sum(value >= whole for value in values)) / (draws + 1)
