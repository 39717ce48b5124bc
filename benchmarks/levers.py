"""Each lever of the training step, taken away: a function that makes a Trainer do without it.

The product has no switches for these; what measures it has. `LEVERS` is used by the ablation of train_step.py and by
equal_quality.py.
"""

import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from progan_style import Trainer
from progan_style.networks import fir
from progan_style.networks.layers import Conv
from progan_style.networks.resampling import fade_reals, upsample2
from progan_style.sampling import to_float
from progan_style.training.losses import Critic, Logistic, Terms, leaf, slopes
from progan_style.training.meter import Meter
from progan_style.training.state import Average, State
from progan_style.training.step import Batch, Inputs, Kind, Recipe, make_fakes, update_D, update_G

Change = Callable[[Trainer], None]


def fp32(trainer: Trainer) -> None:
    """All of the step in fp32."""
    trainer.recipe = replace(trainer.recipe, amp_dtype=None)


def penalty_each_step(trainer: Trainer) -> None:
    """R1 in every step instead of every 16th."""
    loss = trainer.config.loss.model_copy(update={"penalty_interval": 1})
    trainer.config = trainer.config.model_copy(update={"loss": loss})  # where the timing reads it
    trainer.recipe = replace(trainer.recipe, penalty_interval=1)


class OwnForward(Logistic):
    """R1 on a forward of its own."""

    def discriminator(self, critic: Critic, reals: Tensor, fakes: Tensor, gamma: float, u: Tensor) -> Terms:
        terms = super().discriminator(critic, reals, fakes, 0.0, u)
        if gamma > 0:
            leaves = leaf(reals, gamma)
            terms["penalty"] = 0.5 * gamma * slopes(critic(leaves), leaves).mean()
        return terms


def own_forward(trainer: Trainer) -> None:
    """The penalty on a forward of its own."""
    trainer.recipe = replace(trainer.recipe, loss=OwnForward())


def two_fake_batches(trainer: Trainer) -> None:
    """A new batch of fakes for G's update; D's is made without a graph."""

    def take(state: State, recipe: Recipe, kind: Kind, inputs: Inputs) -> Terms:
        reals = fade_reals(to_float(inputs.images), state.D.weight)
        with torch.no_grad():
            fakes = make_fakes(state, recipe, inputs.index, inputs.condition)
        terms = update_D(state, recipe, Batch(reals, fakes, inputs.condition, inputs.index), kind.gamma)
        others = inputs.index + 2**40  # past the end of any run
        fakes = make_fakes(state, recipe, others, inputs.condition)
        terms |= update_G(state, recipe, Batch(reals, fakes, inputs.condition, inputs.index), kind.path_length)
        state.average.update(inputs.keep)
        return terms

    trainer.take_step = take


def high_resolution_convolution(trainer: Trainer) -> None:
    """Up: repetition, convolution, blur. Down: blur, convolution, 2x2 means."""

    def forward(self: Conv, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        if self.up:
            x = F.conv2d(upsample2(x), weight, padding=1)
        if self.up or self.down:
            x = fir.blur(F.pad(x, (0, 1, 0, 1)), self.gain, 1, self.bias if self.up else None)
        if self.up:
            return x
        x = F.conv2d(x, weight, self.bias, padding=self.padding)
        return F.avg_pool2d(x, 2) if self.down else x

    for network in (trainer.state.G, trainer.state.D):
        for module in network.modules():
            if isinstance(module, Conv):
                module.forward = types.MethodType(forward, module)  # type: ignore[method-assign]


def contiguous(trainer: Trainer) -> None:
    """Weights in contiguous memory; the layers' inputs are made so as well."""

    def hook(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (inputs[0].contiguous(memory_format=torch.contiguous_format), *inputs[1:])

    for network in (trainer.state.G, trainer.state.D):
        for module in network.modules():
            if isinstance(module, Conv):
                module.weight.data = module.weight.data.contiguous(memory_format=torch.contiguous_format)
                module.register_forward_pre_hook(hook)


def loops(trainer: Trainer) -> None:
    """Adam and the moving average parameter by parameter."""
    for optimizer in (trainer.state.opt_G, trainer.state.opt_D):
        optimizer.defaults["fused"] = optimizer.defaults["foreach"] = False
        for group in optimizer.param_groups:
            group["fused"] = group["foreach"] = False

    trainer.state.average = Loops(trainer.state.G_ema, trainer.state.G)


class Loops(Average):
    @torch.no_grad()
    def update(self, keep: Tensor) -> None:
        for kept, new in zip(self.G_ema.parameters(), self.G.parameters(), strict=True):
            kept.lerp_(new, 1.0 - keep)


class ReadAtOnce(Meter):
    def count(self, **values: Any) -> None:
        super().count(**{key: float(value) for key, value in values.items()})


def host_statistics(trainer: Trainer) -> None:
    """Each statistic read by the host in each step."""
    trainer.state.meter = ReadAtOnce(trainer.state.device)


# Without them the numbers are the same but for rounding; the others have equal_quality.py.
EXACT = ("penalty on the real forward", "channels_last", "fused Adam, foreach EMA", "statistics on the device")

LEVERS: dict[str, Change] = {
    "bf16": fp32,
    "lazy penalty": penalty_each_step,
    "penalty on the real forward": own_forward,
    "one fake batch": two_fake_batches,
    "stride-2 resampling": high_resolution_convolution,
    "channels_last": contiguous,
    "fused Adam, foreach EMA": loops,
    "statistics on the device": host_statistics,
}
