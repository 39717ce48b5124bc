"""The disease at equal age: ventricle sizes of generated, of real slices and of known truth -> what each cause adds.

AD patients are older than controls, and age opens the ventricles as well. So the raw difference of the groups is that
of the disease and that of age. Here the two are apart: in generated slices by asking for both ages in both classes, in
real ones by least squares on class, age and the rest, in phantoms by what each person's ventricles would be at both.

Letters: M images, N seeds, C conditions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.conditional import Told, effects
from analysis.persons import FEWEST_OF_CLASS, fewest_of_class, half_sample_intervals, known
from progan_style import Category, Dataset, Generator, Number, generate

STEP = 10.0  # years between the ages that are compared
AT_AGE = re.compile(r"ventricle_ratio_at_(\d+(?:\.\d+)?)")  # columns of phantoms with people
Floats = NDArray[np.float64]
DISEASE, STEP_OF_AGE, RAW = "disease", "ten_years", "raw"


@dataclass(frozen=True)
class Real:
    """Held-out slices. is_high [M]: 1 of the diseased class, 0 of the healthy one, NaN of others; others: columns to
    hold equal besides age; at [2, M]: the true ratio at both ages, None where nobody knows it; truth [M]: as drawn."""

    sizes: Floats
    is_high: Floats
    age: Floats
    others: Mapping[str, Floats]
    at: Floats | None = None
    truth: Floats | None = None


@dataclass(frozen=True)
class Made:
    """Generated slices. raw [2, N]: of each class, all else drawn; cells [2, 2, N]: class, age (younger, older), seed;
    None where age is no condition."""

    raw: Floats
    cells: Floats | None = None


def others_of(told: Iterable[Told], columns: Mapping[str, Iterable[Any]]) -> dict[str, Floats]:
    """Of each condition beside age the values of held-out slices, to hold them equal: those that tell slices apart.

    A column of which nothing is known would leave no slice.
    """
    some = (one for one in told if one.column != "age" and len(one.names) < 3)
    values = {one.column: one.values(columns.get(one.column, ())) for one in some}
    return {name: column for name, column in values.items() if len(np.unique(column[np.isfinite(column)])) > 1}


def true_ratios(dataset: Dataset) -> tuple[tuple[float, float], Floats] | None:
    """The two ages of which a data set knows the ratio, and the ratios [2, M]; None where it knows none."""
    found = {float(m[1]): name for name in dataset.columns if (m := AT_AGE.fullmatch(name))}
    if len(found) != 2:
        return None
    younger, older = sorted(found)
    return (younger, older), np.stack([dataset.columns[found[age]].astype(float) for age in (younger, older)])


def ages_to_compare(
    one: Number, ages: Floats, labels: NDArray[np.int64], low: int, high: int
) -> tuple[float, float] | None:
    """Ten years about the middle between the classes' median ages, within the range of the training slices.

    None where all ages of a class are unknown.
    """
    of_class = [ages[(labels == label) & np.isfinite(ages)] for label in (low, high)]
    if not all(map(len, of_class)):
        return None
    middle = np.mean([np.median(some) for some in of_class])
    first, last = one.ends
    younger = float(np.clip(round(float(middle)) - STEP / 2, first, max(first, last - STEP)))
    return younger, min(younger + STEP, last)


def can_be_asked(ages: tuple[float, float], one: Number) -> bool:
    """Whether the ages lie in the training slices' range, ten years apart: what is told of them is of ten years."""
    first, last = one.ends
    return first <= ages[0] and ages[1] <= last and bool(np.isclose(ages[1] - ages[0], STEP))


def cells_of(
    G: Generator, classes: tuple[int, int], ages: tuple[float, float], count: int
) -> dict[tuple[int, int], NDArray[np.uint8]]:
    """Seeds 0 .. count - 1 in both classes at both ages: (class, age) -> [N, 1, R, R].

    The names of each category are given in turn, half of the seeds to each sex, and of other numbers the middle: each
    class would draw its own. A seed is the same person in all cells.
    """
    others = G.described.others
    numbers: dict[str, Any] = {one.column: one.middle for one in others if isinstance(one, Number)}
    parts: list[tuple[dict[str, str], NDArray[np.int64]]] = [({}, np.arange(count))]
    for one in (one for one in others if isinstance(one, Category)):
        parts = [
            (given | {one.column: name}, some)
            for given, seeds in parts
            for name, some in zip(one.names, np.array_split(seeds, len(one.names)), strict=True)
            if len(some)
        ]
    images = {
        (i, j): torch.cat([generate(G, label, some, given=numbers | given | {"age": age}) for given, some in parts])
        for i, label in enumerate(classes)
        for j, age in enumerate(ages)
    }
    return {cell: some.numpy() for cell, some in images.items()}


# ------------------------------------------------------------------ effects


def measured(made: Made, real: Real, people: NDArray[np.int64], seeds: NDArray[np.int64]) -> dict[str, float]:
    """All effects of some of the real slices and some of the seeds, in units of the ruler; those that are known.

    generated, real, true: of the disease at equal age, of ten years, and (raw) of all that differs between the groups.
    of_true, of_real: the generated effect over the other.
    """
    found = {"raw.generated": float(np.diff(made.raw[:, seeds].mean(axis=1))[0])}
    if made.cells is not None:
        cells = made.cells[:, :, seeds].mean(axis=2)
        found["disease.generated"] = float((cells[1] - cells[0]).mean())
        found["ten_years.generated"] = float((cells[:, 1] - cells[:, 0]).mean())
    sizes, is_high = real.sizes[people], real.is_high[people]
    of_both = (is_high == 0).any() and (is_high == 1).any()
    if of_both:
        found["raw.real"] = float(sizes[is_high == 1].mean() - sizes[is_high == 0].mean())
    columns = {DISEASE: real.is_high, "age": real.age, **real.others}
    added = effects(real.sizes, columns, people)
    if "age" in added and DISEASE in added:
        found |= {"disease.real": added[DISEASE], "ten_years.real": STEP * added["age"]}
    if real.at is not None and real.truth is not None:
        found["calibration"] = slope = float(np.polyfit(real.truth[people], sizes, 1)[0])
    if real.at is not None and real.truth is not None and of_both:
        groups = [real.at[:, people][:, is_high == k].mean(axis=1) for k in (0, 1)]  # of each, at both ages
        found |= {
            "disease.true": slope * float((groups[1] - groups[0]).mean()),
            "ten_years.true": slope * float(np.mean([group[1] - group[0] for group in groups])),
        }
    for cause, other in ((DISEASE, DISEASE), (STEP_OF_AGE, STEP_OF_AGE), (RAW, DISEASE)):
        for whose in ("true", "real"):
            if f"{cause}.generated" in found and found.get(f"{other}.{whose}"):
                found[f"{cause}.of_{whose}"] = found[f"{cause}.generated"] / found[f"{other}.{whose}"]
    return found


def with_intervals(made: Made, real: Real, persons: NDArray, seed: int = 0) -> dict[str, float]:
    """`measured` of all, with .low and .high of the shares: the middle 95 % over halves of the persons and seeds.

    Without them where people are unknown, or too few of a class.
    """
    count = made.raw.shape[1]
    whole = measured(made, real, np.arange(len(persons)), np.arange(count))
    of_two = np.isfinite(real.is_high)
    if not known(persons) or fewest_of_class(persons, real.is_high, (0, 1)) < FEWEST_OF_CLASS:
        return whole
    names = {name: value for name, value in whole.items() if ".of_" in name}
    ends = half_sample_intervals(
        lambda people, seeds: {
            name: value for name, value in measured(made, real, people, seeds).items() if name in names
        },
        persons,
        np.arange(count).astype(str),
        names,
        x_labels=np.where(of_two, real.is_high, -1),
        seed=seed,
    )
    for name, (low, high) in ends.items():
        whole |= {f"{name}.low": low, f"{name}.high": high}
    return whole


def adjusted_map(images: NDArray[np.uint8], real: Real) -> NDArray[np.float32]:
    """What the disease adds to each pixel at equal age, least squares on class, age and the rest:
    [M, 1, R, R] -> [R, R]. Of slices that have `disease.real`: without ages of both classes it would be made up."""
    columns = [real.is_high, real.age, *real.others.values()]
    whole = np.all([np.isfinite(column) for column in columns], axis=0)
    design = np.stack([np.ones(int(whole.sum())), *(column[whole] for column in columns)], axis=1)
    pixels = images[whole, 0].reshape(int(whole.sum()), -1).astype(np.float32)
    solution = np.linalg.lstsq(design, pixels, rcond=None)[0]
    return solution[1].reshape(images.shape[-2:]).astype(np.float32)
