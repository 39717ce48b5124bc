"""What an independent draw is: a person, and every image that belongs to nobody.

Slices of one person are no independent draws. All that counts, draws, halves or permutes persons stands here. Groups
[M] are the persons' names, one per image. An image of nobody ("": generated, or of an unknown person) stands for
itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

HALVES = 40  # half-samples of persons behind an interval
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
    """The labels of persons, permuted: all slices of a person keep one label."""
    _, first, of = np.unique(named(groups), return_index=True, return_inverse=True)
    return rng.permutation(np.asarray(labels)[first])[of]


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


def middle_95(values: NDArray[Any], estimate: float) -> tuple[float, float]:
    """The 2.5th and 97.5th percentiles of a statistic's draws, shifted so that their mean is the full-sample value."""
    low, high = np.quantile(values - values.mean() + estimate, [0.025, 0.975])
    return float(low), float(high)


def half_sample_intervals(
    statistic: Callable[[NDArray[np.int64], NDArray[np.int64]], dict[str, float]],
    x_groups: NDArray[Any],
    y_groups: NDArray[Any],
    whole: dict[str, float],
    draws: int = HALVES,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """The middle 95 % of each number of statistic(rows of x, rows of y), over random halves of the persons.

    Half of the persons of each side are drawn without replacement: a repeated person would be a copy, which distances
    notice. The variance of a mean of half of n persons, drawn so, is that of the mean of n: (1 - 1/2) s^2 / (n / 2) =
    s^2 / n. A half has another bias than the whole, so the values are moved to have `whole` as their mean.
    """
    rng = np.random.default_rng(seed)
    values = [statistic(half(x_groups, rng), half(y_groups, rng)) for _ in range(draws)]
    return {name: middle_95(np.array([value[name] for value in values]), whole[name]) for name in whole}
