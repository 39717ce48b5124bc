"""A real slice -> the styles that make its likeness, so that it can be moved from one class to another.

Letters: N images, L styles, W style width, R resolution (pixels per side).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from analysis.latents import render
from progan_style import Condition, Generator, centre, to_float

STEPS = 200
RATE = 0.05  # Adam's largest; StyleGAN2's projector has 0.1 for 1,000 steps
NOISE_WEIGHT = 0.3  # of the noise's self-likeness, beside a mean square error of about 0.01
SAMPLES = 1000  # latents that the spread of w is measured on


@dataclass(frozen=True)
class Projected:
    """w [N, W], noise [N, noise_size]; what they make, uint8 [N, 1, R, R]; what the start made.

    error [N] is the root mean square error against the slice in gray levels, start_error the same of the start.
    """

    w: Tensor
    noise: Tensor
    images: NDArray[np.uint8]
    error: NDArray[np.float64]
    start_error: NDArray[np.float64]


def project(
    G: Generator, images: NDArray[np.uint8], labels: NDArray[np.int64], steps: int = STEPS, seed: int = 0
) -> Projected:
    """Slices [N, 1, R, R] with labels [N] -> their place in w, by descent (Karras et al. 2020, StyleGAN2, appendix D).

    Starts at the centre of the slice's own class. The distance is the mean square error over a pyramid of sizes instead
    of a network trained on photographs. The noise is fitted too, but kept noise: each map has mean 0 and variance 1
    after every step and is penalised where it resembles its own neighbour, at every scale; or it would draw the slice.
    Deterministic for one seed. Raises ValueError if the slices have another size than the generator.
    """
    if images.shape[1:] != (1, G.resolution, G.resolution):
        raise ValueError(
            f"projection: slices {list(images.shape)} for a generator of {G.resolution}x{G.resolution}; "
            "give slices of the same stage"
        )
    device = next(G.parameters()).device
    target = to_float(torch.from_numpy(np.array(images))).to(device)
    draw = torch.Generator().manual_seed(seed)
    start = centre(G, Condition.of(torch.from_numpy(labels), G.class_names).to(device))
    noise = torch.randn(len(images), G.noise_size, generator=draw).to(device)
    first = rms(render(G, _layers(G, start), noise), images)
    width = _width(G, draw)

    w = start.clone().requires_grad_()
    noise = noise.requires_grad_()
    optimizer = torch.optim.Adam([w, noise], betas=(0.9, 0.999))
    for step in range(steps):
        t = step / steps
        # Up over the first 5 %, down along a cosine over the last quarter; w is jittered ever less until 3/4 (app. D).
        rate = RATE * min(1.0, t / 0.05) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, (1.0 - t) / 0.25)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        jitter = torch.randn(w.shape, generator=draw).to(device) * width * 0.05 * max(0.0, 1.0 - t / 0.75) ** 2
        made = G.synthesis(_layers(G, w + jitter), noise)
        loss = pyramid_distance(made, target) + NOISE_WEIGHT * self_likeness(noise, G.resolution)
        optimizer.zero_grad(set_to_none=True)
        loss.sum().backward()
        optimizer.step()
        with torch.no_grad():
            noise.copy_(_standardised(noise, G.resolution))

    w, noise = w.detach(), noise.detach()
    found = render(G, _layers(G, w), noise)
    return Projected(w, noise, found, rms(found, images), first)


def moved_along(G: Generator, projection: Projected, direction: Tensor, amount: float) -> NDArray[np.uint8]:
    """The projected slices moved by `amount` along a direction [W] or [N, W], their noise kept -> uint8 [N, 1, R, R]"""
    return render(G, _layers(G, projection.w + amount * direction), projection.noise)


def rms(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Root mean square difference of each pair, gray levels: [N, 1, R, R] twice -> [N]"""
    apart = first.astype(np.float64) - second.astype(np.float64)
    return np.sqrt((apart**2).mean(axis=(1, 2, 3)))


def pyramid_distance(made: Tensor, target: Tensor) -> Tensor:
    """Mean square error, averaged over the sizes R, R/2, ... 8: [N, 1, R, R] twice -> [N]

    The pixels alone would be content with a blur; the small sizes pull outline and ventricles into place.
    """
    levels = []
    while True:
        levels.append((made - target).square().mean(dim=(1, 2, 3)))
        if made.shape[-1] <= 8:
            return torch.stack(levels).mean(dim=0)
        made, target = F.avg_pool2d(made, 2), F.avg_pool2d(target, 2)


def self_likeness(noise: Tensor, resolution: int) -> Tensor:
    """How far noise [N, noise_size] is from white: squared correlation with its neighbours, at all scales -> [N]

    StyleGAN2, appendix D: sum over maps and scales of mean(n * n shifted by one pixel)^2, along both axes.
    """
    total = noise.new_zeros(len(noise))
    for maps in _maps(noise, resolution):
        x = maps
        while True:
            for axis in (2, 3):
                total = total + (x * x.roll(1, axis)).mean(dim=(2, 3)).square().sum(dim=1)
            if x.shape[-1] <= 8:
                break
            x = F.avg_pool2d(x, 2) * 2.0  # white noise of variance 1 stays that
    return total


def _maps(noise: Tensor, resolution: int) -> list[Tensor]:
    """[N, noise_size] -> the two maps of each resolution from 4 on, [N, 2, r, r]"""
    out, start, r = [], 0, 4
    while r <= resolution:
        out.append(noise[:, start : start + 2 * r * r].reshape(len(noise), 2, r, r))
        start, r = start + 2 * r * r, 2 * r
    return out


def _standardised(noise: Tensor, resolution: int) -> Tensor:
    done = [(m - m.mean(dim=(2, 3), keepdim=True)) / m.std(dim=(2, 3), keepdim=True) for m in _maps(noise, resolution)]
    return torch.cat([m.flatten(1) for m in done], dim=1)


def _layers(G: Generator, w: Tensor) -> Tensor:
    return w[:, None].expand(-1, G.mapping.num_layers, -1)


@torch.no_grad()
def _width(G: Generator, draw: torch.Generator) -> float:
    """Root mean square distance of w from its class's centre: the unit of the jitter."""
    device = next(G.parameters()).device
    z = torch.randn(SAMPLES, G.mapping.z_dim, generator=draw).to(device)
    labels = torch.arange(SAMPLES, device=device) % len(G.class_names)
    condition = Condition.of(labels, G.class_names)
    w = G.mapping(z, condition)[:, 0]
    return float((w - centre(G, condition)).square().mean().sqrt())
