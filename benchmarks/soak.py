"""A training that is killed again and again ends like one that never was: SIGKILL at random moments, then on.

    python -m benchmarks.soak [--kills 100] [--minutes 0] [--seed 0] [--architecture stylegan1 stylegan2]

Each run is tiny, has ADA, and writes a checkpoint every 24 images, so that many kills meet one in the making. A run
that came to its end is compared with the uninterrupted one bit for bit: networks, moments, average, ADA.

--minutes: then one run goes on for so long. For two thirds of it the run is ended by SIGKILL, SIGTERM and SIGHUP in
turn and started again; for the last third it is left alone. Memory, open files and the files of its folder are printed
as they go, and have to stay flat. Exit 1 if a run differs, does not go on, or does not stay flat.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from progan_style.checkpoint import load_state
from progan_style.training.runlog import read_log

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


# ------------------------------------------------------------------------------------------------------ flat or not


@dataclass(frozen=True)
class Sample:
    """What a training holds at one moment, and what lies in its folder."""

    minutes: float
    starts: int
    images: int
    megabytes: float  # resident
    open_files: int
    files: int


ENDS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
FLAT = {"megabytes": 1.1, "open_files": 1.0, "files": 1.0}  # the last third to the first third, at most
GATHER = ("tensorboard", "samples")  # a file for each start, and for each picture
LONG = ("schedule.hold_kimg={8: 0.4, 16: 100000}", "training.grid_kimg=1000000")  # a run without an end


def sample(process: "subprocess.Popen[str]", run: Path, begun: float, starts: int) -> Sample:
    """Linux alone says so much of another process."""
    proc = Path(f"/proc/{process.pid}")
    pages = int((proc / "statm").read_text(encoding="ascii").split()[1])
    images = max((line["nimg"] for line in read_log(run)), default=0)
    held = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    files = sum(path.is_file() for path in run.rglob("*") if path.parent.name not in GATHER)
    return Sample((time.monotonic() - begun) / 60, starts, images, held, len(list((proc / "fd").iterdir())), files)


def rises(samples: Sequence[Sample]) -> list[str]:
    """What is higher in the last third of the samples than it may be."""
    third = len(samples) // 3
    if third < 1:
        return ["too few samples to say whether it stays flat"]
    found = []
    for name, most in FLAT.items():
        first, last = (median(getattr(s, name) for s in part) for part in (samples[:third], samples[-third:]))
        if last > most * first:
            found.append(f"{name} from {first:.0f} to {last:.0f}")
    return found


def go_on(minutes: float, chance: random.Random, folder: Path, tell: Callable[[Sample], None]) -> list[str]:
    """What was wrong with a run that goes on for so long."""
    run, begun = folder / "long", time.monotonic()
    words = command("stylegan2", run, folder / "cache") + [word for text in LONG for word in ("--set", text)]
    wrong: list[str] = []
    restarts: list[Sample] = []
    alone: list[Sample] = []
    starts, seen = 0, 0

    def after(share: float) -> bool:
        return time.monotonic() - begun > 60 * minutes * share

    while not after(1.0):
        starts += 1
        process = start(words)
        lines = chance.randint(2, 12)
        last, first = after(2 / 3), -1
        told = time.monotonic()
        while process.poll() is None and not after(1.0):
            time.sleep(1.0)
            if not (run / "checkpoint.pt").is_file():
                continue
            try:
                now = sample(process, run, begun, starts)
            except OSError:  # it has just ended, or the log is being cut back
                continue
            first = now.images if first < 0 else first
            if last and time.monotonic() - told > 10 and now.images >= first + 160:  # it has settled
                told = time.monotonic()
                alone.append(now)
                tell(now)
            elif not last and now.images >= seen + 16 * lines:
                restarts.append(now)
                tell(now)
                seen = now.images
                break
        end = signal.SIGTERM if after(1.0) else ENDS[starts % len(ENDS)]
        process.send_signal(end)
        _, said = process.communicate()
        if process.returncode not in (-end, 128 + end):
            wrong.append(f"start {starts}: {(said.strip().splitlines() or ['no word'])[-1]}")
            break
    counts = [line["nimg"] for line in read_log(run) if "loss_d" in line]
    if counts != sorted(set(counts)):
        wrong.append("the log's lines stand twice or in disorder")
    for what, samples in (("over restarts", restarts), ("in one life", alone)):
        wrong += [f"{what}: {rise}" for rise in rises(samples[1:])]  # the first holds less than a settled one
    return wrong


def say(s: Sample) -> None:
    print(f"{s.minutes:7.1f} {s.starts:7} {s.images:8} {s.megabytes:5.0f} {s.open_files:11} {s.files:17}", flush=True)


def main(argv: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.splitlines()[0])
    p.add_argument("--kills", type=int, default=100, metavar="N", help="of each architecture (default: %(default)s)")
    p.add_argument("--minutes", type=float, default=0.0, metavar="M", help="of the run that goes on (default: 0)")
    p.add_argument("--seed", type=int, default=0, metavar="S", help="of the moments (default: %(default)s)")
    p.add_argument("--architecture", nargs="+", choices=tuple(OF), default=list(OF))
    args = p.parse_args(argv)
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for architecture in args.architecture if args.kills else ():
            made, ended, wrong = soak(architecture, args.kills, random.Random(args.seed), Path(folder))
            told = "all equal to the uninterrupted one" if not wrong else "WRONG: " + "; ".join(wrong)
            print(f"{architecture}: {made} kills, {ended} runs to their end: {told}", flush=True)
            bad += len(wrong)
        if args.minutes:
            print("minutes  starts   images    MB  open files  files of the run")
            wrong = go_on(args.minutes, random.Random(args.seed), Path(folder), say)
            print("flat" if not wrong else "WRONG: " + "; ".join(wrong), flush=True)
            bad += len(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
