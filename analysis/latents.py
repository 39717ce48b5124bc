"""What the generator holds the disease to be: the same brain as CN and as AD, and what lies between.

Networks and arrays in, arrays and numbers out. Letters: N images, K classes, L styles, W style width, R resolution
(pixels per side), T steps of a path.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from progan_style import (
    Condition,
    Generator,
    centre,
    condition_for,
    draw_conditions,
    generate,
    latents,
    to_uint8,
    truncated,
)

BATCH = 16


# ------------------------------------------------------------------ images between the classes


def class_weights(low: int, high: int, classes: int, at: Sequence[float]) -> Tensor:
    """Weights [T, K] of a path from class `low` (at 0) to class `high` (at 1)."""
    places = torch.as_tensor(at, dtype=torch.float32)
    weights = torch.zeros(len(places), classes)
    weights[:, low] += 1.0 - places
    weights[:, high] += places
    return weights


def path(
    G: Generator,
    seeds: Tensor,
    low: int,
    high: int,
    at: Sequence[float] = (0.0, 1.0),
    psi: float = 1.0,
    given: Mapping[str, Any] | None = None,
) -> NDArray[np.uint8]:
    """The same z and noise on the way from one class to the other, by mixing the class embeddings.

    seeds [N] -> uint8 [T, N, 1, R, R]; the ends are the classes' own images to the byte. given: conditions that are
    held, as in `generate`; what is not given is drawn as in the class at each place, so that ages would change too.
    """
    weights = class_weights(low, high, len(G.class_names), at)
    images = generate(G, weights.repeat_interleave(len(seeds), dim=0), seeds.repeat(len(at)), psi=psi, given=given)
    return images.reshape(len(at), len(seeds), *images.shape[1:]).numpy()


def difference_maps(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float32]:
    """second - first, gray levels: uint8 [N, 1, R, R] twice -> [N, R, R]"""
    return second[:, 0].astype(np.float32) - first[:, 0].astype(np.float32)


def swapped_mean(pairs: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """The control of a mean difference: the classes of each pair swapped or not, by lot. [N, R, R] -> [R, R]

    Half of the pairs exactly (of an odd number the larger half is kept), so what is left is chance alone.
    """
    signs = np.where(np.arange(len(pairs)) % 2, -1.0, 1.0)
    signs = np.random.default_rng(seed).permutation(signs)
    return np.asarray((pairs * signs[:, None, None]).mean(axis=0), dtype=np.float32)


def correlation(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Pearson's, over the pixels of two maps; 0 if one of them is flat."""
    a, b = np.asarray(first, np.float64).ravel(), np.asarray(second, np.float64).ravel()
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else 0.0


# ------------------------------------------------------------------ styles


@torch.no_grad()
def render(G: Generator, ws: Tensor, noise: Tensor) -> NDArray[np.uint8]:
    """ws [N, L, W], noise [N, noise_size] -> uint8 [N, 1, R, R], in batches."""
    G.eval()
    parts = zip(ws.split(BATCH), noise.split(BATCH), strict=True)
    return torch.cat([to_uint8(G.synthesis(w, n)).cpu() for w, n in parts]).numpy()


@torch.no_grad()
def styles(
    G: Generator, seeds: Tensor, label: int, psi: float = 1.0, given: Mapping[str, Any] | None = None
) -> tuple[Tensor, Tensor]:
    """The ws [N, L, W] and the noise [N, noise_size] of the images of these seeds, on the generator's device.

    given: as in `generate`; what is not given is drawn by the seed.
    """
    device = next(G.parameters()).device
    z, noise = latents(G, seeds.to(device))
    condition = draw_conditions(G, condition_for(G, torch.full_like(seeds, label), given), seeds).to(device)
    return truncated(G, z, condition, psi), noise


def style_mixing(G: Generator, rows: Tensor, columns: Tensor, label: int, crossover: int) -> NDArray[np.uint8]:
    """Coarse styles of one image with the fine ones of another (StyleGAN, figure 3): seeds [A], [B] -> [A, B, 1, R, R]

    Styles before `crossover` are the row's, the others and nothing else the column's; the noise is the row's.
    """
    coarse, noise = styles(G, rows, label)
    fine, _ = styles(G, columns, label)
    before = torch.arange(coarse.shape[1], device=coarse.device)[None, :, None] < crossover
    a = torch.arange(len(rows)).repeat_interleave(len(columns))
    b = torch.arange(len(columns)).repeat(len(rows))
    images = render(G, torch.where(before, coarse[a], fine[b]), noise[a])
    return images.reshape(len(rows), len(columns), *images.shape[1:])


def explained(images: NDArray[np.uint8]) -> tuple[float, float]:
    """Shares of the pixels' variance in a grid [A, B, 1, R, R] that its row and its column explain (two-way ANOVA)."""
    x = images.reshape(*images.shape[:2], -1).astype(np.float64)
    x -= x.mean(axis=(0, 1))
    whole = float((x**2).mean())
    if whole == 0:
        return 0.0, 0.0
    return float((x.mean(axis=1) ** 2).mean() / whole), float((x.mean(axis=0) ** 2).mean() / whole)


def diversity(images: NDArray[np.uint8]) -> float:
    """Root mean square distance of two different images of a set, gray levels per pixel. Raises ValueError for one."""
    if len(images) < 2:
        raise ValueError(f"diversity needs two images or more, got {len(images)}")
    x = images.reshape(len(images), -1).astype(np.float64)
    # The mean over pairs of |a - b|^2 is twice the unbiased variance.
    return float(np.sqrt(2.0 * x.var(axis=0, ddof=1).mean()))


# ------------------------------------------------------------------ directions in w


def class_direction(G: Generator, low: int, high: int) -> Tensor:
    """From the centre of one class to that of another, [W]: what the label alone changes, on average over z."""
    two = Condition.of(torch.tensor([low, high]), G.class_names).to(next(G.parameters()).device)
    of_low, of_high = centre(G, two)
    return of_high - of_low


def random_direction(direction: Tensor, count: int, seed: int = 0) -> Tensor:
    """The control of a direction: as long as it and at right angles to it, another one for each image -> [N, W]"""
    draw = torch.Generator().manual_seed(seed)
    other = torch.randn(count, len(direction), generator=draw).to(direction)
    unit = torch.nn.functional.normalize(direction, dim=0)
    other = other - (other @ unit)[:, None] * unit
    return torch.nn.functional.normalize(other) * direction.norm()


def path_in_w(
    G: Generator, seeds: Tensor, low: int, high: int, at: Sequence[float], given: Mapping[str, Any] | None = None
) -> NDArray[np.uint8]:
    """Images of class `low`, moved along the class direction, which is the same for all: [N] -> uint8 [T, N, 1, R, R]

    The mapping network may give one z quite another w for each class; a common direction in w leaves alone what has
    nothing to do with the class, so more of the person stays.
    """
    ws, noise = styles(G, seeds, low, given=given)
    direction = class_direction(G, low, high)
    return np.stack([render(G, ws + float(t) * direction, noise) for t in at])


# ------------------------------------------------------------------ a film


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """On the great circle from a to b, lengths between theirs: [Z], [Z] -> [Z]

    A straight line would pass near 0, where no latent is.
    """
    angle = torch.arccos(torch.clamp(torch.nn.functional.cosine_similarity(a, b, dim=0), -1.0, 1.0))
    if float(angle) < 1e-4:
        return torch.lerp(a, b, t)
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


@torch.no_grad()
def interpolation(G: Generator, seeds: Tensor, weights: Tensor, steps: int = 12, psi: float = 1.0) -> NDArray[np.uint8]:
    """A closed walk through the latents of the seeds, the same for each row of weights [C, K] -> [T, C, 1, R, R]

    T is len(seeds) * steps. The noise is the first seed's throughout, so that grain does not flicker.
    """
    device = next(G.parameters()).device
    z, noise = latents(G, seeds.to(device))
    walk = [
        slerp(z[i], z[(i + 1) % len(z)], step / steps) for i in range(len(seeds)) for step in range(steps)
    ]  # T times [Z]
    frames = torch.stack(walk).repeat_interleave(len(weights), dim=0)
    condition = Condition.of(weights.repeat(len(walk), 1), G.class_names).to(device)
    ws = truncated(G, frames, condition, psi)
    images = render(G, ws, noise[:1].expand(len(ws), -1))
    return images.reshape(len(walk), len(weights), *images.shape[1:])


def film(frames: NDArray[np.uint8], milliseconds: int = 90, side: int = 128) -> bytes:
    """[T, C, 1, R, R] -> the bytes of an endless GIF, the C images side by side, enlarged by repetition to `side`.

    A GIF's 256 colours are the 256 grays: no pixel is changed, and every browser and slide shows it.
    """
    factor = max(1, side // frames.shape[-1])
    rows = [np.concatenate(list(images[:, 0]), axis=1).repeat(factor, 0).repeat(factor, 1) for images in frames]
    pictures = [Image.fromarray(row, mode="L") for row in rows]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer, "GIF", save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0, optimize=False
    )
    return buffer.getvalue()
