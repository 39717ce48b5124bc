"""Time the training step on one process and on several, one thread each, at the same global batch.

    python -m benchmarks.ranks [--ranks 2] [--resolution 64] [--batch 32] [--widths 2048 64]

One and several take turns; processes are started by torchrun and talk over gloo.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import replace

import torch

from benchmarks.machine import Clock, describe
from benchmarks.train_step import PRESETS, Preset, make_trainer, mean_seconds, time_step
from progan_style import distributed


def preset_of(args: argparse.Namespace) -> Preset:
    base, most = args.widths
    return replace(PRESETS["cpu"], batches={args.resolution: args.batch}, widths=(base, most), rounds=4)


def work(args: argparse.Namespace) -> None:
    """What each process does; the first prints seconds per iteration and the bytes of an exchange."""
    torch.set_num_threads(1)
    distributed.start()
    preset, clock = preset_of(args), Clock(torch.device("cpu"))
    trainer = make_trainer(preset, args.resolution, torch.device("cpu"))
    for turn in range(preset.rounds + 1):
        time_step(clock, "step", trainer, warm=turn == 0)
    parameters = sum(p.numel() for network in (trainer.state.G, trainer.state.D) for p in network.parameters())
    seconds = mean_seconds(clock, "step", trainer.config.loss.penalty_interval)
    distributed.say(json.dumps({"seconds": seconds, "gradient_mb": parameters * 4 / 1e6}))
    distributed.stop(together=True)


def measure(ranks: int, argv: list[str]) -> dict[str, float]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
    done = subprocess.run(
        [*command, "-m", "benchmarks.ranks", "--worker", *argv],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    p = argparse.ArgumentParser(prog="python -m benchmarks.ranks", description=__doc__.splitlines()[0])
    p.add_argument("--ranks", type=int, default=2)
    p.add_argument("--resolution", type=int, default=64)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--widths", type=int, nargs=2, default=(2048, 64), metavar=("BASE", "MAX"))
    p.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = p.parse_args(argv)
    if args.worker:
        work(args)
        return 0
    machine = describe(torch.device("cpu"))
    rows = [(measure(1, argv), measure(args.ranks, argv)) for _ in range(3)]
    one, many = (statistics.median(row[i]["seconds"] for row in rows) for i in (0, 1))
    result = {
        "machine": machine | {"threads": 1},
        "ranks": args.ranks,
        "seconds": {"one": one, "many": many},
        "gradient_mb": rows[0][0]["gradient_mb"],
        "speedup": one / many,
        "speedups": [a["seconds"] / b["seconds"] for a, b in rows],
    }
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
