"""Where a head lies against the template: an affine registration, and what tells whether to believe it.

Letters: X, Y, Z voxels, N points of the region, K the 12 parameters. T takes template mm to scanner RAS mm.

What is made as large as possible is the normalised cross-correlation of scan and template over the brain and a rim
about it, less a prior on size and stretch. Poses in steps each get their best place among all, by Fourier transform on
8 mm (masked as in Padfield 2012); the best go on by Gauss-Newton at 8, 4 and 2 mm. With a the template and b the scan
through T, both of mean 0 and length 1, 1 - a.b = |a - b|^2 / 2, a sum of squares (Evangelidis & Psarakis 2008). A step
is an affine on the template's side, T (I + M), so that gradients are those of the scan as it was sampled.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from progan_style.scans.head import block_means
from progan_style.scans.template import MIDDLE, Level, load_template
from progan_style.scans.volumes import Array, Volume

Matrix = NDArray[np.float64]

PITCHES, ROLLS, YAWS = (-24.0, -12.0, 0.0, 12.0, 24.0), (-12.0, 0.0, 12.0), (-12.0, 0.0, 12.0)  # degrees, at the start
IMPROVED = {8: 6, 4: 3, 2: 1}  # how many starts go on at each step in mm
ITERATIONS = {8: 6, 4: 8, 2: 10}
STILL_MM = 0.1  # an iteration that moves no point of the brain further is the last
RADIUS_MM = 80.0  # of the brain, to say how far its points move
# Prior on the logarithms of size and stretch against the template, whose brain has 1.9 litres; most have 1.2 to 1.7
SIZE, SIZE_SD, STRETCH_SD = 0.93, 0.10, 0.06
PRIOR = 0.005  # correlation that a deviation of sqrt(2) SD costs
LEAST_ALIKE = 0.6
MOST_TURNED = 40.0  # degrees about any axis
SIZES = (0.7, 1.2)  # along any direction
LEAST_SEEN = 0.75  # share of the template's brain inside the volume
AT_HOME = 0.01  # a scan that fits so nearly as well where it lies is in the template's space


@dataclass(frozen=True)
class Registration:
    """Where a head lies. fault: why it is not to be believed, "" if it is."""

    to_scan: Matrix  # [4, 4] T
    similarity: float  # normalised cross-correlation, -1 .. 1
    fault: str = ""
    at_home: bool = False  # the scan is in the template's space already, and T is the identity

    @property
    def turn(self) -> Matrix:
        """[3, 3] T's rotation."""
        return polar(self.to_scan[:3, :3])[0]

    @property
    def stretch(self) -> Matrix:
        """[3, 3] symmetric: T's linear part is turn @ stretch; scan mm per template mm."""
        return polar(self.to_scan[:3, :3])[1]

    @property
    def angles(self) -> tuple[float, float, float]:
        """Pitch, roll and yaw in degrees; positive: nose up, right ear up, nose to the person's left."""
        right, front, _ = self.turn.T
        return (
            float(np.degrees(np.arctan2(front[2], np.hypot(front[0], front[1])))),
            float(np.degrees(np.arctan2(right[2], np.hypot(right[0], right[1])))),
            float(np.degrees(np.arctan2(-front[0], front[1]))),
        )

    def columns(self) -> dict[str, str]:
        """What a manifest says of it: similarity, pitch in degrees, and T's upper three rows, row by row."""
        rows = " ".join(f"{value:.6g}" for value in self.to_scan[:3].ravel())
        return {"similarity": f"{self.similarity:.3f}", "pitch": f"{self.angles[0]:.1f}", "to_scan": rows}


def polar(linear: Matrix) -> tuple[Matrix, Matrix]:
    """[3, 3] -> rotation R and symmetric stretch S, linear = R S."""
    u, s, vt = np.linalg.svd(linear)
    return u @ vt, (vt.T * s) @ vt


@dataclass(frozen=True)
class Grid:
    """Voxels 0 .. 1, of the scan at some step, and where they are."""

    values: Array  # [X, Y, Z]
    affine: Matrix  # [4, 4] index -> RAS mm


def register(volume: Volume, mask: NDArray[np.bool_] | None = None) -> Registration:
    """The scan (and its brain mask, if there is one) against the template. Raises ValueError without a template."""
    levels = load_template()
    grids = {2: reduced(volume, mask)}
    for step in (4, 8):
        grids[step] = coarser(grids[2], step)
    found = [(1.0, start) for start in starts(grids[8], levels[8])]
    converged = False
    for step, level in levels.items():
        improved = []
        for _, start in found[: IMPROVED[step]]:
            improved.append(improve(start, grids[step], level, ITERATIONS[step]))
        improved.sort(key=lambda one: one[0])
        found, converged = [(cost, T) for cost, T, _ in improved], improved[0][2]
        if step > 2:
            limit = brightest(grids[step], level, found[0][1])
            grids = {mm: Grid(np.minimum(grid.values / limit, 1.0), grid.affine) for mm, grid in grids.items()}
    T = found[0][1]
    likeness, seen = compare(T, grids[2], levels[2])
    home, whole = compare(np.eye(4), grids[2], levels[2])
    if home >= max(LEAST_ALIKE, likeness - AT_HOME) and whole >= LEAST_SEEN:
        return Registration(np.eye(4), home, at_home=True)
    result = Registration(T, likeness)
    return Registration(T, likeness, fault_of(result, seen, converged))


def brain_values(volume: Volume, found: Registration) -> Array:
    """The scan's values where the template's brain lies, [N]: of the nearest voxels, every 2 mm of the template."""
    from scipy import ndimage

    level = load_template()[2]
    to_voxel = np.linalg.inv(volume.affine) @ found.to_scan
    at = np.argwhere(level.brain) * level.step + level.origin
    voxels = to_voxel[:3, :3] @ at.T + to_voxel[:3, 3][:, None]
    ends = np.array(volume.data.shape)[:, None] - 0.5
    voxels = voxels[:, ((voxels > -0.5) & (voxels < ends)).all(axis=0)]
    return np.asarray(ndimage.map_coordinates(volume.data, voxels, np.float32, order=0, mode="nearest"))


def fault_of(found: Registration, seen: float, converged: bool) -> str:
    """Why a registration is not to be believed, in words, or ""."""
    names = zip(("pitch", "roll", "yaw"), found.angles, strict=True)
    turned = [f"{name} {angle:.0f} degrees" for name, angle in names if abs(angle) > MOST_TURNED]
    sizes = np.linalg.eigvalsh(found.stretch)
    if seen < LEAST_SEEN:
        return f"{seen:.0%} of the brain would lie in the volume; expected {LEAST_SEEN:.0%}"
    if turned:
        return f"{', '.join(turned)}; expected {MOST_TURNED:g} at most"
    if sizes[0] < SIZES[0] or sizes[-1] > SIZES[1]:
        return f"a size of {sizes[0]:.2f} to {sizes[-1]:.2f} of the template's; expected {SIZES[0]:g} to {SIZES[1]:g}"
    if found.similarity < LEAST_ALIKE:
        return f"a similarity of {found.similarity:.2f}; expected {LEAST_ALIKE:g} or more, as of a T1-weighted head"
    return "" if converged else "it did not converge"


def reduced(volume: Volume, mask: NDArray[np.bool_] | None = None) -> Grid:
    """The scan on cells of about 2 mm, 0 .. 1: clipped where fat begins, darkest where it is outside of the brain."""
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
    limit = float(np.percentile(head, 90)) if head.size else high
    return Grid(np.clip((small - low) / max(limit - low, 1e-6), 0, 1).astype(np.float32), volume.affine @ to_voxel)


def coarser(grid: Grid, step: float) -> Grid:
    """Means over cells of about `step` mm."""
    voxel = np.linalg.norm(grid.affine[:3, :3], axis=0)
    cell = np.minimum(np.maximum(1, np.rint(step / voxel).astype(int)), grid.values.shape)
    x, y, z = (int(n) for n in cell)
    to_fine = np.diag([*cell.astype(float), 1.0])
    to_fine[:3, 3] = (cell - 1) / 2
    return Grid(block_means(grid.values, (x, y, z)), grid.affine @ to_fine)


def rotation(pitch: float, roll: float, yaw: float) -> Matrix:
    """Degrees -> [3, 3], the rotation whose angles these are (of Registration.angles) for one angle at a time."""
    a, b, c = np.radians((pitch, roll, yaw))
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def starts(grid: Grid, level: Level) -> list[Matrix]:
    """T for each pose at its best place, the best first."""
    from scipy import fft, ndimage

    step = level.step
    corners = np.array(list(itertools.product(*((0, n - 1) for n in grid.values.shape))))
    corners = corners @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    first = corners.min(axis=0)
    shape = np.ceil((corners.max(axis=0) - first) / step).astype(int) + 1
    world = sampled(grid, shape, np.diag([step, step, step, 1.0]) + _at(first))
    half = int(np.ceil(np.linalg.norm(level.values.shape) / 2 * SIZE))
    side = 2 * half + 1
    padded = [fft.next_fast_len(int(n) + side, real=True) for n in shape]
    seen = (world >= 0).astype(np.float32)
    scan = np.maximum(world, 0)
    ones, sums, squares = (fft.rfftn(part, padded) for part in (seen, scan, scan**2))

    middle = level.origin + (np.array(level.values.shape) - 1) / 2 * step
    found = []
    for angles in itertools.product(PITCHES, ROLLS, YAWS):
        linear = SIZE * rotation(*angles)
        back = np.linalg.inv(linear)
        offset = (np.array(level.values.shape) - 1) / 2 - back @ np.full(3, half)
        w = ndimage.affine_transform(level.region.astype(np.float32), back, offset, (side,) * 3, order=1)
        a = ndimage.affine_transform(level.values, back, offset, (side,) * 3, order=1)
        kernels = [np.conj(fft.rfftn(part, padded)) for part in (w, w * a, w * a**2)]

        def at_all(kernel: NDArray[np.complex64], part: NDArray[np.complex64]) -> Array:
            return np.asarray(fft.irfftn(kernel * part, padded), np.float32)

        n = np.maximum(at_all(kernels[0], ones), 1e-3)
        b, bb, ab = at_all(kernels[0], sums), at_all(kernels[0], squares), at_all(kernels[1], sums)
        aa, mean = at_all(kernels[2], ones), at_all(kernels[1], ones)
        spread = np.maximum(aa - mean**2 / n, 1e-3) * np.maximum(bb - b**2 / n, 1e-3)
        likeness = np.where(n > LEAST_SEEN * w.sum(), (ab - mean * b / n) / np.sqrt(spread), -1.0)
        best = np.unravel_index(int(likeness.argmax()), likeness.shape)
        place = np.array([int(i) if i <= n_ - side / 2 else int(i) - n_ for i, n_ in zip(best, padded, strict=True)])
        T = np.eye(4)
        T[:3, :3] = linear
        T[:3, 3] = first + (place + half) * step - linear @ middle
        found.append((float(likeness.max()), T))
    found.sort(key=lambda one: -one[0])
    return [T for _, T in found]


def _at(point: NDArray[np.float64]) -> Matrix:
    moved = np.zeros((4, 4))
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


def through(T: Matrix, grid: Grid, level: Level) -> Array:
    """The scan as the template's grid sees it through T, [X, Y, Z], -1 outside the volume."""
    to_mm = np.diag([level.step, level.step, level.step, 1.0]) + _at(level.origin)
    return sampled(grid, level.values.shape, T @ to_mm)


def brightest(grid: Grid, level: Level, T: Matrix) -> float:
    """The 98th percentile inside the brain: what is brighter is fat."""
    inside = through(T, grid, level)[level.brain]
    inside = inside[inside >= 0]
    return max(0.1, float(np.percentile(inside, 98))) if inside.size else 1.0


def compare(T: Matrix, grid: Grid, level: Level) -> tuple[float, float]:
    """Normalised cross-correlation over the region, and the share of the brain that lies in the volume."""
    scan = through(T, grid, level)
    used = level.region & (scan >= 0)
    share = float((scan[level.brain] >= 0).mean())
    if np.count_nonzero(used) < 100:
        return -1.0, share
    a, b = (part[used] - part[used].mean() for part in (level.values, scan))
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-9)), share


def deviations(linear: Matrix) -> NDArray[np.float64]:
    """[3, 3] -> [7] the prior's terms in SD: size, then the stretches that change a shape."""
    scale, axes = np.linalg.eigh(polar(linear)[1])
    logs = (axes * np.log(np.maximum(scale, 0.05))) @ axes.T
    size = np.trace(logs) / 3
    shape = (logs - size * np.eye(3)) / STRETCH_SD
    off = np.sqrt(2.0) * shape[[0, 0, 1], [1, 2, 2]]
    return np.array([(size - np.log(SIZE)) / SIZE_SD, *np.diag(shape), *off])


def improve(T: Matrix, grid: Grid, level: Level, iterations: int) -> tuple[float, Matrix, bool]:
    """Gauss-Newton from T -> cost, T, whether it has come to rest. A step that makes it worse is halved."""
    pivot = _at(np.array(MIDDLE)) + np.eye(4)
    best, best_T, step, moved = np.inf, T, None, np.inf
    for _ in range(iterations + 1):
        cost, update = gauss_newton(T, grid, level)
        if cost < best:
            best, best_T, step = cost, T, update
        elif step is None:
            break
        else:
            step = step / 2
        moved = float(np.abs(step[:3, :3]).sum(axis=1).max() * RADIUS_MM + np.abs(step[:3, 3]).max())
        if moved < STILL_MM * level.step / 2:
            break
        T = best_T @ pivot @ (np.eye(4) + step) @ np.linalg.inv(pivot)
    return best, best_T, moved < STILL_MM * level.step * 5


def gauss_newton(T: Matrix, grid: Grid, level: Level) -> tuple[float, Matrix]:
    """The cost at T, and the step M [4, 4] about MIDDLE that would end at the least cost if all were linear."""
    scan = through(T, grid, level)
    valid = scan >= 0
    used = level.region & valid
    for axis in range(3):
        used &= np.roll(valid, 1, axis) & np.roll(valid, -1, axis)
    index = np.flatnonzero(used)
    if len(index) < 0.3 * np.count_nonzero(level.region):
        return 2.0, np.zeros((4, 4))
    slopes = [np.gradient(scan, level.step, axis=axis).ravel()[index] for axis in range(3)]  # [3, N]
    at = np.stack(np.unravel_index(index, scan.shape)).astype(np.float32) * np.float32(level.step)
    at += (level.origin - MIDDLE).astype(np.float32)[:, None]
    raw = np.concatenate([np.stack([s, *(s * x for x in at)]) for s in slopes])  # [12, N]: of M, row by row
    a, b = level.values.ravel()[index], scan.ravel()[index]
    a, b = a - a.mean(), b - b.mean()
    length = max(float(np.linalg.norm(b)), 1e-6)
    a, b = a / max(float(np.linalg.norm(a)), 1e-6), b / length
    alike = float(a @ b)
    means, along = raw.mean(axis=1).astype(float), (raw @ b).astype(float)
    hessian = ((raw @ raw.T).astype(float) - len(index) * np.outer(means, means) - np.outer(along, along)) / length**2
    slope = ((raw @ a).astype(float) - alike * along) / length

    here = deviations(T[:3, :3])
    change = np.zeros((7, 12))
    for k in range(9):
        moved = np.eye(3)
        moved[k // 3, k % 3] += 1e-4
        change[:, 4 * (k // 3) + 1 + k % 3] = (deviations(T[:3, :3] @ moved) - here) / 1e-4
    hessian += PRIOR * change.T @ change
    slope -= PRIOR * change.T @ here
    solved = np.linalg.solve(hessian + 1e-9 * np.trace(hessian) * np.eye(12), slope).reshape(3, 4)
    M = np.zeros((4, 4))
    M[:3, :3], M[:3, 3] = solved[:, 1:], solved[:, 0]
    return 1.0 - alike + PRIOR / 2 * float(here @ here), M
