"""How near generated slices are to held-out people, class by class: distances, precision, recall, coverage, pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import distances, pixels, plots, spectra, style
from analysis.context import Context
from analysis.numbers import BASELINE, INTERVAL, NO_GENERATOR, Number, Numbers
from analysis.persons import count_persons, half_sample_intervals, independent, known, of_many_persons
from analysis.plots import ReportFigure
from analysis.slices import SliceTable
from analysis.sources import SOURCES, FeatureTable
from analysis.spectra import Sets

QUESTION = "How near are generated slices to people whom the generator never saw, and do they cover them?"
PRDC = ("precision", "recall", "density", "coverage")
FEWEST_IN_HALF = 10  # persons in half of a set; below, an interval would be noise

TOO_FEW = "with too few people of a class"
DISTANCE = {**INTERVAL, **BASELINE, ".baseline": TOO_FEW, ".untrained": NO_GENERATOR}
WITH_95 = (
    "95 % {.low} to {.high}",
    "real-vs-real baseline {.baseline}",
    "its 95 % {.baseline.low} to {.baseline.high}",
)
UNTRAINED = "untrained generator {.untrained}"
EQUAL = "equal distributions {.expected}"
NUMBERS = (
    Number("extractor.name", meaning="the reference classifier, whose features are compared"),
    Number("extractor.hash", meaning="the first digits of a hash of its weights. Numbers of others do not compare"),
    Number(
        "n.<CLASS>",
        "slices of <CLASS>",
        "generated slices that are compared, held-out real ones and their people (null if unknown), and images "
        "(people) on each side of a metric of neighbours",
        beside=(
            "against {.held_out} held-out real slices",
            "of {.held_out.persons} people",
            "neighbour metrics use {.neighbours} a side",
        ),
        also={".held_out": TOO_FEW, ".held_out.persons": TOO_FEW, ".neighbours": TOO_FEW},
        unless=TOO_FEW,
    ),
    Number(
        "kid.<CLASS>",
        "KID <CLASS>",
        "kernel distance, unbiased. It is 0 in expectation for equal distributions and may be below 0. It is as good "
        "as that of two real samples up to the baseline and what chance adds, by the 95 % of both together",
        beside=(*WITH_95, UNTRAINED),
        also=DISTANCE,
        unless=TOO_FEW,
        distance=True,
    ),
    Number(
        "frechet.<CLASS>",
        "Frechet distance <CLASS>",
        "of the reference classifier's features: no FID, which is of another network's. It is biased upwards in small "
        "sets, so read it only beside its baseline",
        beside=WITH_95,
        also=DISTANCE,
        unless=TOO_FEW,
        distance=True,
    ),
    Number(
        "precision.<CLASS>",
        "precision <CLASS>",
        "share of generated slices inside the reals' balls (5th neighbour). With few people the balls of outliers are "
        "large: noise had 0.5 and 0.9 against 12 people, where density had 0.1 and 0.3, coverage 0.04 and 0.13",
        beside=WITH_95,
        also=DISTANCE,
        unless=TOO_FEW,
    ),
    Number(
        "recall.<CLASS>",
        "recall <CLASS>",
        "share of reals inside the generated slices' balls",
        beside=WITH_95,
        also=DISTANCE,
        unless=TOO_FEW,
    ),
    Number(
        "density.<CLASS>",
        "density <CLASS>",
        "real balls around a generated slice, over 5. It is 1 in expectation for equal distributions",
        beside=(*WITH_95, EQUAL),
        also=DISTANCE | {".expected": TOO_FEW},
        unless=TOO_FEW,
    ),
    Number(
        "coverage.<CLASS>",
        "coverage <CLASS>",
        "share of reals with a generated slice in their ball, and its expectation for equal distributions at this n",
        beside=(*WITH_95, EQUAL, UNTRAINED),
        also=DISTANCE | {".expected": TOO_FEW},
        unless=TOO_FEW,
    ),
    Number(
        "ms_ssim.<CLASS>",
        "MS-SSIM <CLASS>",
        "mean likeness of random pairs of different people, of generated, training and held-out slices. Above the "
        "reals' there is less variety",
        beside=("held-out reals {.real}",),
        also={".baseline": TOO_FEW, ".real": TOO_FEW},
        unless=TOO_FEW,
    ),
    Number(
        "histogram.<CLASS>",
        "histogram <CLASS>",
        "gray levels that a pixel has to move to turn one histogram into the other",
        beside=WITH_95[1:2],
        also={".baseline": TOO_FEW},
        unless=TOO_FEW,
    ),
    Number(
        "spectrum.<CLASS>",
        "spectrum <CLASS>",
        "mean absolute log10 ratio of radial powers, where 0.3 is a factor of two",
        beside=WITH_95[1:2],
        also={".baseline": TOO_FEW},
        unless=TOO_FEW,
    ),
    *(
        Number(
            f"spectrum.<CLASS>.{which}",
            f"  {which} half octave <CLASS>",
            f"power over the held-out reals' in the half octave where it is {least}, and that half octave in cycles "
            "per image. The baseline is of the same half octave",
            beside=("real-vs-real baseline {.baseline}", "from {.from} to {.to} cycles per image"),
            also={".from": TOO_FEW, ".to": TOO_FEW, ".baseline": TOO_FEW},
            unless=TOO_FEW,
        )
        for which, least in (("weakest", "least"), ("strongest", "most"))
    ),
    Number(
        "spectrum.<CLASS>.finest",
        meaning="power at the finest frequency over the held-out reals'. Below 1 it is blurred, above 1 there is "
        "grain or a checkerboard",
        also={".baseline": TOO_FEW},
        unless=TOO_FEW,
    ),
)


def measure(context: Context) -> tuple[Numbers, dict[str, Sets]]:
    context.need_held_out()
    numbers: Numbers = {"extractor.name": context.judge.name, "extractor.hash": context.judge.hash}
    curves: dict[str, Sets] = {}
    for label, name in enumerate(context.class_names):
        held_out = context.held_out.take(context.held_out.labels == label)
        if not len(held_out):
            context.note(f"similarity of {name} left out: no held-out slice of this class")
            continue
        sets = same_size(context, label)
        numbers |= _distances(context, name, held_out, sets)
        numbers |= _pixels(context, name, held_out, sets)
        curves[name] = {"held-out reals": held_out, "training reals": sets[".baseline"], "generated": sets[""]}
    return numbers, curves


def show(context: Context, numbers: Numbers, findings: dict[str, Sets]) -> list[ReportFigure]:
    return [_similarity_picture(context, numbers), spectra.pixel_picture(context, findings)]


def answer(numbers: Numbers) -> str:
    said = []
    for name in numbers["class_names"]:
        key = f"kid.{name}"
        if key in numbers and f"{key}.baseline" in numbers:
            said.append(f"{name} {numbers[key]:.3f}, of two real samples {numbers[f'{key}.baseline']:.3f}")
    return f"KID: {'; '.join(said)}." if said else "There are too few people to say."


def same_size(context: Context, label: int) -> Sets:
    """Generated, training and untrained slices of a class: as many of each, and as many persons if fakes have any."""
    fakes, train = context.fakes, context.train
    made, real = np.flatnonzero(fakes.labels == label), np.flatnonzero(train.labels == label)
    people = count_persons(fakes.subjects[made])
    if people is not None:
        people = min(people, count_persons(train.subjects[real]) or people)
        made, real = (_of_persons(table.subjects, rows, people) for table, rows in ((fakes, made), (train, real)))
    real = real[of_many_persons(train.subjects[real], len(made), seed=0)]
    made = made[: len(real)] if people is None else made[of_many_persons(fakes.subjects[made], len(real), seed=0)]
    sets = {"": fakes.take(made), ".baseline": train.take(real)}
    if context.untrained is not None:
        rows = np.flatnonzero(context.untrained.labels == label)[: len(real)]
        sets[".untrained"] = context.untrained.take(rows)
    return sets


def _of_persons(subjects: NDArray[Any], rows: NDArray[np.int64], people: int) -> NDArray[np.int64]:
    """The rows of so many persons, drawn; all of them where persons are unknown."""
    some = np.random.default_rng(0).permutation(np.unique(subjects[rows]))[:people]
    return rows[np.isin(subjects[rows], some)] if known(subjects[rows]) else rows


def _distances(context: Context, name: str, held_out: SliceTable, sets: Sets) -> Numbers:
    """Numbers in the reference classifier's features: of generated slices and the baseline with intervals, of noise."""
    x = SOURCES["judge"](context.judge, held_out)
    tables = {suffix: SOURCES["judge"](context.judge, slices) for suffix, slices in sets.items()}
    count = min(independent(table.subjects) for table in (x, *tables.values()))
    numbers: Numbers = {
        f"n.{name}": len(sets[""]),
        f"n.{name}.held_out": len(held_out),
        f"n.{name}.held_out.persons": count_persons(held_out.subjects),
        f"n.{name}.neighbours": count,
        f"density.{name}.expected": 1.0,
    }
    numbers |= _had(context, f"coverage.{name}.expected", distances.coverage_expected, count, count)
    for suffix, y in tables.items():
        both, groups = (x.features, y.features), (x.subjects, y.subjects)
        values = {
            **_had(context, "frechet", distances.frechet, *both, where=f" of {name}{suffix}"),
            **_had(context, "kid", distances.kid, *both, *groups, where=f" of {name}{suffix}"),
            **_had(
                context, ", ".join(PRDC), distances.prdc_of_persons, *both, *groups, count, where=f" of {name}{suffix}"
            ),
        }
        numbers |= {f"{key}.{name}{suffix}": value for key, value in values.items()}
        if suffix != ".untrained":
            for key, (low, high) in _intervals(x, y, values).items():
                numbers |= {f"{key}.{name}{suffix}.low": low, f"{key}.{name}{suffix}.high": high}
    return numbers


def _had(context: Context, key: str, make: Callable[..., Any], *given: Any, where: str = "") -> Numbers:
    """What `make` makes of `given`, a number or several, or a note that there are too few for it: the others stay."""
    try:
        made = make(*given)
    except ValueError as error:
        context.note(f"{key}{where} left out: {error}")
        return {}
    return made if isinstance(made, dict) else {key: made}


def _intervals(x: FeatureTable, y: FeatureTable, whole: dict[str, float]) -> dict[str, tuple[float, float]]:
    """Of all numbers at once, over half-samples of persons."""

    def statistic(rows: NDArray[np.int64], others: NDArray[np.int64]) -> dict[str, float]:
        a, b = x.take(rows), y.take(others)
        count = min(independent(a.subjects), independent(b.subjects))
        return {
            "frechet": distances.frechet(a.features, b.features),
            "kid": distances.kid(a.features, b.features, a.subjects, b.subjects),
            **distances.prdc_of_persons(a.features, b.features, a.subjects, b.subjects, count, draws=3),
        }

    if min(independent(x.subjects), independent(y.subjects)) // 2 < FEWEST_IN_HALF:
        return {}
    found = half_sample_intervals(statistic, x.subjects, y.subjects, whole, of_pairs=("frechet", "kid"))
    tops = {"frechet": np.inf, "precision": 1.0, "recall": 1.0, "coverage": 1.0}  # and not below 0
    return found | {
        key: (max(0.0, found[key][0]), min(top, found[key][1])) for key, top in tops.items() if key in found
    }


def _pixels(context: Context, name: str, held_out: SliceTable, sets: Sets) -> Numbers:
    """Variety, intensities and frequencies, from the pixels."""
    numbers: Numbers = {}
    for suffix, slices in ((".real", held_out), ("", sets[""]), (".baseline", sets[".baseline"])):
        numbers |= _had(context, f"ms_ssim.{name}{suffix}", pixels.ms_ssim, slices.images, slices.subjects)
    levels, power = pixels.histogram(held_out.images), pixels.radial_spectrum(held_out.images)
    bands: dict[str, list[tuple[int, int, float]]] = {}
    for suffix in ("", ".baseline"):
        slices = sets[suffix]
        rings = pixels.radial_spectrum(slices.images)
        bands[suffix] = pixels.bands(rings, power)
        numbers |= {
            f"histogram.{name}{suffix}": pixels.histogram_distance(levels, pixels.histogram(slices.images)),
            f"spectrum.{name}{suffix}": pixels.spectrum_distance(power, rings),
            f"spectrum.{name}.finest{suffix}": float((rings[-1] + 1e-12) / (power[-1] + 1e-12)),
        }
    order = np.argsort([ratio for _, _, ratio in bands[""]])
    for which, place in (("weakest", order[0]), ("strongest", order[-1])):
        key, (first, last, ratio) = f"spectrum.{name}.{which}", bands[""][place]
        real = bands[".baseline"][place][2]
        numbers |= {key: ratio, f"{key}.from": first, f"{key}.to": last, f"{key}.baseline": real}
    return numbers


def _with_interval(numbers: Numbers, key: str) -> tuple[float, ...]:
    """The number, nan where it could not be had; behind it the ends of its interval, where it has one."""
    return numbers.get(key, np.nan), *(numbers[k] for k in (f"{key}.low", f"{key}.high") if k in numbers)


def _similarity_picture(context: Context, numbers: Numbers) -> ReportFigure:
    figure = plots.new_figure(11, 7.2)
    names = context.class_names
    titles = {"frechet": "Frechet distance", "kid": "KID"} | {key: key for key in PRDC}
    better = {"frechet": style.LOWER, "kid": style.LOWER, "density": style.MIDDLE}
    for place, (key, title) in enumerate(titles.items(), start=1):
        ax = plots.beside_baseline(
            figure.add_subplot(2, 3, place),
            names,
            [_with_interval(numbers, f"{key}.{name}") for name in names],
            [_with_interval(numbers, f"{key}.{name}.baseline") for name in names],
            title,
            numbers.get(f"{key}.{names[0]}.expected"),
            better.get(key, style.HIGHER),
        )
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=9)
    return ReportFigure(
        "similarity",
        figure,
        "How near generated slices are to held-out people, class by class",
        "Frechet distance and KID are distances, so low is near. Precision counts generated slices that could be "
        "real, recall real ones that could be generated. Density and coverage count the same and are less moved by "
        "outliers. Whiskers are the middle 95 % over random halves of the people. "
        f"The features are those of the {context.judge.name} ({context.judge.hash}).",
        "the gray bars. They put training reals in the generated slices' place, at the same n, with their own 95 %",
        private=False,
        alt="Six panels, one for each metric: for every class a triangle for the generated slices with its interval, "
        "beside a gray bar for two real samples with theirs.",
        shown="Compared are "
        + "; ".join(
            f"{numbers[f'n.{name}']} generated and {numbers[f'n.{name}.held_out']} real slices of {name}"
            for name in names
            if f"n.{name}" in numbers
        )
        + ".",
    )
