"""stylegan2 against the growing network's own stage, and its demodulation against weights of its own for each image.

    python -m benchmarks.architectures [--part step|layer] [--widths BASE MOST] [--json FILE]

Contenders take turns; what counts are the ratios of one run, in CPU seconds. One thread.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.machine import Clock, describe
from benchmarks.train_step import PRESETS, Preset, make_trainer
from progan_style import Trainer
from progan_style.networks.layers import maps
from progan_style.networks.stylegan2 import StyledLayer

CPU = torch.device("cpu")
ARMS = {
    "stylegan1": ("network.name=stylegan1",),
    "stylegan2": ("network.name=stylegan2",),
    "stylegan2, path length": ("network.name=stylegan2", "loss.path_length=2.0"),
}
SIZES = (8, 16, 32, 64)


def steps(preset: Preset, resolution: int, rounds: int) -> dict[str, float]:
    """Images per CPU second of each arm, and the ratios.

    A round is four plain steps, one of them with the path length where the arm has it. Steps with R1 are left out.
    """
    trainers = {name: make_trainer(preset, resolution, CPU, overrides=overrides) for name, overrides in ARMS.items()}
    clock = Clock(CPU)
    for turn in range(rounds + 1):
        for name, trainer in trainers.items():
            clock.time(name, partial(four_steps, trainer), warm=turn == 0)
    images = 4 * preset.batches[resolution]
    speed = {name: images / statistics.median(clock.cpu[name]) for name in ARMS}
    of_growing = speed["stylegan1"]
    return speed | {f"{name} over stylegan1": speed[name] / of_growing for name in ARMS if name != "stylegan1"}


def four_steps(trainer: Trainer) -> None:
    """Steps number 4 to 7 of the stage: none with R1, the first with the path length where it is on."""
    n = trainer.schedule.at(0).batch_size
    trainer.state.nimg = 4 * n
    for _ in range(4):
        phase = trainer.schedule.at(trainer.state.nimg)
        trainer.step(*trainer.data.batch(0, *trainer.share(phase), phase.resolution, trainer.state.device))


def layers(base: int, most: int, n: int, rounds: int, dtype: torch.dtype) -> dict[str, float]:
    """Time of per-sample grouped weights over that of scaled activations, forward and backward, at each size.

    Maps and their gradients lie in memory as each of the two likes them: channels-last, or channels-first.
    """
    out = {}
    for r in SIZES:
        channels = min(base // r, most)
        layer = StyledLayer(channels, channels, channels)
        layer.conv.weight.data = layer.conv.weight.data.contiguous(memory_format=torch.channels_last)
        maps_in, slope = torch.randn(2, n, channels, r, r).to(dtype)
        w, noise = torch.randn(n, channels, requires_grad=True), torch.randn(n, 1, r, r)
        calls: dict[str, Callable[[], Any]] = {}
        for name, forward, memory in (
            ("scaled", layer, torch.channels_last),
            ("grouped", partial(grouped, layer), torch.contiguous_format),
        ):
            x = maps_in.contiguous(memory_format=memory).clone().requires_grad_()
            g = slope.contiguous(memory_format=memory)
            calls[name] = partial(gradients, partial(forward, x, w, noise), [x, w, *layer.parameters()], g, dtype)
        clock = Clock(CPU)
        for turn in range(rounds + 1):
            for name, call in calls.items():
                clock.time(name, call, warm=turn == 0)
        out[f"{r} px"] = statistics.median(clock.cpu["grouped"]) / statistics.median(clock.cpu["scaled"])
    return out


def gradients(forward: Callable[[], Tensor], inputs: list[Tensor], slope: Tensor, dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        out = forward()
    torch.autograd.grad(out, inputs, slope)


def grouped(layer: StyledLayer, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
    """StyleGAN2's own formulation: weights scaled and normalised for each image, a group of a convolution per image."""
    n, c, r, _ = x.shape
    weight = layer.conv.weight * layer.conv.scale * layer.affine(w).float()[:, None, :, None, None]
    weight = weight * torch.rsqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8) * 2**0.5
    out = F.conv2d(x.reshape(1, n * c, r, r), weight.flatten(0, 1).to(x.dtype), padding=1, groups=n)
    out = out.reshape(n, -1, r, r) + maps(layer.bias[None], x) + (noise * layer.strength).to(x.dtype)
    return F.leaky_relu(out, 0.2)


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.architectures", description=__doc__.splitlines()[0])
    p.add_argument("--part", choices=("step", "layer"), action="append", help="repeatable (default: both)")
    p.add_argument("--widths", type=int, nargs=2, metavar=("BASE", "MOST"), default=PRESETS["cpu"].widths)
    p.add_argument("--resolution", type=int, default=64)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json", metavar="FILE", help="write the result there as well")
    args = p.parse_args(argv)
    torch.set_num_threads(1)
    preset = Preset(
        batches={args.resolution: args.batch}, compared=args.resolution, rounds=0, widths=tuple(args.widths)
    )
    result: dict[str, Any] = {"machine": describe(CPU)}
    if not args.part or "step" in args.part:
        result["step, images per CPU second"] = steps(preset, args.resolution, args.rounds)
    if not args.part or "layer" in args.part:
        for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
            title = f"grouped weights over scaled activations, {name}"
            result[title] = layers(args.widths[0], args.widths[1], args.batch, args.rounds, dtype)
    for title, rows in result.items():
        print(title)
        print("\n".join(f"  {k:40}{v:.3f}" if isinstance(v, float) else f"  {k:40}{v}" for k, v in rows.items()))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
