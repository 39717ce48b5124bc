"""Has the training diverged, and can it go back? The watchdog reads the log's statistics, one line after the other.

It is pure: no tensor, no file, no clock. It knows no loss either. The three signs, and where their limits come from:

    not finite       any statistic; at once
    D's margin       |mean D(real) - mean D(fake)| > 4 R at R pixels. The largest distance of two images in [-1, 1] is
                     2 R, and a WGAN critic of slope 1 cannot part them by more; the factor of two is for slopes that
                     overshoot. For the logits of the other losses it is 32 or more, where every probability of D is
                     0 or 1 in float32 and nothing is left to learn from.
    gradient norms   of D or G, above 100 times the median of the healthy lines before

Margins and gradients must be so in two lines in a row: Adam's steps do not grow with the gradient, so that a single
wild step passes. What healthy and diverged runs measure: docs/experiments/divergence.md.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from progan_style.checkpoint import PREVIOUS, images_of, load_state
from progan_style.run import WEIGHTS, stage_dir

MARGIN_PER_PIXEL = 4.0
GRADIENT_FACTOR = 100.0
GRADIENTS = {"grad_d": "D's", "grad_g": "G's"}
LINES_KEPT = 64  # of the healthy lines, for the median
LINES_NEEDED = 4  # before a gradient can be called large; the first lines have only the other signs
PATIENCE = 2  # lines in a row
ROLLBACKS = 2
SLOWER = 0.5  # what a rollback multiplies the learning rates by


class Watchdog:
    """Its memory is a few numbers, which travel in the checkpoint."""

    def __init__(self) -> None:
        self.gradients: dict[str, list[float]] = {key: [] for key in GRADIENTS}  # of the healthy lines
        self.good = 0  # images seen at the last healthy line: what was saved up to there is good
        self.doubts = 0  # lines in a row since then
        self.rollbacks = 0
        self.rate = 1.0  # what the learning rates of all stages are multiplied by

    def look(self, numbers: Mapping[str, float], resolution: int, nimg: int) -> str | None:
        """The means of a line of the log, at `nimg` images -> what was seen if the run has diverged, else None."""
        if fault := not_finite(numbers):
            return fault
        fault = self._suspicion(numbers, resolution)
        if fault is None:
            self.good, self.doubts = nimg, 0
            for key, values in self.gradients.items():
                values.append(numbers[key])
                del values[:-LINES_KEPT]
            return None
        self.doubts += 1
        return f"{fault}, in {self.doubts} lines of the log in a row" if self.doubts >= PATIENCE else None

    def _suspicion(self, numbers: Mapping[str, float], resolution: int) -> str | None:
        limit = MARGIN_PER_PIXEL * resolution
        if abs(numbers["margin"]) > limit:
            return f"D's margin (mean D(real) - mean D(fake)) is {numbers['margin']:.3g}, beyond {limit:g}"
        for key, whose in GRADIENTS.items():
            before = self.gradients[key]
            if len(before) >= LINES_NEEDED and numbers[key] > GRADIENT_FACTOR * median(before):
                return f"{whose} gradient norm is {numbers[key]:.3g}, after {median(before):.3g} in the median"
        return None

    def went_back(self, rollbacks: int, nimg: int) -> None:
        """The run goes on from a good checkpoint of `nimg` images, for the `rollbacks`-th time."""
        self.rollbacks, self.good, self.doubts = rollbacks, nimg, 0
        self.rate = SLOWER**rollbacks

    def state(self) -> dict[str, Any]:
        return {
            "gradients": {key: list(values) for key, values in self.gradients.items()},
            "good": self.good,
            "doubts": self.doubts,
            "rollbacks": self.rollbacks,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self.gradients = {key: list(state["gradients"][key]) for key in GRADIENTS}
        self.good, self.doubts, self.rollbacks = state["good"], state["doubts"], state["rollbacks"]
        self.rate = SLOWER**self.rollbacks


def not_finite(numbers: Mapping[str, float]) -> str | None:
    """Which statistics are not finite, in words; None if all are."""
    names = [key for key, value in numbers.items() if not math.isfinite(value)]
    return f"not finite: {', '.join(names)}" if names else None


# ---------------------------------------------------------------- going back


def last_good(path: Path, watchdog: Watchdog) -> tuple[str, dict[str, Any] | None]:
    """The newer of a run's two checkpoints that is from before the watchdog's doubts: its name, state ("", None)."""
    saved = ((p, load_state(p)) for p in (path, path.with_name(PREVIOUS)) if p.exists())
    return next(((p.name, state) for p, state in saved if state["nimg"] <= watchdog.good), ("", None))


def cannot_go_back(
    on_divergence: str, watchdog: Watchdog, name: str, state: Mapping[str, Any] | None, resolution: int
) -> str | None:
    """Why a run that diverged ends, with what to do, as the end of a message; None if it may go back to `state`."""
    again = watchdog.rollbacks >= ROLLBACKS
    if on_divergence != "stop" and state is not None and not again:
        return None
    kept = f"{name} of {state['nimg']} images is from before" if state else "no checkpoint is from before it"
    advice = {PREVIOUS: " (rename it to checkpoint.pt to go on from it)", "": ": begin again with another --run"}
    kept += advice.get(name, "")
    return (
        (f", after {ROLLBACKS} rollbacks" if again else "")
        + f"; {kept}. Lower schedule.lr_g.{resolution} and schedule.lr_d.{resolution}, or raise "
        + f"schedule.r1_gamma.{resolution}, with --set"
    )


def drop_later(run_dir: Path, sizes: Iterable[int], nimg: int, best: dict[int, float]) -> None:
    """Take away the averages of a run that were made after `nimg` images, on a way that is not gone on with.

    best: lowest KID by size; one whose average goes is forgotten, so that the next evaluation keeps one again.
    """
    for r in sizes:
        for kind, name in WEIGHTS.items():
            path = stage_dir(run_dir, r) / name
            if path.exists() and images_of(path) > nimg:
                path.unlink()
                if kind == "best":
                    best.pop(r, None)
