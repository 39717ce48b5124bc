"""A volume -> slices: read, turned to RAS by its affine, cut at heights in mm, one scale of mm per pixel, 8 bits.

Letters: X, Y, Z voxels along the axes nearest to right, anterior, superior; S slices, R pixels per side.

World coordinates are scanner RAS mm. Pictures are in the neurological convention: axial with the nose up and the
person's left on the left, coronal with the vertex up and left on the left, sagittal with the vertex up and the nose to
the left. A picture shows FIELD_MM x FIELD_MM about the centre, whatever the voxels are: never scaled to fill, never
squashed; what lies outside the volume is 0.
"""

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

FIELD_MM = 256.0  # side of a picture
SUFFIXES = (".nii", ".nii.gz", ".img", ".img.gz", ".mgz", ".mgh")
LARGEST = 2**29  # voxels; 2 GB as float32
CENTRES = ("auto", "vertex", "brain", "volume")
HEAD_CELL_MM = 2.0  # the head is looked for on a grid of about this
SPECK = 0.01  # share of all that is bright, below which a body is noise
VERTEX_MM2 = 200.0  # a cross-section of this area belongs to the head, not to noise above it
CUT_OFF_MM2 = 1000.0  # head on the volume's uppermost plane: the vertex is not in the volume
BRAIN_LITRES = (0.5, 2.2)  # what is left of a head without skull; whole heads begin at about 3
STEM_MM2 = 2000.0  # of a brain without skull on the volume's lowest plane: the brain stem, no neck
DARKEST, BRIGHTEST = 1.0, 99.5  # percentiles inside the head that become 0 and 255
COVERED = 0.95  # share of the middle disc that a slice needs inside the volume, of what any slice could have
DISC_MM = 60.0  # radius of that disc: the brain
# plane -> direction of a picture's columns, of its rows (downwards), and of its heights, in RAS
PLANES = {
    "axial": ((1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, -1, 0), (0, 0, -1), (1, 0, 0)),
}


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


@dataclass(frozen=True)
class Cut:
    """Where slices are taken: `slices` of them, `spacing` mm apart, evenly about the centre.

    middle says what the centre is: "vertex" (`below` mm under the top of the head), "brain" (the centre of the brain
    mask, or of a brain without skull), "volume" (the middle of the volume), "auto" ("brain" where it can be told).
    """

    plane: str = "axial"
    slices: int = 20
    spacing: float = 2.0
    size: int = 256
    middle: str = "auto"
    below: float = 75.0

    def __post_init__(self) -> None:
        if self.plane not in PLANES:
            raise ValueError(f"--plane: expected {', '.join(PLANES)}, got {self.plane}")
        if self.middle not in CENTRES:
            raise ValueError(f"--middle: expected {', '.join(CENTRES)}, got {self.middle}")
        if not 1 <= self.slices <= 1000:
            raise ValueError(f"--slices: expected 1 to 1000, got {self.slices}")
        if not 0 < self.spacing <= 100:
            raise ValueError(f"--spacing: expected more than 0 mm, 100 at most, got {self.spacing:g}")
        if not 8 <= self.size <= 1024 or self.size & (self.size - 1):
            raise ValueError(f"--size: expected a power of two from 8 to 1024, got {self.size}")
        if not 0 <= self.below <= 250:
            raise ValueError(f"--below: expected 0 to 250 mm, got {self.below:g}")

    @property
    def offsets(self) -> Any:
        """Heights of the slices against the centre, mm, ascending; float64 [slices]."""
        return (np.arange(self.slices) - (self.slices - 1) / 2) * self.spacing


@dataclass(frozen=True)
class Slices:
    pictures: NDArray[np.uint8]  # [S, R, R]
    offsets: NDArray[np.float64]  # [S] mm against the centre
    outside: tuple[float, ...]  # offsets that lie outside the volume
    middle: str  # what the centre was taken from: vertex, mask, brain, volume
    centre: tuple[float, float, float]  # RAS mm
    low: float  # the scan's value that became 0
    high: float  # and 255


# --------------------------------------------------------------------------------------------------------- reading


def read_volume(path: str | Path) -> Volume:
    """A NIfTI, Analyze or MGH file -> Volume. Raises BadScan, one line, if it is not one 3-D scan."""
    import nibabel as nib

    other = Path(path).with_suffix({".img": ".hdr", ".hdr": ".img"}.get(Path(path).suffix, ""))
    if Path(path).suffix in (".img", ".hdr") and not (other.is_file() or other.with_name(other.name + ".gz").is_file()):
        raise BadScan(f"{path}: {other.name} is missing; copy both files of the pair")
    try:
        image: Any = nib.load(path)
        shape = _three_axes(tuple(image.shape), str(path))
        if image.get_data_dtype().fields is not None:
            raise BadScan(f"{path}: colour voxels; expected one gray value per voxel")
        affine = np.asarray(image.affine, np.float64)
        check_affine(affine, str(path))
        data = np.asarray(image.get_fdata(dtype=np.float32, caching="unchanged")).reshape(shape)
    except BadScan:
        raise
    except (OSError, EOFError, zlib.error, ValueError, nib.filebasedimages.ImageFileError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadScan(f"{path}: cannot be read ({reason}): it is cut off or damaged; copy it anew") from None
    return make_volume(data, affine, str(path), _orientation_notes(image))


def _three_axes(shape: tuple[int, ...], name: str) -> tuple[int, int, int]:
    if len(shape) > 3 and set(shape[3:]) != {1}:
        raise BadScan(f"{name}: {len(shape)}-D, {' x '.join(map(str, shape))}; expected one 3-D scan: extract a frame")
    if len(shape) < 3 or min(shape[:3]) < 2:
        got = " x ".join(map(str, shape))
        raise BadScan(f"{name}: a single slice ({got}); expected a volume, or give a folder of pictures")
    if np.prod(shape[:3], dtype=float) > LARGEST:
        raise BadScan(f"{name}: {' x '.join(map(str, shape[:3]))} voxels; expected {LARGEST:,} at most")
    return shape[0], shape[1], shape[2]


def _orientation_notes(image: object) -> tuple[str, ...]:
    """What nibabel had to assume of the orientation."""
    header = getattr(image, "header", {})
    if "sform_code" in header:
        known = header["sform_code"] > 0 or header["qform_code"] > 0
        return (
            () if known else ("the header states no orientation (sform and qform codes are 0): stored as LAS assumed",)
        )
    if type(image).__name__ in ("AnalyzeImage", "Spm99AnalyzeImage", "Spm2AnalyzeImage"):
        return ("Analyze files state no orientation: stored as LAS assumed",)
    return ()


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
    if data.min() == data.max():
        raise BadScan(f"{name}: a constant image (every voxel is {data.flat[0]:g}); look for another copy of the scan")
    return Volume(data, affine, notes)


def read_mask(path: str | Path, volume: Volume) -> NDArray[np.bool_]:
    """A brain mask on the grid of its volume, [X, Y, Z]. Raises BadScan if it lies on another grid or is empty."""
    mask = read_volume(path)
    if mask.data.shape != volume.data.shape or not np.allclose(mask.affine, volume.affine, atol=0.01):
        here, there = (" x ".join(map(str, v.data.shape)) for v in (mask, volume))
        raise BadScan(f"{path}: another grid ({here}) than its scan ({there}, or another affine); resample it")
    inside = mask.data > 0.5
    if np.count_nonzero(inside) < 1000:
        raise BadScan(f"{path}: only {np.count_nonzero(inside)} voxels are above 0.5; expected a brain mask of 0 and 1")
    return inside


# -------------------------------------------------------------------------------------------------------- the head


@dataclass(frozen=True)
class Head:
    """Where the head (or the brain without skull) is, on cells of about 2 mm."""

    inside: NDArray[np.bool_]  # [X', Y', Z']
    affine: NDArray[np.float64]  # cell index -> RAS mm
    cell: tuple[int, int, int]  # voxels per cell, along each axis

    def points(self) -> NDArray[np.float64]:
        """RAS mm of its cells, [N, 3]."""
        return np.argwhere(self.inside) @ self.affine[:3, :3].T + self.affine[:3, 3]

    @property
    def cell_mm3(self) -> float:
        return float(abs(np.linalg.det(self.affine[:3, :3])))


def find_head(volume: Volume) -> Head:
    """The bright bodies but for specks, holes filled: brain and scalp may be apart, with dark bone between.

    Threshold a tenth of the way from the 2nd to the 98th percentile (BET; Smith 2002).
    """
    from scipy import ndimage

    cell = np.maximum(1, np.rint(HEAD_CELL_MM / volume.voxel_mm).astype(int))
    cell = np.minimum(cell, volume.data.shape)
    cells = np.array(volume.data.shape) // cell
    means = volume.data
    for axis in range(3):  # means over the cells; what is left over at the far edge is less than a cell
        means = means.take(range(cells[axis] * cell[axis]), axis)
        split = (*means.shape[:axis], cells[axis], cell[axis], *means.shape[axis + 1 :])
        means = means.reshape(split).mean(axis=axis + 1)
    low, high = np.percentile(means, (2, 98))
    bright = means > low + 0.1 * (high - low)
    parts, count = ndimage.label(bright)
    if not count:
        raise BadScan("no head was found in it: no body is brighter than the background")
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    bodies = (sizes >= SPECK * sizes.sum())[parts]
    to_voxel = np.diag([*cell.astype(float), 1.0])
    to_voxel[:3, 3] = (cell - 1) / 2
    x, y, z = (int(n) for n in cell)
    return Head(ndimage.binary_fill_holes(bodies), volume.affine @ to_voxel, (x, y, z))


def find_vertex(head: Head) -> float:
    """Height of the top of the head, RAS mm. Raises BadScan if the volume ends before it."""
    heights = head.points()[:, 2]
    bottom = heights.min()
    area = np.bincount(((heights - bottom) / HEAD_CELL_MM).astype(int)) * head.cell_mm3 / HEAD_CELL_MM
    uppermost = np.count_nonzero(head.inside[:, :, -1]) * head.cell_mm3 / np.linalg.norm(head.affine[:3, 2])
    if uppermost > CUT_OFF_MM2:
        raise BadScan(
            "the head is cut off at the top, so heights below the vertex are not known: give a brain mask beside it, "
            "or take the slices about the middle of the volume with --middle volume"
        )
    wide = np.flatnonzero(area >= VERTEX_MM2)
    if not len(wide):
        raise BadScan("no head was found in it: no cross-section has 2 cm2")
    return float(bottom + (wide[-1] + 1) * HEAD_CELL_MM)


def bare_brain(volume: Volume, head: Head) -> NDArray[np.bool_] | None:
    """The brain of a scan whose skull was removed, [X, Y, Z]; None for a whole head.

    Such a scan has one value all around, and a body of a brain's size that is whole, but for the brain stem perhaps.
    """
    background = volume.data[0, 0, -1]
    litres = np.count_nonzero(head.inside) * head.cell_mm3 / 1e6
    inside = volume.data != background
    ends = [np.count_nonzero(inside.take(end, axis)) for axis in range(3) for end in (0, -1)]
    stem = ends.pop(4) * np.prod(volume.voxel_mm[:2])  # mm2 at the lower end of the third axis
    if not BRAIN_LITRES[0] <= litres <= BRAIN_LITRES[1] or any(ends) or stem > STEM_MM2:
        return None
    return inside if np.count_nonzero(inside) * np.prod(volume.voxel_mm) / 1e6 <= 1.2 * BRAIN_LITRES[1] else None


def find_centre(volume: Volume, mask: NDArray[np.bool_] | None, head: Head, cut: Cut) -> NDArray[np.float64]:
    """The point in RAS mm about which slices are cut and pictures are centred. mask: the brain, if it is known."""
    if cut.middle == "volume":
        middle: NDArray[np.float64] = (np.array(volume.data.shape) - 1) / 2
        return volume.affine[:3, :3] @ middle + volume.affine[:3, 3]
    if mask is not None and cut.middle != "vertex":
        counts = [mask.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.int64) for axis in range(3)]
        centroid = np.array([np.average(np.arange(len(n)), weights=n) for n in counts])
        return volume.affine[:3, :3] @ centroid + volume.affine[:3, 3]
    if cut.middle == "brain":
        raise BadScan(
            "no brain mask beside it, and its skull is not removed; use --middle vertex, or add *_mask.nii.gz"
        )
    points, vertex = head.points(), find_vertex(head)
    # In the plane, the middle of the head where it is widest: above ears and nose, below the crown.
    widest = points[(points[:, 2] < vertex - 30) & (points[:, 2] > vertex - 100)]
    if not len(widest):
        raise BadScan("no head was found in it: nothing lies 30 to 100 mm below its top")
    across = (widest[:, :2].min(axis=0) + widest[:, :2].max(axis=0)) / 2
    return np.array([*across, vertex - cut.below])


# --------------------------------------------------------------------------------------------------------- cutting


def cut_slices(volume: Volume, cut: Cut, mask: NDArray[np.bool_] | None = None) -> Slices:
    """A volume (and its brain mask) -> Slices. Raises BadScan if nothing can be cut.

    Trilinear; a picture coarser than the voxels is the area average of a finer one, so nothing aliases. Values between
    two percentiles inside the head (or the mask) become 0..255; inside a mask never 0, outside it always.
    """
    head = find_head(volume)
    found = "mask" if mask is not None else "brain"
    if mask is None:
        mask = bare_brain(volume, head)
    centre = find_centre(volume, mask, head, cut)
    taken_from = cut.middle if cut.middle in ("vertex", "volume") else "vertex" if mask is None else found
    low, high = intensity_range(volume, mask, head)
    inside = [bool(ok) for ok in covered(volume, centre, cut)]
    offsets = cut.offsets[inside]
    if not len(offsets):
        raise BadScan(
            f"all {cut.slices} slices lie outside the volume; take them about its middle with --middle volume, or "
            f"choose --below"
        )
    pictures = np.zeros((len(offsets), cut.size, cut.size), np.uint8)
    weight = None if mask is None else mask.astype(np.float32)
    values = volume.data if weight is None else volume.data * weight
    for k, offset in enumerate(offsets):
        sampled = _sample(values, volume, centre, offset, cut, low if weight is None else 0.0)
        if weight is None:
            pictures[k] = np.clip(np.rint((sampled - low) * (255 / (high - low))), 0, 255)
            continue
        share = _sample(weight, volume, centre, offset, cut, 0.0)
        gray = (sampled / np.maximum(share, 1e-6) - low) * (255 / (high - low))
        pictures[k] = np.where(share > 0.5, np.clip(np.rint(gray), 1, 255), 0)
    outside = tuple(float(o) for o in cut.offsets[np.logical_not(inside)])
    x, y, z = (float(mm) for mm in centre)
    return Slices(pictures, offsets, outside, taken_from, (x, y, z), low, high)


def intensity_range(volume: Volume, mask: NDArray[np.bool_] | None, head: Head) -> tuple[float, float]:
    """The values that become 0 and 255: two percentiles inside the mask, or inside the head."""
    if mask is None:
        grown = head.inside
        for axis, cell in enumerate(head.cell):
            grown = grown.repeat(cell, axis)
        values = volume.data[: grown.shape[0], : grown.shape[1], : grown.shape[2]][grown]
    else:
        values = volume.data[mask]
    low, high = (float(v) for v in np.percentile(values, (DARKEST, BRIGHTEST)))
    if not high > low:
        raise BadScan(f"a constant image (every voxel inside the head is {low:g}); look for another copy of the scan")
    return low, high


def _plane(cut: Cut) -> NDArray[np.float64]:
    """Columns: the directions of columns, rows and heights in RAS, [3, 3]."""
    return np.array(PLANES[cut.plane], np.float64).T


def _sample(
    values: Array, volume: Volume, centre: NDArray[np.float64], offset: float, cut: Cut, beyond: float
) -> Array:
    """One picture of values, [R, R]; each pixel the mean of enough points, `beyond` outside the volume."""
    from scipy import ndimage

    pixel = FIELD_MM / cut.size
    fine = max(1, round(pixel / float(volume.voxel_mm.min())))  # points per pixel along each side
    side = cut.size * fine
    at = (np.arange(side) - (side - 1) / 2) * (pixel / fine)
    to_voxel = np.linalg.inv(volume.affine)
    across, down, up = (to_voxel[:3, :3] @ _plane(cut)).T
    start = to_voxel[:3, :3] @ centre + to_voxel[:3, 3] + offset * up
    points = start[:, None, None] + down[:, None, None] * at[:, None] + across[:, None, None] * at
    sampled = ndimage.map_coordinates(values, points, np.float32, order=1, mode="constant", cval=beyond)
    return sampled.reshape(cut.size, fine, cut.size, fine).mean(axis=(1, 3)) if fine > 1 else sampled


def covered(volume: Volume, centre: NDArray[np.float64], cut: Cut) -> NDArray[np.bool_]:
    """Which slices lie in the volume, [slices]: nearly all of a disc of a brain's size about the centre, as far as
    the volume reaches in any height."""
    at = np.arange(-DISC_MM, DISC_MM + 1, 4.0)
    x, y = (part.ravel() for part in np.meshgrid(at, at))
    disc = np.hypot(x, y) <= DISC_MM
    across, down, up = _plane(cut).T
    to_voxel = np.linalg.inv(volume.affine)
    line = x[disc, None] * across + y[disc, None] * down + centre
    start = line @ to_voxel[:3, :3].T + to_voxel[:3, 3]  # [N, 3], and every line runs along `step`
    step = to_voxel[:3, :3] @ up
    ends = np.array(volume.data.shape) - 0.5
    with np.errstate(divide="ignore", invalid="ignore"):  # a line along a face never meets it: +-inf
        walls = np.stack([(-0.5 - start) / step, (ends - start) / step])
    parallel = np.abs(step) < 1e-9
    within = ((start >= -0.5) & (start <= ends)) | ~parallel
    walls[:, :, parallel] = np.array([-np.inf, np.inf])[:, None, None]
    enter, leave = walls.min(axis=0).max(axis=1), walls.max(axis=0).min(axis=1)
    reachable = (enter < leave) & within.all(axis=1)
    if not reachable.any():
        return np.zeros(cut.slices, bool)
    met = (enter[reachable, None] <= cut.offsets) & (cut.offsets <= leave[reachable, None])
    return np.asarray(met.mean(axis=0) >= COVERED)
