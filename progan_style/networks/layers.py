"""The layers that every architecture shares: equalised, resampling, minibatch deviation.

Letters: N batch, C channels, R resolution.
"""

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progan_style.networks.convolution import convolve
from progan_style.networks.resampling import Blur

LEAK = 0.2


def channels_last(images: Tensor) -> Tensor:
    """[N, 1, R, R], such that what is made of it lies channels-last in memory.

    One channel lies there in either way; from strides that do not say which, torch takes the other one.
    """
    n, _, r, _ = images.shape
    return images.reshape(n, r, r, 1).permute(0, 3, 1, 2)


def weights_channels_last(network: nn.Module) -> None:
    """Its weights lie channels-last in memory, as the maps do. torch does not declare this argument of Module.to."""
    to: Any = network.to
    to(memory_format=torch.channels_last)


def leaky_(x: Tensor) -> Tensor:
    """Leaky ReLU in place, for a map that nothing else reads: training then keeps one map per layer, not two."""
    return F.leaky_relu(x, LEAK, inplace=True)


class Linear(nn.Module):
    """Fully connected layer with equalised learning rate (ProGAN, section 4.1): w_hat = w * gain / sqrt(fan_in).

    `lr_mul` scales the layer's learning rate by scaling its parameters (StyleGAN's mapping network uses 0.01).
    """

    def __init__(self, fan_in: int, fan_out: int, *, gain: float = 1.0, bias: float = 0.0, lr_mul: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_out, fan_in) / lr_mul)
        self.bias = nn.Parameter(torch.full([fan_out], bias / lr_mul))
        self.scale = gain * lr_mul / math.sqrt(fan_in)
        self.lr_mul = lr_mul

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)


class Conv(nn.Module):
    """Convolution with equalised learning rate, at one resolution or with blurred stride-2 resampling.

    up=True doubles the resolution: transposed convolution of stride 2, then blur; down=True halves it: blur, then
    convolution of stride 2 (the layout of StyleGAN2, Karras et al. 2020, appendix B). Every dense multiplication is
    made at the lower of the two resolutions, a quarter of the work of a convolution at the higher one. The filter has
    an even number of taps, so that a block's output lies where the skips' repetition and 2x2 means put it; an odd
    one would move it by half a pixel per block.
    """

    def __init__(
        self,
        c_in: int,
        c_out: int,
        size: int,
        *,
        up: bool = False,
        down: bool = False,
        gain: float = 2**0.5,
        bias: bool = True,
    ):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(c_out, c_in, size, size))
        self.bias = nn.Parameter(torch.zeros(c_out)) if bias else None
        self.scale = gain / math.sqrt(c_in * size * size)
        self.up, self.down, self.padding = up, down, size // 2
        # Of the blur, whose taps add up to 64. After a transposed convolution three of four pixels came from zeros: a
        # filter's sum of 4 makes up for it.
        self.gain = 1 / 16 if up else 1 / 64

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        if self.up:
            x = convolve(x, weight.transpose(0, 1), stride=2, transposed=True)
            return cast(Tensor, Blur.apply(x, self.gain, 1, self.bias))
        if self.down:
            return convolve(Blur.apply(x, self.gain, 2), weight, self.bias, stride=2)
        return convolve(x, weight, self.bias, padding=self.padding)


class MinibatchStd(nn.Module):
    """One map more: how much the images of a group differ (ProGAN, section 3): [N, C, R, R] -> [N, C + 1, R, R].

    Groups are `group` consecutive images. In eval() the running mean of the training batches stands in, so that the
    features of an image never depend on the images beside it. A step gathers its sums; `settle` moves the mean once,
    so that ranks can add theirs first and parts of a batch count as the whole.
    """

    running: Tensor
    sums: Tensor

    def __init__(self, group: int = 4, momentum: float = 0.03):
        super().__init__()
        self.group, self.momentum = group, momentum
        self.register_buffer("running", torch.zeros(()))
        self.register_buffer("sums", torch.zeros(2), persistent=False)  # of the groups' deviations; their number

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        if self.training:
            assert n % self.group == 0, f"batch of {n} is not a multiple of the minibatch-std group {self.group}"
            groups = x.float().reshape(n // self.group, self.group, c, h, w)
            # Variance of a group, its root per pixel, one mean per group.
            deviation = (groups.var(dim=1, unbiased=False) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [N / group]
            with torch.no_grad():
                self.sums += torch.stack([deviation.sum(), torch.full_like(deviation[0], len(deviation))])
            extra = deviation.repeat_interleave(self.group)
        else:
            extra = self.running.expand(n)
        return torch.cat([x, extra.to(x.dtype)[:, None, None, None].expand(n, 1, h, w)], dim=1)

    @torch.no_grad()
    def settle(self) -> None:
        """Move the running mean towards the gathered one."""
        self.running.lerp_(self.sums[0] / self.sums[1], self.momentum)
        self.sums.zero_()


def maps(per_channel: Tensor, x: Tensor) -> Tensor:
    """[N, C] -> [N, C, 1, 1] in the type of x."""
    return per_channel.to(x.dtype)[:, :, None, None]


def widths(channel_base: int, channel_max: int, max_resolution: int) -> dict[int, int]:
    """Channels of each resolution from 4 on: min(channel_base // resolution, channel_max), as in StyleGAN2-ADA.

    StyleGAN divides its fmap_base by half the resolution: the same base gives twice as many there.
    """
    return {2**k: max(1, min(channel_base // 2**k, channel_max)) for k in range(2, int(math.log2(max_resolution)) + 1)}
