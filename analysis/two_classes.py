"""The two classes that are compared, healthy and diseased, and the generated slices of them that sections share.

Letters: N images, R resolution (pixels per side), T steps of a path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import latents
from analysis.context import Context, NotHereError
from progan_style import Generator

PAIRS = 500  # seeds 0.. that are made as both classes
WALKERS, STEPS = 64, 7  # seeds on the path between the classes, and places on it
SMALLEST_RULED = 32  # pixels; below, the ventricles are a pixel wide
TRUTH = "ventricle_ratio"  # the column of phantoms that holds it


@dataclass(frozen=True)
class TwoClasses:
    """low and high: the labels of the healthy and of the diseased class."""

    G: Generator
    low: int
    high: int

    @property
    def names(self) -> tuple[str, str]:
        return self.G.class_names[self.low], self.G.class_names[self.high]


def two_classes(context: Context) -> TwoClasses:
    """CN and AD where there are these names, else the first class and the last.

    Raises NotHereError without a generator or with one class.
    """
    if context.generator is None:
        raise NotHereError("what the disease looks like needs a generator: two folders have none")
    names = tuple(context.generator.class_names)
    if len(names) < 2:
        raise NotHereError("what the disease looks like needs two classes or more, the generator has one")
    return TwoClasses(context.generator, *compared_classes(names))


def compared_classes(names: Sequence[str]) -> tuple[int, int]:
    """The labels of the healthy and of the diseased class: CN and AD where there are these names, else the first and
    the last."""
    return (names.index("CN"), names.index("AD")) if {"CN", "AD"} <= set(names) else (0, len(names) - 1)


def held(G: Generator) -> dict[str, Any]:
    """What one brain keeps in both classes: numbers at their middle, categories unknown. Heights are the seed's own.

    Else each class would have the ages of its own people, and what is shown as the disease would be age as well.
    """
    return {one.column: getattr(one, "middle", None) for one in G.described.others}


def pairs(context: Context) -> NDArray[np.uint8]:
    """The same latents as both classes, at equal conditions: [2, N, 1, R, R]"""
    two = two_classes(context)
    return context.shared(
        "pairs", lambda: latents.path(two.G, torch.arange(PAIRS), two.low, two.high, given=held(two.G))
    )


def groups(context: Context) -> NDArray[np.uint8]:
    """The same latents as both classes, each with the conditions of its own people, as real groups are."""
    two = two_classes(context)
    if not two.G.described.others:
        return pairs(context)
    return context.shared("groups", lambda: latents.path(two.G, torch.arange(PAIRS), two.low, two.high))


def moved(context: Context) -> NDArray[np.uint8]:
    """The slices of the healthy class, moved along the class direction in w: [N, 1, R, R]"""
    two = two_classes(context)
    return context.shared(
        "moved",
        lambda: latents.path_in_w(two.G, torch.arange(PAIRS), two.low, two.high, [1.0], held(two.G))[0],
    )


def walks(context: Context) -> dict[str, NDArray[np.uint8]]:
    """The ways from one class to the other, by mixing the embeddings and along the direction: [T, N, 1, R, R] each"""
    two, places, seeds = two_classes(context), np.linspace(0, 1, STEPS).tolist(), torch.arange(WALKERS)
    return context.shared(
        "walks",
        lambda: {
            "path": latents.path(two.G, seeds, two.low, two.high, places, given=held(two.G)),
            "direction": latents.path_in_w(two.G, seeds, two.low, two.high, places, held(two.G)),
        },
    )


def truth(context: Context) -> NDArray[np.float64] | None:
    """The known ventricle ratios of the held-out slices, [M]; None where nobody knows them, or at a small size."""
    columns = context.data.unseen[1].columns if context.data is not None else {}
    if TRUTH not in columns or context.resolution < SMALLEST_RULED:
        return None
    return columns[TRUTH].astype(float)
