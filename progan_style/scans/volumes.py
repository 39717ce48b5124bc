"""A file -> a volume: read, its axes turned to the nearest RAS by its affine.

Letters: X, Y, Z voxels along the axes nearest to right, anterior, superior. World coordinates are scanner RAS mm.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from progan_style.scans import formats
from progan_style.scans.orientation import affine_of, known_orientation, states_orientation

Array = NDArray[np.float32]

LARGEST = 2**29  # voxels; 2 GB as float32


SAMPLED = 500_000  # voxels that are looked at for label maps
THICK_MM = 3.0  # the longest side of a voxel, from which slices are thick, if the other sides are shorter
LABELS = 32  # a volume with fewer different values is a label map or a mask


class BadScan(ValueError):
    """A scan that cannot be used; the others can."""


@dataclass(frozen=True)
class Volume:
    """Voxels whose axes lie nearest to right, anterior, superior, and where they are."""

    data: Array  # [X, Y, Z]
    affine: NDArray[np.float64]  # [4, 4] voxel index -> RAS mm
    notes: tuple[str, ...] = ()  # what had to be assumed

    @property
    def voxel_mm(self) -> Any:
        """[3]"""
        return np.linalg.norm(self.affine[:3, :3], axis=0)


def read_volume(path: str | Path, orientation: str = "") -> Volume:
    """A file of one of formats.SUFFIXES -> Volume. Raises BadScan, one line, if it is not one 3-D scan.

    orientation: how a file is stored whose header states nothing, such as LAS.
    """
    if why := formats.why_not_there(Path(path)):
        raise BadScan(f"{path}: {why}")
    try:
        _check_packed(path)
        image = formats.load_image(Path(path))
        shape = _three_axes(tuple(image.shape), str(path))
        if image.get_data_dtype().fields is not None:
            raise BadScan(f"{path}: colour voxels; expected one gray value per voxel")
        affine, notes = _placed(image, Path(path), shape, orientation)
        check_affine(affine, str(path))
        data = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged")).reshape(shape)
    except (BadScan, MemoryError):
        raise
    except ImportError as error:  # a reader that is not installed
        raise BadScan(f"{path}: {error}") from None
    except PermissionError:
        raise BadScan(f"{path}: you may not read it; ask its owner, or copy it") from None
    except Exception as error:  # a damaged header makes nibabel and numpy fail in many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadScan(f"{path}: cannot be read ({reason}): it is cut off or damaged; copy it anew") from None
    return make_volume(data, affine, str(path), notes)


def _check_packed(path: str | Path) -> None:
    """Read a gzip file to its end, where its sum stands: nibabel stops before it, and takes damaged voxels."""
    with open(path, "rb") as file:
        if file.read(2) != b"\x1f\x8b":
            return
    left = 16 * LARGEST  # bytes of the largest scan
    with gzip.open(path) as unpacked:
        while block := unpacked.read(2**22):
            left -= len(block)
            if left < 0:
                raise BadScan(f"{path}: it unpacks to more than {16 * LARGEST:,} bytes; expected one scan")


def _three_axes(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    if len(shape) > 3 and set(shape[3:]) != {1}:
        raise BadScan(f"{name}: {len(shape)}-D, {' x '.join(map(str, shape))}; expected one 3-D scan: extract a frame")
    if len(shape) < 3 or min(shape[:3]) < 2:
        got = " x ".join(map(str, shape))
        raise BadScan(f"{name}: a single slice ({got}); expected a volume, or give a folder of pictures")
    if np.prod(shape[:3], dtype=float) > LARGEST:
        raise BadScan(f"{name}: {' x '.join(map(str, shape[:3]))} voxels; expected {LARGEST:,} at most")
    return shape[0], shape[1], shape[2]


def _placed(image: Any, path: Path, shape: tuple[int, int, int], orientation: str) -> tuple[Any, tuple[str, ...]]:
    """The affine of a file as it was read, and what had to be known besides. Raises BadScan if nobody states it."""
    if states_orientation(image, path):
        return np.asarray(image.affine, np.float64), ()
    known, layout = known_orientation(image, path)
    code = orientation or known
    if not code:
        raise BadScan(
            f"{path}: its header states no orientation; state it for all such scans with --orientation, such as LAS "
            f"(the three stored axes run to the left, to the front, up), and look at the sheets"
        )
    how = f"stored as {code}, as --orientation says" if orientation else f"{layout}: stored as {code}"
    return affine_of(code, shape, image.header.get_zooms()), (f"the header states no orientation; {how}",)


def check_affine(affine: NDArray[np.float64], name: str) -> None:
    """Raise BadScan if an affine does not place voxels in space."""
    how = "repair the header, for instance by converting the scan anew"
    if not np.isfinite(affine).all():
        raise BadScan(f"{name}: its affine has values that are not finite; {how}")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if (lengths < 0.01).any() or (lengths > 50).any():
        got = " x ".join(f"{mm:.3g}" for mm in lengths)
        raise BadScan(f"{name}: its affine makes voxels of {got} mm; expected 0.01 to 50; {how}")
    if abs(np.linalg.det(affine[:3, :3] / lengths)) < 0.1:
        raise BadScan(f"{name}: its affine is singular (two voxel axes lie in one direction); {how}")


def make_volume(data: Array, affine: NDArray[np.float64], name: str, notes: tuple[str, ...] = ()) -> Volume:
    """Voxels as stored -> Volume, axes flipped and permuted to the nearest RAS. Raises BadScan for a constant image."""
    from nibabel import orientations

    turn = orientations.io_orientation(affine)
    shape = data.shape
    data = orientations.apply_orientation(data, turn)
    affine = affine @ orientations.inv_ornt_aff(turn, shape)
    finite = np.isfinite(data)
    if not finite.all():
        if not finite.any():
            raise BadScan(f"{name}: no voxel has a finite value")
        notes = (*notes, f"{data.size - np.count_nonzero(finite)} voxels are not finite: read as the darkest value")
        data = np.where(finite, data, data[finite].min())
    data = np.ascontiguousarray(data, np.float32)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if lengths.max() > THICK_MM and lengths.max() > 1.4 * lengths.min():
        told = " x ".join(f"{mm:.2g}" for mm in lengths)
        notes = (*notes, f"thick slices (voxels of {told} mm): what is cut between them is interpolated")
    if data.min() == data.max():
        raise BadScan(f"{name}: a constant image (every voxel is {data.flat[0]:g}); look for another copy of the scan")
    return Volume(data, affine, notes)


def read_mask(path: str | Path, volume: Volume, orientation: str = "") -> NDArray[np.bool_]:
    """A brain mask on the grid of its volume, [X, Y, Z]. Raises BadScan if it lies on another grid or is empty."""
    mask = read_volume(path, orientation)
    if mask.data.shape != volume.data.shape or not np.allclose(mask.affine, volume.affine, atol=0.01):
        here, there = (" x ".join(map(str, v.data.shape)) for v in (mask, volume))
        raise BadScan(f"{path}: another grid ({here}) than its scan ({there}, or another affine); resample it")
    inside = mask.data > 0.5
    if np.count_nonzero(inside) < 1000:
        raise BadScan(f"{path}: only {np.count_nonzero(inside)} voxels are above 0.5; expected a brain mask of 0 and 1")
    return inside


def refuse_labels(data: Array) -> None:
    """Raise BadScan if a volume holds a few whole numbers alone, as segmentations and masks do and no scan does."""
    some = data.reshape(-1)[:: max(1, data.size // SAMPLED)]
    if count := _labels(some):
        raise BadScan(f"{count} different values: a label map or a mask, not a scan; leave it out with --exclude")


def looks_like_labels(path: Path) -> bool:
    """Whether some planes of a file hold labels alone; False if it cannot be read, which is told where it is used."""
    try:
        image = formats.load_image(path)
        depth = int(image.shape[2])
        planes = [np.asarray(image.dataobj[:, :, depth * k // 8]) for k in range(2, 7)]
    except Exception:
        return False
    return _labels(np.concatenate([plane.ravel() for plane in planes])) > 1


def _labels(values: NDArray[Any]) -> int:
    """How many labels there are, 0 if the values are none."""
    found = np.unique(values)
    return len(found) if len(found) < LABELS and (found == np.rint(found)).all() else 0
