"""Passes over a map with factors that are the same for many pixels, in the form that suits its memory.

torch runs an operation with such factors as one loop over the channels for each pixel. On a CPU that is slow where a
pixel's channels fill less than a vector: with 8 channels in bf16 a multiply-add takes 32 ms where 3 will do. Such a map
is taken a row of pixels at a time, with the factors repeated along the row.

Letters: N batch, C channels, R resolution. Maps lie channels-last in memory; from others the results are the same.
"""

from typing import cast

import torch
from torch import Tensor

from progan_style.networks.layers import LEAK

VECTOR = 64  # bytes


def is_narrow(x: Tensor) -> bool:
    """Whether a pixel's channels fill less than a vector of a CPU."""
    return x.device.type == "cpu" and x.shape[1] * x.element_size() < VECTOR


def pixels_of(x: Tensor) -> Tensor:
    """[N, C, R, R] -> [N, R * R, C]: a view."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def multiply_add(shift: Tensor, *terms: tuple[Tensor, Tensor]) -> Tensor:
    """The sum of shift [N, C] and of each map [N, C, R, R] times its factors [N, C], in the type of the maps."""
    x = terms[0][0]
    n, c, h, w = x.shape
    if is_narrow(x):
        rows = [(y.permute(0, 2, 3, 1).flatten(2), a.to(x.dtype).repeat(1, w)[:, None]) for y, a in terms]
        total = shift.to(x.dtype).repeat(1, w)[:, None]
    else:
        rows = [(y, a.to(x.dtype)[:, :, None, None]) for y, a in terms]
        total = shift.to(x.dtype)[:, :, None, None]
    (y, a), *others = rows
    total = torch.addcmul(total, y, a)
    for y, a in others:
        total.addcmul_(y, a)
    return total.view(n, h, w, c).permute(0, 3, 1, 2) if is_narrow(x) else total


def plus_outer(x: Tensor, noise: Tensor, strength: Tensor) -> Tensor:
    """x [N, C, R, R] + noise [N, 1, R, R] * strength [C], in new memory."""
    n, c, h, w = x.shape
    strength = strength.to(x.dtype)
    if not is_narrow(x):
        return torch.addcmul(x, noise, strength[:, None, None])
    y = torch.addmm(x.permute(0, 2, 3, 1).reshape(-1, c), noise.reshape(-1, 1), strength[None])
    return y.view(n, h, w, c).permute(0, 3, 1, 2)


def sum_of_products(x: Tensor, noise: Tensor, dtype: torch.dtype) -> Tensor:
    """For each channel the sum over images and pixels of x [N, C, R, R] * noise [N, 1, R, R]: [C], summed up in dtype.

    A product of matrices, one for each image: it reads the map once and makes none.
    """
    return (pixels_of(x).transpose(1, 2) @ noise.flatten(1)[:, :, None])[:, :, 0].sum(dim=0, dtype=dtype)


def leaky_slope_(g: Tensor, y: Tensor) -> Tensor:
    """g, now times the slope of the leaky ReLU whose output is y, in its own memory."""
    out = torch.ops.aten.leaky_relu_backward.grad_input(g, y, LEAK, True, grad_input=g)
    return cast(Tensor, out)
