"""A training that is killed again and again ends like one that never was: SIGKILL at random moments, then on.

    python -m benchmarks.soak [--kills 100] [--seed 0] [--architecture stylegan1 stylegan2]

Each run is tiny, has ADA, and writes a checkpoint every 24 images, so that many kills meet one in the making. A run
that came to its end is compared with the uninterrupted one bit for bit: networks, moments, average, ADA. Exit 1 if one
differs or does not go on.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from progan_style.checkpoint import load_state

REPO = Path(__file__).parents[1]
SETTINGS = [
    *("network.z_dim=8", "network.w_dim=8", "network.mapping_depth=2", "network.channel_base=64"),
    *("network.channel_max=8", "augment.name=ada", "augment.half_time_kimg=0.2", "training.precision=fp32"),
    *("training.log_kimg=0.016", "training.grid_kimg=0.2", "training.checkpoint_kimg=0.024", "threads=1"),
    *("data.phantom.persons=20", "data.phantom.slices=1", "loss.penalty_interval=4"),
]
STAGES = [
    "schedule.resolutions=[8,16]",
    "schedule.fade_kimg={8: 0, 16: 0.4}",
    "schedule.hold_kimg={8: 0.4, 16: 0.4}",
    "schedule.batch_size={8: 8, 16: 8}",
]
OF = {"stylegan1": STAGES, "stylegan2": [*STAGES, "loss.path_length=2.0"]}


def command(architecture: str, run: Path, cache: Path) -> list[str]:
    settings = [f"network.name={architecture}", *OF[architecture], *SETTINGS, f"data.cache={cache}"]
    return [sys.executable, "train.py", "--run", str(run), *(word for s in settings for word in ("--set", s))]


def start(words: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        words,
        cwd=REPO,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(words: list[str]) -> float:
    """Seconds of an uninterrupted call. Raises RuntimeError with its last words if it fails."""
    begun = time.monotonic()
    process = start(words)
    _, told = process.communicate()
    if process.returncode:
        raise RuntimeError((told.strip().splitlines() or ["no word"])[-1])
    return time.monotonic() - begun


def differences(a: Any, b: Any, where: str = "") -> list[str]:
    """Where two states differ."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [found for key in a for found in differences(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return [found for i, pair in enumerate(zip(a, b, strict=True)) for found in differences(*pair, f"{where}.{i}")]
    same = torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b
    return [] if same else [where]


def soak(architecture: str, kills: int, chance: random.Random, folder: Path) -> tuple[int, int, list[str]]:
    """Kills made, runs that came to their end, what was wrong."""
    cache = folder / "cache"
    whole = folder / f"{architecture}-whole"
    finish(command(architecture, whole, cache))  # draws the phantoms
    seconds = finish(command(architecture, folder / f"{architecture}-timed", cache))
    expected = load_state(whole / "checkpoint.pt")
    made, ended = 0, 0
    wrong: list[str] = []
    while made < kills:
        run = folder / f"{architecture}-{ended}"
        while True:
            process = start(command(architecture, run, cache))
            try:
                _, told = process.communicate(timeout=chance.uniform(0.2 * seconds, 1.1 * seconds))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                made += 1
                continue
            break
        if process.returncode:
            return made, ended, [*wrong, f"{run.name}: {(told.strip().splitlines() or ['no word'])[-1]}"]
        ended += 1
        wrong += [f"{run.name}: {found}" for found in differences(expected, load_state(run / "checkpoint.pt"))[:3]]
    return made, ended, wrong


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    p.add_argument("--kills", type=int, default=100, metavar="N", help="of each architecture (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, metavar="S", help="of the moments (default: %(default)s)")
    p.add_argument("--architecture", nargs="+", choices=tuple(OF), default=list(OF))
    args = p.parse_args(argv)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for architecture in args.architecture:
            made, ended, wrong = soak(architecture, args.kills, random.Random(args.seed), Path(folder))
            told = "all equal to the uninterrupted one" if not wrong else "WRONG: " + "; ".join(wrong)
            print(f"{architecture}: {made} kills, {ended} runs to their end: {told}", flush=True)
            bad += len(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
