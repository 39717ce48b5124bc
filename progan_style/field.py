"""What a picture shows of the world: how many mm, and which way it lies. Where the data say nothing, it is unknown."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from progan_style.data.dataset import Data
from progan_style.phantoms.folder import SETTINGS
from progan_style.phantoms.space import MM_PER_PIXEL, SIDE
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


def field_of(data: Data) -> Field | None:
    """The field of the training slices: of phantoms, and of what prepare.py cut from scans. None where it is unknown.

    prepare.py writes mm_per_pixel and plane into the manifest; they count if all slices agree.
    """
    if (Path(data.root) / SETTINGS).is_file():
        return Field(SIDE * MM_PER_PIXEL, "axial")
    columns = data.train.columns
    scales = set(columns.get("mm_per_pixel", np.array([""])).tolist())
    planes = set(columns.get("plane", np.array([""])).tolist())
    if len(scales) != 1 or len(data.source_sizes) != 1:
        return None
    try:
        scale = float(scales.pop())
        side = max(map(int, next(iter(data.source_sizes)).split("x")))  # a picture is padded to a square
    except ValueError:
        return None
    plane = planes.pop() if len(planes) == 1 else ""
    if not 0 < scale < np.inf:
        return None
    return Field(scale * side, plane if plane in PLANES else "")
