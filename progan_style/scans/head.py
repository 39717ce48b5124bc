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
VERTEX_MM2 = 200.0  # a cross-section of this area belongs to the head, not to noise above it
CUT_OFF_MM2 = 1000.0  # head on the volume's uppermost plane: the vertex is not in the volume
BRAIN_LITRES = (0.5, 2.2)  # what is left of a head without skull; whole heads begin at about 3
STEM_MM2 = 2000.0  # of a brain without skull on the volume's lowest plane: the brain stem, no neck


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

    Threshold a tenth of the way from the 2nd to the 98th percentile (BET; Smith 2002).
    """
    from scipy import ndimage

    cell = np.maximum(1, np.rint(HEAD_CELL_MM / volume.voxel_mm).astype(int))
    cell = np.minimum(cell, volume.data.shape)
    x, y, z = (int(n) for n in cell)
    means = block_means(volume.data, (x, y, z))
    low, high = np.percentile(means, (2, 98))
    bright = means > low + 0.1 * (high - low)
    parts, count = ndimage.label(bright)
    if not count:
        raise BadScan("no head was found in it: no body is brighter than the background")
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    _refuse_two_heads(parts, sizes)
    bodies = (sizes >= SPECK * sizes.sum())[parts]
    to_voxel = np.diag([*cell.astype(float), 1.0])
    to_voxel[:3, 3] = (cell - 1) / 2
    return Head(ndimage.binary_fill_holes(bodies), volume.affine @ to_voxel, (x, y, z))


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
