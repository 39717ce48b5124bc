"""A run of training: the loop over its steps."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from progan_style import distributed, memory
from progan_style.config import Config
from progan_style.data.conditions import SliceConditions, refuse_no_column
from progan_style.data.dataset import Dataset
from progan_style.data.loading import list_folder
from progan_style.networks.conditions import Condition
from progan_style.shell import is_out_of_memory
from progan_style.training import runlog
from progan_style.training.augment import Augment, Off
from progan_style.training.graphs import make_take_step
from progan_style.training.losses import Terms
from progan_style.training.schedule import GrowthSchedule, Phase, step_of_stage
from progan_style.training.screen import Pace
from progan_style.training.state import State
from progan_style.training.step import Inputs, Kind, Recipe
from progan_style.training.upkeep import Evaluate, Upkeep

LEAST = 4  # slices of a class: as many as a minibatch-std group holds


class Trainer:
    """Built from a Config and Data.learnt. On several processes each has its share of every batch."""

    def __init__(self, config: Config, data: Dataset, device: str | torch.device = "cpu"):
        refuse_uneven(config, distributed.world())
        refuse_other_labels(config, data)
        device = torch.device(device)
        if device.type == "cpu":
            memory.keep_freed()
        self.config, self.data = config, data
        self.schedule = GrowthSchedule(**config.schedule.model_dump())
        self.conditions = SliceConditions.read(data, config.data.conditions)
        self.recipe = make_recipe(config, device)
        self.take_step = make_take_step(config, device)
        augment = make_augment(config, self.recipe.loss.has_zero, device)
        self.state = State(config, device, augment, self.conditions.described)

    @staticmethod
    def check(config: Config, device: torch.device) -> None:
        """Raises ValueError for what this machine cannot do, or the slices of data.root cannot be used for.

        Those are listed alone: to pack them takes minutes or hours.
        """
        refuse_uneven(config, distributed.world())
        make_recipe(config, device)
        make_take_step(config, device)
        data = config.data
        if data.root is not None:
            folder = list_folder(data.root, data.classes, data.aliases, data.subject_column, data.unlabelled)
            train = [item for item in folder.slices if item.split == "train"]
            refuse_few(config, np.array([item.label for item in train]))
            for column in data.conditions:
                refuse_no_column(column, list(train[0].extra))

    def run(
        self,
        run_dir: str | Path,
        until: int | None = None,
        evaluate: Evaluate | None = None,
        stop: Callable[[], bool] = lambda: False,
        forecast: Mapping[int, float] | None = None,
    ) -> bool:
        """Resume if there is a checkpoint, then step to the end of stage `until` (default: the last).

        evaluate: generator and phase -> numbers for the log, called every training.eval_kimg; its "kid" picks the
        generator kept as generator-best.safetensors. stop: asked before each step. forecast: seconds of an image of
        each stage, for the time that is left. Returns whether the end was reached.
        Raises ValueError if the run diverged, if the folder holds another one, for a class with too few slices, or for
        a stage that the slices are not packed for; MemoryError with what to lower.
        """
        refuse_few(self.config, self.data.labels)
        refuse_unpacked(self.schedule, self.data, until)
        end = (self.schedule.stage_of(until) if until else self.schedule.stages[-1]).end
        precision = "bf16" if self.recipe.amp_dtype else "fp32"
        digest = self.data.digest() | self.conditions.digest()
        upkeep = Upkeep(self.state, self.schedule, Path(run_dir), digest, precision)
        for line in self.conditions.remarks:
            runlog.say(line)
        with contextlib.closing(upkeep):
            upkeep.begin(len(self.data), self.largest_share(), Pace(self.schedule, end, forecast or {}))
            while True:
                over, stopping = self.state.nimg >= end, distributed.any_rank(stop())
                if due := upkeep.due(last=over or stopping):
                    if not upkeep.healthy(due):
                        continue  # from the last good checkpoint
                    upkeep.report(due, evaluate)
                    upkeep.save(due)
                if over or stopping:
                    return over
                with self.memory_is_told():
                    self.step(*self.batch())
                upkeep.progress()

    def step(self, images: Tensor, labels: Tensor | Condition) -> Terms:
        """One update of D, one of G, the EMA: uint8 images [N, 1, R, R], labels [N] -> the terms of both losses.

        N is this rank's part of the batch (`share`); the terms are its means, and hold until the next step.
        """
        state, recipe, phase = self.state, self.recipe, self.schedule.at(self.state.nimg)
        turn = step_of_stage(self.schedule, state.nimg)
        first, n = self.share(phase)
        assert images.shape[:1] + images.shape[2:] == (n, phase.resolution, phase.resolution), (images.shape, phase)
        classes = len(self.config.data.classes)
        condition = labels if isinstance(labels, Condition) else Condition.of_labels(labels, classes)
        state.enter(phase)
        index = torch.arange(first, first + n, device=state.device)
        keep = torch.full((), recipe.ema_keep(state.nimg, phase.batch_size), device=state.device)
        kind = Kind.of(state, recipe, phase, turn, n)
        terms = self.take_step(state, recipe, kind, Inputs(images, condition, index, keep))
        state.settle()
        state.nimg += phase.batch_size
        state.meter.steps += 1
        return terms

    def batch(self) -> tuple[Tensor, Condition]:
        """This rank's slices of the next step and what they are conditioned on."""
        phase, seed = self.schedule.at(self.state.nimg), self.config.seed
        first, n = self.share(phase)
        balanced = self.config.data.sampling == "balanced"
        images, labels = self.data.batch(seed, first, n, phase.resolution, self.state.device, balanced)
        if not self.config.data.conditions:
            return images, Condition.of_labels(labels, len(self.config.data.classes))
        index = torch.arange(first, first + n, device=self.state.device)
        position, values = self.conditions.of(self.data.indices(seed, first, n, balanced), seed, index)
        return images, Condition.of_labels(labels, len(self.config.data.classes), position, values)

    def share(self, phase: Phase) -> tuple[int, int]:
        """This rank's part of the step's batch: the number of its first image in the run, and how many."""
        n = phase.batch_size // distributed.world()
        return self.state.nimg + distributed.rank() * n, n

    def largest_share(self) -> float:
        """Of the labelled slices of a step, the largest class's: what always naming that class would get right."""
        if self.config.data.sampling == "balanced":
            return 1 / len(self.config.data.classes)
        counts = np.bincount(self.data.labels[self.data.labels >= 0])
        return float(counts.max() / counts.sum())

    @contextlib.contextmanager
    def memory_is_told(self) -> Iterator[None]:
        """Memory that ran out is told with the value to lower."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            phase = self.schedule.at(self.state.nimg)
            r, n = phase.resolution, phase.batch_size
            raise MemoryError(
                f"out of memory at {r} px with batches of {n} images; lower schedule.batch_size.{r} (before the stage "
                f"begins: --set schedule.batch_size.{r}={max(4, n // 8 * 4)}) or network.channel_base (in a new run)"
            ) from None


# ---------------------------------------------------------------- from the configuration


def make_recipe(config: Config, device: torch.device) -> Recipe:
    """How the steps of a configuration are made."""
    conditioning, training = config.conditioning.make(), config.training
    return Recipe(
        seed=config.seed,
        loss=config.loss.make(),
        penalty_interval=config.loss.penalty_interval,
        class_weight=conditioning.class_weight,
        generator_weight=conditioning.generator_weight,
        fakes_too=conditioning.fakes_too,
        unlabelled=config.data.unlabelled,
        style_mixing=training.style_mixing,
        ema_half_life=1000 * training.ema_half_life_kimg,
        ema_rampup=None if config.init else training.ema_rampup,
        amp_dtype=choose_precision(training.precision, device),
    )


def make_augment(config: Config, has_zero: bool, device: torch.device) -> Augment | None:
    """What stands before D; None where nothing does."""
    strength = config.augment.make()
    if isinstance(strength, Off):
        return None
    operations = config.augment.operations
    return Augment(seed=config.seed, operations=operations, strength=strength, has_zero=has_zero, device=device)


def refuse_uneven(config: Config, ranks: int) -> None:
    """Raises ValueError if a stage's batch does not divide over the ranks in whole minibatch-std groups."""
    for r in config.schedule.resolutions:
        if config.schedule.batch_size[r] % (4 * ranks):
            raise ValueError(
                f"schedule.batch_size.{r}: expected a multiple of {4 * ranks} ({ranks} processes, minibatch-std groups "
                f"of 4), got {config.schedule.batch_size[r]}"
            )


def refuse_other_labels(config: Config, data: Dataset) -> None:
    """Raises ValueError if the data have other classes than the configuration, or in another order.

    Also if there are unlabelled slices and none were asked for, or the other way round.
    """
    if tuple(data.class_names) != tuple(config.data.classes):
        theirs = ", ".join(data.class_names)
        raise ValueError(
            f"data.classes: expected those of the training slices, in their order ({theirs}), got "
            f"{', '.join(config.data.classes)}; set data.classes, or load the slices with this configuration"
        )
    count, asked = int((data.labels < 0).sum()), config.data.unlabelled
    if asked != (count > 0):
        raise ValueError(
            f"data.unlabelled is {str(asked).lower()}, and {count} of {len(data)} training slices have no class; "
            f"expected Data.learnt of a folder that was loaded with this configuration"
        )


def refuse_few(config: Config, labels: np.ndarray) -> None:
    """Raises ValueError for a class with fewer training slices than a minibatch-std group holds."""
    counts = np.bincount(labels[labels >= 0], minlength=len(config.data.classes))
    for name, count in zip(config.data.classes, counts, strict=True):
        if count < LEAST:
            raise ValueError(
                f"class {name}: expected {LEAST} training slices or more, got {count}: add some, or take {name} out of "
                f"data.classes"
            )


def refuse_unpacked(schedule: GrowthSchedule, data: Dataset, until: int | None) -> None:
    """Raises ValueError if the slices lack the size of a stage up to `until` (None: the last)."""
    end = schedule.stage_of(until).end if until else schedule.total
    for stage in schedule.stages:
        r = stage.resolution
        if stage.end <= end and r not in data.levels:
            raise ValueError(
                f"stage {r}: the training slices are packed at {', '.join(map(str, sorted(data.levels)))} px alone; "
                f"expected {r} too: load_data(config, {r}), or run(run_dir, until=...) with an earlier stage"
            )


def choose_precision(name: str, device: torch.device) -> torch.dtype | None:
    """The autocast type, or None for fp32. auto: bf16 where the hardware multiplies it natively.

    Raises ValueError for bf16 on a card that lacks it. A CPU that lacks it computes it all the same, slowly.
    """
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device)[0] >= 8
        if name == "bf16" and not native:
            raise ValueError(
                f"training.precision: bf16 is not in the hardware of {torch.cuda.get_device_name(device)}; expected "
                f"auto or fp32, as in --set training.precision=fp32"
            )
    else:
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)()  # bool(): other builds lack the question
    if name == "auto":
        name = "bf16" if native else "fp32"
    return torch.bfloat16 if name == "bf16" else None
