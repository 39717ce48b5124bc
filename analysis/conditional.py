"""What slices were asked for beside their class, and what a reference model reads from them.

The reference model is the reference classifier's network and recipe, trained on the real training slices to tell their
numbers and categories in the place of their class. No generator ever sees it.

Letters: M images, C conditions, O outputs of the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from analysis import classification
from analysis.atrophy import rank_correlation
from analysis.judge import BATCH, JudgeNetwork, fit
from analysis.numbers import Numbers
from analysis.persons import FEWEST_OF_CLASS, half_sample_intervals, independent, known
from analysis.slices import number
from progan_style import Conditions, Generator, condition_for, conditions_in_words, draw_conditions, to_float

IMAGES_SEEN = 40_000  # as of the reference classifier
INFERENCE_BATCH = 256
LOTS = 20  # of permuted values
Pair = tuple[NDArray[np.float64], NDArray[np.float64]]  # values, and what is read of them
Values = Mapping[str, NDArray[np.float64]]  # by name, [M]: numbers in their unit, places of categories; NaN unknown


@dataclass(frozen=True)
class Told:
    """One condition as the reference model learns it. names: of a category, () for a number. mean, sd: of a number."""

    column: str
    unit: str = ""
    names: tuple[str, ...] = ()
    mean: float = 0.0
    sd: float = 1.0

    @property
    def outputs(self) -> int:
        return len(self.names) or 1

    def values(self, cells: Iterable[Any]) -> NDArray[np.float64]:
        """Cells of a manifest, or words of a generator -> values [M]; NaN for what is unknown."""
        if self.names:
            place = {name: float(i) for i, name in enumerate(self.names)}
            return np.array([place.get(str(cell), np.nan) for cell in cells])
        return np.array([np.nan if cell is None else number(str(cell)) for cell in cells])


def told_of(described: Conditions, columns: Mapping[str, Iterable[Any]]) -> list[Told]:
    """The conditions of a generator that the training slices tell apart; the spread is that of their columns."""
    out = []
    for one in described.all:
        told = Told(one.column, one.unit or "", tuple(getattr(one, "names", ())))
        values = told.values(columns.get(one.column, ()))
        values = values[np.isfinite(values)]
        if len(np.unique(values)) > 1:
            of_number = {} if told.names else {"mean": float(values.mean()), "sd": float(values.std())}
            out.append(Told(told.column, told.unit, told.names, **of_number))
    return out


def asked_for(G: Generator, labels: NDArray[np.int64], seeds: NDArray[np.int64]) -> dict[str, list[Any]]:
    """What `generate` conditioned the images of these labels and seeds on, by name: [M] in the manifest's words."""
    where = torch.from_numpy(seeds)
    return conditions_in_words(G, draw_conditions(G, condition_for(G, labels), where))


# ------------------------------------------------------------------ the reference model


@dataclass(frozen=True)
class Reader:
    """The reference model: images -> what it reads of each condition."""

    network: JudgeNetwork
    told: tuple[Told, ...]

    @torch.inference_mode()
    def read(self, images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        """[M, 1, R, R] -> of each number [M] in its unit, of each category probabilities [M, K]."""
        device = next(self.network.parameters()).device
        starts = range(0, len(images), INFERENCE_BATCH)
        batches = (torch.from_numpy(np.array(images[i : i + INFERENCE_BATCH])).to(device) for i in starts)
        rows = torch.cat([self.network(to_float(batch))[0].double().cpu() for batch in batches])
        parts = rows.split([one.outputs for one in self.told], dim=1)
        return {
            one.column: (part.softmax(dim=1) if one.names else part[:, 0] * one.sd + one.mean).numpy()
            for one, part in zip(self.told, parts, strict=True)
        }


def train_reader(
    images: NDArray[np.uint8],
    values: Values,
    told: Sequence[Told],
    *,
    seed: int = 0,
    images_seen: int = IMAGES_SEEN,
    device: str | torch.device = "cpu",
    progress: bool = False,
) -> Reader:
    """The reference model of these slices: uint8 [M, 1, R, R] and values of each condition [M], NaN where unknown."""
    targets = np.stack([(values[one.column] - one.mean) / one.sd for one in told], axis=1).astype(np.float32)
    pool = (torch.from_numpy(np.array(images)).to(device), torch.from_numpy(targets))
    outputs = sum(one.outputs for one in told)
    steps = max(1, images_seen // BATCH)
    network = fit(
        [pool], outputs, seed=seed, steps=steps, device=device, progress=progress, loss=lambda x, y: loss_of(told, x, y)
    )
    return Reader(network, tuple(told))


def loss_of(told: Sequence[Told], outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error of numbers in standard deviations, cross-entropy of categories; unknown ones count for nothing.

    [N, O], [N, C] -> []
    """
    terms = []
    parts = outputs.split([one.outputs for one in told], dim=1)
    for one, part, target in zip(told, parts, targets.unbind(dim=1), strict=True):
        known = target.isfinite()
        if one.names:
            terms.append(F.cross_entropy(part, target.nan_to_num().long(), reduction="none")[known].sum())
        else:
            terms.append((part[:, 0] - target.nan_to_num())[known].square().sum())
    return torch.stack(terms).sum() / len(outputs)


# ------------------------------------------------------------------ what is read, against what was asked for


def of_number(key: str, both: tuple[Pair, Pair], groups: tuple[NDArray[Any], NDArray[Any]], seed: int) -> Numbers:
    """Ranks and errors of a number. both: (values, what is read of them), of generated and of real slices.

    groups: the seeds of the generated, the persons of the real ones. Without intervals where people are unknown or
    fewer than FEWEST_OF_CLASS.
    """
    kept = [np.isfinite(values) for values, _ in both]
    pairs = [(values[some], read[some]) for (values, read), some in zip(both, kept, strict=True)]
    names = [np.asarray(names)[some] for names, some in zip(groups, kept, strict=True)]

    def ranks(made: NDArray[np.int64], real: NDArray[np.int64]) -> dict[str, float]:
        rows = ((f"{key}.rank", *pairs[0], made), (f"{key}.rank.real", *pairs[1], real))
        return {name: rank_correlation(values[some], read[some]) for name, values, read, some in rows}

    numbers: Numbers = ranks(*(np.arange(len(values)) for values, _ in pairs))
    if known(names[1]) and min(map(independent, names)) >= FEWEST_OF_CLASS:
        for name, (low, high) in half_sample_intervals(ranks, names[0], names[1], numbers, seed=seed).items():
            numbers |= {f"{name}.low": max(-1.0, low), f"{name}.high": min(1.0, high)}
    rng = np.random.default_rng(seed)
    (values, read), (theirs, read_of_theirs) = pairs
    lots = [rng.permutation(values) for _ in range(LOTS)]
    return numbers | {
        f"{key}.rank.shuffled": float(np.mean([rank_correlation(lot, read) for lot in lots])),
        f"{key}.error": float(np.abs(values - read).mean()),
        f"{key}.error.real": float(np.abs(theirs - read_of_theirs).mean()),
        f"{key}.error.shuffled": float(np.mean([np.abs(lot - read).mean() for lot in lots])),
    }


def of_category(key: str, both: tuple[Pair, Pair], groups: tuple[NDArray[Any], NDArray[Any]], seed: int) -> Numbers:
    """AUCs of a category; `both` and `groups` as of a number, with probabilities [M, K] read.

    Of the names that generated and real slices have, and what is read of them; nothing where these are fewer than two.
    """
    kept = shared_places(both)
    if len(kept) < 2:
        return {}
    numbers: Numbers = {}
    for name, (values, probabilities), of in zip((key, f"{key}.real"), both, groups, strict=True):
        some = np.isin(values, kept)
        labels, answers = np.searchsorted(kept, values[some]), probabilities[some][:, kept]
        answers = answers / np.maximum(answers.sum(axis=1, keepdims=True), 1e-12)
        numbers[name] = classification.auc(labels, answers)
        if known(groups[1]):
            interval = classification.auc_interval(labels, answers, np.asarray(of)[some], seed)
            numbers |= classification.ends(name, interval)
        if name == key:
            shuffled = classification.shuffled_auc(labels, answers, np.asarray(of)[some], seed)
            numbers[f"{key}.shuffled"] = shuffled[0]
    return numbers


def shared_places(both: tuple[Pair, Pair]) -> NDArray[np.int64]:
    """The places of the names of a category that generated and real slices both have."""
    made, real = (values[np.isfinite(values)] for values, _ in both)
    return np.intersect1d(made, real).astype(np.int64)


# ------------------------------------------------------------------ linear models


def effects(
    values: NDArray[Any], of: Mapping[str, NDArray[np.float64]], rows: NDArray[Any] | None = None
) -> dict[str, float]:
    """Least squares of values [M] on several columns [M] at once: what one unit of each adds, the others held equal.

    Slices that lack a value are left out; so is a column that never differs. rows: which slices, with repetitions.
    """
    columns = {name: np.asarray(column, np.float64) for name, column in of.items()}
    values = np.asarray(values, np.float64)
    if rows is not None:
        columns, values = {name: column[rows] for name, column in columns.items()}, values[rows]
    whole = np.isfinite(values) & np.all([np.isfinite(column) for column in columns.values()], axis=0)
    used = [name for name, column in columns.items() if whole.any() and np.ptp(column[whole]) > 0]
    design = np.stack([np.ones(int(whole.sum())), *(columns[name][whole] for name in used)], axis=1)
    solution = np.linalg.lstsq(design, values[whole], rcond=None)[0]
    return dict(zip(used, map(float, solution[1:]), strict=True))
