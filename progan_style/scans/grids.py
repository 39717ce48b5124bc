"""A scan on coarse grids, as a registration sees it: background, fat and the receiver's gain evened out.

Letters: X, Y, Z voxels. T takes template mm to scanner RAS mm.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from progan_style.scans.head import block_means
from progan_style.scans.template import Level
from progan_style.scans.volumes import Array, Volume

Matrix = NDArray[np.float64]

RADIUS_MM = 80.0  # of the brain
WHITE = 0.8  # of the template: white matter
TISSUE = 50.0  # percentile of what is no background: near gray matter, whether there is a scalp or not
ABOVE = 2.0  # times that: fat
BRIGHTEST = 1.0  # against white matter: what is brighter is fat


@dataclass(frozen=True)
class Grid:
    """Voxels of the scan at some step, 0 or more, and where they are."""

    values: Array  # [X, Y, Z]
    affine: Matrix  # [4, 4] index -> RAS mm


def reduced(volume: Volume, mask: NDArray[np.bool_] | None = None) -> Grid:
    """The scan on cells of about 2 mm: 0 is the background, also where the skull was removed, 1 is tissue."""
    cell = np.minimum(np.maximum(1, np.rint(2.0 / volume.voxel_mm).astype(int)), volume.data.shape)
    x, y, z = (int(n) for n in cell)
    to_voxel = np.diag([*cell.astype(float), 1.0])
    to_voxel[:3, 3] = (cell - 1) / 2
    data = volume.data
    corners = data[:: data.shape[0] - 1, :: data.shape[1] - 1, :: data.shape[2] - 1]
    outside = ~mask if mask is not None else data == np.median(corners) if corners.min() == corners.max() else None
    if outside is not None and 0.1 < outside.mean() < 0.98:  # removed: 0, whatever the values inside are
        dark = np.percentile(data[~outside], 1)
        data = np.where(outside, dark, data)
    small = block_means(data, (x, y, z))
    low, high = np.percentile(small, (2, 98))
    head = small[small > low + 0.1 * (high - low)]
    limit = float(np.percentile(head, TISSUE)) if head.size else high
    values = np.clip((small - low) / max(limit - low, 1e-6), 0, ABOVE).astype(np.float32)
    return Grid(values, volume.affine @ to_voxel)


def coarser(grid: Grid, step: float) -> Grid:
    """Means over cells of about `step` mm."""
    voxel = np.linalg.norm(grid.affine[:3, :3], axis=0)
    cell = np.minimum(np.maximum(1, np.rint(step / voxel).astype(int)), grid.values.shape)
    x, y, z = (int(n) for n in cell)
    to_fine = np.diag([*cell.astype(float), 1.0])
    to_fine[:3, 3] = (cell - 1) / 2
    return Grid(block_means(grid.values, (x, y, z)), grid.affine @ to_fine)


def moved_by(point: NDArray[np.float64], step: float = 1.0) -> Matrix:
    """[4, 4] index -> mm of a grid of this step whose first voxel is at the point."""
    moved = np.diag([step, step, step, 1.0])
    moved[:3, 3] = point
    return moved


def sampled(grid: Grid, shape: NDArray[np.int_] | tuple[int, ...], to_world: Matrix) -> Array:
    """The scan at the points of another grid, trilinear, -1 outside the volume."""
    from scipy import ndimage

    to_voxel = np.linalg.inv(grid.affine) @ to_world
    result = ndimage.affine_transform(
        grid.values, to_voxel[:3, :3], to_voxel[:3, 3], tuple(int(n) for n in shape), order=1, cval=-1.0
    )
    return np.asarray(result, np.float32)


@dataclass(frozen=True)
class Receiver:
    """The scanner's gain over the brain: the exponential of a quadratic in template mm; and where fat begins."""

    terms: NDArray[np.float64] | None = None  # [10] of quadratic()
    limit: float = 1.0

    def correct(self, scan: Array, level: Level) -> Array:
        """The scan on the template's grid, evened out and clipped; -1 outside the volume stays."""
        even = scan
        if self.terms is not None:
            x, y, z = (level.origin[i] + level.step * np.arange(n) for i, n in enumerate(scan.shape))
            gain = quadratic(x[:, None, None], y[None, :, None], z[None, None], self.terms)
            even = scan * np.exp(-np.clip(gain, -1.2, 1.2)).astype(np.float32)
        return np.where(scan >= 0, np.minimum(even, np.float32(self.limit)), np.float32(-1.0))


def quadratic(x: Matrix, y: Matrix, z: Matrix, terms: NDArray[np.float64]) -> Matrix:
    """The sum of terms times 1, x, y, z, their squares and products, of points in template mm."""
    x, y, z = x / RADIUS_MM, y / RADIUS_MM, z / RADIUS_MM
    parts = (1.0, x, y, z, x * x, y * y, z * z, x * y, x * z, y * z)
    result: Matrix = sum((term * part for term, part in zip(terms, parts, strict=True)), np.zeros(()))
    return result


def receiver_of(T: Matrix, grid: Grid, level: Level) -> Receiver:
    """The gain, by least squares over what is white matter in the template, outliers left out once."""
    scan = through(T, grid, level)
    index = np.argwhere((level.values > WHITE) & (scan > 0.1))
    if len(index) < 200:
        return Receiver()
    logs = np.log(scan[tuple(index.T)].astype(float))
    at = level.origin + level.step * index
    design = np.stack([np.broadcast_to(quadratic(at[:, 0], at[:, 1], at[:, 2], one), len(at)) for one in np.eye(10)], 1)
    terms, kept = np.zeros(10), np.abs(logs - np.median(logs)) < 0.7
    for _ in range(2):
        terms = np.linalg.lstsq(design[kept], logs[kept], rcond=None)[0]
        kept = np.abs(logs - design @ terms) < 0.3
        if np.count_nonzero(kept) < 200:
            return Receiver()
    return Receiver(terms, BRIGHTEST)


def through(T: Matrix, grid: Grid, level: Level) -> Array:
    """The scan as the template's grid sees it through T, [X, Y, Z], -1 outside the volume."""
    to_mm = moved_by(level.origin, level.step)
    return sampled(grid, level.values.shape, T @ to_mm)
