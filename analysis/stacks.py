"""Slices of one person at several heights: how alike they are, and how the head's area changes with the height.

Letters: P persons, S slices of a person, R pixels per side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from progan_style import likeness_of_pairs

FAR_MM, ABOUT = 10.0, 2.0  # slices this far apart, give or take
FEWEST = 3  # slices of a person
DEGREE = 2  # of the polynomial that the area follows over the height


@dataclass(frozen=True)
class Stack:
    """images uint8 [S, 1, R, R] at these heights [S], rising."""

    images: NDArray[np.uint8]
    heights: NDArray[np.float64]
    label: int


def stacks_of(
    images: NDArray[np.uint8], labels: NDArray[np.int64], subjects: NDArray[np.str_], heights: NDArray[np.float64]
) -> list[Stack]:
    """The slices of each known person, from FEWEST different heights on; one slice a height, in the persons' order."""
    found = []
    for name in sorted(set(subjects.tolist()) - {""}):
        rows = np.flatnonzero((subjects == name) & np.isfinite(heights))
        rows = rows[np.unique(heights[rows], return_index=True)[1]]
        if len(rows) >= FEWEST and len(set(labels[rows].tolist())) == 1:
            found.append(Stack(images[rows], heights[rows], int(labels[rows[0]])))
    return found


def far_pairs(heights: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Of each slice the one that lies nearest to FAR_MM above it, if one lies about there."""
    pairs = []
    for i, height in enumerate(heights):
        off = np.abs(heights - height - FAR_MM)
        if off.min() <= ABOUT:
            pairs.append((i, int(off.argmin())))
    return pairs


def near_pairs(heights: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Each slice and the next one above it."""
    return [(i, i + 1) for i in range(len(heights) - 1)]


def likeness(some: Stack, others: Stack, pairs: Sequence[tuple[int, int]]) -> float:
    """The mean likeness of slice i of one stack and slice j of another, over pairs (i, j)."""
    rows, columns = (list(places) for places in zip(*pairs, strict=True))
    return float(likeness_of_pairs(some.images[rows, 0], others.images[columns, 0]).mean())


def edges_of(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where one slice ends and the next begins: halfway; the outer two are as thick as their neighbours. [S + 1]"""
    halfway = (heights[1:] + heights[:-1]) / 2
    return np.array([2 * heights[0] - halfway[0], *halfway, 2 * heights[-1] - halfway[-1]])


def areas(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of a slice that is head or brain: brighter than 15 % of its 97th percentile of the lit pixels. -> [S]"""
    flat = images.reshape(len(images), -1).astype(np.float64)
    bright = np.array([np.percentile(row[row > 0], 97) if (row > 0).any() else 1.0 for row in flat])
    return (flat > 0.15 * bright[:, None]).mean(axis=1)


def profile(stack: Stack) -> NDArray[np.float64]:
    """The area at each height over the stack's mean: a head's own size taken away. [S]"""
    of_heights = areas(stack.images)
    return of_heights / max(float(of_heights.mean()), 1e-9)


def usual_profile(stacks: Sequence[Stack]) -> NDArray[np.float64]:
    """The coefficients of the polynomial of the height that the profiles follow in the mean."""
    heights = np.concatenate([stack.heights for stack in stacks])
    fitted: NDArray[np.float64] = np.polyfit(heights, np.concatenate([profile(stack) for stack in stacks]), DEGREE)
    return fitted


def off_profile(stack: Stack, usual: NDArray[np.float64]) -> float:
    """Root mean square distance of a stack's profile from the usual one, as a share of the mean area."""
    off = profile(stack) - np.polyval(usual, stack.heights)
    return float(np.sqrt((off**2).mean()))
