"""What a generator is asked for beside the class, read from the generator's file: one entry, one slider.

Letters: N images, K classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from progan_style import Condition, Generator, rank_of


@dataclass(frozen=True)
class NumberCondition:
    """A number of the manifest, in its own unit: its range over the training slices and its median."""

    name: str
    low: float
    high: float
    median: float


def conditions_of(G: Generator) -> tuple[NumberCondition, ...]:
    """Those that this generator was trained with. Raises ValueError if its file tells of them in another way."""
    positions: dict[str, Any] | None = G.header["positions"]
    if positions is None:
        return ()
    name, values = positions.get("column"), positions.get("quantiles")
    if (
        not isinstance(name, str)
        or not isinstance(values, list)
        or len(values) < 2
        or not all(isinstance(value, int | float) for value in values)
        or any(not a <= b for a, b in pairwise(values))
    ):
        raise ValueError("the header of this network is wrong: positions: expected a column and its rising quantiles")
    return (NumberCondition(name, float(values[0]), float(values[-1]), float(values[len(values) // 2])),)


def condition(G: Generator, class_weights: Tensor, given: Mapping[str, float]) -> Condition:
    """Class weights [N, K] and one value for each of the generator's conditions -> the Condition of all N images.

    Raises ValueError for a value outside of the training slices' range, KeyError for one that is not given.
    """
    position = None
    if positions := G.header["positions"]:
        rank = rank_of(given[positions["column"]], positions)
        position = torch.full([len(class_weights)], rank)
    return Condition.of(class_weights, G.class_names, position)
