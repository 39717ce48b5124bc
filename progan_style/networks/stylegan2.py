"""StyleGAN2's generator, conditional, growing block by block from 8x8, or at one resolution.

Karras et al. 2020a, "Analyzing and Improving the Image Quality of StyleGAN"; the conditioning is that of Karras et al.
2020b, "Training Generative Adversarial Networks with Limited Data". Differences from the papers: growth, and ProGAN's
discriminator for it; two convolutions at 4x4 too, so that each resolution has two styles and two noise maps as in
stylegan1; skips that repeat pixels, the project's one pair of filters.

Letters: N batch, C channels, R resolution, L styles, W style width.
"""

import math
from typing import Any, cast

import torch
from torch import Tensor, nn

from progan_style.networks.discriminator import Discriminator
from progan_style.networks.generating import Generating
from progan_style.networks.layers import Conv, Linear, leaky_, maps
from progan_style.networks.passes import multiply_add, pixels_of, plus_outer
from progan_style.networks.resampling import upsample2

__all__ = ["Discriminator", "Generator"]

TWICE_DIFFERENTIABLE = True


class StyledLayer(nn.Module):
    """Modulated and demodulated convolution, noise, bias, leaky ReLU (StyleGAN2, figure 2d, equations 1 and 3).

    The scaled and normalised weights w'_ijk = s_i w_ijk / sqrt(sum_ik (s_i w_ijk)^2 + eps) differ from image to image;
    since a convolution is linear, the same comes from scaling its input by s_i and its output by the root's inverse
    d_j, with one convolution for all images. Factors in fp32, maps in their own type.
    """

    def __init__(self, c_in: int, c_out: int, w_dim: int, *, up: bool = False):
        super().__init__()
        self.affine = Linear(w_dim, c_in, bias=1.0)
        self.conv = Conv(c_in, c_out, 3, up=up, bias=False)
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(c_out))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            s = self.affine(w)  # [N, C_in]
            squares = (self.conv.weight * self.conv.scale).square().sum(dim=(2, 3))  # [C_out, C_in]
            # The root of 2 makes up for what the leaky ReLU takes.
            d = torch.rsqrt(s.square() @ squares.T + 1e-8) * math.sqrt(2)  # [N, C_out]
        x = self.conv(x * maps(s, x))
        x = multiply_add(self.bias[None], (x, d))
        if noise is not None:
            x = plus_outer(x, noise.to(x.dtype), self.strength.expand(len(self.bias)))
        return leaky_(x)


class ToImage(nn.Module):
    """Feature map -> its part of the image, modulated, not demodulated: [N, C, R, R], [N, W] -> [N, 1, R, R] fp32.

    With one channel of output a modulated 1x1 convolution is a scalar product of each pixel with a vector per image.
    """

    def __init__(self, channels: int, w_dim: int):
        super().__init__()
        self.affine = Linear(w_dim, channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels))
        self.bias = nn.Parameter(torch.zeros(1))
        self.scale = 1.0 / math.sqrt(channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        n, _, h, width = x.shape
        with torch.autocast(x.device.type, enabled=False):
            weight = self.affine(w) * self.weight * self.scale  # [N, C]
        image = pixels_of(x) @ weight.to(x.dtype)[:, :, None]
        return image.reshape(n, 1, h, width) + self.bias


class Block(nn.Module):
    """Two styled layers; the first doubles the resolution (but at 4x4)."""

    def __init__(self, c_in: int, c_out: int, w_dim: int, *, up: bool):
        super().__init__()
        self.first = StyledLayer(c_in, c_out, w_dim, up=up)
        self.second = StyledLayer(c_out, c_out, w_dim)
        self.to_image = ToImage(c_out, w_dim)

    def forward(self, x: Tensor, ws: Tensor, noise: list[Tensor] | None) -> Tensor:
        x = self.first(x, ws[:, 0], noise[0] if noise else None)
        return self.second(x, ws[:, 1], noise[1] if noise else None)


class Generator(Generating):
    """ws -> images by output skips (StyleGAN2, figure 7b). See contract.py for what it promises.

    While it fades, the newest block's part counts by alpha: the image at alpha 0 is the smaller one's, repeated.
    """

    def __init__(self, **arguments: Any):
        super().__init__(**arguments)
        c_in = self.channels[4]
        for resolution, c_out in self.channels.items():
            self.blocks[str(resolution)] = Block(c_in, c_out, arguments["w_dim"], up=resolution > 4)
            c_in = c_out

    def synthesis(self, ws: Tensor, noise: Tensor | None = None) -> Tensor:
        """ws [N, L, W], noise [N, noise_size] (None: no noise) -> images [N, 1, R, R], nominal range [-1, 1]."""
        image = None
        for i, (r, x) in enumerate(zip(self.active, self.feature_maps(ws, noise), strict=True)):
            part = cast(Block, self.blocks[str(r)]).to_image(x, ws[:, 2 * i + 1])
            if self.fading and r == self.resolution:
                part = part * self.weight
            image = part if image is None else upsample2(image) + part
        assert image is not None
        return image
