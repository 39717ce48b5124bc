"""What a report compares: training slices, held-out real slices, generated slices, and the models that describe them.

Two ways lead to one: a finished stage of a run, or two folders of images. Letters: M images, R resolution.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.geometry import Geometry, geometry_of
from analysis.inception import check_inception
from analysis.judge import Judge, train_judge
from analysis.slices import SliceTable, generated, joined, real_part, slice_positions, stacked, stated
from analysis.sources import SOURCES, FeatureTable
from progan_style import (
    Data,
    Discriminator,
    Generator,
    finished_stage,
    generator_file,
    load_discriminator,
    load_generator,
    stage_dir,
    untrained_like,
)

T = TypeVar("T")
PSI = 1.0  # truncation of what a report generates: none
# An absolute path, of Windows too, and its last part
PLACE = re.compile(r"(?<![\w./\\])(?:[A-Za-z]:|\.{1,2}|~|\\)?[/\\](?:[^\s/\\:;,'\"()]+[/\\])+([^\s/\\:;,'\"()]*)")


def last_part(place: Path | str) -> str:
    """The name of a folder, also of "." and of "RUN/..", which say none."""
    return Path(os.path.abspath(place)).name


class NotHereError(ValueError):
    """A section that these data have no room for (one class, no network, no weights): left out, and no fault."""


@dataclass(frozen=True)
class Options:
    """What can be chosen about a report.

    held_out_are names the held-out part where it is not the data set's own (with_unseen_phantoms). own: folders of
    runs on a share of the persons, each for one row of the section utility. weights: a stage's last or best generator.
    figures: how figures lie beside the page, besides a PNG of 300 dpi: svg, pdf or png. log is told what goes on, line
    by line.
    """

    samples_per_label: int = 1000
    cache_dir: Path | str | None = None
    device: str | torch.device = "cpu"
    seed: int = 0
    inception: Path | None = None
    held_out_are: str | None = None
    own: tuple[Path, ...] = ()
    weights: str = "last"
    figures: str = "png"
    log: Callable[[str], None] = lambda line: None
    progress: bool = False


@dataclass
class Context:
    """What every section of a report is given. Expensive things are made when a section first asks, and shared.

    title names the run or the folder of fakes; settings is the line under every figure; key is a hash of all that the
    numbers depend on but the code, keys, by section, what one of them depends on besides. generator, discriminator and
    data are None where two folders are compared.
    positions [M] of the held-out slices, NaN where unknown; positions_are names the manifest's column. psi is that of
    the generated slices, None where nobody says it or they differ; counts, how many there are of each class. run_dir
    is the run's folder, None without one. train are the training slices that have a class, unlabelled those without.
    """

    title: str
    settings: str
    key: str
    class_names: tuple[str, ...]
    resolution: int
    train: SliceTable
    held_out: SliceTable
    held_out_split: str
    persons_are: str
    positions: NDArray[np.float64]
    positions_are: str
    folder: Path
    make_fakes: Callable[[], SliceTable]
    keys: dict[str, str] = field(default_factory=dict)
    data_name: str = ""
    psi: float | None = None
    counts: tuple[int, ...] = ()
    geometry: Geometry = field(default_factory=Geometry)
    run_dir: Path | None = None
    generator: Generator | None = None
    discriminator: Discriminator | None = None
    data: Data | None = None
    unlabelled: SliceTable | None = None
    options: Options = field(default_factory=Options)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    _shared: dict[Any, Any] = field(default_factory=dict)

    def note(self, line: str) -> None:
        """A line that the report keeps: something was left out, and why."""
        self.notes.append(self.without_places(line))
        self.options.log(line)

    def without_places(self, text: str) -> str:
        """A text for files that may leave the lab: of a path on this machine its last part alone."""
        places = [self.folder, self.options.cache_dir, self.data.root if self.data else None]
        forms = [(form, last_part(place)) for place in places if place for form in (Path(place), Path(place).resolve())]
        whole = {str(form): name for form, name in forms if len(form.parts) > 1}  # "." is in every text
        for place in sorted(whole, key=len, reverse=True):  # names that a pattern would not know: with spaces
            text = text.replace(place, whole[place])
        return PLACE.sub(r"\1", text)

    def shared(self, name: str, make: Callable[[], T]) -> T:
        """What several sections need, made once; the seconds are its own, not those of the section that came first."""
        if name not in self._shared:
            start = time.monotonic()
            self._shared[name] = make()
            self.seconds[name] = time.monotonic() - start
        return self._shared[name]

    @cached_property
    def learnt(self) -> SliceTable:
        """All slices that a generator may have learnt from: those of train, and the unlabelled (label -1)."""
        return self.train if self.unlabelled is None else stacked([self.train, self.unlabelled])

    @cached_property
    def fakes(self) -> SliceTable:
        """The generated slices, after the 8-bit round trip."""
        return self.shared("generate", self.make_fakes)

    @cached_property
    def untrained(self) -> SliceTable | None:
        """As many slices of the same generator before training, the other end of every scale; None without one."""
        if self.generator is None:
            return None
        return generated(untrained_like(self.generator), int(np.bincount(self.fakes.labels).max()), first_seed=0)

    @cached_property
    def judge(self) -> Judge:
        """The reference classifier: trained on the real training slices at this size, or taken from the cache."""
        self.options.log("the reference classifier is trained on the real training slices, or taken from the cache")
        return self.shared("reference_classifier", lambda: self.trained_on(self.train, self.options.cache_dir))

    def trained_on(self, slices: SliceTable, cache: Path | str | None = None) -> Judge:
        """A classifier of these slices, by the reference classifier's recipe."""
        o = self.options
        return train_judge(
            slices.images,
            slices.labels,
            self.class_names,
            seed=o.seed,
            device=o.device,
            cache=cache,
            progress=o.progress,
        )

    def table(self, source: str, which: str) -> FeatureTable:
        """Features of the train, held_out or fakes slices, by the name of a source."""
        if (source, which) not in self._shared:
            models: dict[str, Any] = {"generator": self.generator, "discriminator": self.discriminator}
            model = self.judge if source == "judge" else models[source]
            if model is None:
                raise NotHereError(f"a {source} is needed: two folders of images have none")
            self._shared[source, which] = SOURCES[source](model, getattr(self, which))
        return self._shared[source, which]

    def need_held_out(self) -> None:
        """Raises NotHereError where there are no held-out reals."""
        if not len(self.held_out):
            raise NotHereError("no test or validate part: numbers on held-out people need one")


# ------------------------------------------------------------------ the two ways


def run_context(run_dir: Path | str, data: Data, resolution: int, options: Options | None = None) -> Context:
    """A finished stage of a run against its data. Final numbers come from the test part, else the validate part.

    Raises ValueError if the classes of checkpoint and data differ, a label has fewer than two samples or an own run
    lacks this stage.
    """
    options = options or Options()
    run_dir, name, count = Path(run_dir), last_part(run_dir), options.samples_per_label
    stage = stage_dir(run_dir, resolution)
    file = generator_file(run_dir, resolution, options.weights)
    G = load_generator(file).to(options.device)
    D = load_discriminator(stage / "discriminator.safetensors").to(options.device)
    if tuple(G.class_names) != tuple(data.class_names):
        raise ValueError(
            f"{run_dir}: the checkpoint was trained on classes {', '.join(G.class_names)}, "
            f"the data have {', '.join(data.class_names)}; see data.classes"
        )
    if count < 2:
        raise ValueError(f"--samples-per-label: 2 or more expected, got {count}")
    for folder in options.own:
        finished_stage(folder, resolution)
    part = options.held_out_are or data.unseen[0]
    weights = [_hash(path) for path in (file, stage / "discriminator.safetensors")]
    own = [_hash(stage_dir(folder, resolution) / "generator.safetensors") for folder in options.own]
    return _context(
        data,
        resolution,
        options,
        title=name,
        settings=f"run {name}, {resolution}x{resolution}, {G.nimg:,} images seen, {options.weights} EMA, "
        f"psi {PSI:g}, {count} generated per label (seeds 0..{count - 1}), reals: {part or 'train'}",
        key=_key(
            weights,
            data.key,
            resolution,
            count,
            options.seed,
            data.subjects_known,
            part,
            len(data.unseen[1]),
        ),
        keys={"utility": _key(own)} if own else {},
        folder=run_dir / (f"analysis-{resolution:03d}" + ("" if options.weights == "last" else f"-{options.weights}")),
        make_fakes=lambda: generated(G, count, first_seed=0, psi=PSI),
        psi=PSI,
        counts=(count,) * len(data.class_names),
        run_dir=run_dir,
        generator=G,
        discriminator=D,
        data=data,
    )


def folder_context(real: Data, fake: Data, resolution: int, folder: Path, options: Options | None = None) -> Context:
    """A folder of reals (train, and validate or test) against a folder of fakes, whatever made them.

    Raises ValueError if the reals have no held-out part.
    """
    options = options or Options()
    part, unseen = real.unseen
    if not len(unseen):
        raise ValueError(
            f"{real.root}: a test or a validate part expected beside train: every number is read beside held-out people"
        )
    made = joined([fake.train, fake.validate, fake.test])
    psi, seeds = stated(made, "psi"), stated(made, "seed")
    one_psi = float(psi[0]) if len(made) and (psi == psi[0]).all() and np.isfinite(psi[0]) else None
    fakes = replace(
        real_part(made, resolution, fake.subjects_known),
        is_real=np.zeros(len(made), dtype=bool),
        seeds=np.where(np.isfinite(seeds), seeds, -1).astype(np.int64),
    )
    name = last_part(fake.root)
    truncation = "psi not stated" if one_psi is None else f"psi {one_psi:g}"
    return _context(
        real,
        resolution,
        options,
        title=name,
        settings=f"{len(made)} slices of {name} ({truncation}) against {last_part(real.root)}, {part}, "
        f"{resolution}x{resolution}",
        key=_key(real.key, fake.key, resolution, options.seed),
        folder=folder,
        make_fakes=lambda: fakes,
        psi=one_psi,
        counts=tuple(int((made.labels == label).sum()) for label in range(len(made.class_names))),
    )


def _context(real: Data, resolution: int, options: Options, **others: Any) -> Context:
    """What both ways have in common: the real slices."""
    if options.inception is not None:
        check_inception(options.inception)
    part, unseen = real.unseen
    positions, positions_are = slice_positions(unseen)
    return Context(
        class_names=tuple(real.class_names),
        resolution=resolution,
        train=real_part(real.train, resolution, real.subjects_known),
        unlabelled=real_part(real.unlabelled, resolution, real.subjects_known) if len(real.unlabelled) else None,
        held_out=real_part(unseen, resolution, real.subjects_known),
        held_out_split=options.held_out_are or part,
        data_name=last_part(real.root),
        persons_are=real.subjects_are,
        geometry=geometry_of(real, resolution),
        positions=positions,
        positions_are=positions_are,
        options=options,
        **others,
    )


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
