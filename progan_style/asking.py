"""What somebody asks for, in any usual form -> Condition and seeds of N images; what was not asked for is drawn.

Letters: N images, K classes, C conditions that are numbers or categories.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from progan_style import rng
from progan_style.described import DRAWN, MISSING, UNKNOWN, Category, Conditions, Position
from progan_style.networks.conditions import Condition
from progan_style.networks.contract import Generator

# What one may ask for: one class for all seeds or one each, by name or number; class weights [N, K]; a Condition
Labels: TypeAlias = "str | int | Sequence[str] | Sequence[int] | np.ndarray | Tensor | Condition"
Seeds: TypeAlias = "int | Iterable[int] | np.ndarray | Tensor"
# Name of a condition -> its value in the manifest's own words and unit, one for all or one each; None: unknown
Given: TypeAlias = Mapping[str, Any]


def label_of(name: str, class_names: Sequence[str]) -> int:
    """A class's label by its name, without regard to case. Raises ValueError if there is none of that name."""
    labels = {known.casefold(): label for label, known in enumerate(class_names)}
    if name.casefold() not in labels:
        raise ValueError(f"class '{name}' is not in this checkpoint; it was trained on {', '.join(class_names)}")
    return labels[name.casefold()]


def condition_for(G: Generator, labels: Labels, given: Given | None = None) -> Condition:
    """Classes and what is given beside them -> the Condition of N images, as `generate` takes it.

    labels: as in `generate`; given: name of a condition -> a value for all images, or one for each: a number in the
    manifest's unit, the name of a category; None, NaN or "": unknown. What is not given stays to be drawn by the seed.
    Raises ValueError, in one line, for a class, name or category that this generator does not know, and for a number
    beyond the range of the training slices.
    """
    condition = with_given(_of_labels(G, labels, given or {}), G.described, given or {})
    refuse_unlike(G, condition)
    return condition


def asked(G: Generator, labels: Labels, seeds: Seeds, given: Given | None = None) -> tuple[Condition, Tensor]:
    """What was asked for -> conditions and seeds of N images. One label, value or seed is that of all the others.

    Raises ValueError, in one line, for what names no class or condition, or is no seed.
    """
    where = _whole_numbers(seeds, "seeds")
    condition = _of_labels(G, labels, given or {}, None if _is_one(seeds) else len(where))
    if _is_one(seeds):
        where = where.expand(len(condition))
    if len(condition) != len(where):
        raise ValueError(f"expected a seed for each label, got {len(condition)} labels and {len(where)} seeds")
    if len(where) and int(where.min()) < 0:
        raise ValueError(f"expected seeds from 0 on, got {int(where.min())}")
    condition = with_given(condition, G.described, given or {})
    refuse_unlike(G, condition)
    return condition, where


def refuse_unlike(G: Generator, condition: Condition) -> None:
    """Raises ValueError for conditions that a generator was trained without, or other ones."""
    described = G.described
    if condition.position is not None and G.mapping.position is None:
        raise ValueError("expected no position: this generator was trained without; see data.conditions")
    if condition.values is not None:
        if condition.values.shape[1:] != (len(described.others),):
            names = ", ".join(one.column for one in described.others) or "none"
            raise ValueError(
                f"expected values [N, {len(described.others)}] of the conditions of this generator ({names}), "
                f"got {list(condition.values.shape)}"
            )
        for one, column in zip(described.others, condition.values.unbind(dim=1), strict=True):
            known = column[column.isfinite()]
            if isinstance(one, Category) and bool(((known < 0) | (known >= len(one.names))).any()):
                raise ValueError(f"{one.column}: expected places of its {len(one.names)} categories, from 0 on")


# ---------------------------------------------------------------- conditions by name


def with_given(condition: Condition, described: Conditions, given: Given) -> Condition:
    """The same images, with what is given; what is neither given now nor was before stays to be drawn."""
    if not given:
        return condition
    values, position = condition.values, condition.position
    if values is None and described.others:
        values = torch.full([len(condition), len(described.others)], DRAWN)
    for name, asked_for in given.items():
        one = described.named(name)
        cells = [asked_for] * len(condition) if _is_one(asked_for) else list(asked_for)
        if len(cells) != len(condition):
            raise ValueError(
                f"{name}: expected one value, or one for each image, got {len(cells)} for {len(condition)}"
            )
        encoded = torch.tensor([_encoded(one, cell) for cell in cells], dtype=torch.float32)
        if isinstance(one, Position):
            position = encoded
        else:
            assert values is not None
            values = values.clone()
            values[:, described.others.index(one)] = encoded
    return replace(condition, position=position, values=values)


def _encoded(one: Any, cell: Any) -> float:
    """A value as somebody states it -> as networks take it."""
    cell = "" if cell is None else cell.item() if isinstance(cell, np.generic | Tensor) else cell
    if isinstance(one, Category):
        if isinstance(cell, float) and math.isnan(cell):
            return UNKNOWN
        if not isinstance(cell, str):
            raise ValueError(f"{one.column}: expected one of {', '.join(one.names)}, got {cell!r}")
        return one.encoded(cell.strip())
    try:
        value = UNKNOWN if isinstance(cell, str) and cell.strip().casefold() in MISSING else float(cell)
    except (TypeError, ValueError):
        value = math.inf
    if math.isinf(value) or isinstance(cell, bool):
        raise ValueError(f"{one.column}: expected a number, got {cell!r}")
    if isinstance(one, Position) and math.isnan(value):
        raise ValueError(f"{one.column}: expected a number, got {cell!r}: a position is never unknown")
    return float(one.encoded(value))


def draw_conditions(G: Generator, condition: Condition, seeds: Tensor) -> Condition:
    """Each image's own position, numbers and categories, drawn by its seed where they were not asked for.

    As if there were one more training slice of its class: numbers and categories together, from cells of several
    persons (data/cells.py); the position evenly over the training slices' heights. What was asked for changes nothing
    of what is drawn: the same seed is the same person at every age.
    """
    position, values, described = condition.position, condition.values, G.described
    if G.mapping.position is not None and position is None:
        position = 2.0 * rng.uniform(0, "position", seeds, 1)[:, 0] - 1.0
    if described.others and (values is None or bool(values.isposinf().any())):
        u = rng.uniform(0, "given", seeds, 2 + len(described.others)).tolist()
        rows = [described.draw(*both) for both in zip(condition.class_weights.tolist(), u, strict=True)]
        drawn = torch.tensor(rows, dtype=torch.float32, device=seeds.device)
        values = drawn if values is None else torch.where(values.isposinf(), drawn, values)
    return replace(condition, position=position, values=values)


def conditions_in_words(G: Generator, condition: Condition) -> dict[str, list[Any]]:
    """What images are conditioned on beside their class, by name, [N] each: numbers in the manifest's unit, names of
    categories; None: unknown, or still to be drawn."""

    def words(one: Any, encoded: float) -> Any:
        if not math.isfinite(encoded):
            return None
        value = one.decoded(encoded)
        return value if isinstance(value, str) else float(f"{value:.6g}")

    columns: list[list[float]] = []
    if G.described.others:
        empty = torch.full([len(condition), len(G.described.others)], UNKNOWN)
        columns = (empty if condition.values is None else condition.values).T.tolist()
    if G.described.position:
        nowhere = torch.full([len(condition)], UNKNOWN)
        columns.append((nowhere if condition.position is None else condition.position).tolist())
    described = zip(G.described.all, columns, strict=True)
    return {one.column: [words(one, encoded) for encoded in column] for one, column in described}


# ---------------------------------------------------------------- labels and seeds in any usual form


def _of_labels(G: Generator, labels: Labels, given: Given, count: int | None = None) -> Condition:
    """One label is that of `count` images, or of as many as there are values of a condition."""
    if isinstance(labels, Condition):
        return labels.to("cpu")
    condition = Condition.of(_labels(labels, G.class_names), G.class_names)
    if not _is_one(labels):
        return condition
    many = [len(list(values)) for values in given.values() if not _is_one(values)]
    count = (many or [1])[0] if count is None else count
    return condition[torch.zeros(count, dtype=torch.long)]


def _is_one(value: Any) -> bool:
    return isinstance(value, str) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0


def _labels(given: Any, class_names: Sequence[str]) -> Tensor:
    """Names or numbers -> labels [N]; weights of the classes stay as they are."""
    if isinstance(given, str):
        return torch.tensor([label_of(given, class_names)])
    if isinstance(given, Iterable) and not isinstance(given, Tensor | np.ndarray):
        given = list(given)
        if given and all(isinstance(name, str) for name in given):
            return torch.tensor([label_of(name, class_names) for name in given])
    elif isinstance(given, np.ndarray) and given.dtype.kind in "UO":
        return _labels(given.tolist(), class_names)
    if isinstance(given, Tensor) and given.is_floating_point():
        return given.cpu()
    if (weights := np.asarray(given)).dtype.kind == "f":
        return torch.from_numpy(weights.astype(np.float32))
    return _whole_numbers(given, "labels")


def _whole_numbers(given: Any, what: str) -> Tensor:
    """One whole number or a row of them -> int64 [N]. Raises ValueError for anything else."""
    if isinstance(given, Iterable) and not isinstance(given, str | np.ndarray | Tensor):
        given = list(given)
    try:
        values = given.cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    except ValueError:  # rows of several lengths
        values = np.empty((0, 0))
    if values.size == 0 and values.ndim == 1:
        return torch.empty(0, dtype=torch.long)
    if values.dtype.kind not in "iu" or values.ndim > 1 or (values > np.iinfo(np.int64).max).any():
        got = repr(given) if values.ndim == 0 else f"{values.dtype} {list(values.shape)}"
        raise ValueError(f"{what}: expected one whole number or a row of them, got {got}")
    return torch.from_numpy(np.atleast_1d(values).astype(np.int64))
