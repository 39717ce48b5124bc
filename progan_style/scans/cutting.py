"""A volume -> slices: cut at heights in mm, one scale of mm per pixel, 8 bits.

Letters: X, Y, Z voxels along the axes nearest to right, anterior, superior; S slices, R pixels per side.

World coordinates are scanner RAS mm. Pictures are in the neurological convention: axial with the nose up and the
person's left on the left, coronal with the vertex up and left on the left, sagittal with the vertex up and the nose to
the left. A picture shows FIELD_MM x FIELD_MM about the centre, whatever the voxels are: never scaled to fill, never
squashed; what lies outside the volume is 0. About a centre of the template, right, front and up are the template's.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from progan_style.data.gray import to_gray
from progan_style.scans import upright
from progan_style.scans.head import SCALP_MM, Head, above_the_volume, bare_brain, find_head, find_vertex, refuse_half
from progan_style.scans.registration import Registration, brain_values, register
from progan_style.scans.template import MIDDLE
from progan_style.scans.volumes import Array, BadScan, Volume

FIELD_MM = 256.0  # side of a picture
CENTRES = ("auto", "vertex", "brain", "volume", "template")
HEAD_SIZES = ("kept", "template")
BELOW_MM = 75.0  # of the default, under the vertex
DARKEST, BRIGHTEST = 1.0, 99.5  # percentiles inside the head that become 0 and 255
BRAIN_DARKEST, BRAIN_BRIGHTEST = 1.0, 98.0  # ... inside the template's brain, which holds some of what lies about it
COVERED = 0.95  # share of the middle disc that a slice needs inside the volume, of what any slice could have
DISC_MM = 60.0  # radius of that disc: the brain
RECKONED = f"the scalp touches the volume's top: the vertex is reckoned, up to {SCALP_MM:g} mm above it"
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
    mask, or of a brain without skull), "volume" (the middle of the volume), "auto" ("brain" where it can be told),
    "template" (a point of the template, by registration; `below` mm under where its vertex would be; a head that misses
    it is cut as by "auto"). head_size: with "template", whether mm are the head's own ("kept") or the template's.
    """

    plane: str = "axial"
    slices: int = 20
    spacing: float = 2.0
    size: int = 256
    middle: str = "auto"
    below: float = BELOW_MM
    head_size: str = "kept"

    def __post_init__(self) -> None:
        if self.plane not in PLANES:
            raise ValueError(f"--plane: expected {', '.join(PLANES)}, got {self.plane}")
        if self.middle not in CENTRES:
            raise ValueError(f"--middle: expected {', '.join(CENTRES)}, got {self.middle}")
        if self.head_size not in HEAD_SIZES:
            raise ValueError(f"--head-size: expected {', '.join(HEAD_SIZES)}, got {self.head_size}")
        if self.head_size != "kept" and self.middle != "template":
            raise ValueError(f"--head-size {self.head_size}: expected --middle template beside it, got {self.middle}")
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
class Place:
    """Where pictures lie in a scan."""

    middle: str  # what the centre was taken from: vertex, mask, brain, volume, template
    centre: NDArray[np.float64]  # [3] RAS mm
    axes: NDArray[np.float64]  # [3, 3] columns: RAS mm per picture's mm to right, front and up
    registration: Registration | None = None  # the one that it is made of
    missed: str = ""  # why it is not made of a registration that was asked for


@dataclass(frozen=True)
class Slices:
    pictures: NDArray[np.uint8]  # [S, R, R]
    offsets: NDArray[np.float64]  # [S] mm against the centre
    outside: tuple[float, ...]  # offsets that lie outside the volume
    place: Place
    low: float  # the scan's value that became 0
    high: float  # and 255
    doubt: str = ""  # how the head's shape contradicts the header
    notes: tuple[str, ...] = ()  # what had to be assumed

    @property
    def middle(self) -> str:
        return self.place.middle

    @property
    def centre(self) -> tuple[float, float, float]:
        """RAS mm"""
        x, y, z = (float(mm) for mm in self.place.centre)
        return x, y, z


def card_lines(cut: Cut) -> dict[str, object]:
    """What DATASET.md says of a cut."""
    inside, ends = "the head", (DARKEST, BRIGHTEST)
    if cut.middle == "template":
        inside, ends = "the template's brain", (BRAIN_DARKEST, BRAIN_BRIGHTEST)
    told = {"mm per pixel": FIELD_MM / cut.size} | asdict(cut)
    if cut.middle != "template":
        del told["head_size"]
    return told | {"intensity": f"percentiles {ends[0]:g} and {ends[1]:g} inside {inside} -> 0 and 255"}


def find_place(volume: Volume, mask: NDArray[np.bool_] | None, masked: str, head: Head, cut: Cut) -> Place:
    """Where slices are cut. mask: the brain, if it is known, and `masked` whence: "mask" or "brain"."""
    missed = ""
    if cut.middle == "template":
        found = register(volume, mask)
        if not found.fault:
            at = found.to_scan @ [*MIDDLE[:2], MIDDLE[2] + BELOW_MM - cut.below, 1.0]
            axes = found.turn if cut.head_size == "kept" else found.to_scan[:3, :3]
            return Place("template", at[:3], axes, found)
        missed = found.fault
    try:
        centre = find_centre(volume, mask, head, cut)
    except BadScan as error:
        raise BadScan(f"no registration to the template ({missed}), and {error}" if missed else str(error)) from None
    known = cut.middle in ("vertex", "volume")
    return Place(cut.middle if known else "vertex" if mask is None else masked, centre, np.eye(3), None, missed)


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
    refuse_half(head)
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
    masked = "mask" if mask is not None else "brain"
    if mask is None:
        mask = bare_brain(volume, head)
    place = find_place(volume, mask, masked, head, cut)
    low, high = intensity_range(volume, mask, head, place.registration)
    inside = [bool(ok) for ok in covered(volume, place, cut)]
    offsets = cut.offsets[inside]
    if not len(offsets):
        how = "take them about its middle with --middle volume, or choose --below"
        how = "choose another --plane, or fewer --slices nearer by --spacing" if cut.middle == "volume" else how
        raise BadScan(f"all {cut.slices} slices lie outside the volume; {how}")
    pictures = np.zeros((len(offsets), cut.size, cut.size), np.uint8)
    weight = None if mask is None else mask.astype(np.float32)
    values = volume.data if weight is None else volume.data * weight
    for k, offset in enumerate(offsets):
        sampled = _sample(values, volume, place, offset, cut, low if weight is None else 0.0)
        if weight is None:
            pictures[k] = to_gray((sampled - low) * (255 / (high - low)))
            continue
        share = _sample(weight, volume, place, offset, cut, 0.0)
        gray = (sampled / np.maximum(share, 1e-6) - low) * (255 / (high - low))
        pictures[k] = np.where(share > 0.5, to_gray(gray, 1), 0)
    outside = tuple(float(o) for o in cut.offsets[np.logical_not(inside)])
    doubt = upright.doubt(head, mask, volume.voxel_mm)
    reckoned = place.middle == "vertex" and above_the_volume(head) > 0
    return Slices(pictures, offsets, outside, place, low, high, doubt, (RECKONED,) if reckoned else ())


def intensity_range(
    volume: Volume, mask: NDArray[np.bool_] | None, head: Head, registration: Registration | None = None
) -> tuple[float, float]:
    """The values that become 0 and 255: two percentiles inside the mask, the template's brain, or the head."""
    ends = (DARKEST, BRIGHTEST)
    if mask is None and registration is not None:
        values, ends = brain_values(volume, registration), (BRAIN_DARKEST, BRAIN_BRIGHTEST)
    elif mask is None:
        grown = head.inside
        for axis, cell in enumerate(head.cell):
            grown = grown.repeat(cell, axis)
        values = volume.data[: grown.shape[0], : grown.shape[1], : grown.shape[2]][grown]
    else:
        values = volume.data[mask]
    low, high = (float(v) for v in np.percentile(values, ends))
    if not high > low:
        raise BadScan(f"a constant image (every voxel inside the head is {low:g}); look for another copy of the scan")
    return low, high


def _plane(place: Place, cut: Cut) -> NDArray[np.float64]:
    """Columns: RAS mm of the scan per mm along columns, rows and heights, [3, 3]."""
    return place.axes @ np.array(PLANES[cut.plane], np.float64).T


def template_heights(place: Place, offsets: NDArray[np.float64], cut: Cut) -> NDArray[np.float64]:
    """Where the middles of slices lie in the template along the plane's axis, mm; [S]. Of a registered place alone."""
    assert place.registration is not None
    to_template = np.linalg.inv(place.registration.to_scan)
    middles = place.centre + offsets[:, None] * _plane(place, cut)[:, 2]
    at: NDArray[np.float64] = middles @ to_template[:3, :3].T + to_template[:3, 3]
    return at @ np.array(PLANES[cut.plane][2], np.float64)


def _sample(values: Array, volume: Volume, place: Place, offset: float, cut: Cut, beyond: float) -> Array:
    """One picture of values, [R, R]; each pixel the mean of enough points, `beyond` outside the volume."""
    from scipy import ndimage

    pixel = FIELD_MM / cut.size
    fine = max(1, round(pixel / float(volume.voxel_mm.min())))  # points per pixel along each side
    side = cut.size * fine
    at = (np.arange(side) - (side - 1) / 2) * (pixel / fine)
    to_voxel = np.linalg.inv(volume.affine)
    across, down, up = (to_voxel[:3, :3] @ _plane(place, cut)).T
    start = to_voxel[:3, :3] @ place.centre + to_voxel[:3, 3] + offset * up
    points = start[:, None, None] + down[:, None, None] * at[:, None] + across[:, None, None] * at
    sampled = ndimage.map_coordinates(values, points, np.float32, order=1, mode="constant", cval=beyond)
    return sampled.reshape(cut.size, fine, cut.size, fine).mean(axis=(1, 3)) if fine > 1 else sampled


def covered(volume: Volume, place: Place, cut: Cut) -> NDArray[np.bool_]:
    """Which slices lie in the volume, [slices]: nearly all of a disc of a brain's size about the centre, as far as
    the volume reaches in any height."""
    at = np.arange(-DISC_MM, DISC_MM + 1, 4.0)
    x, y = (part.ravel() for part in np.meshgrid(at, at))
    disc = np.hypot(x, y) <= DISC_MM
    across, down, up = _plane(place, cut).T
    to_voxel = np.linalg.inv(volume.affine)
    line = x[disc, None] * across + y[disc, None] * down + place.centre
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
