"""Features and probabilities -> numbers, each with the control it has to be read beside.

Letters: M images, F features, K classes. All functions are pure: arrays in, numbers out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance
from sklearn.metrics import confusion_matrix, roc_auc_score

K_BALL = 5  # the neighbour whose distance is an image's radius in precision, recall, density and coverage
DRAWS = 10  # of one slice per person, for metrics of neighbours
HALVES = 40  # half-samples of persons behind an interval
MSSSIM_BETAS = (0.0448, 0.2856, 0.3001)  # Wang et al. 2003, the finest scales


# ------------------------------------------------------------------ distances between sets


def fid(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Frechet distance of two Gaussians with the sets' means and covariances (Heusel et al. 2017), on any features.

        |m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2))
    Biased upwards in small sets: only numbers at the same n compare. The trace of the root is taken from symmetric
    matrices, whose eigenvalues stay real where a set has fewer images than features. x [M, F], y [M', F].
    Raises ValueError if a set has fewer than two images.
    """
    x, y = _features(x, y)
    if min(len(x), len(y)) < 2:
        raise ValueError(f"FID needs two images or more in each set, got {len(x)} and {len(y)}")
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
            f"got {len(real)} and {len(fake)}"
        )
    across = cdist(real, fake)
    inside = across < _radii(real, k)[:, None]  # fake j in the ball of real i
    return {
        "precision": float(inside.any(axis=0).mean()),
        "recall": float((across < _radii(fake, k)[None, :]).any(axis=1).mean()),
        "density": float(inside.sum() / (k * len(fake))),
        "coverage": float(inside.any(axis=1).mean()),
    }


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
        raise ValueError(f"coverage needs more than k = {k} real images (persons), got {len(real)}")
    return float((cdist(real, fake).min(axis=1) < _radii(real, k)).mean())


def coverage_expected(reals: int, fakes: int, k: int = K_BALL) -> float:
    """Coverage of equal distributions (Naeem et al. 2020, lemma 2): 1 - C(N - 1, k) / C(N + M - 1, k).

    A real image is missed if its k nearest others, of all N - 1 + M, are all real.
    """
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
        x, y = _one_each(real_groups, rng), _one_each(fake_groups, rng)
        if min(len(x), len(y)) < count:
            raise ValueError(f"{count} persons against as many asked for, got {len(x)} and {len(y)}")
        values.append(prdc(np.asarray(real)[x[:count]], np.asarray(fake)[y[:count]], k))
    return {name: float(np.mean([value[name] for value in values])) for name in values[0]}


def interval(
    statistic: Callable[[NDArray[np.int64], NDArray[np.int64]], dict[str, float]],
    x_groups: NDArray[Any],
    y_groups: NDArray[Any],
    whole: dict[str, float],
    draws: int = HALVES,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """The middle 95 % of each number of statistic(rows of x, rows of y), over half-samples of persons.

    Half of the persons of each side are drawn without replacement: a repeated person would be a copy, which distances
    notice. The variance of a mean of half of n persons, drawn so, is that of the mean of n: (1 - 1/2) s^2 / (n / 2) =
    s^2 / n. A half has another bias than the whole, so the values are moved to have `whole` as their mean.
    """
    rng = np.random.default_rng(seed)
    values = [statistic(_half(x_groups, rng), _half(y_groups, rng)) for _ in range(draws)]
    out = {}
    for name, estimate in whole.items():
        column = np.array([value[name] for value in values])
        low, high = np.quantile(column - column.mean() + estimate, [0.025, 0.975])
        out[name] = (float(low), float(high))
    return out


def _half(groups: NDArray[Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """All rows of half of the groups, drawn; an image of nobody ("") is a group of its own."""
    names = np.asarray(groups).astype(str)
    alone = np.flatnonzero(names == "")
    persons = np.unique(names[names != ""])
    kept = rng.permutation(persons)[: (len(persons) + 1) // 2]
    return np.concatenate([np.flatnonzero(np.isin(names, kept)), rng.permutation(alone)[: (len(alone) + 1) // 2]])


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
    """The middle 95 % of an AUC over half-samples of the persons of each class, without replacement; see interval.

    Slices of one person are no independent draws: an interval over slices would be far too narrow.
    groups [M], "" where an image stands for itself. Raises ValueError as auc does.
    """
    labels, probabilities = _judged(labels, probabilities)
    whole = auc(labels, probabilities)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        some = np.concatenate([of[_half(np.asarray(groups)[of], rng)] for of in _by_class(labels)])
        values.append(auc(labels[some], probabilities[some]))
    low, high = np.quantile(np.array(values) - np.mean(values) + whole, [0.025, 0.975])
    return max(0.0, float(low)), min(1.0, float(high))


def _by_class(labels: NDArray[Any]) -> list[NDArray[np.int64]]:
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


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


def calibration_error(labels: NDArray[Any], probabilities: NDArray[Any], bins: int = 10) -> float:
    """Expected calibration error: mean |share right - mean confidence| over bins of confidence, weighted by images.

    0 where a confidence of 80 % is right in 80 of 100. labels [M], probabilities [M, K].
    """
    labels, probabilities = _judged(labels, probabilities)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[place == b].sum() - confidence[place == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(labels))


def median_difference(values: NDArray[Any], labels: NDArray[Any], low: int, high: int) -> float:
    """median(values of class `high`) - median(values of class `low`), in the values' unit."""
    values, labels = np.asarray(values), np.asarray(labels)
    return float(np.median(values[labels == high]) - np.median(values[labels == low]))


# ------------------------------------------------------------------ neighbours within a set


def neighbours(features: NDArray[Any], groups: NDArray[Any], k: int = 15) -> NDArray[np.int64]:
    """The k nearest images of each that are of nobody's own person: indices [M, k].

    Raises ValueError if an image has fewer than k strangers.
    """
    features = np.asarray(features, dtype=np.float64)
    strangers = _strangers(len(features), groups)
    fewest = int(strangers.sum(axis=1).min()) if len(features) else 0
    if fewest < k:
        raise ValueError(f"{k} neighbours of other persons needed for each image, some have {fewest}")
    distances = np.where(strangers, cdist(features, features), np.inf)
    return np.argpartition(distances, k - 1, axis=1)[:, :k]


def purity(labels: NDArray[Any], nearest: NDArray[np.int64]) -> float:
    """Share of neighbours that have an image's own label. labels [M], nearest [M, k]"""
    labels = np.asarray(labels)
    return float((labels[nearest] == labels[:, None]).mean())


def silhouette(features: NDArray[Any], labels: NDArray[Any], groups: NDArray[Any]) -> float:
    """Mean of (b - a) / max(a, b) (Rousseeuw 1987) with the person's own slices left out.

    a is an image's mean distance to its class, b the smallest mean distance to another one: 1 apart, 0 mixed.
    features [M, F]. Raises ValueError if an image has no stranger in some class.
    """
    features, labels = np.asarray(features, dtype=np.float64), np.asarray(labels)
    distances = cdist(features, features)
    strangers = _strangers(len(features), groups)
    classes = np.unique(labels)
    counts = np.stack([(strangers & (labels == c)[None, :]).sum(axis=1) for c in classes], axis=1)
    if len(classes) < 2 or not counts.all():
        raise ValueError("a silhouette needs two classes, each with images of two persons or more")
    sums = np.stack([(distances * (strangers & (labels == c)[None, :])).sum(axis=1) for c in classes], axis=1)
    means = sums / counts
    own = labels[:, None] == classes[None, :]
    a, b = means[own], np.where(own, np.inf, means).min(axis=1)
    return float(((b - a) / np.maximum(np.maximum(a, b), 1e-12)).mean())


def permute_persons(labels: NDArray[Any], groups: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """The labels of persons, permuted: all slices of a person keep one label. An image of nobody stands for itself."""
    names = np.asarray(groups).astype(str)
    names = np.where(names == "", np.char.add("\x01", np.arange(len(names)).astype(str)), names)
    _, first, of = np.unique(names, return_index=True, return_inverse=True)
    return rng.permutation(np.asarray(labels)[first])[of]


def purity_test(
    labels: NDArray[Any], groups: NDArray[Any], nearest: NDArray[np.int64], seed: int = 0, draws: int = 199
) -> tuple[float, float]:
    """The control of a purity: its mean over permuted labels of persons, and the share of them that reach it (p)."""
    rng = np.random.default_rng(seed)
    whole = purity(labels, nearest)
    values = [purity(permute_persons(labels, groups, rng), nearest) for _ in range(draws)]
    return float(np.mean(values)), (1 + sum(value >= whole for value in values)) / (draws + 1)


# ------------------------------------------------------------------ pixels


def histogram(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of pixels of each gray level: uint8 [M, 1, R, R] -> [256]"""
    counts = np.bincount(np.asarray(images).ravel(), minlength=256)
    return counts / counts.sum()


def histogram_distance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """How many gray levels a pixel has to move on average to turn one histogram into the other (Wasserstein 1)."""
    levels = np.arange(len(x))
    return float(wasserstein_distance(levels, levels, x, y))


def radial_spectrum(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean power at each spatial frequency, 1 .. R/2 cycles per image: uint8 [M, 1, R, R] -> [R/2]

    The mean is taken off first. A checkerboard stands at the right end; missing fine detail is a drop towards it.
    """
    pixels = np.asarray(images, dtype=np.float32)[:, 0] / 255.0
    size = pixels.shape[-1]
    power = np.zeros((size, size))
    for start in range(0, len(pixels), 256):
        part = pixels[start : start + 256]
        part = part - part.mean(axis=(1, 2), keepdims=True)
        power += (np.abs(np.fft.fft2(part)) ** 2).sum(axis=0)
    frequency = np.fft.fftfreq(size) * size
    radius = np.rint(np.hypot(frequency[:, None], frequency[None, :])).astype(int)
    rings = np.bincount(radius.ravel(), power.ravel()) / np.bincount(radius.ravel())
    return rings[1 : size // 2 + 1] / len(pixels)


def spectrum_distance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Mean over frequencies of |log10 of the ratio of powers|: 0.3 is a factor of two."""
    return float(np.abs(np.log10((x + 1e-12) / (y + 1e-12))).mean())


def ms_ssim(images: NDArray[np.uint8], groups: NDArray[Any], pairs: int = 300, seed: int = 0) -> float:
    """Mean multi-scale structural similarity of random pairs of different persons (Wang et al. 2003).

    A measure of variety, not of quality: 1 where all images are one. Three scales from 32 pixels on, fewer below.
    uint8 [M, 1, R, R]. Raises ValueError if there is no such pair.
    """
    import torch

    from progan_style import load_torchvision

    load_torchvision()  # torchmetrics imports it by itself, which fails beside some builds of torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    names = np.asarray(groups).astype(str)
    rng = np.random.default_rng(seed)
    first, second = rng.integers(len(names), size=(2, 20 * pairs))
    apart = (first != second) & ((names[first] != names[second]) | (names[first] == ""))
    first, second = first[apart][:pairs], second[apart][:pairs]
    if not len(first):
        raise ValueError(f"MS-SSIM needs images of two persons or more, got {len(names)} of one")
    x, y = (torch.from_numpy(np.asarray(images)[rows].astype(np.float32) / 255.0) for rows in (first, second))
    betas = np.array(MSSSIM_BETAS[: {8: 1, 16: 2}.get(images.shape[-1], 3)])
    value = multiscale_structural_similarity_index_measure(
        x, y, kernel_size=3, sigma=0.8, data_range=1.0, betas=tuple(float(b) for b in betas / betas.sum())
    )
    return float(value)
