"""StyleGAN's generator, conditional, growing block by block from 8x8.

Karras et al. 2019, "A Style-Based Generator Architecture for GANs"; Karras et al. 2018, "Progressive Growing of GANs".
Differences from the papers: stride-2 resampling (see layers.Conv), linear output without tanh (saturated outputs go
black), label embedding.

Letters: N batch, C channels, R resolution, L styles, W style width.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from progan_style.networks.discriminator import Discriminator
from progan_style.networks.generating import Generating
from progan_style.networks.layers import LEAK, Conv, Linear, leaky_
from progan_style.networks.passes import leaky_slope_, multiply_add, pixels_of, plus_outer, sum_of_products
from progan_style.networks.resampling import fade, upsample2

__all__ = ["Discriminator", "Generator"]

TWICE_DIFFERENTIABLE = False  # Styled


class Styled(torch.autograd.Function):
    """Noise, leaky ReLU and AdaIN (StyleGAN, figure 1b and equation 1) as one function, in few passes over the map.

    x [N, C, R, R], noise [N, 1, R, R] or None, strength [C], y_s and y_b [N, C] fp32 -> [N, C, R, R]:

        u = x + strength noise,    v = LeakyReLU(u),    out = y_s (v - mean) / std + y_b

    Statistics and styles in fp32: the mean of a bf16 map in bf16 has three digits. The gradient is written out: with m
    and r = 1 / std per image and channel, P pixels, v_hat = (v - m) r and g the gradient of the output,

        dy_b = sum g,    dy_s = sum g v_hat,    dv = y_s r (g - dy_b / P - v_hat dy_s / P)

    and du is dv where u is positive, LEAK dv elsewhere. Autograd takes three times as many passes, and keeps three maps
    where this keeps one (docs/performance.md). Once differentiable: no penalty of this architecture differentiates G
    twice.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, noise: Tensor | None, strength: Tensor, y_s: Tensor, y_b: Tensor) -> Tensor:
        if noise is None:
            v = F.leaky_relu(x, LEAK)
        else:
            noise = noise.to(x.dtype)
            v = leaky_(plus_outer(x, noise, strength))
        pixels = pixels_of(v).to(torch.promote_types(x.dtype, torch.float32))
        mean = pixels.mean(dim=1)
        r = torch.rsqrt((pixels - mean[:, None]).square_().mean(dim=1) + 1e-8)
        scale = y_s * r
        ctx.save_for_backward(v, noise, y_s, mean, r)
        return multiply_add(y_b - mean * scale, (v, scale))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, Tensor | None, Tensor, Tensor]:
        v, noise, y_s, mean, r = ctx.saved_tensors
        n, scale = v.shape[2] * v.shape[3], y_s * r
        dy_b = g.sum(dim=(2, 3), dtype=mean.dtype)
        dy_s = ((g * v).sum(dim=(2, 3), dtype=mean.dtype) - dy_b * mean) * r
        of_v = -scale * r * dy_s / n
        rest = -scale * dy_b / n - of_v * mean
        du = leaky_slope_(multiply_add(rest, (g, scale), (v, of_v)), v)
        of_strength = None if noise is None else sum_of_products(du, noise, mean.dtype)
        return du, None, of_strength, dy_s, dy_b


class StyledLayer(nn.Module):
    """Convolution, noise, leaky ReLU, AdaIN (StyleGAN, figure 1b). Without c_in: the same on a given feature map."""

    def __init__(self, c_in: int | None, c_out: int, w_dim: int, *, up: bool = False):
        super().__init__()
        self.conv = Conv(c_in, c_out, 3, up=up) if c_in else None
        self.strength = nn.Parameter(torch.zeros(c_out))
        self.affine = Linear(w_dim, 2 * c_out)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        if self.conv is not None:
            x = self.conv(x)
        with torch.autocast(x.device.type, enabled=False):
            y_s, y_b = self.affine(w.float()).chunk(2, dim=1)  # [N, C] each
            return cast(Tensor, Styled.apply(x, noise, self.strength, 1.0 + y_s, y_b))


class Block(nn.Module):
    """Two styled layers; the first doubles the resolution (or, at 4x4, stands on the constant)."""

    def __init__(self, c_in: int | None, c_out: int, w_dim: int):
        super().__init__()
        self.first = StyledLayer(c_in, c_out, w_dim, up=True)
        self.second = StyledLayer(c_out, c_out, w_dim)
        self.to_image = Conv(c_out, 1, 1, gain=1.0)

    def forward(self, x: Tensor, ws: Tensor, noise: list[Tensor] | None) -> Tensor:
        x = self.first(x, ws[:, 0], noise[0] if noise else None)
        return self.second(x, ws[:, 1], noise[1] if noise else None)


class Generator(Generating):
    """ws -> images. See contract.py for what it promises."""

    def __init__(self, **arguments: Any):
        super().__init__(**arguments)
        c_in = None
        for resolution, c_out in self.channels.items():
            self.blocks[str(resolution)] = Block(c_in, c_out, arguments["w_dim"])
            c_in = c_out

    def synthesis(self, ws: Tensor, noise: Tensor | None = None) -> Tensor:
        """ws [N, L, W], noise [N, noise_size] (None: no noise) -> images [N, 1, R, R], nominal range [-1, 1]."""
        *_, before, last = self.feature_maps(ws, noise)
        image = self._to_image(str(self.resolution), last)
        if self.fading:
            old = self._to_image(str(self.resolution // 2), before)
            image = fade(upsample2(old.float()), image.float(), self.weight)
        return image.float()

    def _to_image(self, block: str, x: Tensor) -> Tensor:
        return cast(Block, self.blocks[block]).to_image(x)
