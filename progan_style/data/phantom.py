"""The built-in data set: brain slices of persons who never lived, with AD-like atrophy that is known for each image.

Made from the ICBM152 2009a symmetric template (T1, grey and white matter at 1 mm) that ships inside nilearn: nothing
is downloaded. A phantom person is that template seen through

    a small affine and a smooth random deformation at three scales (about 40, 15 and 6 mm), with an explicit left-right
    asymmetry, because the template itself is symmetric and is one average anatomy;
    atrophy: tissue pushed away from the lateral ventricles, and outer cortical grey matter turned into CSF;
    tissue contrasts, a receiver's bias field and Rician noise.

How far the ventricles open follows the person's severity s, drawn from one of two overlapping normals (CN, AD), so the
best possible accuracy is known: Phi(d' / 2), d' being the distance of the means in standard deviations.

Where the atrophy sits is the pattern: `ventricular` opens the whole of the ventricles, `frontal` their frontal horns
and the sulci of the frontal lobe, as frontotemporal dementia does. The class of the patients is called AD in both.
Person i of a seed has the same severity and, but for the atrophy, the same head in both: persons who must differ, as in
a transfer from one pattern to the other, need another seed.

Pictures are axial, nose up, in the neurological convention (the person's left is on the left), 0.88 mm per pixel at
256 x 256.

Run as a program it writes such a folder:
    python -m progan_style.data.phantom --to DIR [--persons N --slices K --seed S --overlap apart|clear|real --size 256
        --pattern ventricular|frontal]
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from progan_style.data.pool import cores, in_processes

Array = NDArray[np.float32]

VERSION = 4  # raise it whenever a pixel or a number of the manifest changes, so that old folders are made anew
CLASSES = ("CN", "AD")
SPLITS = ("train", "validate", "test")
COLUMNS = ("path", "label", "subject", "split", "slice_mm", "severity", "ventricle_ratio")
SETTINGS = "phantoms.json"
NOTICE = """\
The pictures in this folder are synthetic. They were made from the ICBM 152 nonlinear symmetric 2009a brain template,
which came with nilearn, and no person's scan is among them.

Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill
University. Permission to use, copy, modify, and distribute this software and its documentation for any purpose and
without fee is hereby granted, provided that the above copyright notice appear in all copies. The authors and McGill
University make no representations about the suitability of this software for any purpose. It is provided "as is"
without express or implied warranty. The authors are not responsible for any data loss, equipment damage, property
loss, or injury to subjects or patients resulting from the use or misuse of this software package.

Cite: V. S. Fonov, A. C. Evans, R. C. McKinstry, C. R. Almli, D. L. Collins, Unbiased nonlinear average age-appropriate
brain templates from birth to adulthood, NeuroImage 47, S102, 2009. V. Fonov, A. C. Evans, K. Botteron, C. R. Almli,
R. C. McKinstry, D. L. Collins, Unbiased average age-appropriate atlases for pediatric studies, NeuroImage 54,
313-327, 2011.
"""

LOWEST_MM, HIGHEST_MM = 6.0, 28.0  # MNI heights of the slices: the lateral ventricles are seen in all of them
SIDE = 256
MM_PER_PIXEL = 0.88  # 225 mm in all: the largest brain fills the picture, so small stages spend their pixels on it
CENTRE = (0.0, -17.0, 17.0)  # MNI mm, the middle of the brain: the middle of the picture, and the affine's pivot
ROWS, COLS = 256, 240  # the window that a brain can reach; the rest of a picture is background
TEMPLATE_ORIGIN = (-98.0, -134.0, -72.0)  # MNI mm of the template's first voxel
SAMPLED = ((-80.0, 80.0), (-116.0, 84.0), (-16.0, 50.0))  # MNI mm: the brain, as high and low as a tilted slice reaches

SEVERITY_SD = 0.18
ACCURACY = {"apart": 0.995, "clear": 0.92, "real": 0.80}  # best possible accuracy from the known severity


@dataclass(frozen=True)
class Pattern:
    """Where atrophy sits. The step from behind to the front lies at FRONT_MM and is 2 * FRONT_WIDTH_MM wide."""

    behind: float  # factor of how far the ventricles' wall moves
    front: float
    sulci: float  # share of the cortical grey matter of the front that is lost more, per unit of severity


PATTERNS = {"ventricular": Pattern(1.0, 1.0, 0.0), "frontal": Pattern(0.15, 1.5, 0.35)}
FRONT_MM, FRONT_WIDTH_MM = 0.0, 10.0  # MNI y: the frontal horns begin at the foramen of Monro, near y = 0

# Channels of the prepared template, the last axis of its array.
DISTANCE, TOWARDS_X, TOWARDS_Y, TOWARDS_Z = 0, 1, 2, 3
BRAIN, VENTRICLES, GREY, WHITE, SULCI = 0, 1, 2, 3, 4


@dataclass(frozen=True)
class Person:
    """All that makes one phantom, but for the noise of its slices. Lengths in mm, intensities relative to white."""

    index: int
    label: int  # index into CLASSES
    split: str
    pattern: Pattern
    severity: float
    ventricles_mm: float  # how far the ventricles' wall is pushed outwards
    sulci: float  # share of the cortical grey matter that is lost to sulcal CSF
    affine: NDArray[np.float64]  # [3, 3] picture -> template, about CENTRE
    shift_mm: NDArray[np.float64]  # [3]
    torque_mm: float  # one hemisphere's shift forwards against the other
    bend_mm: float  # sideways bend of the midline, front against back
    ventricle_asymmetry: float  # relative, right against left
    deformation_mm: float  # overall strength
    csf: float
    grey: float
    white_texture: float
    gain: float
    gamma: float
    bias: float
    blur: float
    noise: float

    @property
    def subject(self) -> str:
        return f"phantom{self.index:05d}"


def draw_severity(label: int, overlap: str, rng: np.random.Generator) -> float:
    """Severity of a person of class `label`: two normals about 0.5 of equal width, d' apart.

    With the threshold at 0.5 the accuracy is Phi(d' / 2), the best that anything which sees severity alone can do.
    """
    return 0.5 + SEVERITY_SD * float((label - 0.5) * means_apart(overlap) + rng.standard_normal())


def means_apart(overlap: str) -> float:
    """d' = 2 Phi^-1(accuracy), the distance of the two groups' means in standard deviations."""
    if overlap not in ACCURACY:
        raise ValueError(f"overlap is {overlap!r}; expected one of {', '.join(ACCURACY)}")
    from scipy.special import ndtri

    return 2.0 * float(ndtri(ACCURACY[overlap]))


def draw_person(index: int, split: str, seed: int, overlap: str, pattern: str = "ventricular") -> Person:
    """Person `index` of the data set of this seed; the anatomy does not depend on the class, nor on who else is there.

    Contrast, gain, size and the sulci's width vary more between persons than between classes: a histogram alone must
    not give the class away.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"pattern is {pattern!r}; expected one of {', '.join(PATTERNS)}")
    rng = np.random.default_rng([seed, index])
    label = index % 2
    severity = draw_severity(label, overlap, rng)
    # Softplus: monotone, never far below zero, straight where atrophy is.
    opened = -0.8 + math.log1p(math.exp(6.0 * (severity - 0.02))) + 0.4 * rng.standard_normal()
    tilt = np.radians(rng.normal(0.0, (2.5, 2.0, 3.0)))
    size = rng.normal(1.0, 0.035) * (1.0 + rng.normal(0.0, 0.025, 3))
    return Person(
        index=index,
        label=label,
        split=split,
        pattern=PATTERNS[pattern],
        severity=severity,
        ventricles_mm=opened,
        sulci=max(0.0, 0.04 * severity + rng.uniform(0.0, 0.52)),
        affine=rotation(tilt) * np.clip(size, 0.88, 1.12),
        shift_mm=rng.normal(0.0, (1.5, 1.5, 1.0)),
        torque_mm=rng.normal(1.0, 1.5),
        bend_mm=rng.normal(0.0, 1.5),
        ventricle_asymmetry=rng.normal(0.0, 0.15),
        deformation_mm=rng.uniform(0.8, 1.2),
        csf=rng.uniform(0.10, 0.36),
        grey=rng.uniform(0.58, 0.74),
        white_texture=rng.uniform(0.01, 0.04),
        gain=rng.uniform(140.0, 230.0),
        gamma=math.exp(rng.normal(0.0, 0.12)),
        bias=rng.uniform(0.03, 0.10),
        blur=rng.uniform(0.3, 0.8),
        noise=rng.uniform(0.015, 0.04),
    )


def draw_persons(persons: int, seed: int, overlap: str, pattern: str = "ventricular") -> list[Person]:
    """Everyone, half of each class, split 80/10/10 by person within each class."""
    rng = np.random.default_rng([seed])
    split = [""] * persons
    for label in range(len(CLASSES)):
        mine = rng.permutation(np.arange(label, persons, len(CLASSES)))
        held_out = max(1, round(0.1 * len(mine))) if len(mine) >= 3 else 0
        for rank, index in enumerate(mine):
            split[index] = "test" if rank < held_out else "validate" if rank < 2 * held_out else "train"
    return [draw_person(index, split[index], seed, overlap, pattern) for index in range(persons)]


def rotation(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """[3] radians about x, y, z -> [3, 3]."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def prepare_template() -> tuple[Array, Array]:
    """nilearn's template, once for all persons -> geometry [X, Y, Z, 4] and tissues [X, Y, Z, 5].

    Geometry: signed distance to the lateral ventricles' wall in mm (outside positive) and its gradient, which points
    away from them. Tissues: brain, lateral ventricles, grey, white, and rank by nearness to sulcal CSF, each 0 .. 1.

    CSF is what grey and white leave of the brain mask. The lateral ventricles are its two largest components off the
    midline (the cerebral fissure is larger) and deeper than 22 mm under the closed surface: the mask has an opening at
    the base, and measured from there the frontal horns would be cut off.
    """
    from nilearn import datasets
    from scipy import ndimage

    def load(image: Any) -> Array:
        return np.asarray(image.dataobj, dtype=np.float32)

    brain = load(datasets.load_mni152_brain_mask(resolution=1)) > 0.5
    grey = load(datasets.load_mni152_gm_template(resolution=1)) * brain
    white = load(datasets.load_mni152_wm_template(resolution=1)) * brain

    # Depth under the surface closed with a ball of 15 mm, at half resolution.
    coarse = np.pad(brain[::2, ::2, ::2], 9)
    closed = ndimage.distance_transform_edt(ndimage.distance_transform_edt(~coarse) <= 7.5) > 7.5
    deep = 2.0 * ndimage.distance_transform_edt(closed) > 22.0
    for axis, length in enumerate(brain.shape):
        deep = np.repeat(np.take(deep, range(9, deep.shape[axis] - 9), axis), 2, axis).take(range(length), axis)

    csf = np.clip(brain - grey - white, 0.0, 1.0)
    off_midline = np.abs(np.arange(brain.shape[0]) + TEMPLATE_ORIGIN[0]) >= 2.0
    parts, count = ndimage.label((csf > 0.5) & deep & off_midline[:, None, None])
    largest = np.argsort(np.bincount(parts.ravel(), minlength=count + 1)[1:])[-2:] + 1

    margin = 20  # voxels more at top and bottom while filters run
    box = [slice(*(round(mm - start) for mm in ends)) for ends, start in zip(SAMPLED, TEMPLATE_ORIGIN, strict=True)]
    work = (*box[:2], slice(box[2].start - margin, box[2].stop + margin))
    brain, csf, grey, white, inside = brain[work], csf[work], grey[work], white[work], np.isin(parts[work], largest)
    near = ndimage.distance_transform_edt(~inside).astype(np.float32)
    distance = ndimage.gaussian_filter(near - ndimage.distance_transform_edt(inside).astype(np.float32), 1.2)
    ventricles = csf * (near < 3.0)

    # The template is a mean over 152 persons, its borders are blurred: sharpen the shares, keeping their sum.
    shares = np.stack([csf, grey, white]) ** 2.5
    shares /= np.maximum(shares.sum(axis=0), 1e-6)
    csf, grey, white = shares * brain
    ventricles = np.minimum(ventricles, csf) * (csf > 0.02)

    # Rank of the cortical grey matter, the first to be lost to CSF 1, the last 0: near sulcal CSF and far from white
    # (the template's narrow sulci are blurred into grey), against its surroundings, so that all regions lose some.
    cortex = (grey > 0.3) & (near > 12.0)
    exposed = ndimage.gaussian_filter((csf - ventricles) * (near > 12.0) + 0.4 * ~brain, 1.5)
    exposed -= 0.7 * ndimage.gaussian_filter(white, 1.5)
    weight = np.maximum(ndimage.gaussian_filter(cortex.astype(np.float32), 8.0), 1e-3)
    exposed -= 0.8 * ndimage.gaussian_filter(exposed * cortex, 8.0) / weight
    ordered = np.quantile(exposed[cortex], np.linspace(0.0, 1.0, 201))
    sulci = np.interp(exposed, ordered, np.linspace(0.0, 1.0, 201)) * (near > 12.0)

    geometry = np.stack([distance, *np.gradient(distance)], axis=-1)[:, :, margin:-margin]
    tissues = np.stack([brain, ventricles, grey, white, sulci], axis=-1)[:, :, margin:-margin]
    return np.ascontiguousarray(geometry, np.float32), np.ascontiguousarray(tissues, np.float32)


def sample(volume: Array, points: Array) -> Array:
    """Trilinear: volume [X, Y, Z, C], points [N, 3] in MNI mm -> [N, C]; beyond the edge, the edge."""
    shape = np.array(volume.shape[:3])
    origin = np.array([lowest for lowest, _ in SAMPLED], np.float32)
    at = np.clip(points - origin, 0.0, (shape - 1.001).astype(np.float32))
    cell = at.astype(np.int64)
    part = (at - cell).astype(np.float32)
    strides = (int(shape[1] * shape[2]), int(shape[2]), 1)
    flat = volume.reshape(-1, volume.shape[3])
    first = cell @ np.array(strides)
    out = np.zeros((len(points), volume.shape[3]), np.float32)
    for corner in range(8):
        offset, weight = 0, np.ones(len(points), np.float32)
        for axis in range(3):
            high = corner >> axis & 1
            offset += high * strides[axis]
            weight = weight * (part[:, axis] if high else 1.0 - part[:, axis])
        out += flat[first + offset] * weight[:, None]
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


def frontal(points: Array) -> Array:
    """How far in front points [N, 3] lie: 0 behind .. 1 in the frontal lobe, [N]."""
    return 0.5 + 0.5 * np.tanh((points[:, 1] - np.float32(FRONT_MM)) / np.float32(FRONT_WIDTH_MM))


def open_ventricles(points: Array, person: Person, geometry: Array) -> Array:
    """Where the atrophied brain's points [N, 3] come from in the brain before atrophy.

    Along the gradient of the signed distance f to the ventricles' wall, a point at f comes from f - d (1 - f / 45)^2:
    the wall moves outwards by d, tissue beyond is compressed, 45 mm away nothing moves. What the wall has passed over
    comes from 1.5 mm inside the ventricle, not from further, or a thin horn would show the tissue behind it.
    """
    side = np.tanh(points[:, 0] / 8.0) * person.ventricle_asymmetry
    place = person.pattern.behind + (person.pattern.front - person.pattern.behind) * frontal(points)
    amount = np.float32(person.ventricles_mm) * (1.0 + side) * place
    here = sample(geometry, points)
    distance, away = here[:, DISTANCE], here[:, TOWARDS_X:]
    target = distance - amount * np.clip(1.0 - distance / 45.0, 0.0, 1.0) ** 2
    target = np.where(distance < 0.0, np.maximum(target, np.minimum(distance, -1.5)), np.maximum(target, -1.5))
    return points + (target - distance)[:, None] * away


def draw_slices(
    person: Person, heights: Sequence[float], seed: int, geometry: Array, tissues: Array
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """One person -> pictures [S, 256, 256] and ventricle ratio [S] (ventricle area / brain area)."""
    rng = np.random.default_rng([seed, person.index, 1])
    xs = (np.arange(COLS, dtype=np.float32) - (COLS - 1) / 2) * MM_PER_PIXEL + CENTRE[0]
    ys = ((ROWS - 1) / 2 - np.arange(ROWS, dtype=np.float32)) * MM_PER_PIXEL + CENTRE[1]
    grid = (xs, ys, np.asarray(heights, np.float32))
    points = deform(person, grid, rng)
    bias = np.exp(np.float32(person.bias) * smooth_field(*grid, 60.0, 1, rng)[0])
    thinner = person.sulci + 0.3 * person.sulci * smooth_field(*grid, 20.0, 1, rng)[0]
    texture = 1.0 + np.float32(person.white_texture) * smooth_field(*grid, 5.0, 1, rng)[0]

    pictures = np.zeros((len(heights), SIDE, SIDE), np.uint8)
    ratios = np.zeros(len(heights))
    top, left = (SIDE - ROWS) // 2, (SIDE - COLS) // 2
    for k in range(len(heights)):
        head = np.flatnonzero(sample(tissues[..., :1], points[k])[:, 0] > 0.0)
        here = sample(tissues, open_ventricles(points[k, head], person, geometry))
        brain = here[:, BRAIN] > 0.5
        head, here = head[brain], here[brain]
        ratios[k] = here[:, VENTRICLES].sum() / len(here)

        thin = thinner[k].ravel()[head]
        thin = thin + np.float32(person.pattern.sulci * max(person.severity, 0.0)) * frontal(points[k, head])
        lost = here[:, GREY] * np.clip((here[:, SULCI] - 1.0 + thin) / 0.12, 0.0, 1.0)
        grey, white = here[:, GREY] - lost, here[:, WHITE]
        signal = (1.0 - grey - white) * person.csf + grey * person.grey + white * texture[k].ravel()[head]
        window = np.zeros(ROWS * COLS, np.float32)
        window[head] = signal**person.gamma * bias[k].ravel()[head]
        noise = np.random.default_rng([seed, person.index, 2, k])
        window[head] = receive(window, person, noise)[head]
        pictures[k, top : top + ROWS, left : left + COLS] = window.reshape(ROWS, COLS)
    return pictures, ratios


def deform(person: Person, grid: tuple[Array, Array, Array], rng: np.random.Generator) -> Array:
    """Where the picture's points lie in the template before atrophy -> [S, ROWS * COLS, 3] in MNI mm."""
    xs, ys, zs = grid
    at = np.stack(np.broadcast_arrays(xs, ys[:, None], zs[:, None, None])).astype(np.float32)  # [3, S, ROWS, COLS]
    moved = np.zeros_like(at)
    for knot_mm, amount_mm in ((40.0, 2.6), (15.0, 1.4), (6.0, 0.9)):
        moved += np.float32(amount_mm * person.deformation_mm) * smooth_field(xs, ys, zs, knot_mm, 3, rng)
    moved[1] += np.float32(person.torque_mm) * np.tanh(at[0] / 20.0)
    moved[0] += np.float32(person.bend_mm) * np.tanh((at[1] - CENTRE[1]) / 40.0)

    centre, shift = np.array(CENTRE, np.float32), person.shift_mm.astype(np.float32)
    apart = at.reshape(3, len(zs), -1).transpose(1, 2, 0) - centre
    turned = np.einsum("sni,ji->snj", apart, person.affine.astype(np.float32))
    return turned + centre + shift + moved.reshape(3, len(zs), -1).transpose(1, 2, 0)


def receive(window: Array, person: Person, rng: np.random.Generator) -> Array:
    """The scanner: point spread, the magnitude of a complex noisy signal (Rician), 8 bits. [P] -> [P] whole numbers.

    Never 0, so that the background of the skull-stripped picture, and nothing else, is 0.
    """
    from scipy.ndimage import gaussian_filter

    window = gaussian_filter(window.reshape(ROWS, COLS), person.blur).ravel()
    real, imaginary = rng.standard_normal((2, len(window)), np.float32) * np.float32(person.noise)
    return np.clip(np.rint(np.hypot(window + real, imaginary) * person.gain), 1, 255)


def slice_heights(slices: int) -> list[float]:
    """MNI mm, evenly from the lowest to the highest; a single slice is the middle one."""
    if slices == 1:
        return [(LOWEST_MM + HIGHEST_MM) / 2]
    return [round(float(mm), 3) for mm in np.linspace(LOWEST_MM, HIGHEST_MM, slices)]


def reduce(pictures: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Exact block average [S, 256, 256] -> [S, size, size], rounded half up."""
    block = SIDE // size
    sums = pictures.reshape(-1, size, block, size, block).sum(axis=(2, 4), dtype=np.int64)
    return ((2 * sums + block * block) // (2 * block * block)).astype(np.uint8)


# A worker maps the prepared template from the folder that the parent wrote, so it is made once and shared.
_template: dict[str, tuple[Array, Array]] = {}


def _work(task: tuple[Person, list[float], int, int, str, str]) -> list[tuple[str, ...]]:
    """Write one person's pictures; -> the manifest's rows."""
    person, heights, size, seed, prepared, folder = task
    if prepared not in _template:
        _template.clear()
        geometry, tissues = (np.load(Path(prepared) / f"{name}.npy", mmap_mode="r") for name in ("geometry", "tissues"))
        _template[prepared] = (geometry, tissues)
    pictures, ratios = draw_slices(person, heights, seed, *_template[prepared])
    rows: list[tuple[str, ...]] = []
    for k, picture in enumerate(reduce(pictures, size)):
        path = f"{person.split}/{CLASSES[person.label]}/{person.subject}_{k:02d}.png"
        Image.fromarray(picture).save(Path(folder) / path, compress_level=4)
        truth = (f"{heights[k]:g}", f"{person.severity:.6f}", f"{ratios[k]:.6f}")
        rows.append((path, CLASSES[person.label], person.subject, person.split, *truth))
    return rows


def make_phantoms(
    directory: str | os.PathLike[str],
    *,
    persons: int = 500,
    slices: int = 8,
    seed: int = 999,
    overlap: str = "clear",
    pattern: str = "ventricular",
    size: int = SIDE,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Write the data set to `directory` and return it; at once if exactly these phantoms already stand there.

    directory/{train,validate,test}/{CN,AD}/<subject>_<kk>.png (8-bit grey), manifest.csv with the truth of each slice
    (slice_mm, severity, ventricle_ratio), NOTICE.txt and the settings. The bytes depend on the arguments alone, not on
    the number of workers (default: the cores that this process may use). The folder appears only when it is complete.
    Workers are spawned: a script of your own calls this under `if __name__ == "__main__":`, or with workers=1.

    Raises ValueError if an argument is impossible or if `directory` holds anything else.
    """
    for name, value in (("persons", persons), ("slices", slices), ("workers", workers)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is {value}; expected 1 or more")
    if seed < 0:
        raise ValueError(f"seed is {seed}; expected 0 or more")
    if size not in (8, 16, 32, 64, 128, 256):
        raise ValueError(f"size is {size}; expected a power of two from 8 to {SIDE}")
    everyone = draw_persons(persons, seed, overlap, pattern)
    settings = dict(version=VERSION, persons=persons, slices=slices, seed=seed, overlap=overlap, pattern=pattern)
    settings["size"], settings["best_accuracy"] = size, ACCURACY[overlap]
    directory = Path(directory)
    if directory.exists():
        if not directory.is_dir():
            raise ValueError(f"{directory} is a file; expected a folder, or a name that is free")
        if _holds(directory, settings):
            return directory
        if any(directory.iterdir()):
            raise ValueError(f"{directory} holds something else than these phantoms; name another folder or remove it")

    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
        folder, prepared = Path(scratch, "folder"), Path(scratch, "template")
        prepared.mkdir()
        for split in SPLITS:
            for name in CLASSES:
                (folder / split / name).mkdir(parents=True)
        for name, array in zip(("geometry", "tissues"), prepare_template(), strict=True):
            np.save(prepared / f"{name}.npy", array)
        heights = slice_heights(slices)
        tasks = [(person, heights, size, seed, str(prepared), str(folder)) for person in everyone]
        with contextlib.closing(in_processes(_work, tasks, min(workers or cores(), persons), chunksize=2)) as done:
            bar = tqdm(done, total=persons, desc="phantoms", unit="person", disable=None if progress else True)
            rows = [row for rows in bar for row in rows]
        with open(folder / "manifest.csv", "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
        (folder / "NOTICE.txt").write_text(NOTICE)
        (folder / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n")
        try:
            os.replace(folder, directory)  # over nothing, or over an empty folder
        except OSError:  # two runs may make the same phantoms at once: the first stay
            if not _holds(directory, settings):
                raise
    return directory


def _holds(directory: Path, settings: dict[str, Any]) -> bool:
    """Whether these very phantoms are there."""
    file = directory / SETTINGS
    return file.is_file() and json.loads(file.read_text()) == settings


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m progan_style.data.phantom", description="Write the phantoms.")
    parser.add_argument("--to", required=True, metavar="DIR", help="folder to make")
    parser.add_argument("--persons", type=int, default=500)
    parser.add_argument("--slices", type=int, default=8, help="per person")
    parser.add_argument("--seed", type=int, default=999)
    parser.add_argument("--overlap", choices=list(ACCURACY), default="clear", help="of the two groups' severities")
    parser.add_argument("--pattern", choices=list(PATTERNS), default="ventricular", help="where the atrophy sits")
    parser.add_argument("--size", type=int, default=SIDE, help="pixels per side")
    parser.add_argument("--workers", type=int, default=None, help="processes; default: all cores")
    given = vars(parser.parse_args(arguments))
    try:
        folder = make_phantoms(given.pop("to"), **given)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing was left behind", file=sys.stderr)
        return 130
    print(f"{folder}: {given['persons']} persons of {given['slices']} slices at {given['size']} x {given['size']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
