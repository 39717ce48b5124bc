"""Where a head lies against the template: an affine registration, and what tells whether to believe it.

Letters: X, Y, Z voxels, N points of the region, K the 12 parameters. T takes template mm to scanner RAS mm.

What is made as large as possible is the normalised cross-correlation of scan and template over the brain and a rim
about it, less a prior on size and stretch. Poses in steps each get their best place among all, by Fourier transform on
8 mm (masked as in Padfield 2012); the best go on by Gauss-Newton at 8, 4 and 2 mm. With a the template and b the scan
through T, both of mean 0 and length 1, 1 - a.b = |a - b|^2 / 2, a sum of squares (Evangelidis & Psarakis 2008). A step
is an affine on the template's side, T (I + M), so that gradients are those of the scan as it was sampled.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from progan_style.scans.grids import (
    RADIUS_MM,
    Grid,
    Matrix,
    Receiver,
    coarser,
    moved_by,
    receiver_of,
    reduced,
    sampled,
    through,
)
from progan_style.scans.template import MIDDLE, STEPS_MM, Level, load_template
from progan_style.scans.volumes import Array, Volume

PITCHES, ROLLS = (-24.0, -12.0, 0.0, 12.0, 24.0), (-14.0, 0.0, 14.0)  # degrees, at the start; the nose to the front
IMPROVED = {8: 10, 4: 3, 2: 1}  # how many starts go on at each step in mm
ITERATIONS = {8: 6, 4: 8, 2: 10}
OUTLINE = 0.5  # of white matter: brighter points outside the template's brain do not count at the last step
STILL_MM = 0.1  # an iteration that moves no point of the brain further is the last
# Prior on the logarithms of size and stretch against the template, whose brain has 1.9 litres; most have 1.2 to 1.7
SIZE, SIZE_SD, STRETCH_SD = 0.93, 0.10, 0.06
PRIOR = 0.005  # correlation that a deviation of sqrt(2) SD costs
LEAST_ALIKE = 0.35  # inside the brain; chosen between heads and what is no upright T1 head (docs/prepare.md)
MOST_TURNED = 40.0  # degrees about any axis
SIZES = (0.7, 1.2)  # along any direction
LEAST_SEEN = 0.75  # share of the template's brain inside the volume
AT_HOME = 0.01  # a scan that fits so nearly as well where it lies is in the template's space


@dataclass(frozen=True)
class Registration:
    """Where a head lies. fault: why it is not to be believed, "" if it is."""

    to_scan: Matrix  # [4, 4] T
    similarity: float  # normalised cross-correlation inside the template's brain, -1 .. 1
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


def register(volume: Volume, mask: NDArray[np.bool_] | None = None) -> Registration:
    """The scan (and its brain mask, if there is one) against the template. Raises ValueError without a template."""
    levels = load_template()
    grids = {2: reduced(volume, mask)}
    for step in (4, 8):
        grids[step] = coarser(grids[2], step)
    hopes = [Hope(T, Receiver()) for T in starts(grids[8], levels[8])]
    if not hopes:
        return Registration(np.eye(4), -1.0, f"it holds less than a brain; expected {LEAST_SEEN:.0%} of one or more")
    for step, level in levels.items():
        hopes = [better(hope, grids, level) for hope in hopes[: IMPROVED[step]]]
        hopes.sort(key=lambda hope: -hope.similarity)
    T, receiver = hopes[0].to_scan, hopes[0].receiver
    likeness, similarity, seen = compare(T, grids[2], levels[2], receiver)
    home, at_home, whole = compare(np.eye(4), grids[2], levels[2], receiver)
    if home >= likeness - AT_HOME and at_home >= LEAST_ALIKE and whole >= LEAST_SEEN:
        return Registration(np.eye(4), at_home, at_home=True)
    result = Registration(T, similarity)
    return replace(result, fault=fault_of(result, seen, hopes[0].converged))


@dataclass(frozen=True)
class Hope:
    """A registration on its way. The cost ranks none: fat in the place of the brain's border costs little."""

    to_scan: Matrix
    receiver: Receiver
    similarity: float = -1.0  # inside the brain
    converged: bool = False


def better(hope: Hope, grids: dict[int, Grid], level: Level) -> Hope:
    """One hope, improved at a level, with the gain that follows from it (below 2 mm: fitted at 4)."""
    grid = grids[int(level.step)]
    _, T, converged = improve(hope.to_scan, grid, level, hope.receiver)
    receiver = receiver_of(T, grids[4], load_template()[4]) if level.step > 2 else hope.receiver
    return Hope(T, receiver, compare(T, grid, level, receiver)[1], converged)


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
        return f"a similarity of {found.similarity:.2f}; expected {LEAST_ALIKE:g}, as of an upright T1 head"
    return "" if converged else "it did not converge"


def rotation(pitch: float, roll: float, yaw: float) -> Matrix:
    """Degrees -> [3, 3], the rotation whose angles these are (of Registration.angles) for one angle at a time."""
    a, b, c = np.radians((pitch, roll, yaw))
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, -np.sin(b)], [0, 1, 0], [np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def starts(grid: Grid, level: Level) -> list[Matrix]:
    """T for each pose at its best place, the best first; none where the volume holds too little of a brain."""
    from scipy import fft, ndimage

    step = level.step
    corners = np.array(list(itertools.product(*((0, n - 1) for n in grid.values.shape))))
    corners = corners @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    first = corners.min(axis=0)
    shape = np.ceil((corners.max(axis=0) - first) / step).astype(int) + 1
    world = sampled(grid, shape, moved_by(first, step))
    half = int(np.ceil(np.linalg.norm(level.values.shape) / 2 * SIZE))
    side = 2 * half + 1
    padded = [fft.next_fast_len(int(n) + side, real=True) for n in shape]
    seen = (world >= 0).astype(np.float32)
    scan = np.clip(world, 0, 1)
    ones, sums, squares = (fft.rfftn(part, padded) for part in (seen, scan, scan**2))

    middle = level.origin + (np.array(level.values.shape) - 1) / 2 * step
    found = []
    for pitch, roll in itertools.product(PITCHES, ROLLS):
        linear = SIZE * rotation(pitch, roll, 0.0)
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
        if likeness.max() <= -1:
            continue
        best = np.unravel_index(int(likeness.argmax()), likeness.shape)
        place = np.array([int(i) if i <= n_ - side / 2 else int(i) - n_ for i, n_ in zip(best, padded, strict=True)])
        T = np.eye(4)
        T[:3, :3] = linear
        T[:3, 3] = first + (place + half) * step - linear @ middle
        found.append((float(likeness.max()), T))
    found.sort(key=lambda one: -one[0])
    return [T for _, T in found]


def compare(T: Matrix, grid: Grid, level: Level, receiver: Receiver) -> tuple[float, float, float]:
    """Normalised cross-correlation over the region, and inside the brain; the brain's share that lies in the volume."""
    scan = receiver.correct(through(T, grid, level), level)
    valid = scan >= 0

    def correlation(used: NDArray[np.bool_]) -> float:
        if np.count_nonzero(used) < 100:
            return -1.0
        a, b = (part[used] - part[used].mean() for part in (level.values, scan))
        return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-9))

    return correlation(level.region & valid), correlation(level.brain & valid), float(valid[level.brain].mean())


def deviations(linear: Matrix) -> NDArray[np.float64]:
    """[3, 3] -> [7] the prior's terms in SD: size, then the stretches that change a shape."""
    scale, axes = np.linalg.eigh(polar(linear)[1])
    logs = (axes * np.log(np.maximum(scale, 0.05))) @ axes.T
    size = np.trace(logs) / 3
    shape = (logs - size * np.eye(3)) / STRETCH_SD
    off = np.sqrt(2.0) * shape[[0, 0, 1], [1, 2, 2]]
    return np.array([(size - np.log(SIZE)) / SIZE_SD, *np.diag(shape), *off])


def improve(T: Matrix, grid: Grid, level: Level, receiver: Receiver) -> tuple[float, Matrix, bool]:
    """Gauss-Newton from T -> cost, T, whether it has come to rest. A step that makes it worse is halved."""
    pivot = moved_by(np.array(MIDDLE))
    best, best_T, step, moved = np.inf, T, None, np.inf
    for _ in range(ITERATIONS[int(level.step)] + 1):
        cost, update = gauss_newton(T, grid, level, receiver)
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


def gauss_newton(T: Matrix, grid: Grid, level: Level, receiver: Receiver) -> tuple[float, Matrix]:
    """The cost at T, and the step M [4, 4] about MIDDLE that would end at the least cost if all were linear."""
    scan = receiver.correct(through(T, grid, level), level)
    valid = scan >= 0
    if level.step == STEPS_MM[-1]:  # fat, or a brain of another outline: the depths tell the level better
        valid &= level.brain | (scan <= OUTLINE)
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
