"""--given NAME=VALUE of a command -> what generate() is asked for, once for each value of a series."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from progan_style.described import Category, Conditions, Position
from progan_style.files import check_part

if TYPE_CHECKING:
    from progan_style.networks.contract import Generator

MOST = 1000  # values of a series
DIGITS = 10  # of a number that is asked for, in names and cells too


@dataclass(frozen=True)
class Asked:
    """given: name -> value. in_name: how the values of a series stand in the names of files."""

    given: dict[str, Any]
    in_name: str = ""

    @property
    def numbers(self) -> dict[str, float]:
        """Those that are numbers, as they were asked for: what a network is told of them has fewer digits."""
        return {name: value for name, value in self.given.items() if isinstance(value, float) and math.isfinite(value)}


@dataclass(frozen=True)
class Picture:
    """What was made: a slice [R, R], its height in the unit of its column, and its conditions in words."""

    seed: int
    image: NDArray[np.uint8]
    in_name: str
    height: float | None
    conditions: dict[str, Any]
    subject: str = ""

    def line(self, psi: float) -> dict[str, Any]:
        """Its cells of manifest.csv; empty where a condition is unknown."""
        about = {"subject": self.subject, "seed": self.seed, "psi": psi}
        return about | {column: in_cell(value) for column, value in self.conditions.items()}


def read_given(G: "Generator", options: Sequence[str], position: float | None) -> list[Asked]:
    """NAME=VALUE, NAME= (unknown) or NAME=LOW:HIGH:STEP (a series) -> one entry for each value of the series.

    position: a height, the short form. Raises ValueError, in one line, for what this generator does not know.
    """
    described, values = G.described, dict[str, list[Any]]()
    for text in options:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--given {text}: expected NAME=VALUE, as in --given age=72")
        if name in values:
            raise ValueError(f"--given {name} stands twice; a series of numbers is {name}=LOW:HIGH:STEP")
        values[name] = values_of(described, name, value.strip())
    if position is not None:
        if described.position is None:
            raise ValueError("--position: this generator was trained without positions; see data.conditions")
        if described.position.column in values:
            raise ValueError(f"--position is the short form of --given {described.position.column}; give one of them")
        values[described.position.column] = [position]
    series = [name for name in values if len(values[name]) > 1]
    for name in series:
        check_part(name, "--given")
    return list(_each(described, values, series))


def in_cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return "" if value is None else str(value)  # a seed has all its digits


def _each(described: Conditions, values: dict[str, list[Any]], series: Sequence[str]) -> Iterator[Asked]:
    for chosen in itertools.product(*values.values()):
        given = dict(zip(values, chosen, strict=True))
        for name, value in given.items():
            described.named(name).encoded(value)  # what is beyond the range is told now, before anything is made
        yield Asked(given, "".join(f"_{name}{in_cell(given[name])}" for name in series))


def values_of(described: Conditions, name: str, text: str) -> list[Any]:
    """What stands behind NAME=, one value or a series of numbers. Raises ValueError, in one line."""
    one = described.named(name)
    if isinstance(one, Category):
        return [text]
    if not text:
        if isinstance(one, Position):
            raise ValueError(f"--given {name}=: expected a number; a position is never unknown")
        return [math.nan]
    parts = text.split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"--given {name}={text}: expected a number or LOW:HIGH:STEP, as in {name}=60:85:5")
    if len(numbers) == 1:
        return numbers
    low, high, step = numbers
    if step <= 0 or high < low or (high - low) / step >= MOST:
        raise ValueError(
            f"--given {name}={text}: expected LOW:HIGH:STEP that rises, of at most {MOST} values, as in {name}=60:85:5"
        )
    found = [float(f"{low + k * step:.{DIGITS}g}") for k in range(int((high - low) / step + 1e-9) + 1)]
    if len(set(found)) < len(found):
        raise ValueError(f"--given {name}={text}: expected a larger step; these values are alike in {DIGITS} digits")
    return found
