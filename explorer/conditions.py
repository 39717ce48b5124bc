"""What a generator is asked for beside the class, read from the generator's file: one entry, one slider or one list.

Letters: N images, K classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from progan_style import Category, Condition, Generator, condition_for


@dataclass(frozen=True)
class NumberCondition:
    """A number of the manifest, in its own unit: its range over the training slices and where it begins."""

    name: str
    low: float
    high: float
    first: float
    unit: str | None = None


@dataclass(frozen=True)
class CategoryCondition:
    """A word of the manifest: those of the training slices."""

    name: str
    names: tuple[str, ...]

    @property
    def first(self) -> str:
        return self.names[0]


AnyCondition = NumberCondition | CategoryCondition
Value = float | str


def conditions_of(G: Generator) -> tuple[AnyCondition, ...]:
    """Those that this generator was trained with."""
    return tuple(
        CategoryCondition(one.column, tuple(one.names))
        if isinstance(one, Category)
        else NumberCondition(one.column, *one.ends, one.middle, one.unit)
        for one in G.described.all
    )


def condition(G: Generator, class_weights: Tensor, given: Mapping[str, Value]) -> Condition:
    """Class weights [N, K] and one value for each of the generator's conditions -> the Condition of all N images.

    Raises ValueError for a value outside of the training slices' range, KeyError for one that is not given.
    """
    return condition_for(G, class_weights, {one.name: given[one.name] for one in conditions_of(G)})
