"""Random numbers as a pure function of (seed, stream, index), whatever the batch size.

The image counter is the only clock of a run: the latents and noise of image number i are read off, never drawn in
turn. So any step can be repeated alone, and a batch may be split over ranks without changing a number.

The bits are the same on every device; `normal` may differ between devices in the last digit of a logarithm.

SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", OOPSLA), vectorised over
images: image i starts its own generator, whose outputs are numbered by position.

Letters: N images, M numbers per image.
"""

import functools
import math
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

GAMMA = -0x61C8864680B583EB  # 0x9E3779B97F4A7C15, the golden ratio in 64 bits, as the signed integer torch has
MIX_1 = -0x40A7B892E31B1A47  # 0xBF58476D1CE4E5B9
MIX_2 = -0x6B2FB644ECCEEE15  # 0x94D049BB133111EB

# What a number is for. Streams keep uses apart, so that adding one never shifts another.
STREAMS = {"latent": 1, "mixing": 2, "noise": 3, "augment": 4, "penalty": 5, "position": 6, "path": 7, "centre": 8}
STREAMS |= {"unknown": 9, "given": 10}  # fewer than 16: see _key


Int64 = TypeVar("Int64", Tensor, np.ndarray)


def mix64(x: Int64) -> Int64:
    """SplitMix64's output function on int64 tensors or arrays (two's complement; shifts are logical)."""
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * MIX_1
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * MIX_2
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def bits(state: Tensor, count: int) -> Tensor:
    """Outputs 1..count of the SplitMix64 generators that start from `state`: [N] -> [N, count] int64."""
    steps = torch.arange(1, count + 1, device=state.device) * GAMMA
    return mix64(state[:, None] + steps)


def image_states(seed: int, stream: str, index: Tensor) -> Tensor:
    """The generator state of each image: [N] int64 image numbers -> [N] int64."""
    return mix64(index * GAMMA + _key(seed, stream))


@functools.cache
def _key(seed: int, stream: str) -> int:
    """A plain number: a tensor would have to be copied to the device, which waits for all work before it."""
    return int(mix64(np.array([seed * 16 + STREAMS[stream]]))[0])


def uniform(seed: int, stream: str, index: Tensor, count: int) -> Tensor:
    """Uniform numbers in [0, 1): [N] image numbers -> [N, count] float32, 24 random bits each."""
    return ((bits(image_states(seed, stream, index), count) >> 40) & 0xFFFFFF).float() * 2.0**-24


def normal(seed: int, stream: str, index: Tensor, count: int) -> Tensor:
    """Standard normal numbers (Box & Muller 1958): [N] image numbers -> [N, count] float32."""
    pairs = (count + 1) // 2
    word = bits(image_states(seed, stream, index), pairs)
    radius = (((word >> 40) & 0xFFFFFF).float() + 0.5).mul_(2.0**-24).log_().mul_(-2.0).sqrt_()
    angle = (word & 0xFFFFFF).float().mul_(2.0 * math.pi * 2.0**-24)
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)[:, :count]
