"""Where a phantom's points lie: the slices' heights, the picture's pixels and the template's voxels, in MNI mm.

Letters: N points, K knots, F fields, S (as Z) slices; X, Y, Z voxels or pixels; C channels.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LOWEST_MM, HIGHEST_MM = 6.0, 28.0  # MNI heights of the slices: the lateral ventricles are seen in all of them
SIDE = 256
MM_PER_PIXEL = 0.88  # 225 mm in all: the largest brain fills the picture, so small stages spend their pixels on it
PHANTOM_PLANE, PHANTOM_FIELD_MM = "axial", SIDE * MM_PER_PIXEL  # what a picture of any size shows
CENTRE = (0.0, -17.0, 17.0)  # MNI mm, the middle of the brain: the middle of the picture, and the affine's pivot
ROWS, COLS = 256, 240  # the window that a brain can reach; the rest of a picture is background
TEMPLATE_ORIGIN = (-98.0, -134.0, -72.0)  # MNI mm of the template's first voxel
BLOCK = 8192  # points at a time: what they need stays in a core's cache
SAMPLED = ((-80.0, 80.0), (-116.0, 84.0), (-16.0, 50.0))  # MNI mm: the brain, as high and low as a tilted slice reaches


def slice_heights(slices: int) -> list[float]:
    """MNI mm, evenly from the lowest to the highest; a single slice is the middle one."""
    if slices == 1:
        return [(LOWEST_MM + HIGHEST_MM) / 2]
    return [round(float(mm), 3) for mm in np.linspace(LOWEST_MM, HIGHEST_MM, slices)]


def rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """[3] radians about x, y, z -> [3, 3]."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def sample(volume: Array, points: Array) -> Array:
    """Trilinear: contiguous volume [X, Y, Z, C], points [N, 3] in MNI mm -> [N, C]; beyond the edge, the edge."""
    shape = volume.shape[:3]
    origin = np.array([lowest for lowest, _ in SAMPLED], np.float32)
    highest = (np.array(shape) - 1.001).astype(np.float32)
    strides = (shape[1] * shape[2], shape[2], 1)
    flat = volume.reshape(-1, volume.shape[3])
    out = np.zeros((len(points), volume.shape[3]), np.float32)
    for start in range(0, len(points), BLOCK):
        at = np.clip(points[start : start + BLOCK] - origin, 0.0, highest)
        cell = at.astype(np.int64)
        part = np.ascontiguousarray((at - cell).astype(np.float32).T)
        first = cell @ np.array(strides)
        for corner in range(8):
            high = [corner >> axis & 1 for axis in range(3)]
            offset = sum(one * stride for one, stride in zip(high, strides, strict=True))
            x, y, z = (share if one else 1.0 - share for one, share in zip(high, part, strict=True))
            corners = np.take(flat, first + offset, axis=0, mode="clip")  # in range; three times as fast as flat[...]
            corners *= (x * y * z)[:, None]
            out[start : start + BLOCK] += corners
    return out


def spline(positions: Array, knot_mm: float, lowest: float, highest: float) -> Array:
    """Cubic B-spline basis: [N] mm -> [N, K], with knots every knot_mm from below `lowest` to above `highest`."""
    knots = np.arange(math.floor(lowest / knot_mm) - 1, math.ceil(highest / knot_mm) + 2)
    t = np.abs(positions[:, None] / knot_mm - knots)
    inner, outer = 2.0 / 3.0 - t**2 + t**3 / 2.0, np.maximum(2.0 - t, 0.0) ** 3 / 6.0
    return np.where(t < 1.0, inner, outer).astype(np.float32)


def smooth_field(xs: Array, ys: Array, zs: Array, knot_mm: float, fields: int, rng: np.random.Generator) -> Array:
    """Smooth Gaussian noise of unit variance on the grid of slices only -> [F, Z, Y, X].

    The coefficients fill the whole head, so a person's slices are cuts of one field. einsum without `optimize` uses
    no BLAS: the same sums in the same order, whatever the threads.
    """
    bases = [spline(zs, knot_mm, LOWEST_MM - 12, HIGHEST_MM + 12), spline(ys, knot_mm, -140, 106)]
    bases.append(spline(xs, knot_mm, -108, 108))
    field = rng.standard_normal((fields, *(base.shape[1] for base in bases)), np.float32)
    field = np.einsum("zk,fkyx->fzyx", bases[0], field)
    field = np.einsum("yk,fzkx->fzyx", bases[1], field)
    field = np.einsum("xk,fzyk->fzyx", bases[2], field)
    return field / np.float32((151.0 / 315.0) ** 1.5)  # mean of the squared basis, for each axis
