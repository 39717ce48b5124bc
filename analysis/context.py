"""What a report compares: training reals, unseen reals, generated slices, and the models that describe them.

Two ways to one: a finished stage of a run, or two folders of images. Letters: M images, R resolution, K classes.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.features import (
    SOURCES,
    FeatureTable,
    Judge,
    Slices,
    check_inception,
    generated_slices,
    real_slices,
    train_judge,
)
from progan_style import (
    Data,
    Dataset,
    Discriminator,
    Generator,
    finished_stage,
    generate,
    load_discriminator,
    load_folder,
    load_generator,
    make_phantoms,
    stage_dir,
    untrained_like,
)

PHANTOMS = "phantoms.json"  # the settings that make_phantoms leaves beside its slices
UNSEEN_PHANTOMS = 250
OTHER_SEED = 20_000_000  # added to a phantom data set's seed: the pool of unseen persons
POSITIONS = ("slice_mm", "slice_rank", "slice", "position")  # manifest columns that say where in the head a slice lies
Say = Callable[[str], None]


def quiet(line: str) -> None:
    """Say nothing."""


class NotHereError(ValueError):
    """A part that these data have no room for (one class, no network, no weights): left out, and no fault."""


@dataclass
class Context:
    """What every part of a report is given. Expensive things are made when a part first asks, and shared.

    title names the run or the folder of fakes; settings is the line under every figure; key is a hash of all that the
    numbers depend on but the code. own are the folders of runs on a share of the persons, for utility. generator,
    discriminator and data are None where two folders are compared. positions [M] of the unseen slices, NaN where
    unknown; positions_are names the manifest's column.
    """

    title: str
    settings: str
    key: str
    class_names: tuple[str, ...]
    resolution: int
    train: Slices
    unseen: Slices
    unseen_part: str
    persons_are: str
    positions: NDArray[np.float64]
    positions_are: str
    folder: Path
    make_fakes: Callable[[], Slices]
    generator: Generator | None = None
    discriminator: Discriminator | None = None
    data: Data | None = None
    inception: Path | None = None
    own: tuple[Path, ...] = ()
    seed: int = 0
    device: str | torch.device = "cpu"
    cache_dir: Path | str | None = None
    say: Say = quiet
    progress: bool = False
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    _tables: dict[tuple[str, str], FeatureTable] = field(default_factory=dict)

    def note(self, line: str) -> None:
        """A line that the report keeps: something was left out, and why."""
        self.notes.append(line)
        self.say(line)

    @cached_property
    def fakes(self) -> Slices:
        """The generated slices, psi 1, EMA, after the 8-bit round trip."""
        start = time.monotonic()
        fakes = self.make_fakes()
        self.seconds["generate"] = time.monotonic() - start
        return fakes

    @cached_property
    def untrained(self) -> Slices | None:
        """As many slices of the same generator before training, the other end of every scale; None without one."""
        if self.generator is None:
            return None
        return generated(untrained_like(self.generator), int(np.bincount(self.fakes.labels).max()), first_seed=0)

    @cached_property
    def judge(self) -> Judge:
        """The independent classifier of the training reals, at this size."""
        self.say("the judge: trained on the real training slices, or taken from the cache")
        start = time.monotonic()
        judge = train_judge(
            self.train.images,
            self.train.labels,
            self.class_names,
            seed=self.seed,
            device=self.device,
            cache=self.cache_dir,
            progress=self.progress,
        )
        self.seconds["judge"] = time.monotonic() - start
        return judge

    def table(self, source: str, which: str) -> FeatureTable:
        """Features of the train, unseen or fakes slices, by the name of a source."""
        if (source, which) not in self._tables:
            models: dict[str, Any] = {"generator": self.generator, "discriminator": self.discriminator}
            model = self.judge if source == "judge" else models[source]
            if model is None:
                raise NotHereError(f"a {source} is needed: two folders of images have none")
            self._tables[source, which] = SOURCES[source](model, getattr(self, which))
        return self._tables[source, which]

    def need_unseen(self) -> None:
        """Raises NotHereError where there are no unseen reals."""
        if not len(self.unseen):
            raise NotHereError("no test or validate part: numbers on unseen persons need one")


# ------------------------------------------------------------------ slices


def real_part(dataset: Dataset, resolution: int, subjects_known: bool) -> Slices:
    """A part of a data set at one resolution."""
    subjects = dataset.subjects if subjects_known else np.full(len(dataset), "", dtype=object)
    return real_slices(np.asarray(dataset.at(resolution)), dataset.labels, subjects, dataset.class_names)


def generated(G: Generator, samples_per_label: int, first_seed: int, psi: float = 1.0) -> Slices:
    """The same seeds for each class. Raises ValueError if a weight is not finite: its images would be."""
    broken = [name for name, value in G.named_parameters() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"the generator makes NaN images: {len(broken)} of its weights are not finite, as {broken[0]}")
    class_names: tuple[str, ...] = tuple(G.class_names)
    labels = np.repeat(np.arange(len(class_names)), samples_per_label)
    seeds = np.tile(np.arange(first_seed, first_seed + samples_per_label), len(class_names))
    images = generate(G, torch.from_numpy(labels), torch.from_numpy(seeds), psi=psi)
    return generated_slices(images.cpu().numpy(), labels, seeds, class_names, psi)


def persons(slices: Slices) -> int | None:
    """How many; None if unknown."""
    return None if (slices.subjects == "").any() else len(set(slices.subjects))


def spread(subjects: NDArray[Any], count: int, seed: int) -> NDArray[np.int64]:
    """Rows of at most `count` slices, of as many persons as possible."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(subjects))
    turn: dict[Any, int] = {}
    key = []
    for row in rows:
        turn[subjects[row]] = turn.get(subjects[row], -1) + 1
        key.append(turn[subjects[row]])
    return rows[np.argsort(key, kind="stable")][:count]


def slice_positions(dataset: Dataset) -> tuple[NDArray[np.float64], str]:
    """Where in the head each slice lies and the manifest's column that says so; NaN and "" without one."""
    for name in POSITIONS:
        if name in dataset.columns:
            return np.array([float(cell) if cell else np.nan for cell in dataset.columns[name]]), name
    return np.full(len(dataset), np.nan), ""


# ------------------------------------------------------------------ unseen phantoms


def with_unseen_phantoms(
    data: Data,
    resolution: int,
    persons: int,
    cache_dir: Path | str,
    workers: int | None = None,
    say: Say = quiet,
    which: int = 0,
) -> Data:
    """Phantom data with a fresh test part: `persons` persons of another seed, whom no training or choice ever saw.

    which: of the fresh seeds; a choice that was made on one is tested on another. Data of persons come back
    as they are. Drawn once into the cache, 0.06 s per slice and core.
    """
    file = Path(data.root) / PHANTOMS
    if not file.is_file():
        return data
    settings = json.loads(file.read_text())
    names = ("slices", "seed", "overlap", "pattern")
    arguments = {name: settings[name] for name in names} | {"persons": persons, "size": resolution}
    arguments["seed"] += OTHER_SEED * (1 + which)
    name = "phantoms-unseen-" + hashlib.sha256(json.dumps([settings["version"], arguments]).encode()).hexdigest()[:10]
    say(f"unseen persons: {persons} phantoms of another seed, drawn now or taken from the cache")
    root = make_phantoms(Path(cache_dir) / name, workers=workers, progress=False, **arguments)
    pool = load_folder(
        root, classes=data.class_names, resolution=resolution, cache_dir=cache_dir, progress=False, workers=workers
    )
    everyone = _joined([pool.train, pool.validate, pool.test])
    return replace(data, test=everyone, key=f"{data.key}+{pool.key}")


def _joined(parts: list[Dataset]) -> Dataset:
    """Several parts as one."""
    first = parts[0]
    return Dataset(
        levels={size: np.concatenate([part.levels[size] for part in parts]) for size in first.levels},
        labels=np.concatenate([part.labels for part in parts]),
        subjects=np.concatenate([part.subjects for part in parts]),
        class_names=first.class_names,
        paths=tuple(path for part in parts for path in part.paths),
        columns={name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns},
    )


# ------------------------------------------------------------------ the two ways


def run_context(
    run_dir: Path | str,
    data: Data,
    resolution: int,
    *,
    samples_per_label: int = 1000,
    cache_dir: Path | str | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
    inception: Path | None = None,
    unseen_are: str | None = None,
    own: Sequence[Path | str] = (),
    say: Say = quiet,
    progress: bool = False,
) -> Context:
    """A finished stage of a run against its data. Final numbers come from the test part, else the validate part.

    unseen_are names that part where it is not the data set's own (with_unseen_phantoms).
    own: folders of runs on a share of the persons, each for an arm of the utility part. Raises ValueError if the
    classes of checkpoint and data differ, a label has fewer than two samples or an own run lacks this stage.
    """
    run_dir = Path(run_dir)
    stage = stage_dir(run_dir, resolution)
    G = load_generator(stage / "generator.safetensors").to(device)
    D = load_discriminator(stage / "discriminator.safetensors").to(device)
    class_names = tuple(data.class_names)
    if tuple(G.class_names) != class_names:
        raise ValueError(
            f"{run_dir}: the checkpoint was trained on classes {', '.join(G.class_names)}, "
            f"the data have {', '.join(class_names)}; see data.classes"
        )
    if samples_per_label < 2:
        raise ValueError(f"--samples-per-label: 2 or more expected, got {samples_per_label}")
    if inception is not None:
        check_inception(inception)
    for folder in own:
        finished_stage(folder, resolution)
    part, unseen = data.unseen
    part = unseen_are or part
    positions, positions_are = slice_positions(unseen)
    weights = [_hash(stage / name) for name in ("generator.safetensors", "discriminator.safetensors")]
    weights += [_hash(stage_dir(folder, resolution) / "generator.safetensors") for folder in own]
    settings = (
        f"run {run_dir.name}, {resolution}x{resolution}, {G.nimg:,} images seen, EMA, psi 1, "
        f"{samples_per_label} generated per label (seeds 0..{samples_per_label - 1}), reals: {part or 'train'}"
    )
    return Context(
        title=run_dir.name,
        settings=settings,
        key=_key(
            weights,
            data.key,
            resolution,
            samples_per_label,
            seed,
            data.subjects_known,
            part,
            len(unseen),
            inception is not None,
        ),
        class_names=class_names,
        resolution=resolution,
        train=real_part(data.train, resolution, data.subjects_known),
        unseen=real_part(unseen, resolution, data.subjects_known),
        unseen_part=part,
        persons_are=data.subjects_are,
        positions=positions,
        positions_are=positions_are,
        folder=run_dir / f"analysis-{resolution:03d}",
        make_fakes=lambda: generated(G, samples_per_label, first_seed=0),
        generator=G,
        discriminator=D,
        data=data,
        inception=inception,
        own=tuple(Path(folder) for folder in own),
        seed=seed,
        device=device,
        cache_dir=cache_dir,
        say=say,
        progress=progress,
    )


def folder_context(
    real: Data,
    fake: Data,
    resolution: int,
    folder: Path,
    *,
    cache_dir: Path | str | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
    inception: Path | None = None,
    say: Say = quiet,
    progress: bool = False,
) -> Context:
    """A folder of reals (train, and validate or test) against a folder of fakes, whatever made them.

    Raises ValueError if the reals have no unseen part.
    """
    part, unseen = real.unseen
    if not len(unseen):
        raise ValueError(f"{real.root}: a test or a validate part expected beside train: unseen persons are the floor")
    if inception is not None:
        check_inception(inception)
    made = _joined([fake.train, fake.validate, fake.test])
    fakes = replace(real_part(made, resolution, fake.subjects_known), is_real=np.zeros(len(made), dtype=bool))
    name = Path(fake.root).name
    positions, positions_are = slice_positions(unseen)
    return Context(
        title=name,
        settings=f"{len(made)} slices of {name} against {Path(real.root).name}, {part}, {resolution}x{resolution}",
        key=_key(real.key, fake.key, resolution, seed, inception is not None),
        class_names=real.class_names,
        resolution=resolution,
        train=real_part(real.train, resolution, real.subjects_known),
        unseen=real_part(unseen, resolution, real.subjects_known),
        unseen_part=part,
        persons_are=real.subjects_are,
        positions=positions,
        positions_are=positions_are,
        folder=folder,
        make_fakes=lambda: fakes,
        inception=inception,
        seed=seed,
        device=device,
        cache_dir=cache_dir,
        say=say,
        progress=progress,
    )


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
