"""Is a generated slice worth anything to someone who has real ones? Classifiers with and without them, compared fairly.

Letters: M images, N batch, R resolution (pixels per side), K classes, P persons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student
from torch import Tensor

from analysis import classification
from analysis.judge import JudgeNetwork, fit
from analysis.persons import FEWEST_OF_CLASS, fewest_of_class, halves_of_each_class, middle_95
from progan_style import (
    Data,
    Dataset,
    Generator,
    generate,
    load_generator,
    persons_of_share,
    stage_dir,
    to_float,
)

STEPS = 400  # optimiser steps of every training; there are 40 of them, and 5 more for each arm with its own generator
FIRST_SEED = 2**30  # of the generated slices: no other section of a report has seen these
ALL_PERSONS = "generator saw all persons"
ARM_ONLY = "generator saw this arm's persons only"
ARM_AND_UNLABELLED = "generator saw this arm's persons, and unlabelled ones"


# ------------------------------------------------------------------ arms


@dataclass(frozen=True)
class ComparisonPlan:
    """shares of the training persons; trainings of each arm (initial weights, order of slices, distortions); optimiser
    steps of each; generated slices of each class."""

    shares: tuple[float, ...] = (0.10, 0.25, 0.50, 1.00)
    seeds: int = 5
    steps: int = STEPS
    synthetic: int = 1000


@dataclass(frozen=True)
class Source:
    """A generator and the persons whose slices it was trained on; unlabelled: those whose class it was not told."""

    G: Generator
    persons: frozenset[str]
    own: bool = False  # trained for one arm of this comparison
    unlabelled: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ArmResult:
    """One arm: test AUC of each seed, trained on real slices alone and on real and generated ones.

    of_persons: the mean gain's 95 % interval over random halves of the test persons.
    """

    share: float
    persons: int
    slices: int
    title: str  # which persons the generator saw
    own: bool
    real: tuple[float, ...]
    both: tuple[float, ...]
    of_persons: tuple[float, float]

    @property
    def proves(self) -> bool:
        """A generator that was told the class of persons outside the arm hands it on: its gain would be no gain.

        Slices without a class anybody may have who has the arm's; their classifier could not use them.
        """
        return self.title in (ARM_ONLY, ARM_AND_UNLABELLED)

    @property
    def gains(self) -> list[float]:
        return [b - r for r, b in zip(self.real, self.both, strict=True)]

    @property
    def name(self) -> str:
        """What its numbers begin with: those that prove nothing can't be taken for others."""
        kind = ".own" if self.own else "" if self.proves else ".unproven"
        return f"utility.{100 * self.share:.0f}{kind}"


def interval_over_seeds(gains: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % interval (Student's t) of paired differences, one per seed. Raises ValueError for one seed."""
    if len(gains) < 2:
        raise ValueError(f"an interval over seeds needs two seeds or more, got {len(gains)}")
    values = np.asarray(gains, dtype=np.float64)
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    mean = float(values.mean())
    return mean, mean - half, mean + half


def interval_over_persons(
    part: Dataset, real: Sequence[NDArray[Any]], both: Sequence[NDArray[Any]], seed: int, draws: int = 200
) -> tuple[float, float]:
    """95 % of the mean gain over halves of a part's persons, both of each parting. real, both: the answers [M, K] of
    each seed."""

    def gain(rows: NDArray[Any]) -> float:
        aucs = [[classification.auc(part.labels[rows], answers[rows]) for answers in arm] for arm in (real, both)]
        return float(np.mean(aucs[1]) - np.mean(aucs[0]))

    rng = np.random.default_rng(seed)
    halves = [gain(some) for some in halves_of_each_class(part.subjects, part.labels, rng, draws)]
    return middle_95(np.array(halves), gain(np.ones(len(part), dtype=bool)))


def saw(source: Source, arm: set[str]) -> str:
    """The title of a row: are all persons that the generator saw the arm's own, but for those without a class?"""
    if not source.persons <= arm:
        return ALL_PERSONS
    return ARM_ONLY if source.unlabelled <= arm else ARM_AND_UNLABELLED


def compare(
    sources: Sequence[Source],
    data: Data,
    resolution: int,
    *,
    plan: ComparisonPlan = ComparisonPlan(),
    seed: int = 0,
    device: str | torch.device = "cpu",
    log: Callable[[str], None] = lambda line: None,
) -> list[ArmResult]:
    """Each share of the training persons with and without generated slices -> a result each, tested on data.unseen.

    The first source is the run's own generator and serves every share; each further one serves the arm of its own
    persons. All arms take the same number of optimiser steps of the same batch; with generated slices, half of each
    batch is generated. The moment with the best AUC on the validate part is kept, and that one is tested, once.
    Raises ValueError if persons are unknown, a part is missing or a generator's classes or persons are others.
    """
    _check(sources, data, resolution)
    fakes = [_generated(source.G, plan.synthetic) for source in sources]
    known: dict[tuple[bytes, int | None, int], NDArray[Any]] = {}
    test = data.unseen[1]

    def answers(mask: NDArray[np.bool_], source: int | None, number: int) -> NDArray[Any]:
        """The answers of one training on the test part, [M, K]; two arms may ask for the same one."""
        key = (mask.tobytes(), source, number)
        if key not in known:
            pools = [_slices(data.train.subset(mask), resolution)] + ([] if source is None else [fakes[source]])

            def on_validate(network: JudgeNetwork) -> float:
                return _auc(network, data.validate, resolution)

            network = fit(
                pools, len(data.class_names), seed=seed + number, steps=plan.steps, device=device, validate=on_validate
            )
            known[key] = _answers(network, test, resolution)
        return known[key]

    rows = []
    for share, mask, source in _arms(sources, data, plan.shares):
        persons = set(data.train.subjects[mask])
        alone, together = ([answers(mask, which, number) for number in range(plan.seeds)] for which in (None, source))
        real, both = (tuple(classification.auc(test.labels, one) for one in arm) for arm in (alone, together))
        title, of_persons = saw(sources[source], persons), interval_over_persons(test, alone, together, seed)
        rows.append(ArmResult(share, len(persons), int(mask.sum()), title, sources[source].own, real, both, of_persons))
        log(
            f"{share:.0%} of the persons ({len(persons)}, {title}): AUC {np.mean(real):.3f} with real slices, "
            f"{np.mean(both):.3f} with generated ones too"
        )
    return rows


def _arms(sources: Sequence[Source], data: Data, shares: Sequence[float]) -> list[tuple[float, NDArray[np.bool_], int]]:
    """(share, slices of the train part, number of the source) of each arm."""
    train = data.train
    arms = [(share, persons_of_share(train.subjects, train.labels, share), 0) for share in shares]
    for number, source in enumerate(sources[1:], start=1):
        mask = np.isin(train.subjects.astype(str), sorted(source.persons))
        arms.append((len(source.persons) / len(set(train.subjects)), mask, number))
    return arms


def _check(sources: Sequence[Source], data: Data, resolution: int) -> None:
    if not data.subjects_known:
        raise ValueError("utility compares shares of the persons and needs to know who is who; see manifest.csv")
    if len(data.class_names) < 2:
        raise ValueError("utility needs two classes or more to tell apart, the data have one")
    if not len(data.validate) or not len(data.test):
        missing = "validate" if not len(data.validate) else "test"
        raise ValueError(f"utility needs a train, a validate and a test part, {data.root} has no {missing} part")
    for split, part, needed in (("validate", data.validate, 1), ("test", data.test, FEWEST_OF_CLASS)):
        for label, name in enumerate(data.class_names):
            if (people := fewest_of_class(part.subjects, part.labels, [label])) < needed:
                raise ValueError(f"utility needs {needed} {split} people of each class or more, {name} has {people}")
    everyone = set(data.train.subjects)
    shares = [f"{len(source.persons) / len(everyone):.0%}" for source in sources[1:]]
    if len(set(shares)) < len(shares):
        raise ValueError(f"utility: several --own runs of one share ({', '.join(shares)}); give one of each share")
    for source in sources:
        if tuple(source.G.class_names) != tuple(data.class_names):
            raise ValueError(
                f"utility: a generator of classes {', '.join(source.G.class_names)} for data of "
                f"{', '.join(data.class_names)}; see data.classes"
            )
        if source.G.resolution != resolution:
            raise ValueError(
                f"utility: a generator of {source.G.resolution} pixels for slices of {resolution}; "
                "give runs that have this stage"
            )
        if strangers := source.persons - everyone:
            raise ValueError(
                f"utility: a generator was trained on {len(strangers)} persons who are not in the train part; "
                f"give a run on a share of it (python -m progan_style.commands.share)"
            )


def _generated(G: Generator, count: int) -> tuple[Tensor, Tensor]:
    labels = torch.arange(len(G.class_names)).repeat_interleave(count)
    seeds = torch.arange(FIRST_SEED, FIRST_SEED + count).repeat(len(G.class_names))
    return generate(G, labels, seeds), labels


def _slices(part: Dataset, resolution: int) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(np.array(part.at(resolution))), torch.from_numpy(np.array(part.labels))


def _auc(network: JudgeNetwork, part: Dataset, resolution: int) -> float:
    return classification.auc(part.labels, _answers(network, part, resolution))


@torch.inference_mode()
def _answers(network: JudgeNetwork, part: Dataset, resolution: int) -> NDArray[Any]:
    device = next(network.parameters()).device
    images, _ = _slices(part, resolution)
    answers = [network(to_float(some.to(device)))[0].softmax(dim=1) for some in images.split(256)]
    return np.asarray(torch.cat(answers).cpu().numpy())


def own_source(run: Path | str, resolution: int, device: str | torch.device = "cpu") -> Source:
    """The generator of a run and the persons that it saw, read from the run's own data."""
    from progan_style import finished_stage, finished_stages, load_data, run_config

    finished_stage(run, resolution)
    data = load_data(run_config(run), finished_stages(run)[-1], progress=False)
    G = load_generator(stage_dir(run, resolution) / "generator.safetensors").to(device)
    return source_of(G, data, own=True)


def source_of(G: Generator, data: Data, own: bool = False) -> Source:
    """A generator that learnt from all that the data have for it."""
    named, others = (frozenset(part.subjects.tolist()) for part in (data.train, data.unlabelled))
    return Source(G, named, own, others)
