"""Time the project's training step beside that of a published peer: stylegan2_pytorch (Phil Wang), same widths.

    pip install -c constraints.txt stylegan2_pytorch==1.9.0
    python -m benchmarks.peer_train_step [--resolution 64] [--batch 16] [--rounds 3] [--json FILE]

The peer's own Trainer.train() is called, fp32, as its package runs it: a gradient penalty every 4th step, no path
length (it has that from step 5,000 on, every 32nd; leaving it out favours the peer). It is unconditional and has three
channels. Ours: batch from the data and Trainer.step, in fp32 and in bf16, plain and penalised weighted by the interval.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.levers import fp32
from benchmarks.machine import Clock, describe
from benchmarks.train_step import PRESETS, Flops, flops_per_image, make_trainer, mean_seconds, time_step
from progan_style import vision

PEER_INTERVAL = 4  # its steps between penalties


def make_peer(folder: str, resolution: int, batch: int, channel_base: int, channel_max: int) -> Any:
    """The peer's Trainer on random images. Its package wants CUDA to load; on a CPU its .cuda() becomes a no-op."""
    vision.load_torchvision()
    if not torch.cuda.is_available():
        torch.cuda.is_available = lambda: True  # type: ignore[assignment]
        torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign, assignment]
        torch.nn.Module.cuda = lambda self, *_, **__: self  # type: ignore[method-assign, assignment]
        import stylegan2_pytorch.stylegan2_pytorch as peer

        torch.cuda.is_available = lambda: False  # type: ignore[assignment]
    else:
        import stylegan2_pytorch.stylegan2_pytorch as peer
    # Its moving average is built without fmap_max, and could not take the generator's weights.
    peer.Generator = partial(peer.Generator, fmap_max=channel_max)
    # Its generator ends at 2 * capacity channels, its discriminator begins at 4 * capacity: both get our widths.
    wide = peer.Discriminator
    peer.Discriminator = lambda size, capacity, *a, **k: wide(size, capacity // 2, *a, **k)
    trainer = peer.Trainer(
        base_dir=folder,
        image_size=resolution,
        network_capacity=min(channel_base // resolution, channel_max) // 2,
        fmap_max=channel_max,
        batch_size=batch,
        gradient_accumulate_every=1,
        save_every=10**9,
        evaluate_every=10**9,
    )

    def images() -> Iterator[torch.Tensor]:
        while True:
            yield torch.rand(batch, 3, resolution, resolution)

    trainer.loader = images()
    trainer.init_GAN()
    return trainer


def peer_step(trainer: Any, penalised: bool) -> None:
    # Not a multiple of 100 (it would draw samples), below 5,000 (no path length)
    trainer.steps = 1004 if penalised else 1005
    trainer.train()


def peer_gflop_per_image(trainer: Any, batch: int) -> float:
    counts = []
    for penalised in (False, True):
        with Flops() as counter:
            peer_step(trainer, penalised)
        counts.append(counter.total)
    return ((PEER_INTERVAL - 1) * counts[0] + counts[1]) / PEER_INTERVAL / batch / 1e9


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.peer_train_step", description=__doc__.splitlines()[0])
    p.add_argument("--resolution", type=int, default=64)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--json", metavar="FILE")
    args = p.parse_args(argv)
    device, r = torch.device("cuda" if torch.cuda.is_available() else "cpu"), args.resolution
    preset = replace(PRESETS["cpu"], batches={r: args.batch})
    clock, machine = Clock(device), describe(device)
    with tempfile.TemporaryDirectory() as folder:
        peer = make_peer(folder, r, args.batch, *preset.widths)
        ours = {"ours, fp32": make_trainer(preset, r, device, fp32), "ours, bf16": make_trainer(preset, r, device)}
        for turn in range(args.rounds + 1):
            for kind in ("plain", "penalised"):
                clock.time(f"peer, {kind}", partial(peer_step, peer, kind == "penalised"), warm=turn == 0)
            for name, trainer in ours.items():
                time_step(clock, name, trainer, warm=turn == 0)
        count = {
            name: sum(p.numel() for network in networks for p in network.parameters())
            for name, networks in (
                ("peer", (peer.GAN.S, peer.GAN.G, peer.GAN.D)),
                ("ours", (trainer.state.G, trainer.state.D)),
            )
        }
    gflop = {"ours": flops_per_image(preset, r) / 1e9, "peer": peer_gflop_per_image(peer, args.batch)}
    seconds = {name: mean_seconds(clock, name, trainer.config.loss.penalty_interval) for name in ours}
    seconds["peer"] = mean_seconds(clock, "peer", PEER_INTERVAL)
    result = {
        "machine": machine,
        "images_per_second": {name: args.batch / s for name, s in seconds.items()},
        "ratios": {
            "fp32_over_peer": seconds["peer"] / seconds["ours, fp32"],
            "bf16_over_peer": seconds["peer"] / seconds["ours, bf16"],
        },
        # Equal widths are not equal work: it convolves at the higher resolution and makes two batches of fakes.
        "gflop_per_image": gflop,
        "ratios_per_flop": {
            "fp32_over_peer": seconds["peer"] / seconds["ours, fp32"] * gflop["ours"] / gflop["peer"],
            "bf16_over_peer": seconds["peer"] / seconds["ours, bf16"] * gflop["ours"] / gflop["peer"],
        },
        "parameters": count,
        "times": clock.rows(),
    }
    print(json.dumps(result, indent=1))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
