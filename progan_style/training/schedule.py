"""What is true at one moment of training, as a pure function of the number of images seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Phase:
    """All that changes over time, and nothing else."""

    resolution: int  # pixels per side
    alpha: float  # weight of the newest block, 0 (absent) .. 1 (faded in)
    batch_size: int
    lr_g: float
    lr_d: float
    r1_gamma: float
    label_weight: float = 1.0  # how much the label counts, 0 (unconditional) .. 1


@dataclass(frozen=True)
class Stage:
    """One resolution's part of the run, in images: fade from `start`, hold from `start + fade`, over at `end`."""

    resolution: int
    start: int
    fade: int
    end: int


class GrowthSchedule:
    """Stages from the first resolution to the last: each fades in, then holds (ProGAN, section 2).

    The tables map each resolution to its value; lengths are in kimg (thousands of images) and are rounded up to
    whole batches, so that stages end on whole batches. The first resolution has nothing to fade from. A first
    resolution equal to the last is training at fixed resolution.

    label_kimg: the label's weight rises from 0 to 1 between these two points of the run, in kimg (transitional
    conditioning, Shahbazi et al. 2022, arXiv 2201.06578); None: 1 from the first step.
    """

    def __init__(
        self,
        *,
        resolutions: tuple[int, ...],
        fade_kimg: Mapping[int, float],
        hold_kimg: Mapping[int, float],
        batch_size: Mapping[int, int],
        lr_g: Mapping[int, float],
        lr_d: Mapping[int, float],
        r1_gamma: Mapping[int, float],
        label_kimg: tuple[float, float] | None = None,
    ):
        self.label_kimg = label_kimg
        self.tables = {"batch_size": batch_size, "lr_g": lr_g, "lr_d": lr_d, "r1_gamma": r1_gamma}
        self.stages: list[Stage] = []
        start = 0
        for i, r in enumerate(resolutions):
            batch = batch_size[r]
            fade = whole_batches(fade_kimg[r], batch) if i else 0
            end = start + fade + max(whole_batches(hold_kimg[r], batch), batch)
            self.stages.append(Stage(r, start, fade, end))
            start = end

    def stage(self, nimg: int) -> Stage:
        """The stage that image number `nimg` belongs to; past the end, the last."""
        return next((s for s in self.stages if nimg < s.end), self.stages[-1])

    def stage_of(self, resolution: int) -> Stage:
        return next(s for s in self.stages if s.resolution == resolution)

    def at(self, nimg: int) -> Phase:
        """The phase of the step that starts at `nimg` images seen. alpha runs linearly from 0 over the fade."""
        s = self.stage(nimg)
        alpha = min(1.0, (nimg - s.start) / s.fade) if s.fade else 1.0
        now: dict[str, Any] = {name: table[s.resolution] for name, table in self.tables.items()}
        return Phase(resolution=s.resolution, alpha=alpha, label_weight=self._label_weight(nimg), **now)

    def _label_weight(self, nimg: int) -> float:
        if self.label_kimg is None:
            return 1.0
        begin, end = (1000 * kimg for kimg in self.label_kimg)
        return min(1.0, max(0.0, (nimg - begin) / (end - begin)))

    @property
    def total(self) -> int:
        """Images of the whole run."""
        return self.stages[-1].end


def whole_batches(kimg: float, batch_size: int) -> int:
    """kimg in images, rounded up to a multiple of the batch size."""
    return -(-round(kimg * 1000) // batch_size) * batch_size


# ------------------------------------------------------------------------------------ what the image count decides


def last_phase(schedule: GrowthSchedule, nimg: int) -> Phase:
    """The phase of the step that ended at `nimg` images; before the first step, of the first."""
    n = schedule.at(max(nimg - 1, 0)).batch_size
    return schedule.at(max(nimg - n, 0))


def step_of_stage(schedule: GrowthSchedule, nimg: int) -> int:
    """The number, within its stage, of the step that starts at `nimg` images."""
    stage = schedule.stage(nimg)
    return (nimg - stage.start) // schedule.at(nimg).batch_size


def stage_ended(schedule: GrowthSchedule, nimg: int) -> bool:
    """Whether a stage ends at exactly `nimg` images."""
    return any(nimg == s.end for s in schedule.stages)


def crossed(schedule: GrowthSchedule, nimg: int, every_kimg: float | None) -> bool:
    """Whether the step that ended at `nimg` images crossed a multiple of `every_kimg` thousand; None: never."""
    if every_kimg is None or nimg == 0:
        return False
    before = nimg - last_phase(schedule, nimg).batch_size
    return int(nimg / (every_kimg * 1000)) > int(before / (every_kimg * 1000))
