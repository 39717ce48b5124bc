"""Which way up a head is by its shape alone, to be held against what the header says.

A header can be wrong, a stated orientation mistyped. So the shape is asked by itself: a brain is laid upon the ICBM152
brain mask in all 24 ways that axes can run, a head with its skull ends bluntly at the neck and nowhere else. Where the
shape is no clear answer, none is given.

Letters: X, Y, Z voxels or cells on the axes that the header calls right, front, up; N cells per side of a cube.
"""

import functools
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from progan_style.scans.head import Head

Mask = NDArray[np.bool_]

SIDE, CELL_MM = 48, 4.0  # of the cube in which brains are compared
LITRES = 1.8  # brains are brought to this size
ALIKE = 0.88  # Dice of a brain and the template, below which a body is no whole brain
CLEARLY = 0.03  # by how much the best way has to be better than the best with another top, or another front
ENDS = (("left", "right"), ("back", "front"), ("bottom", "top"))  # as the header calls them
END_MM = 6.0  # outermost part of a head, in which its cross-sections are looked at
BLUNT = 0.15  # difference of the cross-sections at two ends, as a share of the largest, that a neck makes
UNLIKE = 2.0  # so many times blunter than on any other axis


def doubt(head: Head, brain: Mask | None, voxel_mm: NDArray[np.float64]) -> str:
    """How a head's shape contradicts its header, in words; "" if it agrees or is no clear answer.

    brain: the mask of it on the volume's grid, [X, Y, Z], where there is one; else the head with its neck is looked at.
    """
    top, front = lie_of_brain(brain, voxel_mm) if brain is not None else (top_of_head(head), "")
    if top not in ("", "top"):
        return f"by its shape the top of the head lies at the end that is called the {top}; look which way up it is"
    if front not in ("", "front"):
        return (
            f"by its shape the front of the brain lies at the end that is called the {front}; look where its front is"
        )
    return ""


def top_of_head(head: Head) -> str:
    """Which end the top of a head with skull is, opposite to the neck, by the header's words; "" if it is not clear.

    The neck ends bluntly, at the volume's edge or where the coil's field ends. Sides that are cut off on both ends, as
    the ears often are, cancel out.
    """
    ends = []
    for axis in range(3):
        area = head.inside.sum(axis=tuple({0, 1, 2} - {axis})).astype(float)
        places = np.flatnonzero(area)
        count = max(1, round(END_MM / float(np.linalg.norm(head.affine[:3, axis]))))
        low, high = area[places[:count]].mean(), area[places[-count:]].mean()
        ends.append((low - high) / area.max())
    order = np.argsort(np.abs(ends))
    bluntest, next_one = abs(ends[order[2]]), abs(ends[order[1]])
    if bluntest < BLUNT or bluntest < UNLIKE * next_one:
        return ""
    return ENDS[order[2]][1 if ends[order[2]] > 0 else 0]


def lie_of_brain(brain: Mask, voxel_mm: NDArray[np.float64]) -> tuple[str, str]:
    """Which ends the top and the front of a brain are, by the header's words; "" for what is not clear.

    brain: [X, Y, Z].
    """
    here = to_cube(brain, voxel_mm).ravel().astype(np.float32)
    ways, there = turned_templates()
    dice = 2 * (there @ here) / (there.sum(axis=1) + here.sum())
    alike = {way: float(d) for way, d in zip(ways, dice, strict=True)}
    top, front = best = max(ways, key=lambda way: alike[way])
    if alike[best] < ALIKE:
        return "", ""
    other_tops = max(alike[way] for way in ways if way[0] != top)
    other_fronts = max(alike[way] for way in ways if way[0] == top and way[1] != front)
    if alike[best] - other_tops < CLEARLY:
        return "", ""
    return top, front if alike[best] - other_fronts >= CLEARLY else ""


def to_cube(brain: Mask, voxel_mm: NDArray[np.float64]) -> Mask:
    """A mask about its centroid, brought to LITRES, on cells of CELL_MM; [N, N, N]."""
    from scipy import ndimage

    litres = np.count_nonzero(brain) * float(np.prod(voxel_mm)) / 1e6
    steps = CELL_MM * (litres / LITRES) ** (1 / 3) / voxel_mm
    counts = [brain.sum(axis=tuple({0, 1, 2} - {axis}), dtype=np.int64) for axis in range(3)]
    centroid = np.array([np.average(np.arange(len(n)), weights=n) for n in counts])
    start = centroid - steps * (SIDE - 1) / 2
    cube = ndimage.affine_transform(brain.astype(np.float32), steps, start, (SIDE,) * 3, order=1)
    return np.asarray(cube > 0.5)


@functools.cache
def template() -> Mask:
    """nilearn's ICBM152 brain mask as a cube; axes run right, front, up."""
    from nilearn import datasets

    mask = datasets.load_mni152_brain_mask(resolution=4)
    return to_cube(np.asarray(mask.dataobj) > 0, np.full(3, 4.0))


@functools.cache
def turned_templates() -> tuple[list[tuple[str, str]], NDArray[np.float32]]:
    """The template in each of the 24 ways: where its top and its front then lie, by the header's words, and its cells
    [24, N^3]."""
    ways, cubes = [], []
    for axes, flips in _turns():
        front, top = (ENDS[axes.index(axis)][int(flips[axes.index(axis)] > 0)] for axis in (1, 2))
        ways.append((top, front))
        cubes.append(np.flip(template().transpose(axes), tuple(i for i in range(3) if flips[i] < 0)).ravel())
    return ways, np.array(cubes, np.float32)


def _turns() -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The 24 ways to lay a body's axes along those of a grid without a mirror: orders of axes, and flips."""
    for axes in itertools.permutations(range(3)):
        for flips in itertools.product((1, -1), repeat=3):
            if np.linalg.det(np.eye(3)[list(axes)] * np.array(flips)[:, None]) > 0:
                yield axes, flips
