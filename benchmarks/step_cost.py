"""What augmentation, conditions and unlabelled slices cost: an iteration with one of them over one without, in turns.

    python -m benchmarks.step_cost [--of NAME ...] [--rounds N] [--widths BASE MAX] [--resolutions R ...]
                                   [--device cpu|cuda]

ada: all shipped operations, p held at 0.5. conditions: an age, a sex and a height. unlabelled: three of four slices
have no class. Batches of 32, the logistic loss, one thread, widths of configs/cpu.yaml unless said. Plain and penalised
iterations are timed apart and weighted by the lazy interval. Ratios of CPU seconds (on a GPU: of wall seconds).
"""

import argparse
import statistics
import sys

import torch

from benchmarks.levers import Change
from benchmarks.machine import Clock
from benchmarks.train_step import Preset, make_trainer, time_step
from progan_style import Trainer

BATCH = 32


def half(trainer: Trainer) -> None:
    """ADA as shipped, held at p = 0.5 by a half-time beyond any run."""
    assert trainer.state.augment is not None
    trainer.state.augment.p.fill_(0.5)


# What is measured -> the settings that bring it, and what is done to the trainer
COSTS: dict[str, tuple[tuple[str, ...], tuple[Change, ...]]] = {
    "ada": (("augment.name=ada", "augment.half_time_kimg=1e9"), (half,)),
    "conditions": (("data.conditions={age: number, sex: category, slice_mm: position}",), ()),
    "unlabelled": (("data.unlabelled=true",), ()),
}


def seconds(clock: Clock, name: str, device: torch.device, interval: int) -> float:
    """Per iteration, the two kinds weighted by the interval."""
    kept = clock.wall if device.type == "cuda" else clock.cpu
    plain, penalised = (statistics.median(kept[f"{name}, {kind}"]) for kind in ("plain", "penalised"))
    return ((interval - 1) * plain + penalised) / interval


def cost(of: str, resolution: int, widths: tuple[int, int], rounds: int, device: torch.device) -> tuple[float, float]:
    """Seconds per iteration without and with."""
    preset = Preset(batches={resolution: BATCH}, compared=resolution, rounds=rounds, widths=widths, latent=128)
    settings, changes = COSTS[of]
    trainers = {
        "without": make_trainer(preset, resolution, device),
        "with": make_trainer(preset, resolution, device, *changes, overrides=settings),
    }
    clock = Clock(device)
    for turn in range(rounds + 1):
        for name, trainer in trainers.items():
            time_step(clock, name, trainer, warm=turn == 0)
    interval = trainers["with"].config.loss.penalty_interval
    return seconds(clock, "without", device, interval), seconds(clock, "with", device, interval)


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.step_cost", description=__doc__.splitlines()[0])
    p.add_argument("--of", nargs="+", choices=tuple(COSTS), default=tuple(COSTS))
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--widths", type=int, nargs=2, metavar=("BASE", "MAX"), default=(2048, 64))
    p.add_argument("--resolutions", type=int, nargs="+", default=(32, 64))
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = p.parse_args(argv)
    torch.set_num_threads(1)
    for of in args.of:
        for r in args.resolutions:
            without, having = cost(of, r, tuple(args.widths), args.rounds, torch.device(args.device))
            print(
                f"{r} px: {without:.4f} s without, {having:.4f} s with {of}, ratio {having / without:.3f}", flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
