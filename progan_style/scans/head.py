"""Where the head is in a volume: its cells, the vertex, a brain without skull.

Letters: X, Y, Z voxels, X', Y', Z' cells of about HEAD_CELL_MM, N cells of the head. World coordinates are RAS mm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from progan_style.scans.volumes import Array, BadScan, Volume

HEAD_CELL_MM = 2.0  # the head is looked for on a grid of about this
SPECK = 0.01  # share of all that is bright, below which a body is noise
TWIN = 0.4  # share of the largest body, from which a second one may be a second head
APART = 0.2  # share of the smaller body's box that two heads share at most; a brain lies within its scalp's
DARK = 0.1  # of the way from the 2nd to the 98th percentile: what is darker is background (BET; Smith 2002)
VERTEX_MM2 = 200.0  # a cross-section of this area belongs to the head, not to noise above it
CUT_OFF_MM2 = 1000.0  # head on the volume's uppermost plane: the vertex is not in the volume
SCALP_MM = 10.0  # of a head above the volume, at most: scalp and bone, whose end is reckoned from the head's shape
CAP_MM = 10.0  # of a head under its cut, from which that is reckoned
HALF = 0.5  # share of the largest cross-section at one side's end alone: the head goes on beyond the volume
BRAIN_LITRES = (0.5, 2.2)  # what is left of a head without skull; whole heads begin at about 3
TOUCHES_MM2 = 2000.0  # of a brain without skull on a face of the volume, at most: a tight box, or the brain stem
EVEN = 0.005  # of the same range: what differs less from the value all around a brain is noise of a resampling
SIDES = (("left", "right"), ("back", "front"))


@dataclass(frozen=True)
class Head:
    """Where the head (or the brain without skull) is, on cells of about 2 mm."""

    inside: NDArray[np.bool_]  # [X', Y', Z']
    affine: NDArray[np.float64]  # cell index -> RAS mm
    cell: tuple[int, int, int]  # voxels per cell, along each axis
    around: float | None = None  # the value all around, where the outside was made one; it may be no dark one

    def points(self) -> NDArray[np.float64]:
        """RAS mm of its cells, [N, 3]."""
        return np.argwhere(self.inside) @ self.affine[:3, :3].T + self.affine[:3, 3]

    @property
    def cell_mm3(self) -> float:
        return float(abs(np.linalg.det(self.affine[:3, :3])))


def block_means(data: Array, cell: tuple[int, int, int]) -> Array:
    """[X, Y, Z] -> [X', Y', Z'], means over cells; what is left over at the far edge is less than a cell."""
    means = data
    for axis, length in enumerate(cell):
        cells = means.shape[axis] // length
        means = means[(slice(None),) * axis + (slice(0, cells * length),)]
        means = means.reshape(*means.shape[:axis], cells, length, *means.shape[axis + 1 :]).mean(axis=axis + 1)
    return means


def find_head(volume: Volume) -> Head:
    """The bright bodies but for specks, holes filled: brain and scalp may be apart, with dark bone between.

    In z-scores the outside of a brain, 0, lies amid its values: there what differs from it is the body.
    """
    from scipy import ndimage

    cell = np.maximum(1, np.rint(HEAD_CELL_MM / volume.voxel_mm).astype(int))
    cell = np.minimum(cell, volume.data.shape)
    x, y, z = (int(n) for n in cell)
    means = block_means(volume.data, (x, y, z))
    low, high = np.percentile(means, (2, 98))
    around = _value_around(volume.data, high - low)
    if around is not None and DARK < (around - low) / (high - low) < 1 - DARK:
        means = np.abs(means - around)
        low, high = np.percentile(means, (2, 98))
    bright = means > low + DARK * (high - low)
    parts, count = ndimage.label(bright)
    if not count:
        raise BadScan("no head was found in it: no body is brighter than the background")
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    _refuse_two_heads(parts, sizes)
    bodies = (sizes >= SPECK * sizes.sum())[parts]
    to_voxel = np.diag([*cell.astype(float), 1.0])
    to_voxel[:3, 3] = (cell - 1) / 2
    return Head(ndimage.binary_fill_holes(bodies), volume.affine @ to_voxel, (x, y, z), around)


def _value_around(data: Array, spread: float) -> float | None:
    """The value of most of a volume's six faces, if they have one to EVEN of the spread."""
    faces = np.concatenate([data.take(end, axis).ravel() for axis in range(3) for end in (0, -1)])
    middle = float(np.median(faces))
    return middle if np.mean(np.abs(faces - middle) <= EVEN * spread) >= 0.5 else None


def _refuse_two_heads(parts: NDArray[np.int32], sizes: NDArray[np.int64]) -> None:
    """Raise BadScan if the second body is as large as a second head and lies beside the first, not within it."""
    from scipy import ndimage

    second, first = np.argsort(sizes)[-2:]
    if sizes[second] < TWIN * sizes[first]:
        return
    found = ndimage.find_objects(parts)
    boxes = [found[first - 1], found[second - 1]]
    shared = [max(0, min(a.stop, b.stop) - max(a.start, b.start)) for a, b in zip(*boxes, strict=True)]
    smaller = min(np.prod([part.stop - part.start for part in box]) for box in boxes)
    if np.prod(shared) < APART * smaller:
        raise BadScan("two heads in it, side by side; expected one: cut the volume in two")


def find_vertex(head: Head) -> float:
    """Height of the top of the head, RAS mm. Raises BadScan if more than scalp and bone lies above the volume."""
    heights = head.points()[:, 2]
    bottom = heights.min()
    area = np.bincount(((heights - bottom) / HEAD_CELL_MM).astype(int)) * head.cell_mm3 / HEAD_CELL_MM
    wide = np.flatnonzero(area >= VERTEX_MM2)
    if not len(wide):
        raise BadScan("no head was found in it: no cross-section has 2 cm2")
    vertex, missing = float(bottom + (wide[-1] + 1) * HEAD_CELL_MM), above_the_volume(head)
    if missing > SCALP_MM:
        raise BadScan(
            "the head is cut off at the top, so heights below the vertex are not known: give a brain mask beside it, "
            "or take the slices about the middle of the volume with --middle volume"
        )
    if missing:
        edge = np.argwhere(head.inside[:, :, -1]).mean(axis=0)
        up = head.affine[:3, 2] / np.linalg.norm(head.affine[:3, 2])
        cut = head.affine[:3, :3] @ [*edge, head.inside.shape[2] - 0.5] + head.affine[:3, 3]
        vertex = max(vertex, float(cut[2] + missing * up[2]))
    return vertex


def above_the_volume(head: Head) -> float:
    """mm of a head above the uppermost plane, from its cross-sections, which grow evenly under a round top."""
    from scipy import ndimage

    step = float(np.linalg.norm(head.affine[:3, 2]))
    mm2 = head.cell_mm3 / step  # of a cell
    if np.count_nonzero(head.inside[:, :, -1]) * mm2 <= CUT_OFF_MM2:
        return 0.0
    count = min(max(2, round(CAP_MM / step)) + 1, head.inside.shape[2])
    if count < 2:
        return np.inf
    planes = (ndimage.binary_fill_holes(head.inside[:, :, -1 - k]) for k in range(count))  # dark bone opens at the cut
    area = mm2 * np.array([np.count_nonzero(plane) for plane in planes])  # from the top
    growth, first = np.polyfit(step * (np.arange(count) + 0.5), area, 1)  # by depth under the volume's face
    return max(0.0, float(first / growth)) if growth > 0 else np.inf


def refuse_half(head: Head) -> None:
    """Raise BadScan if the head ends at one side of the volume and goes on there. A slab, which ends at both, may be
    meant."""
    for axis, names in enumerate(SIDES):
        area = head.inside.sum(axis=tuple({0, 1, 2} - {axis}))
        ends = area[[0, -1]] / area.max()
        if ends.max() > HALF > ends.min():
            raise BadScan(
                f"the head is cut off at the {names[int(ends.argmax())]}, where its cross-section has "
                f"{ends.max():.0%} of the largest: look for the rest of the scan, or take the slices about the middle "
                f"of the volume with --middle volume"
            )


def bare_brain(volume: Volume, head: Head) -> NDArray[np.bool_] | None:
    """The brain of a scan whose skull was removed, [X, Y, Z]; None for a whole head.

    Such a scan has one value all around, and a body of a brain's size that is whole, but for the brain stem perhaps.
    After a resampling by splines, or with a little noise, the value is one but for that.
    """
    litres = np.count_nonzero(head.inside) * head.cell_mm3 / 1e6
    if head.around is None or not BRAIN_LITRES[0] <= litres <= BRAIN_LITRES[1]:
        return None
    exact = volume.data != head.around
    if _is_whole(exact, volume.voxel_mm):
        return exact
    about = _not_dark(volume, head)
    return about if _is_whole(about, volume.voxel_mm) else None


def _is_whole(inside: NDArray[np.bool_], voxel_mm: NDArray[np.float64]) -> bool:
    for axis in range(3):
        mm2 = np.prod(np.delete(voxel_mm, axis))
        if any(np.count_nonzero(inside.take(end, axis)) * mm2 > TOUCHES_MM2 for end in (0, -1)):
            return False
    return bool(np.count_nonzero(inside) * np.prod(voxel_mm) / 1e6 <= 1.2 * BRAIN_LITRES[1])


def _not_dark(volume: Volume, head: Head) -> NDArray[np.bool_]:
    """What differs from the value all around as a brain does, and no noise, [X, Y, Z]; holes filled."""
    from scipy import ndimage

    assert head.around is not None
    grown = ndimage.binary_dilation(head.inside)
    for axis, cell in enumerate(head.cell):
        grown = grown.repeat(cell, axis)
    apart = volume.data[tuple(slice(n) for n in grown.shape)] - head.around
    low, high = np.percentile(apart[grown], (2, 98))
    if low < -DARK * high:  # in z-scores
        apart = np.abs(apart)
    inside = np.zeros(volume.data.shape, bool)
    inside[tuple(slice(n) for n in grown.shape)] = grown & (apart > DARK * high)
    return np.asarray(ndimage.binary_fill_holes(inside))
