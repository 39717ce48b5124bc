"""Generated slices as NIfTI, where the millimetres of the slices that a generator learnt from are known.

Letters: R pixels per side.
"""

import gzip
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from progan_style.data.folder import folder_words, label_names, plain
from progan_style.data.manifest import MANIFEST, path_of, read_manifest
from progan_style.described import is_missing
from progan_style.field import Field
from progan_style.phantoms.folder import SETTINGS
from progan_style.phantoms.space import CENTRE, PHANTOM_FIELD_MM, PHANTOM_PLANE
from progan_style.scans.cutting import PLANES

HEIGHT = "slice_mm"  # the manifest's column of heights in mm
ALIGNED = 2  # NIfTI's code of coordinates about a point of the anatomy, not of a scanner
Point = tuple[float, float, float]


def field_of_folder(root: str | None, classes: Sequence[str], aliases: Mapping[str, str]) -> tuple[Field, Point]:
    """The field of the pictures of these classes, from the manifest alone, and the RAS mm of their middle at height 0;
    of the built-in phantoms for None.

    Raises ValueError, in one line, if the manifest does not say plane and mm_per_pixel, alike for all slices of the
    classes, or if their pictures differ in size: each is padded to a square of its own, so that none of them has
    the others' millimetres. Pictures that cannot be opened are left out.
    """
    if root is None or (Path(root) / SETTINGS).is_file():
        return Field(PHANTOM_FIELD_MM, PHANTOM_PLANE), (CENTRE[0], CENTRE[1], 0.0)
    unknown = f"--as nifti: the millimetres of the slices are not known: {os.path.join(root, MANIFEST)}"
    lines = [row for _, row in read_manifest(root)[1]]
    if not lines:
        raise ValueError(f"{unknown} is not there; expected the folder that prepare.py wrote")
    lines, names = _of_classes(lines, classes, aliases), ", ".join(classes)
    if not lines:
        raise ValueError(f"{unknown} has no picture of {names}; expected the folder that the run learnt from")
    plane, pixel = _one(lines, "plane", unknown), _one(lines, "mm_per_pixel", unknown)
    if plane not in PLANES:
        raise ValueError(f"{unknown}: plane: expected {', '.join(PLANES)}, got {plane}")
    try:
        mm = float(pixel)
    except ValueError:
        mm = float("nan")
    if not 0 < mm < 100:
        raise ValueError(f"{unknown}: mm_per_pixel: expected a number of mm, got {pixel}")
    sizes = {size for row in lines if (size := _size(os.path.join(root, path_of(row))))}
    if not sizes:
        raise ValueError(f"{unknown}: none of its pictures of {names} can be opened; expected their size")
    if len(sizes) > 1:
        some = " and ".join(f"{width}x{height}" for width, height in sorted(sizes)[:2])
        raise ValueError(f"{unknown} has pictures of {some}; expected one size")
    return Field(mm * max(sizes.pop()), plane), (0.0, 0.0, 0.0)


def _of_classes(
    lines: Sequence[dict[str, str]], classes: Sequence[str], aliases: Mapping[str, str]
) -> list[dict[str, str]]:
    """The lines of these classes, by their label or, where it says nothing, by their folder."""
    known, kept = label_names(classes, aliases), []
    for row in lines:
        label = row.get("label", "")
        name = folder_words(path_of(row))[1] if is_missing(label) else plain(label)
        kept += [row] if name in known else []
    return kept


def _size(path: str) -> tuple[int, int] | None:
    """None where it cannot be opened."""
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _one(lines: Sequence[dict[str, str]], column: str, unknown: str) -> str:
    """The cell that all lines have in a column."""
    found = sorted({row.get(column, "") for row in lines})
    if len(found) > 1 or not found[0]:
        have = f"has {', '.join(filter(None, found[:4]))}" if any(found) else "has none"
        raise ValueError(f"{unknown} {have} in its column {column}; expected the same in every line")
    return found[0]


def to_mm(field: Field, middle: Point, resolution: int, height: float = 0.0) -> NDArray[np.float64]:
    """Voxel (column, row, 0) -> RAS mm [4, 4]; a voxel is 1 mm thick, since nothing says how thick a slice is."""
    pixel = field.side_mm / resolution
    columns, rows, up = (np.array(axis, np.float64) for axis in field.directions)
    affine = np.eye(4)
    affine[:3, :3] = np.stack([columns * pixel, rows * pixel, up], axis=1)
    affine[:3, 3] = middle + up * height - affine[:3, :2] @ np.full(2, (resolution - 1) / 2)
    return affine


def nifti_bytes(image: NDArray[np.uint8], field: Field, middle: Point, height: float = 0.0) -> bytes:
    """A slice [R, R] -> the bytes of a .nii.gz, the same for the same slice."""
    return _bytes(nib.Nifti1Image(np.ascontiguousarray(image.T)[:, :, None], to_mm(field, middle, len(image), height)))


def stack_bytes(images: NDArray[np.uint8], field: Field, middle: Point, heights: Sequence[float]) -> bytes:
    """Slices [S, R, R] at these heights -> the bytes of a .nii.gz whose axes run to the right, to the front and up.

    Raises ValueError if the heights, in mm, do not rise in equal steps: a volume has one thickness.
    """
    steps = np.diff(heights)
    if len(steps) == 0 or len(heights) != len(images) or steps[0] <= 0 or np.ptp(steps) > 1e-3 * steps[0]:
        raise ValueError(f"a volume needs two heights or more that rise in equal steps, one a slice, got {heights}")
    affine = to_mm(field, middle, images.shape[-1], heights[0])
    affine[:3, 2] *= (heights[-1] - heights[0]) / len(steps)
    volume = nib.Nifti1Image(np.ascontiguousarray(images.transpose(2, 1, 0)), affine)
    return _bytes(nib.as_closest_canonical(volume))


def _bytes(volume: nib.Nifti1Image) -> bytes:
    volume.set_sform(volume.affine, ALIGNED)
    volume.set_qform(volume.affine, ALIGNED)
    volume.header.set_xyzt_units("mm")
    return gzip.compress(volume.to_bytes(), mtime=0)
