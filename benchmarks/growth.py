"""What a growth step does to what a user sees, and which parts of it matter.

    python -m benchmarks.growth --arm NAME --seed N [--until SIZE] [--state FILE] [--set KEY=VALUE] --rows FILE
    python -m benchmarks.growth --table --rows FILE

Grows on the built-in phantoms by configs/cpu256.yaml with narrower networks and shorter stages. At shares of each fade
the averaged generator is measured: KID against fresh people, the power of its finest octave over that of the reals,
and D's margin (how far its logits hold reals and fakes apart) since the point before. Each arm takes one part of the
growth away; all arms see the same images in the same order. With --state a run goes on from the last size that it has
finished, and copies of one such file let arms differ in one growth step alone. docs/experiments/growth.md holds the
table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from progan_style import Condition, Config, Data, GrowthSchedule, Trainer, load_config, load_data
from progan_style.checkpoint import load_state, save_state
from progan_style.training.losses import Terms
from progan_style.training.state import NETWORKS

CONFIG = Path(__file__).parents[1] / "configs" / "cpu256.yaml"
SHORT = (
    "threads=1",
    "network.channel_base=1024",
    "network.channel_max=32",
    "schedule.hold_kimg={8: 20, 16: 20, 32: 20, 64: 20, 128: 20, 256: 20}",
    "schedule.batch_size={8: 64, 16: 64, 32: 32, 64: 32, 128: 16, 256: 16}",
)
SHARES = (0.0, 0.1, 0.25, 0.5, 1.0)  # of a fade; the end of the stage follows
GROWN, END = "0", "end"  # names of points
PERSONS, SLICES, POOL = 250, 500, 1  # held-out people, generated slices per class, which fresh people


class SharpReals(Trainer):
    """D sees the reals as they are, while the fakes fade."""

    def step(self, images: Tensor, labels: Tensor | Condition) -> Terms:
        with mock.patch("progan_style.training.step.fade_reals", lambda reals, alpha: reals):
            return super().step(images, labels)


class MomentsKept(Trainer):
    """The optimisers go on with the moments of the size before."""

    def step(self, images: Tensor, labels: Tensor | Condition) -> Terms:
        self.state.moments_of = self.schedule.at(self.state.nimg).resolution
        return super().step(images, labels)


def faded(config: Config, share: float) -> Config:
    """Fades of this share of their lengths, and no fade at 0; the stages end where they ended."""
    schedule = config.schedule
    fade, hold = {}, {}
    for stage in GrowthSchedule(**schedule.model_dump()).stages:  # each part of them is whole batches
        batch = schedule.batch_size[stage.resolution]
        length = round(share * stage.fade / batch) * batch
        fade[stage.resolution] = length / 1000
        hold[stage.resolution] = (stage.end - stage.start - length) / 1000
    return config.model_copy(update={"schedule": schedule.model_copy(update={"hold_kimg": hold, "fade_kimg": fade})})


ARMS: dict[str, tuple[type[Trainer], float]] = {  # how a step is made, the share of the fade
    "as-it-is": (Trainer, 1.0),
    "sharp-reals": (SharpReals, 1.0),
    "moments-kept": (MomentsKept, 1.0),
    "short-fade": (Trainer, 0.1),
    "no-fade": (Trainer, 0.0),
}

Measure = Callable[[Trainer], dict[str, float]]


def run(arm: str, config: Config, data: Data, measure: Measure, state: Path | None = None) -> Iterator[dict[str, Any]]:
    """Train to the end, yielding a row at each point: where it is, D's margin since the point before, `measure`.

    state: the file that holds the run at the end of each size, and that it goes on from where it is there.
    """
    make, share = ARMS[arm]
    due = points(Trainer(config, data.train).schedule)  # of the run as it is: all arms are measured at the same points
    trainer = make(faded(config, share), data.train)
    if state is not None and state.exists():
        fresh, kept = trainer.state.state_dict(), load_state(state)
        # A run to a smaller size has no blocks of the larger ones: they are new in either case
        trainer.state.load_state_dict(kept | {name: fresh[name] | kept[name] for name in NETWORKS})
        due = [p for p in due if p[1] > trainer.state.nimg or (p[1] == trainer.state.nimg and p[2] != END)]
    end = max((nimg for _, nimg, _ in due), default=0)
    while True:
        nimg = trainer.state.nimg
        for size, _, name in (point for point in due if point[1] == nimg):
            if name == END and state is not None:
                save_state(state, trainer.state.state_dict(), keep=False)
            row = {"arm": arm, "seed": config.seed, "to": size, "at": name, "nimg": nimg}
            if name != GROWN:
                row["margin"] = trainer.state.meter.means()["margin"]
            trainer.state.meter.clear()
            phase = trainer.schedule.at(nimg - 1 if name == END else nimg)
            trainer.state.G_ema.grow(phase.resolution, phase.alpha)
            yield row | measure(trainer)
        if nimg >= end:
            return
        trainer.step(*trainer.batch())


def points(schedule: GrowthSchedule) -> list[tuple[int, int, str]]:
    """Where to measure: the size that is grown to, images seen, and the share of the fade or END.

    The end of a stage stands before the beginning of the next, which is at the same count.
    """
    found = []
    for stage in schedule.stages[1:]:
        batch = schedule.at(stage.start).batch_size
        found += [(stage.resolution, stage.start + round(s * stage.fade / batch) * batch, f"{s:g}") for s in SHARES]
        found.append((stage.resolution, stage.end, END))
    return found


def measure_against(config: Config, data: Data) -> Measure:
    """KID by class and the power of the finest octave over the reals', each against fresh people at the same size."""
    from analysis import SOURCES, kid, train_judge, with_unseen_phantoms
    from analysis.pixels import finest_octave
    from analysis.slices import generated, real_part

    cache = config.data.cache
    judged = with_unseen_phantoms(data, config.schedule.resolutions[-1], PERSONS, cache, which=POOL)

    def measure(trainer: Trainer) -> dict[str, float]:
        G = trainer.state.G_ema
        images, labels, names = np.asarray(data.train.at(G.resolution)), data.train.labels, data.class_names
        judge = train_judge(images, labels, names, seed=0, cache=cache)
        reals, fakes = real_part(judged.test, G.resolution, True), generated(G, SLICES, 2**31)
        x, y = SOURCES["judge"](judge, reals), SOURCES["judge"](judge, fakes)
        kids = []
        for label in range(len(names)):
            a, b = x.take(x.labels == label), y.take(y.labels == label)
            kids.append(kid(a.features, b.features, a.subjects, b.subjects))
        return {
            "kid": statistics.fmean(kids),
            "octave": finest_octave(fakes.images, reals.images),
        }

    return measure


# ---------------------------------------------------------------- rows and their table


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each size, point and measure: each arm's mean over its seeds, and their values."""
    arms = [arm for arm in ARMS if any(row["arm"] == arm for row in rows)]
    lines = ["| to px | at | measure | " + " | ".join(arms) + " |", "|---" * (3 + len(arms)) + "|"]
    places = dict.fromkeys((row["to"], row["at"]) for row in rows)
    for to, at in places:
        for what in ("kid", "octave", "margin"):
            cells = []
            for arm in arms:
                here = (row for row in rows if (row["arm"], row["to"], row["at"]) == (arm, to, at))
                values = [row[what] for row in here if what in row]
                each = f" ({', '.join(f'{v:.3f}' for v in values)})" if len(values) > 1 else ""
                cells.append(f"{statistics.fmean(values):.3f}{each}" if values else "")
            lines.append(f"| {to} | {at} | {what} | " + " | ".join(cells) + " |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__.splitlines()[0])
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--arm", choices=tuple(ARMS))
    what.add_argument("--table", action="store_true", help="print the rows so far")
    p.add_argument("--seed", type=int, default=0, metavar="N")
    p.add_argument("--state", metavar="FILE", type=Path, help="holds the run at the end of each size, to go on from")
    p.add_argument("--until", type=int, default=64, metavar="SIZE")
    p.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change one value; repeatable")
    p.add_argument("--rows", metavar="FILE", type=Path, required=True, help="JSON lines, added to")
    args = p.parse_args(argv)
    if args.table:
        print("\n".join(table([json.loads(line) for line in args.rows.read_text(encoding="utf-8").splitlines()])))
        return 0
    sizes = [r for r in (8, 16, 32, 64, 128, 256) if r <= args.until]
    settings = [*SHORT, f"schedule.resolutions={sizes}", f"seed={args.seed}", *args.set]
    config = load_config(overlay=CONFIG, overrides=settings)
    torch.set_num_threads(1)
    data = load_data(config, args.until)
    for row in run(args.arm, config, data, measure_against(config, data), args.state):
        print("  ".join(f"{k}: {v:.4g}" if isinstance(v, float) else f"{k}: {v}" for k, v in row.items()), flush=True)
        with open(args.rows, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
