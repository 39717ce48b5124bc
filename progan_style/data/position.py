"""The slice's position in the head as a second condition: a manifest's column -> ranks from -1 to 1 and back.

Ranks, not millimetres: whatever the column's unit and however the heights are spread, all positions are equally
frequent, so that drawing one for a generated slice is drawing a uniform number.

Letters: M images, N batch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from progan_style.data.dataset import Dataset

QUANTILES = 33


@dataclass(frozen=True)
class Positions:
    """rank [M] of each training slice, -1 .. 1; values [33]: the column's quantiles, from the lowest to the highest."""

    column: str
    rank: np.ndarray
    values: tuple[float, ...]

    @classmethod
    def read(cls, data: Dataset, column: str) -> "Positions":
        """Raises ValueError if the manifest lacks the column, or a number in it for every training slice."""
        if column not in data.columns:
            known = ", ".join(data.columns) or "none"
            raise ValueError(f"data.position_column: manifest.csv has no column {column!r}; it has {known}")
        if words := [str(cell) for cell in data.columns[column] if not _is_number(cell)]:
            raise ValueError(
                f"manifest.csv, column {column}: expected numbers, got {words[0]!r} (in {len(words)} of "
                f"{len(data.columns[column])} lines); correct them, or set data.position_column: null"
            )
        heights = np.array([float(x or "nan") for x in data.columns[column]])
        if missing := int((~np.isfinite(heights)).sum()):
            raise ValueError(
                f"manifest.csv, column {column}: no number for {missing} of {len(heights)} training slices; fill them "
                f"in, or set data.position_column: null"
            )
        # Equal heights share their mean rank.
        _, group, count = np.unique(heights, return_inverse=True, return_counts=True)
        middle = np.cumsum(count) - 0.5 * count
        rank = 2.0 * middle[group] / len(heights) - 1.0
        values = np.quantile(heights, np.linspace(0.0, 1.0, QUANTILES))
        return cls(column, rank.astype(np.float32), tuple(float(v) for v in values))

    def of(self, rows: np.ndarray, device: torch.device) -> Tensor:
        """The positions of the given rows of the training slices, [N] on the device."""
        return torch.from_numpy(self.rank[rows]).to(device, non_blocking=True)

    def header(self) -> dict[str, Any]:
        """What a network's file keeps of them."""
        return {"column": self.column, "quantiles": list(self.values)}


def _is_number(cell: str) -> bool:
    try:
        float(cell or "nan")
    except ValueError:
        return False
    return True


def rank_of(value: float, header: dict[str, Any]) -> float:
    """A position in the column's unit -> -1 .. 1. Raises ValueError outside the training slices' range."""
    quantiles = header["quantiles"]
    if not quantiles[0] <= value <= quantiles[-1]:
        raise ValueError(
            f"position {value:g}: expected {quantiles[0]:g} to {quantiles[-1]:g}, the training slices' range of "
            f"{header['column']}"
        )
    # Equal heights share their middle rank: the mean of the first and the last of theirs, as in training.
    heights, ranks = np.array(quantiles), np.linspace(-1.0, 1.0, len(quantiles))
    return float(np.interp(value, heights, ranks) - np.interp(-value, -heights[::-1], ranks)) / 2
