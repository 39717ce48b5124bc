"""What an independent draw is: a person, and every image that belongs to nobody.

Slices of one person are no independent draws. All that counts, draws, halves or permutes persons stands here. Groups
[M] are the persons' names, one per image. An image of nobody ("": generated, or of an unknown person) stands for
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

HALVES = 200  # half-samples of persons behind an interval
FEWEST_OF_CLASS = 6  # persons of a class: of fewer, halves are so alike that an interval over them says too little
Rng = np.random.Generator


# ------------------------------------------------------------------ who is who


def named(groups: NDArray[Any]) -> NDArray[Any]:
    """The groups as strings, every image of nobody under a name of its own."""
    names = np.asarray(groups).astype(str)
    return np.where(names == "", np.char.add("\x01", np.arange(len(names)).astype(str)), names)


def known(groups: NDArray[Any]) -> bool:
    """Is every image somebody's?"""
    return not (np.asarray(groups) == "").any()


def count_persons(groups: NDArray[Any]) -> int | None:
    """How many persons; None if some are unknown."""
    return len(set(groups)) if known(groups) else None


def independent(groups: NDArray[Any]) -> int:
    """How many independent draws a set of images is: its persons, and every image that belongs to nobody."""
    return len(np.unique(named(groups)))


def fewest_of_class(groups: NDArray[Any], labels: NDArray[Any], classes: Iterable[int]) -> int:
    """How many independent draws that of these classes has that has the fewest: 0 for a class without an image."""
    groups, labels = np.asarray(groups), np.asarray(labels)
    return min(independent(groups[labels == label]) for label in classes)


def strangers(count: int, groups: NDArray[Any] | None) -> NDArray[np.bool_]:
    """Which pairs are two different images of different persons: [M, M]"""
    pairs = ~np.eye(count, dtype=bool)
    if groups is not None:
        groups = np.asarray(groups).astype(str)
        if len(groups) != count:
            raise ValueError(f"one group per image expected, got {len(groups)} for {count} images")
        pairs &= (groups[:, None] != groups[None, :]) | (groups == "")[:, None]
    return pairs


# ------------------------------------------------------------------ drawn


def one_each(groups: NDArray[Any], rng: Rng) -> NDArray[np.int64]:
    """One row of each group, drawn, and every row without a group, in random order."""
    names = np.asarray(groups).astype(str)
    order = rng.permutation(len(names))
    _, first = np.unique(names[order], return_index=True)
    rows = order[first]
    return rng.permutation(np.concatenate([rows[names[rows] != ""], np.flatnonzero(names == "")]))


def some_one_each(groups: NDArray[Any], rows: NDArray[np.int64], count: int, rng: Rng) -> NDArray[np.int64]:
    """At most `count` of the rows, drawn at random, no two of one person."""
    chosen: list[int] = []
    taken: set[str] = set()
    for row in rng.permutation(rows):
        if groups[row] not in taken and len(chosen) < count:
            chosen.append(int(row))
            taken |= {groups[row]} - {""}
    return np.asarray(chosen, dtype=np.int64)


def of_many_persons(groups: NDArray[Any], count: int, seed: int) -> NDArray[np.int64]:
    """Rows of at most `count` slices, of as many persons as possible."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(groups))
    turn: dict[Any, int] = {}
    key = []
    for row in rows:
        turn[groups[row]] = turn.get(groups[row], -1) + 1
        key.append(turn[groups[row]])
    return rows[np.argsort(key, kind="stable")][:count]


def permuted(labels: NDArray[Any], groups: NDArray[Any], rng: Rng) -> NDArray[Any]:
    """The labels of persons, permuted: all slices of a person that have one label keep one.

    A person with slices of several labels (a patient who was healthy before, a seed that both classes have) counts once
    for each of them, so every label stays with as many. That such slices are alike makes the observed number vary less
    than the permuted ones, never more.
    """
    _, person = np.unique(named(groups), return_inverse=True)
    values, label = np.unique(labels, return_inverse=True)
    units, of = np.unique(person * len(values) + label, return_inverse=True)
    return values[rng.permutation(units % len(values))][of]


# ------------------------------------------------------------------ halves, and intervals from them


def half(groups: NDArray[Any], rng: Rng) -> NDArray[np.int64]:
    """All rows of half of the groups, the larger half, drawn without replacement."""
    names = np.asarray(groups).astype(str)
    alone = np.flatnonzero(names == "")
    persons = np.unique(names[names != ""])
    kept = rng.permutation(persons)[: (len(persons) + 1) // 2]
    return np.concatenate([np.flatnonzero(np.isin(names, kept)), rng.permutation(alone)[: (len(alone) + 1) // 2]])


def smaller_half(groups: NDArray[Any], rng: Rng) -> NDArray[np.bool_]:
    """A mask [M] of the smaller half of the persons, drawn; the rest are the other half."""
    names = named(groups)
    persons = np.unique(names)
    return np.isin(names, rng.permutation(persons)[: len(persons) // 2])


def half_of_each_class(groups: NDArray[Any], labels: NDArray[Any], rng: Rng) -> NDArray[np.bool_]:
    """A mask [M] of the slices of half of each class's persons, drawn without replacement."""
    labels = np.asarray(labels)
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        here = np.flatnonzero(labels == label)
        chosen[here[half(np.asarray(groups)[here], rng)]] = True
    return chosen


def halves_of_each_class(
    groups: NDArray[Any], labels: NDArray[Any], rng: Rng, count: int
) -> Iterator[NDArray[np.bool_]]:
    """So many masks [M], two by two: both halves of each parting of each class's persons.

    Of an odd number n of persons the mean of the larger half has (n - 1) / (n + 1) of the variance s^2 / n, that of the
    smaller one the inverse: together they are right to 2 / n^2.
    """
    for _ in range(count // 2):
        one = half_of_each_class(groups, labels, rng)
        yield from (one, ~one)


def middle_95(values: NDArray[Any], estimate: float) -> tuple[float, float]:
    """The 2.5th and 97.5th percentiles of a statistic's draws, shifted so that their mean is the full-sample value."""
    low, high = np.quantile(values - values.mean() + estimate, [0.025, 0.975])
    return float(low), float(high)


def half_sample_intervals(
    statistic: Callable[[NDArray[np.int64], NDArray[np.int64]], dict[str, float]],
    x_groups: NDArray[Any],
    y_groups: NDArray[Any],
    whole: dict[str, float],
    of_pairs: Collection[str] = (),
    x_labels: NDArray[Any] | None = None,
    draws: int = HALVES,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """The middle 95 % of each number of statistic(rows of x, rows of y), over random halves of the persons.

    The persons of each side are parted in two halves, without replacement: a repeated person would be a copy, which
    distances notice. The variance of a mean of half of n persons, drawn so, is that of the mean of n: (1 - 1/2) s^2 /
    (n / 2) = s^2 / n. A half has another bias than the whole, so the values are moved to have `whole` as their mean.
    of_pairs: the numbers that are distances of two samples, whose halves vary more (spread_of_pairs). x_labels: classes
    of x, whose persons are halved class by class. A number that some half does not have has no interval.
    """
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws // 2):
        x = half(x_groups, rng) if x_labels is None else np.flatnonzero(half_of_each_class(x_groups, x_labels, rng))
        y = half(y_groups, rng)
        values.append((statistic(x, y), statistic(others(x, x_groups), others(y, y_groups))))
    ends = {}
    for name in (name for name in whole if all(name in numbers for pair in values for numbers in pair)):
        first, second = (np.array([pair[side][name] for pair in values]) for side in (0, 1))
        spread = spread_of_pairs(first, second) if name in of_pairs else 1.0
        ends[name] = middle_95(spread * np.concatenate([first, second]), whole[name])
    return ends


def others(rows: NDArray[np.int64], groups: NDArray[Any]) -> NDArray[np.int64]:
    """The rows that are not among these, of all."""
    return np.setdiff1d(np.arange(len(groups)), rows)


def spread_of_pairs(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The spread of a distance of two samples over that of its halves, from the values of both halves of each parting.

    A distance such as KID is a mean over pairs. Its variance is a / n of what each person adds, and b / n^2 of what
    pairs add (Hoeffding 1948). A half, about the whole, has a / n + 3 b / n^2: too much by what pairs add, which is
    all there is where the distributions are equal. Half the difference of two halves has a / n + 2 b / n^2, their mean
    about the whole b / n^2. So the variance sought is that of half the difference, less that of the mean.
    """
    both = np.concatenate([first, second]).var()
    sought = ((first - second) ** 2).mean() / 4 - ((first + second) / 2).var()
    return float(np.sqrt(np.clip(sought / both, 1 / 3, 1.0))) if both > 0 else 1.0
