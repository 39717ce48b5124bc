"""The training step at one resolution, alone or in turns with that of another work tree.

    python -m benchmarks.train_step --resolution 256 [--beside TREE] [--widths 2048 64] [--batch 16] [--threads 1]
                                    [--precision fp32] [--loss relativistic] [--rounds 5]

Each round is a process of its own: a warm-up, then plain and penalised steps; their medians count, weighted by the lazy
interval. With --beside the two trees take turns, and each round has its ratio: the other tree's time over this one's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

from progan_style import memory
from progan_style.files import size_in_words
from progan_style.training.losses import LOSSES

TOP = Path(__file__).resolve().parents[1]
RESOLUTIONS = (8, 16, 32, 64, 128, 256)
TIMED = {"plain": 4, "penalised": 2}  # steps of a round
BASE_BYTES = 400 * 2**20  # what the process holds without images


def add_arguments(p: argparse.ArgumentParser) -> None:
    p.add_argument("--resolution", type=int, choices=RESOLUTIONS, help="the step at this size alone")
    alone = p.add_argument_group("with --resolution")
    alone.add_argument("--beside", metavar="TREE", type=Path, help="another work tree, timed in turns with this one")
    alone.add_argument("--widths", type=int, nargs=2, default=(2048, 64), metavar=("BASE", "MAX"))
    alone.add_argument("--batch", type=int, default=16, metavar="N")
    alone.add_argument("--threads", type=int, default=1, metavar="N")
    alone.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="fp32")
    alone.add_argument("--loss", default="relativistic")
    alone.add_argument("--rounds", type=int, default=5, metavar="N")


def why_not(args: argparse.Namespace) -> str:
    """What forbids to run, in one line; "" if nothing does."""
    if args.batch < 4 or args.batch % 4:
        return f"--batch: expected a multiple of 4 (groups of the minibatch deviation), got {args.batch}"
    if args.loss not in LOSSES:
        return f"--loss: expected {', '.join(LOSSES)}, got {args.loss}"
    if args.beside and not (args.beside / "benchmarks" / "train_step.py").is_file():
        return f"--beside: expected a work tree of this project, got {args.beside}"
    base, most = args.widths
    image = memory.bytes_of_image("stylegan1", base, most, args.resolution)
    free = memory.free_bytes()
    if free is None or BASE_BYTES + args.batch * image <= free:
        return ""
    fits = memory.largest_batch(free - BASE_BYTES, image)
    return (
        f"--batch: {args.batch} images at {args.resolution} px take about "
        f"{size_in_words(BASE_BYTES + args.batch * image)} and {size_in_words(free)} are free; "
        + (f"expected at most {fits}" if fits else "not even 4 fit; expected narrower --widths")
    )


def run(args: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """All rounds of this tree and of the one beside it."""
    trees = {"this": TOP} | ({"beside": args.beside.resolve()} if args.beside else {})
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in trees}
    for _ in range(args.rounds):
        for name, tree in trees.items():
            rounds[name].append(one_round(args, tree))
    return rounds


def one_round(args: argparse.Namespace, tree: Path) -> dict[str, float]:
    asked = {key: getattr(args, key) for key in ("resolution", "widths", "batch", "threads", "precision", "loss")}
    done = subprocess.run(  # this file, and the packages of that tree
        [sys.executable, str(Path(__file__).resolve()), json.dumps(asked)],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{tree}: {(done.stderr.strip().splitlines() or ['no word'])[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


def work(resolution: int, widths: list[int], batch: int, threads: int, precision: str, loss: str) -> dict[str, float]:
    """A round, in this process: seconds of both kinds of step and the peak of its memory."""
    import torch

    from benchmarks.machine import Clock, peak_rss_mb
    from benchmarks.train_step import Preset, make_trainer, step

    torch.set_num_threads(threads)
    preset = Preset({resolution: batch}, resolution, rounds=1, widths=(widths[0], widths[1]))
    device = torch.device("cpu")
    overrides = (f"training.precision={precision}", f"loss.name={loss}")
    trainer, clock = make_trainer(preset, resolution, device, overrides=overrides), Clock(device)
    for warm in (True, False):
        for kind, times in TIMED.items():
            for _ in range(1 if warm else times):
                clock.time(kind, partial(step, trainer, kind == "penalised"), warm)
    interval = trainer.config.loss.penalty_interval
    plain, penalised = (clock.median(kind) for kind in TIMED)
    mean = ((interval - 1) * plain + penalised) / interval
    return {"plain": plain, "penalised": penalised, "mean": mean, "images": batch / mean, "peak_mb": peak_rss_mb()}


def table(args: argparse.Namespace, rounds: dict[str, list[dict[str, float]]]) -> list[str]:
    import torch

    base, most = args.widths
    lines = [
        f"{args.resolution} px, {args.batch} images, widths {base}/{most}, {args.precision}, {args.loss}, "
        f"{args.threads} thread(s), {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}",
        "",
    ]
    lines.append(
        f"{'median of ' + str(args.rounds):16}{'plain s':>10}{'penalised s':>13}{'images/s':>10}{'peak MB':>9}"
    )
    for name, rows in rounds.items():
        plain, penalised, images, peak = (
            statistics.median(row[key] for row in rows) for key in ("plain", "penalised", "images", "peak_mb")
        )
        lines.append(f"{name:16}{plain:10.3f}{penalised:13.3f}{images:10.2f}{peak:9.0f}")
    if "beside" in rounds:
        pairs = list(zip(rounds["beside"], rounds["this"], strict=True))
        for key, words in (("mean", "time beside / time here"), ("peak_mb", "peak here / peak beside")):
            ratios = [b[key] / a[key] if key == "mean" else a[key] / b[key] for b, a in pairs]
            each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
            lines.append(f"{words}: {statistics.median(ratios):.2f} ({each})")
    return lines


if __name__ == "__main__":
    print(json.dumps(work(**json.loads(sys.argv[1]))))
