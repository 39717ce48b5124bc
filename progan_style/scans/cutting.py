"""A volume -> slices: cut at heights in mm, one scale of mm per pixel, 8 bits.

Letters: X, Y, Z voxels along the axes nearest to right, anterior, superior; S slices, R pixels per side.

World coordinates are scanner RAS mm. Pictures are in the neurological convention: axial with the nose up and the
person's left on the left, coronal with the vertex up and left on the left, sagittal with the vertex up and the nose to
the left. A picture shows FIELD_MM x FIELD_MM about the centre, whatever the voxels are: never scaled to fill, never
squashed; what lies outside the volume is 0.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from progan_style.data.gray import to_gray
from progan_style.scans import upright
from progan_style.scans.head import Head, bare_brain, find_head, find_vertex
from progan_style.scans.volumes import Array, BadScan, Volume

FIELD_MM = 256.0  # side of a picture
CENTRES = ("auto", "vertex", "brain", "volume")
DARKEST, BRIGHTEST = 1.0, 99.5  # percentiles inside the head that become 0 and 255
COVERED = 0.95  # share of the middle disc that a slice needs inside the volume, of what any slice could have
DISC_MM = 60.0  # radius of that disc: the brain
# plane -> direction of a picture's columns, of its rows (downwards), and of its heights, in RAS
PLANES = {
    "axial": ((1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "coronal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "sagittal": ((0, -1, 0), (0, 0, -1), (1, 0, 0)),
}


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
    doubt: str = ""  # how the head's shape contradicts the header


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
        how = "take them about its middle with --middle volume, or choose --below"
        how = "choose another --plane, or fewer --slices nearer by --spacing" if cut.middle == "volume" else how
        raise BadScan(f"all {cut.slices} slices lie outside the volume; {how}")
    pictures = np.zeros((len(offsets), cut.size, cut.size), np.uint8)
    weight = None if mask is None else mask.astype(np.float32)
    values = volume.data if weight is None else volume.data * weight
    for k, offset in enumerate(offsets):
        sampled = _sample(values, volume, centre, offset, cut, low if weight is None else 0.0)
        if weight is None:
            pictures[k] = to_gray((sampled - low) * (255 / (high - low)))
            continue
        share = _sample(weight, volume, centre, offset, cut, 0.0)
        gray = (sampled / np.maximum(share, 1e-6) - low) * (255 / (high - low))
        pictures[k] = np.where(share > 0.5, to_gray(gray, 1), 0)
    outside = tuple(float(o) for o in cut.offsets[np.logical_not(inside)])
    x, y, z = (float(mm) for mm in centre)
    doubt = upright.doubt(head, mask, volume.voxel_mm)
    return Slices(pictures, offsets, outside, taken_from, (x, y, z), low, high, doubt)


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
