"""What is read from the pixels themselves: gray levels, spatial frequencies, variety (MS-SSIM).

Letters: M images, R resolution (pixels per side). All functions are pure: arrays in, numbers out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from progan_style import load_torchvision

FOREGROUND = 25  # gray levels: what is above belongs to the head
POWER = (0.8, 1.25)  # power in a half octave over the reals'; beyond its squares it is seen at a glance
MSSSIM_BETAS = (0.0448, 0.2856, 0.3001)  # Wang et al. 2003, the finest scales


def histogram(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Share of pixels of each gray level: uint8 [M, 1, R, R] -> [256]"""
    counts = np.bincount(np.asarray(images).ravel(), minlength=256)
    return counts / counts.sum()


def corners(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean gray level of the four corners of each image, squares of an eighth of its side: uint8 [M, 1, R, R] -> [M]"""
    side = max(1, images.shape[-1] // 8)
    ends = (slice(None, side), slice(-side, None))
    return np.mean([images[:, 0, rows, columns] for rows in ends for columns in ends], axis=(0, 2, 3))


def brightness(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean gray level of each image's pixels above a tenth of white, 0 where there is none: [M, 1, R, R] -> [M]"""
    pixels = images.reshape(len(images), -1)
    inside = pixels > FOREGROUND
    return np.where(inside, pixels, 0).sum(axis=1) / inside.sum(axis=1).clip(min=1)


def histogram_distance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """How many gray levels a pixel has to move on average to turn one histogram into the other (Wasserstein 1)."""
    levels = np.arange(len(x))
    return float(wasserstein_distance(levels, levels, x, y))


def radial_spectrum(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean power at each spatial frequency, 1 .. R/2 cycles per image: uint8 [M, 1, R, R] -> [R/2]

    The mean is taken off first. A checkerboard stands at the right end; missing fine detail is a drop towards it.
    """
    pixels = np.asarray(images, dtype=np.float32)[:, 0] / 255.0
    size = pixels.shape[-1]
    power = np.zeros((size, size))
    for start in range(0, len(pixels), 256):
        part = pixels[start : start + 256]
        part = part - part.mean(axis=(1, 2), keepdims=True)
        power += (np.abs(np.fft.fft2(part)) ** 2).sum(axis=0)
    frequency = np.fft.fftfreq(size) * size
    radius = np.rint(np.hypot(frequency[:, None], frequency[None, :])).astype(int)
    rings = np.bincount(radius.ravel(), power.ravel()) / np.bincount(radius.ravel())
    return rings[1 : size // 2 + 1] / len(pixels)


def finest_octave(images: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Mean power above a quarter of a cycle per pixel, over the reference's: uint8 [M, 1, R, R], [N, 1, R, R].

    This is the octave that the newest block of a growing generator adds: below 1 it is blurred, above 1 it has grain
    or a checkerboard.
    """
    x, y = (float(power[len(power) // 2 :].mean()) for power in map(radial_spectrum, (images, reference)))
    return (x + 1e-12) / (y + 1e-12)


def bands(x: NDArray[np.float64], reference: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """Power over the reference's in every half octave: (first, last cycles per image, geometric mean of the ratios).

    x, reference: [R/2], as radial_spectrum gives them. The last band is the finest frequency, R/2, alone.
    """
    cycles = np.arange(1, len(x) + 1)
    band = np.floor(2 * np.log2(cycles)).astype(int)
    ratio = np.log((x + 1e-12) / (reference + 1e-12))
    return [
        (int(cycles[band == b].min()), int(cycles[band == b].max()), float(np.exp(ratio[band == b].mean())))
        for b in np.unique(band)
    ]


def spectrum_distance(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Mean over frequencies of |log10 of the ratio of powers|: 0.3 is a factor of two."""
    return float(np.abs(np.log10((x + 1e-12) / (y + 1e-12))).mean())


def ms_ssim(images: NDArray[np.uint8], groups: NDArray[Any], pairs: int = 300, seed: int = 0) -> float:
    """Mean multi-scale structural similarity of random pairs of different persons (Wang et al. 2003).

    A measure of variety, not of quality: 1 where all images are one. Three scales from 32 pixels on, fewer below.
    uint8 [M, 1, R, R]. Raises ValueError if there is no such pair.
    """
    load_torchvision()  # torchmetrics imports it by itself, which fails beside some builds of torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    names = np.asarray(groups).astype(str)
    rng = np.random.default_rng(seed)
    first, second = rng.integers(len(names), size=(2, 20 * pairs))
    apart = (first != second) & ((names[first] != names[second]) | (names[first] == ""))
    first, second = first[apart][:pairs], second[apart][:pairs]
    if not len(first):
        raise ValueError(f"MS-SSIM needs images of two persons or more, got {len(names)} of one")
    x, y = (torch.from_numpy(np.asarray(images)[rows].astype(np.float32) / 255.0) for rows in (first, second))
    betas = np.array(MSSSIM_BETAS[: {8: 1, 16: 2}.get(images.shape[-1], 3)])
    value = multiscale_structural_similarity_index_measure(
        x, y, kernel_size=3, sigma=0.8, data_range=1.0, betas=tuple(float(b) for b in betas / betas.sum())
    )
    return float(value)
