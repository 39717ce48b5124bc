"""Time the project's own training step against a plain one, and against what this machine can do.

    python -m benchmarks.train_step [--preset cpu|gpu] [--json FILE] [--ablate]
    python -m benchmarks.train_step --resolution 256 [--beside TREE]            one size alone (one_size.py)

Plain and penalised iterations are timed apart and weighted by the lazy interval; contenders take turns (A B A B), and
what counts are the ratios of one run.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks import one_size
from benchmarks.levers import LEVERS, Change, fp32
from benchmarks.machine import Clock, conv_flops_per_second, describe, peak_rss_mb
from benchmarks.reference import Reference
from progan_style import Dataset, Trainer, generate, load_config, load_folder, make_phantoms
from progan_style.networks.layers import widths

PEAK_BF16 = {"H200": 989e12, "H100": 989e12, "A100": 312e12}  # dense FLOP/s, makers' data sheets


@dataclass(frozen=True)
class Preset:
    batches: dict[int, int]  # resolution -> batch of the product's step
    compared: int  # the resolution at which the reference stands beside it
    rounds: int
    widths: tuple[int, int] = (8192, 256)  # channel_base, channel_max
    latent: int = 256  # z_dim and w_dim
    persons: int = 20  # phantoms that are read


PRESETS = {
    "cpu": Preset(batches={32: 16, 64: 16}, compared=32, rounds=3),
    "gpu": Preset(batches={8: 256, 16: 128, 32: 64, 64: 64, 128: 32, 256: 32}, compared=64, rounds=10),
}


def make_trainer(
    preset: Preset, resolution: int, device: torch.device, *changes: Change, overrides: tuple[str, ...] = ()
) -> Trainer:
    """The product's Trainer at one fixed resolution, on 64 random slices, with the reference's networks and loss.

    The slices have an age, a sex and a height, for settings that condition on them; three quarters of them have no
    class where data.unlabelled is set.
    """
    base, most = preset.widths
    config = load_config(
        overrides=[
            f"schedule.resolutions=[{resolution}]",
            f"schedule.batch_size.{resolution}={preset.batches[resolution]}",
            "schedule.hold_kimg." + f"{resolution}=1000000",
            f"network.channel_base={base}",
            f"network.channel_max={most}",
            f"network.z_dim={preset.latent}",
            f"network.w_dim={preset.latent}",
            *("network.name=stylegan1", "loss.name=logistic"),  # the reference's
            *overrides,
        ]
    )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, 1, resolution, resolution), dtype=np.uint8)
    people = {"age": np.arange(60, 124), "sex": np.tile(["F", "M"], 32), "slice_mm": np.arange(64)}
    columns = {name: cells.astype(str) for name, cells in people.items()}
    classes = tuple(config.data.classes)
    labels = rng.integers(0, 2, 64)
    labels[16:] = -1 if config.data.unlabelled else labels[16:]
    data = Dataset({resolution: images}, labels, np.full(64, ""), classes, columns=columns)
    trainer = Trainer(config, data, device)
    for change in changes:
        change(trainer)
    return trainer


def step(trainer: Trainer, penalised: bool) -> None:
    """One iteration of the wanted kind: batch from the data, then Trainer.step."""
    n = trainer.schedule.at(trainer.state.nimg).batch_size
    interval = n * trainer.config.loss.penalty_interval
    turn = trainer.state.nimg // interval + 1
    trainer.state.nimg = turn * interval + (0 if penalised else n)
    trainer.step(*trainer.batch())


def time_step(clock: Clock, name: str, trainer: Trainer, warm: bool = False) -> None:
    """One plain and one penalised iteration, under "name, plain" and "name, penalised"."""
    for kind in ("plain", "penalised"):
        if kind == "penalised" or trainer.config.loss.penalty_interval > 1:
            clock.time(f"{name}, {kind}", partial(step, trainer, kind == "penalised"), warm)


def mean_seconds(clock: Clock, name: str, interval: int) -> float:
    """Seconds per iteration, the two kinds weighted by the lazy interval."""
    if interval == 1:
        return clock.median(f"{name}, penalised")
    return ((interval - 1) * clock.median(f"{name}, plain") + clock.median(f"{name}, penalised")) / interval


class Flops(TorchDispatchMode):
    """Counts multiplications and additions of convolutions and matrix products, backward passes included.

    torch's FlopCounterMode with its table of operations, without its hooks on modules, which autograd.grad refuses.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=out)
        return out


def flops_per_image(preset: Preset, resolution: int) -> float:
    """Multiplications and additions of one training image, counted on the product's own step."""
    trainer = make_trainer(preset, resolution, torch.device("cpu"))
    counts = []
    for penalised in (False, True):
        with Flops() as counter:
            step(trainer, penalised)
        counts.append(counter.total)
    interval = trainer.config.loss.penalty_interval
    return ((interval - 1) * counts[0] + counts[1]) / interval / preset.batches[resolution]


def make_reference(preset: Preset, resolution: int) -> Reference:
    base, most = preset.widths
    return Reference(
        widths(base, most, resolution),
        z_dim=preset.latent,
        w_dim=preset.latent,
        depth=8,
        lr_mul=0.01,
        lr=0.001,
        gamma=1.0,
    )


def random_batch(n: int, resolution: int) -> tuple[Tensor, Tensor]:
    return torch.randint(0, 256, (n, 1, resolution, resolution), dtype=torch.uint8), torch.randint(0, 2, (n,))


def compare(clock: Clock, preset: Preset, device: torch.device) -> dict[str, float]:
    """The product in both precisions and the reference, in turns."""
    r = preset.compared
    contenders = {
        f"{r} px, bf16": make_trainer(preset, r, device),
        f"{r} px, fp32": make_trainer(preset, r, device, fp32),
    }
    plain = make_reference(preset, r)
    batch = random_batch(preset.batches[r], r)
    if device.type == "cuda":
        torch.set_default_device(device)
        plain, batch = to_device(plain, device), (batch[0].to(device), batch[1].to(device))
    for turn in range(preset.rounds + 1):
        for name, trainer in contenders.items():
            time_step(clock, name, trainer, warm=turn == 0)
        clock.time(f"{r} px, reference", lambda: plain.step(*batch), warm=turn == 0)
    torch.set_default_device("cpu")
    interval = trainer.config.loss.penalty_interval
    slow = clock.median(f"{r} px, reference")
    bf16, exact = (mean_seconds(clock, name, interval) for name in contenders)
    p, q = (clock.median(f"{r} px, fp32, {kind}") for kind in ("penalised", "plain"))
    added = (clock.median(f"{r} px, bf16, penalised") / clock.median(f"{r} px, bf16, plain") - 1) / interval
    return {
        "fast_over_reference_fp32": slow / exact,
        "fast_over_reference_bf16": slow / bf16,
        "penalised_over_plain": p / q,
        "penalty_share_of_interval_bf16": added,
    }


def to_device(plain: Reference, device: torch.device) -> Reference:
    moved = plain
    for network in (moved.G, moved.D, moved.G_ema):
        network.to(device)
    for optimizer in (moved.opt_G, moved.opt_D):
        optimizer.m = [m.to(device) for m in optimizer.m]
        optimizer.v = [v.to(device) for v in optimizer.v]
    return moved


def shares(clock: Clock, preset: Preset, device: torch.device, resolutions: list[int]) -> dict[str, Any]:
    """The step as a share of what a 3x3 convolution reaches here, each precision beside its own calibration."""
    base, most = preset.widths
    out: dict[str, Any] = {}
    for r in resolutions:
        n = preset.batches[r]
        flops = flops_per_image(preset, r)
        trainers = {"bf16": make_trainer(preset, r, device), "fp32": make_trainer(preset, r, device, fp32)}
        if device.type == "cuda":
            trainers.pop("fp32")
        reached: dict[str, list[float]] = {name: [] for name in trainers}
        for turn in range(preset.rounds + 1):
            for name, trainer in trainers.items():
                dtype = torch.bfloat16 if name == "bf16" else torch.float32
                reached[name].append(conv_flops_per_second(min(base // r, most), r, n, dtype, device))
                time_step(clock, f"{r} px, {name}", trainer, warm=turn == 0)
        for name, trainer in trainers.items():
            seconds = mean_seconds(clock, f"{r} px, {name}", trainer.config.loss.penalty_interval)
            speed = flops * n / seconds
            calibration = sorted(reached[name])[len(reached[name]) // 2]
            out[f"{r} px, {name}"] = {
                "images_per_second": n / seconds,
                "gflop_per_image": flops / 1e9,
                "gflops": speed / 1e9,
                "conv_gflops": calibration / 1e9,
                "share": speed / calibration,
            }
            if device.type == "cuda":
                peak = next((v for k, v in PEAK_BF16.items() if k in torch.cuda.get_device_name(device)), math.nan)
                out[f"{r} px, {name}"]["share_of_peak"] = speed / peak
                out[f"{r} px, {name}"]["memory_gb"] = torch.cuda.max_memory_allocated(device) / 2**30
    return out


def time_input(clock: Clock, preset: Preset, device: torch.device, resolution: int = 64) -> float:
    """A folder of 256x256 PNG decoded and reduced for each batch, against the packed pyramid; the ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = make_phantoms(Path(name) / "slices", persons=preset.persons, slices=4, seed=0, overlap="clear")
        data = load_folder(folder, resolution=256, cache_dir=Path(name) / "cache", progress=False)
        files = [Path(folder) / path for path in data.train.paths]
        n = 64

        def from_folder() -> None:
            rows = data.train.indices(0, 0, n)
            pictures = [Image.open(files[row]).convert("L").resize((resolution, resolution)) for row in rows]
            torch.from_numpy(np.stack([np.asarray(p) for p in pictures])[:, None]).to(device)

        clock.time("input, folder", from_folder, warm=True)
        data.train.batch(0, 0, n, resolution, device)
        for _ in range(2 * preset.rounds):
            clock.time("input, folder", from_folder)
            clock.time("input, packed", lambda: [data.train.batch(0, i * n, n, resolution, device) for i in range(20)])
    return clock.median("input, folder") / (clock.median("input, packed") / 20)


def time_generation(clock: Clock, preset: Preset, device: torch.device, resolution: int = 64) -> float:
    """Images per second of generate() (fp32, fixed blocks)."""
    G = make_trainer(preset, resolution, device).state.G_ema
    labels, seeds = torch.zeros(64, dtype=torch.int64), torch.arange(64)
    clock.time("generation", lambda: generate(G, labels, seeds), warm=True)
    clock.time("generation", lambda: generate(G, labels, seeds))
    return 64 / clock.median("generation")


def memory(contender: str, resolution: int, preset: Preset) -> float:
    """Peak RSS of two iterations in a process of its own, MB."""
    command = [sys.executable, "-m", "benchmarks.train_step", "--memory", contender, "--resolution", str(resolution)]
    name = next(name for name, p in PRESETS.items() if p is preset)
    done = subprocess.run([*command, "--preset", name], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def run_for_memory(contender: str, resolution: int, preset: Preset) -> None:
    if contender == "reference":
        plain, batch = make_reference(preset, resolution), random_batch(preset.batches[resolution], resolution)
        for _ in range(2):
            plain.step(*batch)
    else:
        trainer = make_trainer(preset, resolution, torch.device("cpu"), *([fp32] if contender == "fp32" else []))
        for penalised in (True, False, True):
            step(trainer, penalised)
    print(peak_rss_mb())


def ablate(clock: Clock, preset: Preset, device: torch.device) -> dict[str, float]:
    """For each lever: time of the step without it over the time with all, in turns."""
    r = preset.compared
    whole = make_trainer(preset, r, device)
    out = {}
    for lever, without in LEVERS.items():
        other = make_trainer(preset, r, device, without)
        for turn in range(preset.rounds + 1):
            time_step(clock, f"all levers, beside {lever}", whole, warm=turn == 0)
            time_step(clock, f"without {lever}", other, warm=turn == 0)
        seconds = mean_seconds(clock, f"without {lever}", other.config.loss.penalty_interval)
        out[lever] = seconds / mean_seconds(clock, f"all levers, beside {lever}", whole.config.loss.penalty_interval)
    return out


def table(result: dict[str, Any]) -> list[str]:
    lines = [f"{k}: {v}" for k, v in result["machine"].items()]
    lines += ["", f"{'call':42}{'median s':>10}{'min':>9}{'max':>9}{'CPU s':>9}"]
    lines += [
        f"{name:42}{t['seconds']:10.4f}{t['min']:9.4f}{t['max']:9.4f}{t['cpu_seconds']:9.4f}"
        for name, t in result["times"].items()
    ]
    lines += ["", f"{'step':14}{'images/s':>10}{'GFLOP/image':>13}{'GFLOP/s':>10}{'conv3x3':>10}{'share':>8}"]
    lines += [
        f"{name:14}{s['images_per_second']:10.2f}{s['gflop_per_image']:13.1f}{s['gflops']:10.1f}"
        f"{s['conv_gflops']:10.1f}{s['share']:8.2f}"
        for name, s in result["steps"].items()
    ]
    lines += ["", "ratios"] + [f"  {k:38}{v:8.3f}" for k, v in result["ratios"].items()]
    if "ablation" in result:
        lines += ["", "time without the lever / with it"] + [f"  {k:38}{v:8.3f}" for k, v in result["ablation"].items()]
    lines += ["", *(f"{k}: {v:.1f}" for k, v in result["other"].items()), f"took {result['seconds']:.0f} s"]
    return lines


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.train_step", description=__doc__.splitlines()[0])
    p.add_argument("--preset", choices=tuple(PRESETS), default="cpu")
    p.add_argument("--json", metavar="FILE", help="write the result there as well")
    p.add_argument("--ablate", action="store_true", help="a row for each lever")
    p.add_argument("--memory", choices=("bf16", "fp32", "reference"), help=argparse.SUPPRESS)
    one_size.add_arguments(p)
    args = p.parse_args(argv)
    preset = PRESETS[args.preset]
    if args.memory:
        run_for_memory(args.memory, args.resolution, preset)
        return 0
    if args.resolution:
        if reason := one_size.why_not(args):
            p.error(reason)
        print("\n".join(one_size.table(args, one_size.run(args))))
        return 0
    if args.preset == "gpu" and not torch.cuda.is_available():
        p.error("--preset gpu: no CUDA device here; use --preset cpu")
    result = measure(preset, torch.device("cuda" if args.preset == "gpu" else "cpu"), args.ablate)
    print("\n".join(table(result)))
    if args.json:
        Path(args.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


def measure(preset: Preset, device: torch.device, with_ablation: bool) -> dict[str, Any]:
    """All of it; see docs/performance.md for what the numbers mean."""
    start, clock = time.monotonic(), Clock(device)
    machine = describe(device)
    ratios = compare(clock, preset, device)
    result: dict[str, Any] = {"machine": machine, "ratios": ratios}
    others = [r for r in preset.batches if r != preset.compared] if device.type == "cpu" else list(preset.batches)
    result["steps"] = shares(clock, preset, device, others)
    if "64 px, bf16" in result["steps"]:
        ratios["calibration_share_64"] = result["steps"]["64 px, bf16"]["share"]
    if "64 px, fp32" in result["steps"]:
        ratios["calibration_share_64_fp32"] = result["steps"]["64 px, fp32"]["share"]
    ratios["packed_over_folder_64"] = time_input(clock, preset, device)
    result["other"] = {"generation_images_per_second": time_generation(clock, preset, device)}
    if device.type == "cpu":
        peaks = {name: memory(name, preset.compared, preset) for name in ("bf16", "fp32", "reference")}
        ratios["peak_rss_over_reference"] = max(peaks["bf16"], peaks["fp32"]) / peaks["reference"]
        result["other"] |= {f"peak_rss_mb.{name}": value for name, value in peaks.items()}
    if with_ablation:
        result["ablation"] = ablate(clock, preset, device)
    return result | {"times": clock.rows(), "seconds": time.monotonic() - start}


if __name__ == "__main__":
    sys.exit(main())
