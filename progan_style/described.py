"""What a network's file says of its conditions beside the class: columns of the manifest, as records that are checked.

A generator's file may leave the house where its slices may not. So it holds no row of the manifest: ranges are rounded
outwards, and what sampling draws from are cells of several persons each (data/cells.py).

Letters: K classes, C conditions that are numbers or categories.
"""

import difflib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from progan_style.files import check_part

UNITS = ("mm", "cm", "ml", "kg", "years", "months", "days")
MOST = 50  # categories of a condition
MISSING = ("", "nan", "n/a")  # what a cell says that says nothing; n/a is BIDS's
Kind = Literal["number", "category", "position"]
UNKNOWN = math.nan  # of an encoded value
DRAWN = math.inf  # an encoded value that sampling draws by the image's seed


def is_missing(cell: str) -> bool:
    return cell.strip().casefold() in MISSING


def unit_of(column: str) -> str | None:
    """As the column's name states it: slice_mm is in mm, age_years and age in years. None where it does not."""
    name, _, last = column.casefold().rpartition("_")
    if not name:
        return "years" if last == "age" else None
    return last if last in UNITS else None


def check_column(name: str) -> str:
    """Raises ValueError for a name that a file's name or an option cannot hold."""
    check_part(name, "condition")
    if set(name) & set(".="):
        raise ValueError(f"expected a column whose name has no . and no =, got {name}; rename it in manifest.csv")
    return name


Column = Annotated[str, AfterValidator(check_column)]


def check_kinds(kinds: dict[str, Kind]) -> dict[str, Kind]:
    """Columns and what each is for (data.conditions). Raises ValueError for a second position too."""
    for name in kinds:
        check_column(name)
    if len(twice := [name for name, kind in kinds.items() if kind == "position"]) > 1:
        raise ValueError(f"expected one position at most, got {' and '.join(twice)}")
    return kinds


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Ranged(Record, ABC):
    """A condition whose values are numbers, in a unit of their own."""

    column: Column
    unit: str | None = None

    @property
    @abstractmethod
    def ends(self) -> tuple[float, float]:
        """The range of the training slices."""

    def checked(self, value: float) -> float:
        """Raises ValueError, with the range, for a value that no training slice comes near."""
        low, high = self.ends
        if not low <= value <= high:
            of_unit = f" {self.unit}" if self.unit else ""
            raise ValueError(
                f"{self.column}={value:g}: expected {low:g} to {high:g}{of_unit}, the range of the training slices"
            )
        return value


class Position(Ranged):
    """A slice's height; encoded as its rank, -1 .. 1. quantiles: of the column, from the lowest to the highest."""

    kind: Literal["position"] = "position"
    quantiles: list[float] = Field(min_length=2)

    @model_validator(mode="after")
    def _rising(self) -> "Position":
        if any(a > b for a, b in pairwise(self.quantiles)):
            raise ValueError("expected quantiles from the lowest to the highest")
        return self

    @property
    def ends(self) -> tuple[float, float]:
        return self.quantiles[0], self.quantiles[-1]

    @property
    def middle(self) -> float:
        return self.quantiles[len(self.quantiles) // 2]

    def encoded(self, value: float) -> float:
        """In the column's unit -> -1 .. 1. Raises ValueError outside of the training slices' range."""
        # Equal heights share their middle rank: the mean of the first and the last of theirs, as in training.
        heights, ranks = np.array(self.quantiles), np.linspace(-1.0, 1.0, len(self.quantiles))
        value = self.checked(value)
        return float(np.interp(value, heights, ranks) - np.interp(-value, -heights[::-1], ranks)) / 2

    def decoded(self, rank: float) -> float:
        return float(np.interp(rank, np.linspace(-1.0, 1.0, len(self.quantiles)), self.quantiles))


class Number(Ranged):
    """Encoded in standard deviations from the mean, both of the training slices. low, high: their range, rounded."""

    kind: Literal["number"] = "number"
    mean: float
    sd: float = Field(gt=0)
    low: float
    high: float

    @property
    def ends(self) -> tuple[float, float]:
        return self.low, self.high

    @property
    def middle(self) -> float:
        return min(max(self.mean, self.low), self.high)

    def encoded(self, value: float) -> float:
        """Raises ValueError outside of the training slices' range."""
        return UNKNOWN if math.isnan(value) else (self.checked(value) - self.mean) / self.sd

    def decoded(self, z: float) -> float:
        return self.mean + self.sd * z


class Category(Record):
    """Encoded as the place among its names."""

    kind: Literal["category"] = "category"
    column: Column
    unit: None = None
    names: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(min_length=2, max_length=MOST)

    @model_validator(mode="after")
    def _distinct(self) -> "Category":
        if len(set(self.names)) < len(self.names):
            raise ValueError("expected different names of categories")
        return self

    def encoded(self, name: str) -> float:
        """A name -> its place; without regard to case, where that is one. Raises ValueError for another name."""
        if name.casefold() in MISSING:
            return UNKNOWN
        alike = [known for known in self.names if known.casefold() == name.casefold()]
        if name not in self.names and len(alike) != 1:
            raise ValueError(
                f"{self.column}={_shown(name)} is not in this checkpoint; it was trained on {', '.join(self.names)}"
            )
        return float(self.names.index(name if name in self.names else alike[0]))

    def decoded(self, place: float) -> str:
        return self.names[int(place)]


Described = Number | Category


class Cell(Record):
    """Training slices whose conditions are alike.

    given, for each number or category: the range of a number, None where it is unknown; of a category the slices of
    each name and, last, those where it is unknown.
    """

    slices: int = Field(gt=0)
    given: list[list[float] | None]


class Conditions(Record):
    """All that networks know beside the class. cells: those of each class, [K], or none: all is drawn as unknown."""

    position: Position | None = None
    others: list[Annotated[Described, Field(discriminator="kind")]] = []
    cells: list[list[Cell]] = []

    @model_validator(mode="after")
    def _agree(self) -> "Conditions":
        if len({one.column for one in self.all}) < len(self.all):
            raise ValueError("expected different columns")
        for cell in (cell for of_class in self.cells for cell in of_class):
            if len(cell.given) != len(self.others):
                raise ValueError(f"a cell has {len(cell.given)} conditions, expected {len(self.others)}")
            for one, values in zip(self.others, cell.given, strict=True):
                if isinstance(one, Category):
                    fits = values is not None and len(values) == len(one.names) + 1
                    fits = fits and min(values or [-1]) >= 0 < sum(values or [])
                else:
                    fits = values is None or (len(values) == 2 and one.low <= values[0] <= values[1] <= one.high)
                if not fits:
                    raise ValueError(f"a cell says {values} of {one.column}")
        return self

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> "Conditions":
        """What a network's header says; one that was written before there were others says nothing of them."""
        return cls.model_validate({**(header.get("conditions") or {}), "position": header["positions"]})

    def header(self) -> dict[str, Any]:
        others = self.model_dump(include={"others", "cells"}) if self.others else None
        return {"positions": self.position and self.position.model_dump(), "conditions": others}

    @property
    def all(self) -> list[Number | Category | Position]:
        return [*self.others, *([self.position] if self.position else [])]

    @property
    def sizes(self) -> dict[str, int]:
        """What networks are built with: each number or category and its categories, 0 of a number."""
        return {one.column: len(one.names) if isinstance(one, Category) else 0 for one in self.others}

    def named(self, name: str) -> Number | Category | Position:
        """Raises ValueError for a name that is none of theirs."""
        names = [one.column for one in self.all]
        if name not in names:
            if not names:
                raise ValueError(f"{_shown(name)}: this generator was trained without conditions; see data.conditions")
            raise ValueError(f"{_shown(name)} is no condition of this generator; {nearest(name, names)}")
        return self.all[names.index(name)]

    def draw(self, class_weights: Sequence[float], u: Sequence[float]) -> list[float]:
        """The encoded conditions [C] of a training slice that might have been, from uniform numbers [2 + C]."""
        cells = self.cells[_picked(class_weights, u[0])] if self.cells else []
        if not cells:
            return [UNKNOWN] * len(self.others)
        cell, drawn = cells[_picked([cell.slices for cell in cells], u[1])], []
        for one, values, x in zip(self.others, cell.given, u[2:], strict=True):
            if values is None:
                drawn.append(UNKNOWN)
            elif isinstance(one, Category):
                place = _picked(values, x)
                drawn.append(float(place) if place < len(one.names) else UNKNOWN)
            else:
                drawn.append((values[0] + x * (values[1] - values[0]) - one.mean) / one.sd)
        return drawn


def nearest(name: str, known: Sequence[str]) -> str:
    """The end of a message on a name that is not known."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    has = ", ".join(known[:12]) + (f" and {len(known) - 12} more" if len(known) > 12 else "")
    return (f"did you mean {near[0]}? " if near else "") + f"it has {has or 'none'}"


def _picked(weights: Sequence[float], x: float) -> int:
    """The place where a uniform number falls, of these weights."""
    left, last = x * sum(weights), 0
    for place, weight in enumerate(weights):
        if weight > 0:
            last = place
            if left < weight:
                return place
        left -= weight
    return last


def _shown(name: str) -> str:
    return name if name.isprintable() and len(name) <= 80 else repr(name[:80])
