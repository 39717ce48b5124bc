"""Up and down by two: the one pair of filters for images, the blur inside the convolutions, the fade.

Letters: N batch, C channels, R resolution.
"""

from typing import Any, cast

import torch
from torch import Tensor

from progan_style.networks import fir


def upsample2(x: Tensor) -> Tensor:
    """Twice the resolution by repetition: [N, C, R, R] -> [N, C, 2R, 2R].

    With `downsample2` the one pair of filters of the project: it serves the skips of both networks, the fade of the
    reals and the pyramid of the data, so that D cannot tell reals from fakes by a filter. It is ProGAN's pair
    (Karras et al. 2018, section 3); downsample2(upsample2(x)) == x.
    """
    n, c, h, w = x.shape
    pixels = x.permute(0, 2, 3, 1)[:, :, None, :, None]  # [N, R, 1, R, 1, C]: the order of channels-last memory
    return pixels.expand(n, h, 2, w, 2, c).reshape(n, 2 * h, 2 * w, c).permute(0, 3, 1, 2)


class Mean2(torch.autograd.Function):
    """2x2 means, and their gradient as a repetition."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return fir.mean2(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return upsample2(0.25 * g)


def downsample2(x: Tensor) -> Tensor:
    """Half the resolution by 2x2 means: [N, C, R, R] -> [N, C, R/2, R/2]."""
    return cast(Tensor, Mean2.apply(x))


class Blur(torch.autograd.Function):
    """gain * [1, 3, 3, 1] x [1, 3, 3, 1] of each map: x [N, C, H, W] -> [N, C, H + 2p - 3, W + 2p - 3] at padding p.

    bias [C], if there is one, is added in the same pass. The filter is symmetric, so the gradient is a blur too, with
    padding 3 - p, and so is the gradient's gradient. torch would also work out the second derivative by the fixed taps,
    channel by channel: 2,048 small convolutions in a penalised step at 32x32.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: float, padding: int, bias: Tensor | None = None) -> Tensor:
        ctx.gain, ctx.padding, ctx.biased = gain, padding, bias is not None
        return fir.blur(x, gain, padding, bias)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None, Tensor | None]:
        of_bias = None
        if ctx.biased:
            of_bias = g.sum(dim=(0, 2, 3), dtype=torch.promote_types(g.dtype, torch.float32))
        return cast(Tensor, Blur.apply(g, ctx.gain, 3 - ctx.padding)), None, None, of_bias


def fade(old: Tensor, new: Tensor, alpha: float | Tensor) -> Tensor:
    """Cross-fade (ProGAN, figure 2): old at alpha 0, new at alpha 1, exactly at both ends."""
    return old * (1.0 - alpha) + new * alpha


def fade_reals(images: Tensor, alpha: float | Tensor) -> Tensor:
    """Reals as sharp as the fading networks: at alpha 0 they are upsample2(downsample2(images)).

    ProGAN's `process_reals`. Without it D sees sharp reals against blended fakes and wins at once.
    """
    return fade(upsample2(downsample2(images)), images, alpha)
