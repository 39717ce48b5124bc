"""Whether growing shakes D: Loss_D right after a growth step against the hold before it.

    python -m benchmarks.growth SEED... [--set KEY=VALUE] [--json FILE]

Grows 8 -> 16 -> 32 on the built-in phantoms by configs/cpu.yaml, up to a fifth of the last fade, and takes Loss_D of
each step. For each growth step: the median over the first 2 % of the fade, less the median over the last 10 % of the
hold before, in units of that part's IQR; stable is within 3. Beside it the farthest 2 % window of the first fifth of
the fade. The control grows without faded reals and keeps the optimisers' moments; where it stays within 3 as well, the
check is blind. Both arms see the same images in the same order. docs/experiments/growth.md holds the table.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from progan_style import Condition, Config, Dataset, Trainer, load_config, load_data
from progan_style.training.schedule import Stage

CONFIG = Path(__file__).parents[1] / "configs" / "cpu.yaml"
FIRST, LAST, SEEN = 0.02, 0.10, 0.2  # shares of a fade, of a hold, of a fade
LIMIT = 3.0  # IQR


class Unfaded(Trainer):
    """Grows as systems do that report spikes: sharp reals from the start, moments of the resolution before."""

    def step(self, images: torch.Tensor, labels: torch.Tensor | Condition) -> dict[str, torch.Tensor]:
        self.state.moments_of = self.schedule.at(self.state.nimg).resolution
        with mock.patch("progan_style.training.step.fade_reals", lambda reals, alpha: reals):
            return super().step(images, labels)


ARMS: dict[str, type[Trainer]] = {"as it is": Trainer, "control": Unfaded}


def losses(make: type[Trainer], config: Config, data: Dataset) -> dict[int, float]:
    """Images seen before a step -> Loss_D of that step, up to a fifth of the last fade."""
    trainer = make(config, data)
    last, out = trainer.schedule.stages[-1], {}
    while trainer.state.nimg < last.start + SEEN * last.fade:
        nimg, phase = trainer.state.nimg, trainer.schedule.at(trainer.state.nimg)
        terms = trainer.step(*data.batch(config.seed, *trainer.share(phase), phase.resolution, trainer.state.device))
        out[nimg] = sum(float(v) for key, v in terms.items() if key.startswith("D/"))
    return out


def jumps(loss: dict[int, float], before: Stage, grown: Stage) -> dict[str, float]:
    """One growth step, in IQR of the hold before: the first 2 % of the fade, the farthest 2 % of its first fifth."""

    def part(start: float, end: float) -> list[float]:
        return [value for nimg, value in loss.items() if start <= nimg < end]

    hold = before.end - before.start - before.fade
    level = part(before.end - LAST * hold, before.end)
    low, middle, high = np.percentile(level, (25, 50, 75))
    width = FIRST * grown.fade
    windows = [part(grown.start + i * width, grown.start + (i + 1) * width) for i in range(round(SEEN / FIRST))]
    assert len(level) >= 4 and all(windows), "too few steps in a tenth of a hold or in 2 % of a fade: longer stages"
    away = [float((np.median(window) - middle) / max(high - low, 1e-12)) for window in windows]
    return {
        "hold": float(middle),
        "iqr": float(high - low),
        "steps": len(windows[0]),
        "first": away[0],
        "farthest": max(away, key=abs),
    }


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    p.add_argument("seeds", nargs="+", type=int, metavar="SEED")
    p.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change one value; repeatable")
    p.add_argument("--json", metavar="FILE")
    args = p.parse_args(argv)

    torch.set_num_threads(1)
    short = ["schedule.resolutions=[8,16,32]", "schedule.hold_kimg={8: 30, 16: 20, 32: 0}", "threads=1"]
    config = load_config(overlay=CONFIG, overrides=[*short, *args.set])
    data = load_data(config, config.schedule.resolutions[-1]).train
    rows = []
    print("seed  growth     arm       hold's Loss_D, IQR  first 2 %     farthest 2 %")
    for seed in args.seeds:
        config = config.model_copy(update={"seed": seed})
        stages = Trainer(config, data).schedule.stages
        seen = {arm: losses(make, config, data) for arm, make in ARMS.items()}
        for before, grown in pairwise(stages):
            rows += [
                {"seed": seed, "from": before.resolution, "to": grown.resolution, "arm": arm}
                | jumps(loss, before, grown)
                for arm, loss in seen.items()
            ]
            for row in rows[-len(ARMS) :]:
                where = f"{row['from']:>3} -> {row['to']:<3}"
                far = f"{row['first']:+8.2f} IQR  {row['farthest']:+8.2f} IQR"
                print(f"{seed:<5} {where} {row['arm']:<9} {row['hold']:9.3f} {row['iqr']:9.3f}  {far}", flush=True)
            for key, what in (("first", "the check"), ("farthest", "the farthest window")):
                control = abs(rows[-1][key])
                sees = "sees the control" if control > LIMIT else "is blind: the control stays within 3 IQR"
                stable = "stable" if abs(rows[-2][key]) <= LIMIT else "not stable"
                print(f"      {what}: {stable}; it {sees}", flush=True)
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
