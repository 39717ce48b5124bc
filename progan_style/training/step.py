"""One step of training: an update of D and one of G, as twins.

Both have the same shape: gradients of the terms, their mean over the ranks, a note for the log, the optimiser's step.
What a step changes stands in `State`; how steps are made, in `Recipe`, which never changes; what one step is given, in
`Inputs`, as tensors; what the host decides of it, in `Kind`. A step of one kind is the same operations on the same
tensors, so that it can be recorded once and replayed (graphs.py): no number of one step is a Python number in here.

Letters: N images of this rank's part of a batch, R resolution, L styles, F features.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from progan_style import distributed, rng
from progan_style.networks.conditions import Condition
from progan_style.networks.contract import Discriminator
from progan_style.networks.convolution import twice_differentiable
from progan_style.networks.mapping import mix_styles
from progan_style.networks.resampling import fade_reals
from progan_style.sampling import to_float
from progan_style.training.augment import CALLS_OF_D
from progan_style.training.conditioning import scale_gradient
from progan_style.training.losses import Loss, Terms
from progan_style.training.path_length import SHARE
from progan_style.training.schedule import Phase
from progan_style.training.state import State


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How every step of a run is made, whatever the resolution."""

    seed: int
    loss: Loss
    penalty_interval: int  # steps between penalties, each of which counts that many times (StyleGAN2, lazy)
    class_weight: float  # of the class head's gradient in D's trunk
    generator_weight: float  # of the class term in G's loss; 0: none
    fakes_too: bool  # whether the class head learns from fakes as well
    unlabelled: bool  # whether there are images without a class
    style_mixing: float  # probability
    ema_half_life: float  # images
    ema_rampup: float | None  # half-life at most this share of the images seen; None: a run that began with weights
    amp_dtype: torch.dtype | None  # None: fp32

    def amp(self, device: torch.device, enabled: bool = True) -> contextlib.AbstractContextManager:
        """Mixed precision, where the recipe has it and the caller wants it."""
        enabled = enabled and self.amp_dtype is not None
        return torch.autocast(device.type, dtype=self.amp_dtype or torch.bfloat16, enabled=enabled)

    def ema_keep(self, nimg: int, n: int) -> float:
        """The share of G_ema that a step of n images keeps: a half-life in images, shorter at the start.

        StyleGAN2-ADA's ramp-up, which lets the average forget a beginning in noise. A run that began with another's
        weights has none: it would forget their average, too.
        """
        half_life = self.ema_half_life
        if self.ema_rampup is not None:
            half_life = min(half_life, max(nimg, 1) * self.ema_rampup)
        return 0.5 ** (n / max(half_life, 1e-8))


@dataclass(frozen=True)
class Kind:
    """What of a step the host decides: steps of one kind are the same operations."""

    resolution: int
    n: int  # images of this rank
    fading: bool
    gamma: float  # of the penalty, times its interval; 0: a step without it
    path_length: bool  # whether G has that penalty
    lr_g: float
    lr_d: float

    @classmethod
    def of(cls, state: State, recipe: Recipe, phase: Phase, turn: int, n: int) -> "Kind":
        """turn: the step's number within its stage. Every penalty_interval-th has D's penalty (lazy)."""
        gamma = phase.r1_gamma * recipe.penalty_interval if turn % recipe.penalty_interval == 0 else 0.0
        due, rate = state.path_length.due(turn), state.watchdog.rate
        return cls(phase.resolution, n, phase.alpha < 1.0, gamma, due, phase.lr_g * rate, phase.lr_d * rate)


@dataclass(frozen=True)
class Inputs:
    """What a step is given, beside the state, which knows alpha and the label's weight."""

    images: Tensor  # [N, 1, R, R] uint8, of this rank
    condition: Condition  # of N images
    index: Tensor  # [N] int64, the images' numbers in the run, which their random numbers are made of
    keep: Tensor  # scalar, the share of G_ema that stays

    def clone(self) -> "Inputs":
        return Inputs(self.images.clone(), self.condition.clone(), self.index.clone(), self.keep.clone())

    def copy_(self, other: "Inputs") -> None:
        """Take the other's values, in place."""
        for mine, theirs in zip(self._tensors(), other._tensors(), strict=True):
            mine.copy_(theirs)

    def _tensors(self) -> list[Tensor]:
        return [self.images, *self.condition.tensors(), self.index, self.keep]


@dataclass(frozen=True)
class Batch:
    """What a step sees: N of the run's images on this rank."""

    reals: Tensor  # [N, 1, R, R], -1 .. 1, faded like the networks
    fakes: Tensor  # [N, 1, R, R], with G's graph; each is of its real's class
    condition: Condition  # of N images
    index: Tensor  # [N] int64, the images' numbers in the run

    def for_D(self, parts: int) -> "list[Batch]":
        """The fakes without their graph, in so many equal parts."""
        whole = (self.reals, self.fakes.detach(), self.condition, self.index)
        return [Batch(*part) for part in zip(*(rows.chunk(parts) for rows in whole), strict=True)]


class Critic:
    """images -> logits, with augmentation, condition and precision filled in; keeps what it computed for the log.

    augment: images and the number of the call, from 0 -> images.
    """

    def __init__(
        self,
        D: Discriminator,
        condition: Condition,
        amp: Callable[[bool], Any],
        features: Callable[[Tensor], Tensor] | None = None,
        augment: Callable[[Tensor, int], Tensor] | None = None,
    ):
        self.D, self.condition, self.amp, self.augment = D, condition, amp, augment
        self.features = features or D.features  # of images without a penalty; a compiled pass has no second derivative
        self.seen: list[tuple[Tensor, Tensor]] = []  # features, with their graph, and logits of each call

    def __call__(self, images: Tensor) -> Tensor:
        # Images that carry a penalty are leaves that require gradients: all of their forward runs in fp32, since the
        # penalty differentiates it twice.
        penalised = images.is_leaf and images.requires_grad
        if self.augment is not None:
            images = self.augment(images, len(self.seen))
        with self.amp(not penalised), twice_differentiable() if penalised else contextlib.nullcontext():
            features = (self.D.features if penalised else self.features)(images)
        logits = self.D.logits(features, self.condition)
        self.seen.append((features, logits.detach()))
        return logits


def make_critic(state: State, recipe: Recipe, batch: Batch, first_call: int = 0) -> Critic:
    """D as the loss sees it; first_call: of the step, for the augmentation's random numbers."""
    pipe = state.augment
    augment = partial(pipe, index=batch.index, first_call=first_call) if pipe else None
    return Critic(state.D, batch.condition, partial(recipe.amp, state.device), state.features, augment)


# ---------------------------------------------------------------- a step, and the two updates in it


def take_step(state: State, recipe: Recipe, kind: Kind, inputs: Inputs) -> Terms:
    """One update of D, one of G, one of the average -> the terms of both losses."""
    reals = to_float(inputs.images)
    if kind.fading:
        reals = fade_reals(reals, state.D.weight)
    fakes = make_fakes(state, recipe, inputs.index, inputs.condition)  # one batch serves both updates
    batch = Batch(reals, fakes, inputs.condition, inputs.index)
    terms_d = update_D(state, recipe, batch, kind.gamma)
    terms_g = update_G(state, recipe, batch, kind.path_length)
    state.average.update(inputs.keep)
    return {f"D/{k}": v for k, v in terms_d.items()} | {f"G/{k}": v for k, v in terms_g.items()}


def update_D(state: State, recipe: Recipe, batch: Batch, gamma: float) -> Terms:
    """One step of D on the reals and the detached fakes.

    With a penalty (gamma > 0) the batch goes through in parts, whose gradients add up: the graph of a gradient's
    gradient is the peak of a training's memory.
    """
    parts = batch.for_D(parts_of(len(batch.reals)) if gamma > 0 else 1)
    state.opt_D.zero_grad(set_to_none=True)
    terms: Terms = {}
    logits: list[Tensor] = []  # of reals and fakes, [2, N] of each part
    for part in parts:
        critic = make_critic(state, recipe, part)
        of_part = backward_D(state, recipe, critic, part, gamma, 1.0 / len(parts))
        terms = {key: terms.get(key, 0.0) + value for key, value in of_part.items()}
        logits.append(torch.stack([critic.seen[0][1], critic.seen[1][1]]))
    if state.augment:
        state.meter.count(augment_p=state.augment.p, r_t=state.augment.watch(*torch.cat(logits, dim=1)))
    distributed.add(gradients(state.D), divide=True)
    # The penalty counts in the steps that have it, times its interval: on average what it adds per step.
    state.meter.count(loss_d=sum(terms.values()), grad_d=gradient_norm(state.D))
    state.meter.count(**{f"loss_d.{key}": value for key, value in terms.items()})
    state.opt_D.step()
    return terms


def update_G(state: State, recipe: Recipe, batch: Batch, path_length: bool) -> Terms:
    """One step of G through the updated D; path_length: with that penalty."""
    state.opt_G.zero_grad(set_to_none=True)
    terms = backward_G(state, recipe, batch)
    if path_length:
        terms["path_length"] = backward_path(state, recipe, batch.index[::SHARE], batch.condition[::SHARE])
    distributed.add(gradients(state.G), divide=True)
    state.meter.count(loss_g=sum(terms.values()), grad_g=gradient_norm(state.G))
    state.opt_G.step()
    return terms


def backward_D(state: State, recipe: Recipe, critic: Critic, part: Batch, gamma: float, share: float) -> Terms:
    """D's gradients of a part of the batch, weighted by its share of it; returns the terms with that weight."""
    u = rng.uniform(recipe.seed, "penalty", part.index, 1)[:, 0]
    terms = recipe.loss.discriminator(critic, part.reals, part.fakes, gamma, u)
    classes, features = part.condition.labels, critic.seen[0][0]  # of the reals
    on_classes = [class_term(state, recipe, features, classes)] if recipe.class_weight else []
    if recipe.class_weight and recipe.fakes_too:
        # A fake's label says as much of it as G was told: nothing yet while the label's weight is 0.
        on_fakes = class_term(state, recipe, critic.seen[1][0], classes)
        on_classes.append(state.D.label_weight * on_fakes)
    (share * torch.stack([*terms.values(), *on_classes]).sum()).backward()

    with torch.no_grad():
        right = (state.D.class_logits(features).argmax(dim=1) == classes).float().mean()  # never where unlabelled
        if recipe.unlabelled:
            state.meter.count_of(real_class_acc=share * (classes >= 0).float().mean())
        state.D.track(features, part.condition)
    real_logits, fake_logits = (logits for _, logits in critic.seen[:2])
    middle = 0.0 if recipe.loss.has_zero else fake_logits
    state.meter.count(
        real_pred=share * (real_logits - middle).sigmoid().mean(),
        real_class_acc=share * right,
        margin=share * (real_logits.mean() - fake_logits.mean()),
    )
    return {key: share * term.detach() for key, term in terms.items()}


def class_term(state: State, recipe: Recipe, features: Tensor, classes: Tensor) -> Tensor:
    """A taught class head's cross-entropy: the head learns at its full rate, the trunk with the weight of both."""
    heard = state.D.class_logits(scale_gradient(features, recipe.class_weight * state.D.label_weight))
    return mean_cross_entropy(heard, classes)


def mean_cross_entropy(class_logits: Tensor, classes: Tensor) -> Tensor:
    """Over all images, to which the unlabelled (-1) add 0: so an image's part in it does not depend on the others."""
    return F.cross_entropy(class_logits, classes, ignore_index=-1, reduction="sum") / len(classes)


def backward_G(state: State, recipe: Recipe, batch: Batch) -> Terms:
    """G's gradients of the loss, through a D that stands still."""
    state.D.requires_grad_(False)
    critic = make_critic(state, recipe, batch, CALLS_OF_D)
    terms = recipe.loss.generator(critic, batch.reals, batch.fakes)
    if recipe.generator_weight:
        class_logits = state.D.class_logits(critic.seen[-1][0])  # of the fakes
        weight = recipe.generator_weight * state.D.label_weight
        terms["class"] = weight * mean_cross_entropy(class_logits, batch.condition.labels)
    torch.stack(list(terms.values())).sum().backward()
    state.D.requires_grad_(True)
    return {key: term.detach() for key, term in terms.items()}


def backward_path(state: State, recipe: Recipe, index: Tensor, condition: Condition) -> Tensor:
    """G's gradients of the path length penalty on the images numbered `index`, made again, all in fp32.

    After those of the loss, whose graph is then gone: never both in memory.
    """
    with recipe.amp(state.device, False), twice_differentiable():
        ws = make_styles(state, recipe, index, condition)
        images = state.G.synthesis(ws, rng.normal(recipe.seed, "noise", index, state.G.noise_size))
        y = rng.normal(recipe.seed, "path", index, images[0].numel())
        penalty = state.path_length.penalty(images, ws, y)
        penalty.backward()
    return penalty.detach()


# ---------------------------------------------------------------- what G makes

SLACK = 0.1  # of gray values from -1 to 1: twice the wobble that was measured


def make_fakes(state: State, recipe: Recipe, index: Tensor, condition: Condition) -> Tensor:
    """G's images numbered `index` as D sees them, with their graph: [N] -> [N, 1, R, R]."""
    with recipe.amp(state.device):
        ws = make_styles(state, recipe, index, condition)
        images = state.synthesis(ws, rng.normal(recipe.seed, "noise", index, state.G.noise_size))
    return cast(Tensor, CutOff.apply(images))


class CutOff(torch.autograd.Function):
    """Images from black to white, as in any file: D shall see what a user sees.

    To a D that sees more, a background that wobbles about black by 0.05 is right on average; in a file its upper half
    is a veil. Just beyond black and white nothing pulls at a pixel, so that the background comes to rest there. Further
    out, what would pull it back does: a generator all of whose pixels are beyond would else never learn again.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor) -> Tensor:
        ctx.save_for_backward(images)
        return images.clamp(-1.0, 1.0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Tensor:
        (images,) = ctx.saved_tensors
        far = images.abs() > 1.0 + SLACK
        return torch.where((images.abs() <= 1.0) | (far & (g * images > 0)), g, 0.0)


def make_styles(state: State, recipe: Recipe, index: Tensor, condition: Condition) -> Tensor:
    """The mixed styles of the images numbered `index`: [N] -> ws [N, L, W]."""
    z_dim = state.G.mapping.z_dim
    z = rng.normal(recipe.seed, "latent", index, 2 * z_dim)
    ws = state.G.mapping(z[:, :z_dim], condition)
    if recipe.style_mixing > 0:
        other = state.G.mapping(z[:, z_dim:], condition)
        u = rng.uniform(recipe.seed, "mixing", index, 2)
        ws = mix_styles(ws, other, u, state.G.active_layers, recipe.style_mixing)
    return ws


# ---------------------------------------------------------------- gradients


def gradients(network: nn.Module) -> list[Tensor]:
    """Those of the parameters at work."""
    return [p.grad for p in network.parameters() if p.grad is not None]


def gradient_norm(network: nn.Module) -> Tensor:
    """L2 norm over all gradients, on the device."""
    return torch.stack(torch._foreach_norm(gradients(network))).norm()


def parts_of(n: int) -> int:
    """The parts in which a penalised batch of n images goes through: two, if each has whole minibatch-std groups."""
    return next(parts for parts in (2, 1) if n % (4 * parts) == 0)
