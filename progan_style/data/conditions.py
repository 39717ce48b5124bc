"""Columns of the manifest as conditions of the training slices: a position's ranks, numbers, categories.

A position is ranks, not millimetres: whatever the column's unit and however the heights are spread, all positions are
equally frequent, so that drawing one for a generated slice is drawing a uniform number. A number is standardised: the
distance of two ages is theirs, not that of the persons between them.

Letters: M training slices, N batch, C conditions that are numbers or categories.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from progan_style import rng
from progan_style.data.cells import cells_by_class, rounded, step_of
from progan_style.data.dataset import Dataset
from progan_style.described import MOST, Category, Conditions, Number, Position, is_missing, nearest, unit_of

QUANTILES = 33
DROPPED = 0.1  # share of the images of a training at which a condition is made unknown


@dataclass(frozen=True)
class SliceConditions:
    """rank [M] of each training slice's position, -1 .. 1; values [M, C] as networks take them, NaN where unknown."""

    described: Conditions
    rank: NDArray[np.float32] | None = None
    values: NDArray[np.float32] | None = None
    remarks: tuple[str, ...] = ()  # lines for the one who trains

    @classmethod
    def read(cls, data: Dataset, kinds: Mapping[str, str]) -> "SliceConditions":
        """kinds: column -> number, category or position (data.conditions).

        Raises ValueError, in one line, for a column that is not there, for cells that are no numbers, for one that says
        the same of all slices, and for too many categories.
        """
        position, rank, others, columns, remarks = None, None, [], [], []
        for column, kind in kinds.items():
            refuse_no_column(column, list(data.columns))
            cells = data.columns[column]
            if kind == "position":
                position, rank = read_position(column, cells, data.paths)
                continue
            one, values = (read_number if kind == "number" else read_category)(column, cells, data.paths)
            others.append(one)
            columns.append(values)
            if 2 * (missing := int(np.isnan(values).sum())) > len(cells):
                remarks.append(
                    f"warning: manifest.csv says no {column} of {missing} of {len(cells)} training slices; the "
                    f"networks hear of it in the others alone"
                )
        if not others:
            return cls(Conditions(position=position), rank)
        table = np.stack(columns, axis=1)
        cells_of = cells_by_class(table, data.labels, data.subjects.tolist(), others, len(data.class_names))
        described = Conditions(position=position, others=others, cells=cells_of)
        encoded = [
            (column - one.mean) / one.sd if isinstance(one, Number) else column
            for one, column in zip(others, columns, strict=True)
        ]
        return cls(described, rank, np.stack(encoded, axis=1).astype(np.float32), tuple(remarks))

    def of(self, rows: np.ndarray, seed: int, index: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """The positions [N] and values [N, C] of these rows of the training slices, as the images `index` of a run.

        A tenth of the values is made unknown, so that the networks learn what that means: which ones is a function of
        seed and image number. On the index' device; nothing waits for it.
        """
        position = values = None
        if self.rank is not None:
            position = torch.from_numpy(self.rank[rows]).to(index.device, non_blocking=True)
        if self.values is not None:
            values = torch.from_numpy(self.values[rows]).to(index.device, non_blocking=True)
            u = rng.uniform(seed, "unknown", index, values.shape[1])
            values = torch.where(u < DROPPED, math.nan, values)
        return position, values

    def digest(self) -> dict[str, str]:
        """Tells the conditions of data sets apart, beside Dataset.digest."""
        arrays = [values for values in (self.rank, self.values) if values is not None]
        if not arrays:
            return {}
        parts = [str(self.described.sizes).encode(), *(np.nan_to_num(a, nan=1e30).tobytes() for a in arrays)]
        return {"conditions": hashlib.sha256(b"".join(parts)).hexdigest()[:16]}


def refuse_no_column(column: str, columns: list[str]) -> None:
    if column not in columns:
        raise ValueError(f"data.conditions: manifest.csv has no column {column!r}; {nearest(column, columns)}")


def numbers(column: str, cells: np.ndarray, paths: tuple[str, ...]) -> NDArray[np.float64]:
    """The cells [M] of a column, NaN where it says nothing. Raises ValueError for what is no number."""
    found, wrong = np.full(len(cells), math.nan), []
    for row, cell in enumerate(cells.tolist()):
        if is_missing(cell):
            continue
        try:
            found[row] = float(cell)
        except ValueError:
            wrong.append(row)
        else:
            wrong += [row] * (not math.isfinite(found[row]))
    if wrong:
        raise ValueError(
            f"manifest.csv, column {column}: expected numbers, got {str(cells[wrong[0]])!r} of {paths[wrong[0]]} (and "
            f"{len(wrong) - 1} more); correct them, or leave {column} out of data.conditions"
        )
    return found


def read_position(column: str, cells: np.ndarray, paths: tuple[str, ...]) -> tuple[Position, NDArray[np.float32]]:
    """Each slice's rank [M]. Raises ValueError where one has no number: a slice is always somewhere."""
    heights = numbers(column, cells, paths)
    if missing := int(np.isnan(heights).sum()):
        raise ValueError(
            f"manifest.csv, column {column}: no number for {missing} of {len(heights)} training slices; fill them in, "
            f"or leave {column} out of data.conditions"
        )
    # Equal heights share their mean rank.
    _, group, count = np.unique(heights, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - 0.5 * count
    rank = 2.0 * middle[group] / len(heights) - 1.0
    values = np.quantile(heights, np.linspace(0.0, 1.0, QUANTILES))
    quantiles = [float(v) for v in values]
    return Position(column=column, unit=unit_of(column), quantiles=quantiles), rank.astype(np.float32)


def read_number(column: str, cells: np.ndarray, paths: tuple[str, ...]) -> tuple[Number, NDArray[np.float64]]:
    values = numbers(column, cells, paths)
    known = values[~np.isnan(values)]
    refuse_one_value(column, [f"{value:g}" for value in np.unique(known)[:2]])
    mean, sd = float(known.mean()), float(known.std())
    if not math.isfinite(sd) or sd <= 1e-9 * abs(mean):
        raise ValueError(
            f"manifest.csv, column {column}: expected numbers that differ, got {known.min()} to {known.max()}"
        )
    step = step_of(sd)
    low, high = rounded(float(known.min()), step, up=False), rounded(float(known.max()), step, up=True)
    return Number(column=column, unit=unit_of(column), mean=mean, sd=sd, low=low, high=high), values


def read_category(column: str, cells: np.ndarray, paths: tuple[str, ...]) -> tuple[Category, NDArray[np.float64]]:
    """Names in the order of the alphabet."""
    texts = [cell.strip() for cell in cells.tolist()]
    names = sorted({text for text in texts if not is_missing(text)})
    refuse_one_value(column, names)
    if len(names) > MOST:
        raise ValueError(
            f"manifest.csv, column {column}: expected at most {MOST} categories, got {len(names)} "
            f"({', '.join(names[:3])} ..); if they are numbers, set data.conditions.{column}: number"
        )
    if unnamed := [name for name in names if not name.isprintable() or len(name) > 200]:
        raise ValueError(f"manifest.csv, column {column}: expected names of categories, got {unnamed[0][:80]!r}")
    place = {name: float(k) for k, name in enumerate(names)}
    return Category(column=column, names=names), np.array([place.get(text, math.nan) for text in texts])


def refuse_one_value(column: str, different: list[str]) -> None:
    if len(different) < 2:
        says = f"the same of all training slices, {different[0]!r}" if different else "nothing of any training slice"
        raise ValueError(
            f"manifest.csv, column {column}: it says {says}; nothing is to be learnt from it: leave {column} out of "
            f"data.conditions"
        )
