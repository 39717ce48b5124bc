"""Measured sizes of generated and real slices -> how much of the real difference between two classes is there.

Letters: N images, T steps of a path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from analysis.persons import FEWEST_OF_CLASS, fewest_of_class, halves_of_each_class, known

VALIDATED = 0.9  # rank correlation with truth, on held-out persons, below which a ruler says nothing
DRAWS = 200  # of shuffled labels, of persons

Ruler = Callable[[NDArray[np.uint8]], NDArray[np.float64]]


def validated(ruler: Ruler, images: NDArray[np.uint8], truth: NDArray[np.float64]) -> float:
    """The ruler's rank correlation (Spearman) with truth on held-out slices.

    Raises ValueError below VALIDATED: what such a ruler says of slices without a truth is worth nothing.
    """
    found = rank_correlation(ruler(images), truth)
    if found < VALIDATED:
        raise ValueError(
            f"the ruler's rank correlation with truth is {found:.2f} on {len(images)} held-out slices, "
            f"{VALIDATED} or more expected: generated slices are not measured with it"
        )
    return found


def rank_correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Spearman's, [N] and [N]; 0 if one of them is constant."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)


def quartile_distance(values: NDArray[Any]) -> float:
    """Distance of the quartiles, in the values' unit."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high - low)


def atrophy(
    made: NDArray[np.float64],
    made_labels: NDArray[Any],
    real: NDArray[np.float64],
    real_labels: NDArray[Any],
    persons: NDArray[Any],
    low: int,
    high: int,
    names: tuple[str, str] = ("CN", "AD"),
    seed: int = 0,
) -> dict[str, float]:
    """Measured sizes of generated and real slices -> how much of the real difference between two classes is there.

    ratio: (median AD - median CN) of generated over real, 1 is right; .low, .high its middle 95 % over both
    halves of random partings of the real persons (together their variance is that of the whole sample); .shuffled the
    mean with generated labels permuted, 0 expected, .shuffled.high what the luckiest 2.5 % of them reach.
    spread.AD, spread.CN: distance of the quartiles, generated over real: below 1 the generator draws types.
    made, real [N]; persons [N], "" if unknown; then there is no interval, nor with few of a class. Raises ValueError if
    the real classes do not differ, or one has no slice.
    """

    def apart(values: NDArray[np.float64], labels: NDArray[Any]) -> float:
        return median_difference(values, labels, low, high)

    if not fewest_of_class(persons, real_labels, (low, high)):
        raise ValueError(f"real slices of {names[0]} and of {names[1]} expected, or there is nothing to compare with")
    difference = apart(real, real_labels)
    if difference <= 0:
        raise ValueError(
            f"the real classes' medians differ by {difference:.4f}; a difference above 0 expected, "
            "or there is nothing to compare with"
        )
    rng = np.random.default_rng(seed)
    shuffled = [apart(made, rng.permutation(made_labels)) / difference for _ in range(DRAWS)]
    numbers = {
        "atrophy.ratio": apart(made, made_labels) / difference,
        "atrophy.shuffled": float(np.mean(shuffled)),
        "atrophy.shuffled.high": float(np.quantile(shuffled, 0.975)),
    }
    for name, label in ((names[0], low), (names[1], high)):
        numbers[f"atrophy.spread.{name}"] = quartile_distance(made[made_labels == label]) / quartile_distance(
            real[real_labels == label]
        )
    if known(persons) and fewest_of_class(persons, real_labels, (low, high)) >= FEWEST_OF_CLASS:
        ratios = [
            numbers["atrophy.ratio"] * difference / apart(real[some], real_labels[some])
            for some in halves_of_each_class(persons, real_labels, rng, DRAWS)
        ]
        numbers["atrophy.ratio.low"], numbers["atrophy.ratio.high"] = map(float, np.quantile(ratios, [0.025, 0.975]))
    return numbers


def rising(values: NDArray[np.float64], name: str, seed: int = 0) -> dict[str, float]:
    """Sizes along a path [T, N] -> does it lead one way?

    median: share of the steps at which the median over images rises, 1 is right; spearman: rank correlation of place
    and size within an image, mean over images; shuffled: the same with the places permuted, 0 expected.
    """
    places = np.arange(len(values))
    rng = np.random.default_rng(seed)

    def mean_rank_correlation(order: Callable[[], NDArray[Any]]) -> float:
        return float(np.mean([rank_correlation(order(), sizes) for sizes in values.T]))

    return {
        f"{name}.median": float((np.diff(np.median(values, axis=1)) > 0).mean()),
        f"{name}.spearman": mean_rank_correlation(lambda: places),
        f"{name}.shuffled": mean_rank_correlation(lambda: rng.permutation(places)),
    }


def median_difference(values: NDArray[Any], labels: NDArray[Any], low: int, high: int) -> float:
    """median(values of class `high`) - median(values of class `low`), in the values' unit."""
    values, labels = np.asarray(values), np.asarray(labels)
    return float(np.median(values[labels == high]) - np.median(values[labels == low]))
