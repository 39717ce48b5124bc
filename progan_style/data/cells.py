"""What sampling draws conditions from: the training slices of a class in cells of several persons each.

A generator's file may be passed on where its slices may not, so it must not hold a table of persons. The slices of a
class are split in two again and again, by a condition being known, by a category, by a number's median, as long as each
side keeps LEAST persons (Mondrian, LeFevre et al. 2006, "Mondrian multidimensional k-anonymity"). A cell says how many
slices it has, the range of each number, rounded outwards, and how often each category comes. So what is drawn goes
together as in the training slices, but for what differs within a cell.

Letters: M slices, K classes, C conditions that are numbers or categories.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from progan_style.described import Category, Cell, Number

LEAST = 5  # persons of a cell, and of a category in it (the usual threshold of official statistics)
NARROW = 0.5  # standard deviations: a cell's range that is not split further
Mask = NDArray[np.bool_]


def cells_by_class(
    values: NDArray[np.float64],
    labels: NDArray[np.int64],
    persons: Sequence[str],
    others: Sequence[Number | Category],
    num_classes: int,
) -> list[list[Cell]]:
    """values [M, C]: numbers in their own unit, places of categories, NaN where unknown; persons [M], "" where unknown.

    A class of fewer than LEAST persons has the cells of all classes together.
    """
    names = [name or f"? {row.tolist()}" for name, row in zip(persons, values, strict=True)]
    who = np.unique(names, return_inverse=True)[1]
    found = []
    for label in range(num_classes):
        rows = labels == label
        rows = rows if enough(who[rows]) else np.ones(len(labels), bool)
        parts = _parts(np.flatnonzero(rows), values, who, others)
        found.append([_cell(values[part], who[part], others) for part in parts])
    return found


def enough(who: NDArray[np.int64]) -> bool:
    return len(np.unique(who)) >= LEAST


def _parts(
    rows: NDArray[np.int64], values: NDArray[np.float64], who: NDArray[np.int64], others: Sequence[Number | Category]
) -> Iterator[NDArray[np.int64]]:
    """The rows of each cell."""
    for side in _splits(values[rows], others):
        if enough(who[rows[side]]) and enough(who[rows[~side]]):
            yield from _parts(rows[side], values, who, others)
            yield from _parts(rows[~side], values, who, others)
            return
    yield rows


def _splits(values: NDArray[np.float64], others: Sequence[Number | Category]) -> Iterator[Mask]:
    """Ways to split some slices in two, the first choice first."""
    known = ~np.isnan(values)
    yield from (known[:, c] for c in range(len(others)) if not known[:, c].all())
    for c, one in enumerate(others):
        if isinstance(one, Category):
            counts = Counter(values[known[:, c], c].tolist())
            yield from (values[:, c] == place for place, _ in counts.most_common() if len(counts) > 1)
    widths = {
        c: float(np.ptp(values[known[:, c], c])) / one.sd
        for c, one in enumerate(others)
        if isinstance(one, Number) and known[:, c].any()
    }
    for c in sorted(widths, key=lambda c: -widths[c]):
        one = others[c]
        if widths[c] > NARROW and isinstance(one, Number):
            median = float(np.median(values[known[:, c], c]))
            yield values[:, c] <= rounded(median, step_of(one.sd), up=False)


def _cell(values: NDArray[np.float64], who: NDArray[np.int64], others: Sequence[Number | Category]) -> Cell:
    given: list[list[float] | None] = []
    for c, one in enumerate(others):
        column = values[:, c]
        known = ~np.isnan(column)
        if isinstance(one, Category):
            shares = [float((column == k).sum()) if enough(who[column == k]) else 0.0 for k in range(len(one.names))]
            given.append([*shares, len(column) - sum(shares)])
        elif enough(who[known]):
            step = step_of(one.sd)
            low, high = rounded(column[known].min(), step, up=False), rounded(column[known].max(), step, up=True)
            given.append([max(low, one.low), min(high, one.high)])
        else:
            given.append(None)
    return Cell(slices=len(values), given=given)


def step_of(sd: float) -> float:
    """What a number is rounded to, about a fifth of its standard deviation: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(sd / 5))
    return power * max(factor for factor in (1, 2, 5) if factor * power <= sd / 5 * (1 + 1e-9))


def rounded(value: float, step: float, up: bool) -> float:
    """To a multiple of the step."""
    count = math.ceil(value / step - 1e-9) if up else math.floor(value / step + 1e-9)
    return float(f"{count * step:.10g}")
