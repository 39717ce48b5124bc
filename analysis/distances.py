"""Two tables of features -> how far apart the sets are: Frechet distance, KID, precision, recall, density, coverage.

Letters: M images, F features. All functions are pure: arrays in, numbers out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from analysis.persons import one_each, strangers

K_BALL = 5  # the neighbour whose distance is an image's radius in precision, recall, density and coverage
DRAWS = 10  # of one slice per person, for metrics of neighbours


def frechet(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Frechet distance of two Gaussians with the sets' means and covariances (Heusel et al. 2017), on any features.

        |m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2))
    Biased upwards in small sets: only numbers at the same n compare. The trace of the root is taken from symmetric
    matrices, whose eigenvalues stay real where a set has fewer images than features. x [M, F], y [M', F].
    Raises ValueError if a set has fewer than two images.
    """
    x, y = _features(x, y)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"the Frechet distance needs two images or more in each set, got {len(x)} and {len(y)}")
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    sx, sy = a.T @ a / (len(x) - 1), b.T @ b / (len(y) - 1)
    values, vectors = np.linalg.eigh(sx)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    middle = np.linalg.eigvalsh(root @ sy @ root)
    shift = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    return float(shift + np.trace(sx) + np.trace(sy) - 2 * np.sqrt(np.clip(middle, 0, None)).sum())


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
    pairs = strangers(len(x), groups)
    count = int(pairs.sum())
    if not count:
        raise ValueError(f"KID needs two images (of two persons) in each set, got {len(x)} images of one")
    return float(_kernel(x, x)[pairs].sum() / count)


def _features(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(f"two tables of features [M, F] with one F expected, got {list(x.shape)} and {list(y.shape)}")
    return x, y


def prdc(real: NDArray[Any], fake: NDArray[Any], k: int = K_BALL) -> dict[str, float]:
    """Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020).

    Each image has a ball that reaches to its k-th neighbour in its own set.
        precision  share of fakes inside any real ball          recall    share of reals inside any fake ball
        density    real balls around a fake, over k              coverage  share of reals with a fake in their ball
    A ball's border is outside. real [M, F], fake [M', F]. Raises ValueError for k images or fewer in a set.
    """
    real, fake = _features(real, fake)
    if min(len(real), len(fake)) <= k:
        raise ValueError(
            f"precision, recall, density and coverage need more than k = {k} images (persons) in each set, "
            f"got {len(real)} and {len(fake)}; add persons to the part that the report reads, or make more images"
        )
    across = cdist(real, fake)
    inside = across < _radii(real, k)[:, None]  # fake j in the ball of real i
    return {
        "precision": float(inside.any(axis=0).mean()),
        "recall": float((across < _radii(fake, k)[None, :]).any(axis=1).mean()),
        "density": float(inside.sum() / (k * len(fake))),
        "coverage": float(inside.any(axis=1).mean()),
    }


TOO_FEW = (
    "coverage needs more than k = {k} real images (persons), got {got}; add persons to the part that the report reads"
)


def _radii(x: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """Distance to the k-th other image of the set: [M]"""
    distances = cdist(x, x)
    np.fill_diagonal(distances, np.inf)
    return np.partition(distances, k - 1, axis=1)[:, k - 1]


def coverage(real: NDArray[Any], fake: NDArray[Any], k: int = K_BALL) -> float:
    """Share of real images that have a fake nearer than their k-th real neighbour; see prdc and coverage_expected.

    real [M, F], fake [M', F]. Raises ValueError for k reals or fewer.
    """
    real, fake = _features(real, fake)
    if len(real) <= k or not len(fake):
        raise ValueError(TOO_FEW.format(k=k, got=len(real)))
    return float((cdist(real, fake).min(axis=1) < _radii(real, k)).mean())


def coverage_expected(reals: int, fakes: int, k: int = K_BALL) -> float:
    """Coverage of equal distributions (Naeem et al. 2020, lemma 2): 1 - C(N - 1, k) / C(N + M - 1, k).

    A real image is missed if its k nearest others, of all N - 1 + M, are all real. Raises ValueError for k reals or
    fewer.
    """
    if reals <= k:
        raise ValueError(TOO_FEW.format(k=k, got=reals))
    missed = 1.0
    for i in range(1, k + 1):
        missed *= (reals - i) / (reals + fakes - i)
    return 1.0 - missed


def prdc_of_persons(
    real: NDArray[Any],
    fake: NDArray[Any],
    real_groups: NDArray[Any],
    fake_groups: NDArray[Any],
    count: int,
    k: int = K_BALL,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, float]:
    """prdc of `count` persons against `count` fakes, one slice of each: the mean of several draws.

    A person's slices lie so near each other that the ball around one would hold nobody else. "" is nobody: such an
    image stands for itself. real [M, F], fake [M', F], groups [M], [M'].
    Raises ValueError if either side has fewer than count persons, or count is not above k.
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        x, y = one_each(real_groups, rng), one_each(fake_groups, rng)
        if min(len(x), len(y)) < count:
            raise ValueError(f"{count} persons against as many asked for, got {len(x)} and {len(y)}")
        values.append(prdc(np.asarray(real)[x[:count]], np.asarray(fake)[y[:count]], k))
    return {name: float(np.mean([value[name] for value in values])) for name in values[0]}
