"""What a picture shows of the world: how many mm, and which way it lies. Where the data say nothing, it is unknown."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from progan_style.data.dataset import Data
from progan_style.phantoms.folder import SETTINGS
from progan_style.phantoms.space import PHANTOM_FIELD_MM, PHANTOM_PLANE
from progan_style.scans.cutting import PLANES


@dataclass(frozen=True)
class Field:
    """side_mm: the width and height of every picture, whatever its pixels. plane: a key of scans.cutting.PLANES, or ""
    where it is unknown."""

    side_mm: float
    plane: str

    @property
    def directions(self) -> tuple[tuple[int, int, int], ...]:
        """Of the columns, of the rows (downwards) and of the heights, in RAS; () where the plane is unknown."""
        return PLANES.get(self.plane, ())


def plane_of(data: Data) -> str:
    """The plane that all training slices are of, a key of scans.cutting.PLANES; "" where the data do not say it."""
    if (Path(data.root) / SETTINGS).is_file():
        return PHANTOM_PLANE
    plane = _the_one(data, "plane")
    return plane if plane in PLANES else ""


def field_of(data: Data) -> Field | None:
    """The field of the training slices: of phantoms, and of what prepare.py cut from scans. None where it is unknown.

    prepare.py writes mm_per_pixel and plane into the manifest; they count if all slices agree.
    """
    if (Path(data.root) / SETTINGS).is_file():
        return Field(PHANTOM_FIELD_MM, PHANTOM_PLANE)
    if len(data.source_sizes) != 1:
        return None
    try:
        scale = float(_the_one(data, "mm_per_pixel"))
        side = max(map(int, next(iter(data.source_sizes)).split("x")))  # a picture is padded to a square
    except ValueError:
        return None
    return Field(scale * side, plane_of(data)) if 0 < scale < np.inf else None


def _the_one(data: Data, column: str) -> str:
    """What every training slice has in this column; "" where they differ or there is none."""
    values = set(map(str, data.train.columns.get(column, ())))
    return values.pop() if len(values) == 1 else ""
