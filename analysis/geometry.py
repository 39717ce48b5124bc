"""Where a slice lies and how large it is: the plane, the sides, millimetres. Read from the data, never supposed."""

from __future__ import annotations

from dataclasses import dataclass

from progan_style import Data, field_of, plane_of

SIDES = {"axial": ("L", "R"), "coronal": ("L", "R"), "sagittal": ("A", "P")}  # plane -> left and right of a picture

ACROSS = {  # plane -> what a stack of such slices shows along one row of its pictures, and along one column
    "axial": ("coronal", "sagittal"),
    "coronal": ("axial", "sagittal"),
    "sagittal": ("axial", "coronal"),
}


@dataclass(frozen=True)
class Geometry:
    """plane: "" if unknown. mm: per pixel at the size that is shown, None if unknown. sides: marks, "" if unknown."""

    plane: str = ""
    mm: float | None = None

    @property
    def sides(self) -> tuple[str, str]:
        return SIDES.get(self.plane, ("", ""))

    @property
    def across(self) -> tuple[str, str]:
        """Names of the two planes across a stack of these slices: along a row of the pictures, and along a column."""
        return ACROSS.get(self.plane, ("along a row", "along a column"))

    def words(self) -> str:
        """For a reader: "axial, 3.52 mm per pixel"."""
        mm = "millimetres unknown" if self.mm is None else f"{self.mm:.3g} mm per pixel"
        return f"{self.plane or 'plane unknown'}, {mm}"


def geometry_of(data: Data, resolution: int) -> Geometry:
    """Of a data set's training slices, at a size."""
    field = field_of(data)
    return Geometry(plane_of(data), None if field is None else field.side_mm / resolution)
