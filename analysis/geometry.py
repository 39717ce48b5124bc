"""Where a slice lies and how large it is: the plane, the sides, millimetres. Read from the data, never supposed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.held_out import PHANTOMS
from progan_style import PHANTOM_FIELD_MM, PHANTOM_PLANE, Data

SIDES = {"axial": ("L", "R"), "coronal": ("L", "R"), "sagittal": ("A", "P")}  # plane -> left and right of a picture


@dataclass(frozen=True)
class Geometry:
    """plane: "" if unknown. mm: per pixel at the size that is shown, None if unknown. sides: marks, "" if unknown."""

    plane: str = ""
    mm: float | None = None

    @property
    def sides(self) -> tuple[str, str]:
        return SIDES.get(self.plane, ("", ""))

    def words(self) -> str:
        """For a reader: "axial, 3.52 mm per pixel"."""
        mm = "millimetres unknown" if self.mm is None else f"{self.mm:.3g} mm per pixel"
        return f"{self.plane or 'plane unknown'}, {mm}"


def geometry_of(data: Data, resolution: int) -> Geometry:
    """Of a data set's training slices: its manifest's plane and mm_per_pixel, where all slices share one.

    mm_per_pixel is that of the files, so they must be of one size, and square.
    """
    if (Path(data.root) / PHANTOMS).is_file():
        return Geometry(PHANTOM_PLANE, PHANTOM_FIELD_MM / resolution)
    plane, mm = (_the_one(data.train.columns.get(name)) for name in ("plane", "mm_per_pixel"))
    sizes = [re.fullmatch(r"(\d+)x\1", size) for size in data.source_sizes]
    per_pixel = None
    if len(sizes) == 1 and sizes[0] and re.fullmatch(r"\d+(\.\d+)?", mm) and float(mm) > 0:
        per_pixel = float(mm) * int(sizes[0][1]) / resolution
    return Geometry(plane if plane in SIDES else "", per_pixel)


def _the_one(column: np.ndarray | None) -> str:
    """What every slice has in this column; "" where they differ or there is none."""
    values = set() if column is None else {str(value) for value in column}
    return values.pop() if len(values) == 1 else ""
