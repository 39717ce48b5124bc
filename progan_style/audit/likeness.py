"""How alike two slices are, so that a copy stands out from a neighbour, and both from another person.

Letters: M, N slices; R = SIDE pixels.

All brains look alike coarsely, most of all when registered to an atlas, and noise makes all slices differ finely. What
tells persons apart lies between: gyri and sulci, 1 to 3 mm wide on a picture of R pixels. So each slice is reduced to
R x R, moved so that its centre of brightness is in the middle (a shift is undone), passed through a band of two
Gaussians, and scaled to length 1; likeness is the largest product over three rotations, -1 to 1. Centring makes shifts
cost nothing, and within 1 degree of a rotation likeness falls by less than 0.01.

Measured (docs/prepare.md): 0.78 at most between strangers of OASIS, which is registered to an atlas, and of phantoms;
0.97 and more for a copy moved by 1 pixel, turned by 2 degrees, with 5 % more or less contrast and saved as JPEG.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from progan_style.data.gray import pad_square, read_gray, resize

Array = NDArray[np.float32]

SIDE = 64
FINE, COARSE = 0.7, 2.0  # standard deviations of the band's Gaussians, pixels
ANGLES = (-2.0, 0.0, 2.0)  # degrees
PERSON = 0.82  # from here on two slices are of one person
COPY = 0.97  # from here on of one slice, or of two less than a voxel apart
HIGHEST = 0.9  # no calibration rises above this, half way from a person to a copy: it is an alarm then
FALSE = 1e-3  # at most this share of the pairs of strangers may be called one person
BINS = 400  # of likeness from -1 to 1
BLOCK = 512  # slices compared with all others at a time


@dataclass
class Pairs:
    """What was found between two sets of slices."""

    pairs: list[tuple[int, int, float]]  # (index, index, likeness) from `threshold` on, the most alike first
    threshold: float
    strangers: int  # pairs known to be of different persons; 0 if persons are unknown
    strangers_above: int  # of them, how many are as alike as `threshold`
    most_alike_strangers: float  # upper end of the highest bin in use
    alarm: bool = False  # too many pairs said to be of strangers are alike: the persons cannot be right, or the pixels


def read_small(path: Path) -> Array:
    """A picture -> [R, R], as `small_of` makes it."""
    values = read_gray(str(path))
    if values.dtype != np.uint8:
        values = (values.astype(np.float64) * (255 / max(1, int(values.max())))).astype(np.uint8)
    return small_of(values)


def small_of(values: NDArray[np.uint8]) -> Array:
    """A slice -> [R, R], its darkest grays cut off, so that contrast about the mean leaves the background black."""
    small = resize(pad_square(values, int(values.min())), SIDE)
    return np.maximum(small - np.percentile(small, 2), 0).astype(np.float32)


def turned(small: Array, degrees: float) -> Array:
    """[R, R] with its centre of brightness in the middle, turned about it."""
    from scipy import ndimage

    at = np.arange(SIDE) - (SIDE - 1) / 2
    total = small.sum() + 1e-6
    centre = np.array([small.sum(axis=1) @ at, small.sum(axis=0) @ at]) / total
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[c, s], [-s, c]])
    middle = np.full(2, (SIDE - 1) / 2)
    result: Array = ndimage.affine_transform(small, turn, middle + centre - turn @ middle, order=1)
    return result


def describe(small: Array, degrees: float = 0.0) -> Array:
    """[R, R] -> [R * R] of length 1 (0 for a blank picture)."""
    from scipy import ndimage

    picture = turned(small, degrees)
    band = ndimage.gaussian_filter(picture, FINE) - ndimage.gaussian_filter(picture, COARSE)
    band = (band - band.mean()).ravel()
    length = float(np.linalg.norm(band))
    return (band / length if length > 1e-3 else np.zeros_like(band)).astype(np.float32)


def likeness_of_pairs(some: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How alike slice m of some and slice m of others are, -1 to 1: uint8 [M, S, S] twice -> [M]."""
    best = np.full(len(some), -1.0)
    against = [describe(small_of(values)) for values in others]
    for degrees in ANGLES:
        turned_some = [describe(small_of(values), degrees) for values in some]
        best = np.maximum(best, [float(a @ b) for a, b in zip(turned_some, against, strict=True)])
    return best


def read_all(paths: list[Path], workers: int) -> Array:
    """Pictures -> [M, R, R]."""
    with ThreadPoolExecutor(workers) as pool:
        return np.stack(list(pool.map(read_small, paths, chunksize=16)))


def describe_all(smalls: Array, workers: int, degrees: float = 0.0) -> Array:
    """[M, R, R] -> [M, R * R]."""
    with ThreadPoolExecutor(workers) as pool:
        return np.stack(list(pool.map(lambda small: describe(small, degrees), smalls)))


def alike(some: Array, others: Array, workers: int) -> Iterator[tuple[int, Array]]:
    """Small pictures [M, R, R] and [N, R, R] -> (first row, likeness [m, N]) block by block."""
    against = describe_all(others, workers)
    for start in range(0, len(some), BLOCK):
        block = some[start : start + BLOCK]
        best = np.full((len(block), len(against)), -1.0, np.float32)
        for degrees in ANGLES:
            np.maximum(best, describe_all(block, workers, degrees) @ against.T, out=best)
        yield start, best


def find_pairs(
    some: Array, others: Array, persons: tuple[NDArray[np.str_], NDArray[np.str_]] | None, workers: int
) -> Pairs:
    """All pairs across two sets of small pictures that are of one person by their pixels.

    Where persons are known, pairs of different ones calibrate: the threshold rises above PERSON until at most FALSE of
    them lie above it, which a set of smooth pictures may need. Where it would rise above HIGHEST, the persons may as
    well be wrong: it stays, and that is an alarm.
    """
    histogram = np.zeros(BINS, np.int64)
    found: list[tuple[int, int, float]] = []
    for start, best in alike(some, others, workers):
        rows, columns = np.nonzero(best >= PERSON)
        values = best[rows, columns].astype(float)
        found += zip((rows + start).tolist(), columns.tolist(), values.tolist(), strict=True)
        if persons is not None:
            strangers = persons[0][start : start + len(best), None] != persons[1][None]
            histogram += np.histogram(np.clip(best[strangers], -1, 1), BINS, (-1, 1))[0]
    edges = np.linspace(-1, 1, BINS + 1)
    above = histogram[::-1].cumsum()[::-1]  # pairs from each bin's lower edge on
    threshold, alarm = PERSON, False
    if above[0] and above[np.searchsorted(edges, PERSON - 1e-9)] > FALSE * above[0]:
        threshold = float(edges[:-1][above <= FALSE * above[0]].min(initial=1.0))
        alarm = threshold > HIGHEST
        threshold = PERSON if alarm else threshold
    found = sorted((pair for pair in found if pair[2] >= threshold), key=lambda pair: -pair[2])
    highest = float(edges[1:][histogram > 0].max(initial=-1.0))
    strange = 0
    if persons is not None:
        strange = sum(persons[0][i] != persons[1][j] for i, j, _ in found)
    return Pairs(found, threshold, int(above[0]), int(strange), highest, alarm)
