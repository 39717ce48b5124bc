"""A training that is killed again and again ends like one that never was: SIGKILL at random moments, then on.

    python -m benchmarks.soak [--kills 100] [--minutes 0] [--seed 0] [--architecture stylegan1 stylegan2]

Each run is tiny, has ADA, and writes a checkpoint every 24 images, so that many kills meet one in the making. A run
that came to its end is compared with the uninterrupted one bit for bit: networks, moments, average, ADA. Its processes
are forks of one that has imported all modules: the time in which nothing can be lost is not waited for.

--minutes: then one run goes on for so long. For two thirds of it the run is ended by SIGKILL, SIGTERM and SIGHUP in
turn and started again; for the last third it is left alone. Memory, open files and the files of its folder are printed
as they go, and have to stay flat. Exit 1 if a run differs, does not go on, or does not stay flat.
"""

import argparse
import multiprocessing
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

import progan_style_cli
from progan_style import load_config, load_data
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
    "schedule.fade_kimg={8: 0, 16: 0.2}",
    "schedule.hold_kimg={8: 0.2, 16: 0.2}",
    "schedule.batch_size={8: 8, 16: 8}",
]
OF = {"stylegan1": STAGES, "stylegan2": [*STAGES, "loss.path_length=2.0"]}


# Loaded once, before the first fork: a training and what it loads as it goes
LOADED = ["progan_style_cli", "analysis.evaluation", "progan_style.data.loading", "progan_style.training.forecast",
          "progan_style.training.board", "tensorboard.compat.tensorflow_stub.io.gfile", "torch._dynamo",
          "matplotlib.backends.backend_agg", "matplotlib.figure"]  # fmt: skip


def settings_of(architecture: str, cache: Path) -> list[str]:
    return [f"network.name={architecture}", *OF[architecture], *SETTINGS, f"data.cache={cache}"]


def words_of(run: Path, settings: Sequence[str]) -> list[str]:
    """What stands behind train.py."""
    return ["--run", str(run), *(word for text in settings for word in ("--set", text))]


def last_word(told: str) -> str:
    return (told.strip().splitlines() or ["no word"])[-1]


def train(words: Sequence[str], errors: Path) -> None:
    """In a process of its own: what `python train.py` does after its imports."""
    for number, name in ((1, os.devnull), (2, os.fspath(errors))):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    sys.exit(progan_style_cli.main(words))


class Forks:
    """Trainings that begin at once."""

    def __init__(self, folder: Path):
        os.environ["OMP_NUM_THREADS"] = "1"
        self.context, self.errors = multiprocessing.get_context("forkserver"), folder / "errors"
        self.context.set_forkserver_preload(LOADED)

    def run(self, words: Sequence[str], limit: float | None = None) -> bool:
        """Whether it came to its end before it was killed, after `limit` seconds; None lets it be.

        Raises RuntimeError with its last words if it ended badly.
        """
        process = self.context.Process(target=train, args=(words, self.errors))
        process.start()
        process.join(limit)
        if ended := process.exitcode is not None:
            if process.exitcode:
                raise RuntimeError(last_word(self.errors.read_text(encoding="utf-8", errors="replace")))
        else:
            process.kill()
            process.join()
        process.close()
        return ended


def differences(a: Any, b: Any, where: str = "") -> list[str]:
    """Where two states differ."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [found for key in a for found in differences(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        return [found for i, pair in enumerate(zip(a, b, strict=True)) for found in differences(*pair, f"{where}.{i}")]
    same = torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b
    return [] if same else [where]


def soak(
    architecture: str, kills: int, chance: random.Random, folder: Path, more: Sequence[str] = ()
) -> tuple[int, int, list[str]]:
    """Kills made, runs that came to their end, what was wrong. more: settings."""
    forks, settings = Forks(folder), [*settings_of(architecture, folder / "cache"), *more]
    load_data(load_config(overrides=settings), 16, progress=False)  # draws the phantoms
    made, ended = 0, 0
    wrong: list[str] = []
    run = folder / f"{architecture}-whole"
    try:
        forks.run(["--help"])  # begins the process that is forked
        begun = time.monotonic()
        forks.run(words_of(run, settings))
        seconds, expected = time.monotonic() - begun, load_state(run / "checkpoint.pt")
        while made < kills and not wrong:
            run = folder / f"{architecture}-{ended}"
            while not forks.run(words_of(run, settings), chance.uniform(0, seconds / 2) if made < kills else None):
                made += 1
            ended += 1
            wrong += [f"{run.name}: {found}" for found in differences(expected, load_state(run / "checkpoint.pt"))[:3]]
    except RuntimeError as error:
        wrong.append(f"{run.name}: {error}")
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
# A run without an end, whose first start comes to the last stage: the files of a stage are no leak
LONG = ("schedule.fade_kimg={8: 0, 16: 0.016}", "schedule.hold_kimg={8: 0.016, 16: 100000}",
        "training.grid_kimg=1000000")  # fmt: skip


def start(words: list[str]) -> "subprocess.Popen[str]":
    """A training as a user starts it."""
    return subprocess.Popen(
        [sys.executable, "train.py", *words],
        cwd=REPO,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


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
    ends = [end for end in ENDS if signal.getsignal(end) is not signal.SIG_IGN]  # under nohup nobody hears SIGHUP
    words = words_of(run, [*settings_of("stylegan2", folder / "cache"), *LONG])
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
        end = signal.SIGTERM if after(1.0) else ends[starts % len(ends)]
        process.send_signal(end)
        _, said = process.communicate()
        if process.returncode not in (-end, 128 + end, 130):  # 130: before its first step
            wrong.append(f"start {starts}: {last_word(said)}")
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
