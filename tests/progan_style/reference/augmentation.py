"""Random changes before the discriminator (Karras et al. 2020b), each with probability p for an image.

Letters: N batch, R resolution.
"""

import math

import numpy as np
import torch
from torch import Tensor

from .chance import normal, uniform


def changed(images: Tensor, ranges: dict[str, float], seed: int, index: np.ndarray, call: int, p: Tensor) -> Tensor:
    """images [N, 1, R, R] with the numbers `index` [N], in call number `call` of D within a step."""
    R = images.shape[-1]
    keys = 16 * index + call
    u = iter(uniform(seed, "augment", keys, 18).T)
    field = normal(seed, "augment", keys + 8, R * R).reshape(images.shape)
    on = (next(u) < p).double()  # [N]
    whole = math.floor(ranges["translate"] * R)
    x = on * (torch.floor(next(u) * (2 * whole + 1)) - whole)
    y = on * (torch.floor(next(u) * (2 * whole + 1)) - whole)
    on = (next(u) < p).double()
    x = x + on * (2 * next(u) - 1) * ranges["subpixel"]
    y = y + on * (2 * next(u) - 1) * ranges["subpixel"]
    turn = (next(u) < p).double() * (2 * next(u) - 1) * ranges["rotate"] * math.pi / 180
    size = (1 + ranges["scale"]) ** ((next(u) < p).double() * (2 * next(u) - 1))
    mirror = (next(u) < p) & (next(u) < ranges["flip"])
    brightness = (1 + ranges["brightness"]) ** ((next(u) < p).double() * (2 * next(u) - 1))
    contrast = (next(u) < p).double() * (2 * next(u) - 1) * ranges["contrast"]
    noise = (next(u) < p).double() * next(u) * ranges["noise"]

    images = moved(images, x, y, turn, size, mirror)
    images = (images + 1) * brightness[:, None, None, None] - 1  # black stays black
    images = images + contrast[:, None, None, None] * torch.sin(math.pi * images) / math.pi
    return images + noise[:, None, None, None] * field


def moved(images: Tensor, x: Tensor, y: Tensor, turn: Tensor, size: Tensor, mirror: Tensor) -> Tensor:
    """Mirrored, made larger by `size` and turned about the middle, then shifted by x and y pixels; black around it.

    Each pixel asks where it comes from, and takes the 4x4 pixels there with bicubic weights.
    """
    R = images.shape[-1]
    place = torch.arange(R, dtype=images.dtype)
    middle = (R - 1) / 2
    right = place[None, None, :] - middle - x[:, None, None]  # [N, 1, R]
    down = place[None, :, None] - middle - y[:, None, None]  # [N, R, 1]
    cos, sin, size = (t[:, None, None] for t in (torch.cos(turn), torch.sin(turn), size))
    from_x = (cos * right + sin * down) / size  # [N, R, R]
    from_x = torch.where(mirror[:, None, None], -from_x, from_x) + middle
    from_y = (cos * down - sin * right) / size + middle
    of_column, of_row = bicubic(from_x[..., None] - place), bicubic(from_y[..., None] - place)  # [N, R, R, R]
    return torch.einsum("nyxj,nyxi,ncji->ncyx", of_row, of_column, images + 1) - 1


def bicubic(t: Tensor) -> Tensor:
    """The weight of a pixel at distance t (Keys 1981, equation 15 with a = -0.75)."""
    a, t = -0.75, t.abs()
    near, far = (a + 2) * t**3 - (a + 3) * t**2 + 1, a * (t**3 - 5 * t**2 + 8 * t - 4)
    return torch.where(t <= 1, near, torch.where(t < 2, far, 0.0))
