"""Differentiable augmentation before the critic, for small data, and the controllers of its strength.

D sees its images, real and generated alike, through random changes, each applied to an image with probability p. A
generator cannot get past D by leaving changes in its images as long as D can undo them in distribution, which holds
for p well below 1 (Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", section 2). Unlike
that paper's pipeline this one has what happens to a slice of a brain: it lies elsewhere, is a little larger or
turned, is scaled otherwise by the receiver, is noisier. It has no mirror unless asked for: brains are not symmetric.

Random numbers are functions of (seed, "augment", image number, call of the critic), so they do not depend on how a
batch is split.

Letters: N batch, R resolution.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from progan_style import rng

BACKGROUND = -1.0  # black: what lies outside a slice

# An image has different numbers in each call of the critic within a step: D's calls are counted from 0, G's from 4.
CALLS = 8
CALLS_OF_D = 4

# ---------------------------------------------------------------- operations


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One kind of change. Its range is in `unit`, at most `most`; 0 turns it off.

    values: uniform numbers [N, numbers], range, R -> values [N, numbers]; 0 changes nothing, which is what an image
    outside its mask gets.
    """

    unit: str
    most: float
    values: Callable[[Tensor, float, int], Tensor]
    numbers: int = 1
    optional: bool = False  # a configuration without its row has it turned off: one of a plugin


@dataclass(frozen=True, kw_only=True)
class Move(Operation):
    """A change of place: its values are added to `rows` of the pose (x, y, turn, log of the size, mirror)."""

    rows: slice


@dataclass(frozen=True, kw_only=True)
class Tone(Operation):
    """A change of values. apply: images [N, 1, R, R], value [N, 1, 1, 1], normal field like the images -> images."""

    apply: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    needs_field: bool = False


def symmetric(u: Tensor, reach: float, resolution: int = 0) -> Tensor:
    """Uniform in [-reach, reach)."""
    return (2.0 * u - 1.0) * reach


def up_to(u: Tensor, reach: float, resolution: int) -> Tensor:
    """Uniform in [0, reach)."""
    return u * reach


def whole_pixels(u: Tensor, reach: float, resolution: int) -> Tensor:
    """Whole pixels, all equally likely, up to a share `reach` of the side."""
    k = math.floor(reach * resolution)
    return (u * (2 * k + 1)).floor() - k


def factor(u: Tensor, reach: float, resolution: int) -> Tensor:
    """The logarithm of a factor between 1 / (1 + reach) and 1 + reach."""
    return symmetric(u, math.log1p(reach))


def brighter(images: Tensor, value: Tensor, field: Tensor | None) -> Tensor:
    """The signal, which is 0 at black, times exp(value): background stays background, as under another receiver gain.

    x + (g - 1)(x + 1), which leaves x as it is to the last bit where g = 1.
    """
    return images + torch.expm1(value) * (images - BACKGROUND)


def steeper(images: Tensor, value: Tensor, field: Tensor | None) -> Tensor:
    """x + v sin(pi x) / pi: slope 1 + v at mid-gray and 1 - v at black and white.

    Black, mid-gray and white stay where they are; a line about mid-gray would lift the background. It is smooth and
    rises everywhere, beyond [-1, 1] too, so D can undo it.
    """
    return images + value * (images * math.pi).sin() / math.pi


def noisier(images: Tensor, value: Tensor, field: Tensor | None) -> Tensor:
    """Normal noise of standard deviation `value`."""
    return images + value * cast(Tensor, field)


def mirrored(u: Tensor, reach: float, resolution: int) -> Tensor:
    """1 for a share `reach` of the images, 0 for the others."""
    return (u < reach).float()


def turned(u: Tensor, reach: float, resolution: int) -> Tensor:
    """Radians, from a range in degrees."""
    return symmetric(u, math.radians(reach))


AUGMENTS: dict[str, Operation] = {
    "translate": Move(unit="share of the side", most=0.5, values=whole_pixels, numbers=2, rows=slice(0, 2)),
    "subpixel": Move(unit="pixels", most=0.5, values=symmetric, numbers=2, rows=slice(0, 2)),
    "rotate": Move(unit="degrees", most=45.0, values=turned, rows=slice(2, 3)),
    "scale": Move(unit="share", most=0.5, values=factor, rows=slice(3, 4)),
    "flip": Move(unit="share of the images", most=0.5, values=mirrored, rows=slice(4, 5)),
    "brightness": Tone(unit="share", most=1.0, values=factor, apply=brighter),
    "contrast": Tone(unit="share", most=0.9, values=symmetric, apply=steeper),
    "noise": Tone(unit="standard deviation", most=0.5, values=up_to, apply=noisier, needs_field=True),
}


def columns() -> int:
    """The numbers of an image in one call. Every operation has its place among them, at work or not: turning one off
    changes no other, and one of a plugin comes behind them all."""
    return sum(1 + operation.numbers for operation in AUGMENTS.values())


class Pipe:
    """The operations with a range above 0, in the order of AUGMENTS; the moves as one resampling."""

    def __init__(self, seed: int, operations: Mapping[str, float]):
        self.seed, self.operations = seed, dict(operations)

    def __call__(self, images: Tensor, index: Tensor, call: int, p: Tensor) -> Tensor:
        """Images [N, 1, R, R] with the numbers `index` [N] -> the same, changed with probability p per operation."""
        assert 0 <= call < CALLS, call
        resolution = images.shape[-1]
        keys = 2 * CALLS * index + call
        u = rng.uniform(self.seed, "augment", keys, columns())
        pose = torch.zeros(5, len(images), device=images.device)
        tones: list[tuple[Tone, Tensor]] = []
        moved, column = False, 0
        for name, operation in AUGMENTS.items():
            mask, own = u[:, column : column + 1], u[:, column + 1 : column + 1 + operation.numbers]
            column += 1 + operation.numbers
            if not (reach := self.operations.get(name, 0.0)):
                continue
            values = (mask < p) * operation.values(own, reach, resolution)  # [N, numbers]
            if isinstance(operation, Move):
                pose[operation.rows] += values.T
                moved = True
            elif isinstance(operation, Tone):
                tones.append((operation, values.to(images.dtype)[:, :, None, None]))
        if moved:
            images = move(images, pose)
        for tone, value in tones:
            images = tone.apply(images, value, self._field(images, keys) if tone.needs_field else None)
        return images

    def _field(self, images: Tensor, keys: Tensor) -> Tensor:
        """Normal numbers for each pixel, from keys that no other numbers have."""
        n = images[0].numel()
        return rng.normal(self.seed, "augment", keys + CALLS, n).view(images.shape).to(images.dtype)


def move(images: Tensor, pose: Tensor) -> Tensor:
    """Images [N, 1, R, R] at their pose [5, N], background around them -> [N, 1, R, R].

    Pose: x and y (pixels right and down), turn (radians, from x towards y), logarithm of the size, mirror (1: left and
    right exchanged); the image is mirrored, scaled and turned about its middle, then shifted. One bicubic resampling:
    bilinear weights would take away all of the finest frequency at half a pixel. R is a power of two, so that every
    step of a whole position is exact in fp32 and its weights are 1 and 0: whole shifts and mirrors are exact, and the
    pose 0 is the identity to the last bit.
    """
    r = images.shape[-1]
    assert r & (r - 1) == 0, r
    x, y, turn, size, mirror = pose[:, :, None, None]
    middle = torch.arange(r, device=images.device) - (r - 1) / 2  # pixels from the image's middle
    right, down = middle[None, None, :] - x, middle[None, :, None] - y  # [N, 1, R], [N, R, 1]
    cos, sin = turn.cos() * torch.exp(-size), turn.sin() * torch.exp(-size)
    from_x = (1.0 - 2.0 * mirror) * (cos * right + sin * down)  # where each pixel comes from: [N, R, R]
    from_y = cos * down - sin * right
    # grid_sample's positions: -1 and 1 are the outer edges of the image, here with R / 2 of background on each side
    grid = torch.stack([from_x, from_y], dim=-1).to(images.dtype) / r
    return cast(Tensor, Resample.apply(F.pad(images, [r // 2] * 4, value=BACKGROUND), grid))


BICUBIC, BORDER = 2, 1  # grid_sample's codes


class Resample(torch.autograd.Function):
    """grid_sample, bicubic, as the linear map of the images that it is: it has every derivative by them.

    images [N, 1, H, W], grid [N, R, R, 2] -> [N, 1, R, R]. torch's own has a first derivative only. None by the grid.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return cast(Tensor, Transposed.apply(g, grid, ctx.shape)), None


class Transposed(torch.autograd.Function):
    """The transpose of Resample, whose gradient is Resample again: [N, 1, R, R], grid -> [N, 1, H, W]."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        nothing = g.new_zeros(()).expand(shape)  # the gradient by the images does not depend on them
        out = torch.ops.aten.grid_sampler_2d_backward(g, nothing, grid, BICUBIC, BORDER, False, (True, False))
        return cast(Tensor, out[0])

    @staticmethod
    def backward(ctx: Any, gg: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return cast(Tensor, Resample.apply(gg, grid)), None, None


# ---------------------------------------------------------------- strength


class Off:
    """Nothing stands before D."""


class Fixed:
    """The same p, the probability of each operation for an image, for the whole run."""

    def __init__(self, p: Annotated[float, Field(ge=0, le=1)]):
        self.start = p

    def moved(self, p: Tensor, r: Tensor, images: Tensor, pairs: bool) -> Tensor:
        return p


TARGET, TARGET_OF_PAIRS = 0.6, 0.77


class Adaptive:
    """ADA (Karras et al. 2020, section 3): p rises where r_t is above `target`, and falls where it is below.

    Without a target it is the paper's 0.6 for signs of D(x), and 0.77 for signs over pairs. These are the same: where
    the logits of reals and fakes are normal, mirrored about 0 and equally wide, 80 % of the reals lie above 0 (a mean
    sign of 0.6) when 88 % lie above their fake (0.77).

    p moves by images / (2 half_time_kimg), so by 0.5 in half_time_kimg, and stays in [0, 1]. The paper's half-time is
    250 kimg, in runs of 25,000; 50, its authors' value for transfer learning, lets p cross its range within the
    shorter runs here.
    """

    start = 0.0

    def __init__(
        self,
        target: Annotated[float, Field(gt=0, lt=1)] | None = None,
        half_time_kimg: Annotated[float, Field(gt=0)] = 50.0,
    ):
        self.target, self.half_time_kimg = target, half_time_kimg

    def moved(self, p: Tensor, r: Tensor, images: Tensor, pairs: bool) -> Tensor:
        """p after so many images with the mean r_t = r, of pairs or of reals; all of them on the device."""
        target = self.target or (TARGET_OF_PAIRS if pairs else TARGET)
        return (p + torch.sign(r - target) * images / (2000.0 * self.half_time_kimg)).clamp(0.0, 1.0)


STRENGTHS: dict[str, type[Off] | type[Fixed] | type[Adaptive]] = {"none": Off, "fixed": Fixed, "ada": Adaptive}


class Augment:
    """The pipe before the critic with its strength p.

    r_t is the mean of sign(D(x)) over reals, a measure of how far D tells training images from generated ones. Where
    D's logits have no zero it is that of sign(D(x) - D(G(z))) over pairs of one condition (as Huang et al. 2024 log
    it): such a loss leaves a constant for each condition undetermined, by which whole classes lie apart. p, r_t and
    their sums stay on the device. `sums` are those of this step on this rank, added over the ranks before `settle`, as
    with the running statistics of the networks.
    """

    INTERVAL = 4  # steps between moves of p (the paper's)

    def __init__(
        self,
        *,
        seed: int,
        operations: Mapping[str, float],
        strength: Fixed | Adaptive,
        has_zero: bool,
        device: str | torch.device = "cpu",
    ):
        self.pipe, self.strength, self.has_zero = Pipe(seed, operations), strength, has_zero
        self.idle = isinstance(strength, Fixed) and strength.start == 0.0
        self.p = torch.tensor(strength.start, device=device)
        self.sums = torch.zeros(2, device=device)  # signs of the reals, their number
        self.gathered = torch.zeros(2, device=device)  # the same over the ranks and the steps since p moved
        self.steps = 0  # since p moved

    def __call__(self, images: Tensor, call: int, index: Tensor, first_call: int = 0) -> Tensor:
        """Images [N, 1, R, R] with the numbers `index` [N], in the critic's call number `call` after `first_call`."""
        return images if self.idle else self.pipe(images, index, first_call + call, self.p)

    @torch.no_grad()
    def watch(self, reals: Tensor, fakes: Tensor) -> Tensor:
        """Take note of D's logits in a step, [N] of this rank's reals and their fakes; returns their r_t."""
        signs = torch.sign(reals if self.has_zero else reals - fakes)
        self.sums += torch.stack([signs.sum(), torch.full_like(signs[0], len(signs))])
        return signs.mean()

    def settle(self) -> None:
        """The end of a step: take up its sums, and after four steps move p."""
        self.gathered += self.sums
        self.sums.zero_()
        self.steps += 1
        if self.steps == self.INTERVAL:
            signs, images = self.gathered
            self.p.copy_(self.strength.moved(self.p, signs / images, images, pairs=not self.has_zero))
            self.gathered.zero_()
            self.steps = 0

    def state_dict(self) -> dict[str, Any]:
        """Between steps, when `sums` is empty."""
        return {"p": self.p, "gathered": self.gathered, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.p.copy_(state["p"])
        self.gathered.copy_(state["gathered"])
        self.steps = state["steps"]
