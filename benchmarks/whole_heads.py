"""Whole heads of phantom persons in a known pose: skull, scalp, face and neck about a brain drawn from the template.

Letters: X, Y, Z voxels, N points. T takes the person's mm (MNI, before the pose) to scanner RAS mm.

The brain is nilearn's template seen through the person's own deformation and atrophy (progan_style/phantoms), and so
are the layers about it, whose thickness is the person's. The face and the neck are made of ellipsoids. A registration
to the same template has it easier here than in people, whose brains are folded otherwise: what these heads test is
pose, size, contrast, noise and bias.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from progan_style.phantoms.atlas import prepare_template
from progan_style.phantoms.drawing import open_ventricles
from progan_style.phantoms.persons import Person, draw_person
from progan_style.phantoms.space import SAMPLED, TEMPLATE_ORIGIN, rotation, spline

FIELD_MM = 256  # of the volume, along each axis
CENTRE = np.array([0.0, -20.0, -20.0])  # person's mm in the middle of the volume, before the shift
PIVOT = np.array([0.0, -17.0, 14.0])  # person's mm about which heads are turned and scaled
STRUCTURES = {  # boxes of template mm, as far as they are brain
    "thalamus": ((-22, 22), (-30, -4), (0, 16)),
    "caudate": ((-18, 18), (2, 24), (0, 20)),
    "cerebellum": ((-50, 50), (-90, -40), (-55, -20)),
}


@dataclass(frozen=True)
class Pose:
    """A head's place: turned by degrees about x, y, z, scaled, moved."""

    degrees: tuple[float, float, float]
    shift_mm: tuple[float, float, float]
    scale: float
    scalp: bool = True
    bias: float = 0.1  # SD of the logarithm of the receiver's gain
    noise: float = 0.02  # of white matter

    @property
    def to_scan(self) -> NDArray[np.float64]:
        """[4, 4] T"""
        T = np.eye(4)
        T[:3, :3] = self.scale * rotation(np.radians(self.degrees))
        T[:3, 3] = PIVOT + self.shift_mm - T[:3, :3] @ PIVOT
        return T


@dataclass(frozen=True)
class WholeHead:
    data: NDArray[np.float32]  # [X, Y, Z]
    affine: NDArray[np.float64]  # [4, 4] index -> RAS mm
    ventricles: NDArray[np.float32]  # [X, Y, Z] shares, 0 .. 1
    white: NDArray[np.float32]
    brain: NDArray[np.bool_]
    levels: dict[str, NDArray[np.float64]]  # structure -> its middle, RAS mm [3]


@dataclass(frozen=True)
class Atlas:
    """The whole template at 1 mm."""

    tissues: NDArray[np.float32]  # [4, X, Y, Z] grey, white, lateral ventricles, mm outside the brain (inside: 0)
    geometry: NDArray[np.float32] | None  # of prepare_template; None: nobody has atrophy
    points: dict[str, NDArray[np.float64]]  # structure -> template mm [N, 3]


def read_atlas(atrophy: bool = True) -> Atlas:
    """The template for whole heads. atrophy=False: in a second, and without the ventricles."""
    from nilearn import datasets

    load = [datasets.load_mni152_brain_mask, datasets.load_mni152_gm_template, datasets.load_mni152_wm_template]
    mask, grey, white = (np.asarray(one(resolution=1).dataobj, np.float32) for one in load)
    brain = mask > 0.5
    shares = np.stack([np.clip(1 - grey - white, 0, 1), grey, white]) ** 2.5
    _, grey, white = shares / np.maximum(shares.sum(axis=0), 1e-6) * brain
    points, origin = {}, np.array(TEMPLATE_ORIGIN)
    geometry, ventricles = None, np.zeros_like(grey)
    if atrophy:
        geometry, prepared = prepare_template()
        first = [round(lowest - o) for (lowest, _), o in zip(SAMPLED, TEMPLATE_ORIGIN, strict=True)]
        ventricles[tuple(slice(a, a + n) for a, n in zip(first, prepared.shape[:3], strict=True))] = prepared[..., 1]
        points["ventricles"] = np.argwhere(ventricles > 0.5)[::7] + origin
    for name, ends in STRUCTURES.items():
        box = [slice(round(a - o), round(b - o)) for (a, b), o in zip(ends, origin, strict=True)]
        points[name] = np.argwhere(brain[tuple(box)])[::29] + origin + [s.start for s in box]
    return Atlas(np.stack([grey, white, ventricles, outside_mm(brain)]), geometry, points)


def outside_mm(brain: NDArray[np.bool_]) -> NDArray[np.float32]:
    """[X, Y, Z] at 1 mm -> mm outside of the brain whose furrows of less than 20 mm are closed, a smooth surface."""
    from scipy import ndimage

    coarse = np.pad(brain[::2, ::2, ::2], 10)
    closed = ndimage.distance_transform_edt(ndimage.distance_transform_edt(~coarse) <= 5) <= 5
    distance = 2 * ndimage.distance_transform_edt(~(coarse | ~closed)).astype(np.float32)
    distance = ndimage.gaussian_filter(distance, 0.75)
    return np.asarray(ndimage.affine_transform(distance, (0.5,) * 3, 10, brain.shape, order=1), np.float32)


def smooth(shape: tuple[int, ...], knot: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A random field of unit variance on a grid, with a knot every so many voxels."""
    bases = [spline(np.arange(n, dtype=np.float32), knot, 0, n) for n in shape]
    field = rng.standard_normal([basis.shape[1] for basis in bases], np.float32)
    for basis in bases:  # the axis that is done goes to the end
        field = np.tensordot(field, basis, (0, 1))
    return field / np.float32((151 / 315) ** 1.5)  # mean of the squared basis, for each axis


def whole_head(person: Person, pose: Pose, atlas: Atlas, seed: int, voxel: float = 2.0) -> WholeHead:
    """A person in a pose -> a volume of about 256 mm. The same arguments give the same head."""
    from scipy import ndimage

    rng = np.random.default_rng([seed, person.index, 77])
    side = round(FIELD_MM / voxel)
    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = CENTRE - (side - 1) / 2 * voxel
    shape = (side, side, side)
    back = np.linalg.inv(pose.to_scan) @ affine
    index = np.indices(shape, np.float32).reshape(3, -1)
    q = (back[:3, :3].astype(np.float32) @ index) + back[:3, 3].astype(np.float32)[:, None]  # [3, N] person's mm
    moved = deformation(q, person, shape, voxel, rng)
    template_at = q + moved
    if atlas.geometry is not None:  # known between -16 and 50 mm: fading beyond
        beyond = np.maximum(np.abs(template_at[2] - 17) - 33, 0)
        near = beyond < 27
        opened = open_ventricles(template_at[:, near].T, person, atlas.geometry).T - template_at[:, near]
        template_at[:, near] += opened * np.exp(-((beyond[near] / 12) ** 2))

    texture = [smooth(shape, mm / voxel, rng).ravel() for mm in (5.0, 12.0)]
    signal, white, ventricles, brain = signal_of(q, template_at, texture, person, atlas, pose.scalp, rng)
    signal = signal * np.exp(pose.bias * smooth(shape, 60 / voxel, rng).ravel())
    real, imaginary = rng.standard_normal((2, signal.size), np.float32) * np.float32(pose.noise)
    received = (
        np.hypot(signal + real, imaginary) if pose.scalp else np.where(brain, np.hypot(signal + real, imaginary), 0)
    )
    data = (received * 4 * person.gain).astype(np.float32).reshape(shape)
    levels = {}
    for name, at in atlas.points.items():  # where a structure lies: the inverse of the deformation, by iteration
        x = at.T.astype(np.float64)
        for _ in range(6):
            to_index = np.linalg.inv(affine) @ pose.to_scan
            where = to_index[:3, :3] @ x + to_index[:3, 3][:, None]
            u = [ndimage.map_coordinates((part).reshape(shape), where, order=1, mode="nearest") for part in moved]
            x = at.T - np.stack(u)
        levels[name] = (pose.to_scan[:3, :3] @ x + pose.to_scan[:3, 3][:, None]).mean(axis=1)
    return WholeHead(data, affine, ventricles.reshape(shape), white.reshape(shape), brain.reshape(shape), levels)


def signal_of(
    q: NDArray[np.float32], template_at: NDArray[np.float32], texture: list[NDArray[np.float32]], person: Person,
    atlas: Atlas, scalp: bool, rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:  # fmt: skip
    """At points [3, N]: the signal without gain and noise, white, ventricles, the brain; [N] each."""
    from scipy import ndimage

    def of(channel: int) -> NDArray[np.float32]:
        at = template_at - np.array(TEMPLATE_ORIGIN, np.float32)[:, None]
        mode = "nearest" if channel == 3 else "constant"
        return np.asarray(ndimage.map_coordinates(atlas.tissues[channel], at, np.float32, order=1, mode=mode))

    grey, white, ventricles, outside = of(0), of(1), of(2), of(3)
    brain = outside < 0.5
    signal = (1 - grey - white) * person.csf + grey * person.grey + white * (1 + person.white_texture * texture[0])
    signal = np.where(brain, np.maximum(signal, 0) ** person.gamma, 0)
    if scalp:
        signal = np.where(brain, signal, around(q, outside, person, texture[1], rng))
    return signal, white, ventricles, brain


def deformation(
    q: NDArray[np.float32], person: Person, shape: tuple[int, ...], voxel: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The person's own shape, [3, N] mm: as of the phantoms at three scales, without its affine part over the brain."""
    moved = np.zeros_like(q)
    for knot_mm, amount in ((40.0, 2.6), (15.0, 1.4), (6.0, 0.9)):
        for axis in range(3):
            moved[axis] += np.float32(amount * person.deformation_mm) * smooth(shape, knot_mm / voxel, rng).ravel()
    moved[1] += np.float32(person.torque_mm) * np.tanh(q[0] / 20)
    moved[0] += np.float32(person.bend_mm) * np.tanh((q[1] + 17) / 40)
    inside = (((q - np.array([[0], [-17], [10]])) / np.array([[68], [85], [70]])) ** 2).sum(axis=0) < 1
    some = np.flatnonzero(inside)[::13]
    design = np.concatenate([np.ones((1, q.shape[1]), np.float32), q])
    affine = np.linalg.lstsq(design[:, some].T, moved[:, some].T, rcond=None)[0]
    return moved - affine.T.astype(np.float32) @ design


def around(
    q: NDArray[np.float32], outside: NDArray[np.float32], person: Person, texture: NDArray[np.float32],
    rng: np.random.Generator,
) -> NDArray[np.float32]:  # fmt: skip
    """Signal outside of the brain, [N]: fluid, bone, fat and skin of the person's thickness, face and neck."""
    fluid, bone, fat = rng.uniform(0.5, 3.5), rng.uniform(4, 8), rng.uniform(3, 10)
    bright = rng.uniform(1.0, 1.7)

    def ellipsoid(centre: tuple[float, ...], radii: tuple[float, ...]) -> NDArray[np.float32]:
        x, y, z = ((q[i] - centre[i]) / radii[i] for i in range(3))
        return np.sqrt(x**2 + y**2 + z**2)

    neck = np.maximum(np.hypot(q[0] / 62, (q[1] + 35) / 66), (q[2] + 40) / 1e4 + (q[2] > -40) * 9)
    face = np.minimum(ellipsoid((0, 38, -60), (66, 56, 78)), neck)
    flesh = np.where(face < 0.88, 0.5 + 0.08 * texture, bright)  # muscle under a coat of fat
    signal = np.where(face < 1, flesh, 0.0)
    for side in (-1, 1):
        signal = np.where(ellipsoid((33 * side, 66, -30), (20, 24, 18)) < 1, bright, signal)
        signal = np.where(ellipsoid((33 * side, 70, -30), (12, 12, 12)) < 1, person.csf, signal)
    for hole in (((0, 62, -52), (14, 30, 24)), ((0, -2, -75), (12, 12, 40))):
        signal = np.where(ellipsoid(*hole) < 1, 0.03, signal)
    skin = fluid + bone + fat
    layers = [outside < fluid, outside < fluid + bone, outside < skin]
    marrow = np.where(np.abs(outside - fluid - bone / 2) < bone / 6, 0.35, 0.06)
    return np.select(layers, [np.float32(person.csf), marrow, bright + 0.08 * texture], signal).astype(np.float32)


def draw_pose(index: int, seed: int) -> Pose:
    """Tilt 0 to 15 degrees about any axis (most of it pitch), shift 0 to 30 mm, scale 0.9 to 1.1; every fourth bare."""
    rng = np.random.default_rng([seed, index, 5])
    axis = rng.standard_normal(3) * (1.0, 0.5, 0.5)
    shift = rng.standard_normal(3)
    degrees = rng.uniform(0, 15) * axis / np.linalg.norm(axis)
    moved = rng.uniform(0, 30) * shift / np.linalg.norm(shift)
    scale, bias, noise = rng.uniform(0.9, 1.1), rng.uniform(0.03, 0.25), rng.uniform(0.01, 0.06)
    return Pose(_three(degrees), _three(moved), float(scale), index % 4 != 3, float(bias), float(noise))


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    a, b, c = (float(value) for value in values)
    return a, b, c


def draw_head(index: int, atlas: Atlas, seed: int, voxel: float = 2.0) -> tuple[Person, Pose, WholeHead]:
    person = draw_person(index, "test", seed, "clear")
    pose = draw_pose(index, seed)
    return person, pose, whole_head(person, pose, atlas, seed, voxel)
