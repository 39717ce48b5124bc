"""What the page shows, as one record; and the link that holds it, written and read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from analysis import compared_classes
from explorer.conditions import AnyCondition, CategoryCondition, Value

TABS = ("brain", "mixing", "map", "closest")
WAYS = ("direction", "label")  # how a brain is led from one class to the other: see pictures.py
SCALES = (16, 32, 64, 128)  # gray levels at the ends of the difference map
LARGEST_SEED = 2**31 - 1  # a whole number in every browser and in NIfTI
GIVEN = "given."  # before a condition's name in a link, so that no column can be taken for a key


@dataclass(frozen=True)
class State:
    """size: pixels per side. low, high: the classes at the slider's ends, weight: the place between them.

    noise: the seed of the noise, None for the brain's own. other: the second brain's seed. coarse: the size up to which
    a mixed brain has the first brain's styles. scale: gray levels. given: name and value of each condition.
    """

    size: int
    low: str
    high: str
    seed: int = 0
    weight: float = 1.0
    way: str = "direction"
    psi: float = 1.0
    noise: int | None = None
    other: int = 1
    coarse: int = 8
    scale: int = 64
    tab: str = "brain"
    given: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class Choices:
    """What a run leaves to choose: its name, finished sizes, classes, conditions."""

    run: str
    sizes: tuple[int, ...]
    class_names: tuple[str, ...]
    conditions: tuple[AnyCondition, ...] = ()


def first_state(choices: Choices, size: int) -> State:
    """What a page shows before anything is asked."""
    low, high = compared_classes(choices.class_names)
    given = tuple((one.name, one.first) for one in choices.conditions)
    return fitted(State(size, choices.class_names[low], choices.class_names[high], given=given))


def class_in_words(state: State) -> str:
    """Where the class slider stands, in words."""
    if state.low == state.high or state.weight == 0:
        return state.low
    return state.high if state.weight == 1 else f"{state.weight:.0%} of the way to {state.high}"


def coarse_sizes(size: int) -> list[int]:
    """Where two brains can be joined: 4, 8, ... below the last."""
    return [2**k for k in range(2, int(math.log2(size)))]


def fitted(state: State) -> State:
    """The same, with a place to join two brains that this size has."""
    return replace(state, coarse=min(state.coarse, coarse_sizes(state.size)[-1]))


def link(state: State, run: str) -> str:
    """The state as the query of an address. Every key is written: what a page shows at first may change."""
    values = {f.name: getattr(state, f.name) for f in fields(state) if f.name not in ("given", "noise")}
    values["noise"] = "own" if state.noise is None else state.noise
    # All digits of a number: rounded, the end of a range lies beyond it. A category's name is as it is
    values |= {f"{GIVEN}{name}": value if isinstance(value, str) else str(float(value)) for name, value in state.given}
    values |= {name: f"{values[name]:.10g}" for name in ("weight", "psi")}
    return urlencode({"run": run, **values})


def from_link(query: Mapping[str, Sequence[str]], choices: Choices, start: State) -> tuple[State, list[str]]:
    """The state that a link holds, and a line for each part of it that cannot be had, which stays as in `start`."""
    lines: list[str] = []
    read: dict[str, Any] = {}
    given = dict(start.given)
    known = {one.name: one for one in choices.conditions}
    for key, values in query.items():
        try:
            if key == "run":
                if values[-1] != choices.run:
                    lines.append(f"the link is of the run {values[-1]}, this is {choices.run}: its seeds mean others")
            elif key.startswith(GIVEN):
                name = key.removeprefix(GIVEN)
                if name not in known:
                    raise ValueError(f"expected one of {', '.join(known) or 'none: this run has no conditions'}")
                given[name] = _value(values[-1], known[name])
            elif key in READERS:
                read[key] = READERS[key](values[-1], choices)
            else:
                raise ValueError(f"expected one of run, {', '.join(READERS)}")
        except ValueError as error:
            lines.append(f"{key}={values[-1]}: {error}")
    state = replace(start, given=tuple(given.items()), **read)
    fits = fitted(state)
    if fits != state:
        lines.append(f"coarse={state.coarse}: expected {coarse_sizes(state.size)[-1]} or less at {state.size}")
    return fits, lines


def _value(text: str, one: AnyCondition) -> Value:
    if isinstance(one, CategoryCondition):
        return str(_one_of(text, one.names))
    return _number(text, one.low, one.high)


def _number(text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f"expected a number from {low:g} to {high:g}")
    return value


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= LARGEST_SEED):
        raise ValueError(f"expected a whole number from 0 to {LARGEST_SEED}")
    return int(text)


def _one_of(text: str, known: Sequence[object]) -> object:
    for value in known:
        if str(value) == text:
            return value
    raise ValueError(f"expected one of {', '.join(map(str, known))}")


# key -> its value, or a ValueError
READERS = {
    "size": lambda text, choices: _one_of(text, choices.sizes),
    "low": lambda text, choices: _one_of(text, choices.class_names),
    "high": lambda text, choices: _one_of(text, choices.class_names),
    "seed": lambda text, choices: _seed(text),
    "weight": lambda text, choices: _number(text, 0.0, 1.0),
    "way": lambda text, choices: _one_of(text, WAYS),
    "psi": lambda text, choices: _number(text, 0.0, 1.0),
    "noise": lambda text, choices: None if text == "own" else _seed(text),
    "other": lambda text, choices: _seed(text),
    "coarse": lambda text, choices: _one_of(text, coarse_sizes(max(choices.sizes))),
    "scale": lambda text, choices: _one_of(text, SCALES),
    "tab": lambda text, choices: _one_of(text, TABS),
}
