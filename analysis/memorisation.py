"""Is a generated slice somebody's? The closest training slice of each, in two spaces, against held-out persons.

A slice is near a training slice also because brains are alike. How near is near is therefore read off persons whom the
generator cannot have copied: held-out ones. Letters: M images, R resolution, P pixels, F features.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from analysis.persons import independent, named, smaller_half

PERCENTILE = 1.0  # of the held-out persons' distances: nearer than this is called a copy
SMOOTH = 0.6  # pixels: what resampling into the common pose blurs anyway
LARGEST = 64  # pixels per side that are compared: a person is known by then, and 256 would need gigabytes
CHUNK = 512
OTHERS = 10  # the how-manieth slice of other persons is asked how near everybody is

Array = NDArray[np.float32]


# ------------------------------------------------------------------ aligned pixels


def aligned_pixels(images: NDArray[np.uint8]) -> Array:
    """Slices in a common pose and contrast, as unit vectors: uint8 [M, 1, R, R] -> [M, P].

    The pose is the picture's own, from its moments: centre of mass to the middle, longer axis upright. So a shift or a
    small turn of a copy is undone, whatever it was; mean and length are taken off, so gain and brightness don't count.
    The squared distance of two rows is 2 - 2 times their correlation. Above LARGEST pixels, block means are compared.
    """
    block = max(1, images.shape[-1] // LARGEST)
    size = images.shape[-1] // block
    means = images.reshape(len(images), size, block, size, block).mean(axis=(2, 4), dtype=np.float32)
    rows = np.stack([_posed(image) for image in means]).reshape(len(images), size * size)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def _posed(image: Array) -> Array:
    """One slice, its centre of mass in the middle and its longer axis upright; an empty one as it is."""
    size = len(image)
    total = float(image.sum())
    if total <= 0:
        return image
    y, x = np.mgrid[:size, :size].astype(np.float32)
    centre = np.array([(image * y).sum(), (image * x).sum()]) / total
    dy, dx = y - centre[0], x - centre[1]
    yy, xx, xy = ((image * product).sum() / total for product in (dy * dy, dx * dx, dy * dx))
    # 0 for a head that stands upright; the axis has no direction, and a head on its side stays there
    angle = float(np.clip(0.5 * np.arctan2(2 * xy, yy - xx), -np.pi / 6, np.pi / 6))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    middle = np.full(2, (size - 1) / 2)
    smooth = ndimage.gaussian_filter(image, SMOOTH)
    return ndimage.affine_transform(smooth, turn, centre - turn @ middle, order=1, mode="constant")


# ------------------------------------------------------------------ nearest training slices


@dataclass(frozen=True)
class Nearest:
    """The nearest training slice of each of M images: its row, its distance, and how much nearer than others it is.

    relative is the likeness of the 10th nearest slice of other persons over the likeness of the nearest: 1 for a slice
    that is as near to many as to one, less for a copy. Likeness is the cosine. What makes an image less like everything
    (its own noise) or more like everything (its smoothness) scales both and drops out.
    """

    rows: NDArray[np.int64]
    distances: NDArray[np.float64]
    relative: NDArray[np.float64]


def nearest(images: Array, training: Array, owners: NDArray | None = None) -> Nearest:
    """Euclidean, by chunks: rows of one length, [M, F] and [M', F]; owners [M'] of the training slices, "" unknown.

    Raises ValueError if there are no more than OTHERS training slices of other persons than the nearest.
    """
    names = named(np.full(len(training), "") if owners is None else owners)
    _, owner, sizes = np.unique(names, return_inverse=True, return_counts=True)
    if len(training) - (sizes.max() if len(sizes) else 0) < OTHERS:
        raise ValueError(
            f"closest training slices: {OTHERS} slices of other persons needed, got {len(training)} in all"
        )
    training = np.asarray(training, dtype=np.float64)
    length = (training**2).sum(axis=1)
    scale = 2 * float(length.mean())
    rows, distances, relative = [], [], []
    for start in range(0, len(images), CHUNK):
        some = np.asarray(images[start : start + CHUNK], dtype=np.float64)
        # By a matrix product, 20 times as fast as pair by pair; what it loses is 1e-7 of a length
        block = np.sqrt(np.maximum((some**2).sum(axis=1)[:, None] + length[None, :] - 2 * some @ training.T, 0.0))
        first = block.argmin(axis=1)
        near = block[np.arange(len(block)), first]
        block[owner[first][:, None] == owner[None, :]] = np.inf
        other = np.partition(block, OTHERS - 1, axis=1)[:, OTHERS - 1]
        rows.append(first)
        distances.append(near)
        relative.append((1 - other**2 / scale) / np.maximum(1 - near**2 / scale, 1e-6))
    return Nearest(np.concatenate(rows), np.concatenate(distances), np.concatenate(relative))


def share_of_copies(
    fakes: NDArray[np.float64], held_out: NDArray[np.float64], percentile: float = PERCENTILE
) -> tuple[float, float]:
    """Share of fakes nearer than that percentile of held-out persons, and the percentile's distance."""
    threshold = float(np.percentile(held_out, percentile))
    return float((fakes < threshold).mean()), threshold


def false_alarms(
    held_out: NDArray[np.float64], subjects: NDArray, seed: int = 0, draws: int = 50, percentile: float = PERCENTILE
) -> float:
    """The false-alarm rate: of half of the held-out persons, those below the percentile of the other half.

    About 1 % with many persons, more with few: a few slices of one person then make the threshold. Persons, not slices,
    are drawn; "" is a person of its own.
    """
    rng = np.random.default_rng(seed)
    if independent(subjects) < 2:
        raise ValueError(
            f"the false alarms of the copy check need two held-out persons or more, got {independent(subjects)}"
        )
    values = []
    for _ in range(draws):
        first = smaller_half(subjects, rng)
        values.append(share_of_copies(held_out[first], held_out[~first], percentile)[0])
    return float(np.mean(values))


# ------------------------------------------------------------------ planted copies


def shifted(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One pixel to the right."""
    return np.roll(images, 1, axis=-1)


def rotated(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """By 2 degrees, with linear interpolation."""
    turned = ndimage.rotate(images.astype(np.float32), 2.0, axes=(-2, -1), reshape=False, order=1)
    return np.clip(np.rint(turned), 0, 255).astype(np.uint8)


def contrasted(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """5 % more contrast about the middle gray of each slice."""
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return np.clip(np.rint((images - mean) * 1.05 + mean), 0, 255).astype(np.uint8)


def reencoded(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Through JPEG at quality 75."""
    out = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image[0]).save(buffer, format="JPEG", quality=75)
        out.append(np.asarray(Image.open(buffer)))
    return np.stack(out)[:, None]


# name -> training slices as somebody may have copied them: the detector has to find all of them
PLANTED: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "exact": np.copy,
    "shifted": shifted,
    "rotated": rotated,
    "contrast": contrasted,
    "jpeg": reencoded,
}
