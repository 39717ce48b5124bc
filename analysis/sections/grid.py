"""Real slices beside generated ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis import pixels, plots
from analysis.context import Context
from analysis.numbers import FEW, Number, Numbers
from analysis.persons import half_sample_intervals, independent, of_many_persons
from analysis.plots import ReportFigure
from analysis.slices import SliceTable

QUESTION = "What do the slices look like?"
COLUMNS = 10
FEWEST, DRAWS = 20, 1000  # people behind an interval of a mean, and how often half of them are drawn
FAINT = 3.0  # gray levels: what the corners of a slice may have before its frame is seen
NUMBERS = (
    Number(
        "corners",
        "corners, gray level",
        "mean gray level of the corners of generated slices, squares of an eighth of the side",
        beside=("{.real} real",),
        also={".real": ""},
    ),
    Number(
        "corners.faint",
        "slices with dark corners",
        f"share of the generated slices whose corners are below {FAINT:g} gray levels. The others have a visible frame",
        beside=("{.real} real",),
        also={".real": ""},
    ),
    Number(
        "brightness",
        "brightness, gray level",
        "mean gray level of the generated slices where they are above a tenth of white. People differ by 15 % and "
        "more, so that two sets of real people differ as well: .real is of the held-out ones, with its 95 % interval, "
        ".train of those that the generator learnt from",
        beside=("{.real} real", "their 95 % {.real.low} to {.real.high}", "{.train} in training"),
        also={".real": "", ".real.low": FEW, ".real.high": FEW, ".train": ""},
    ),
)


def measure(context: Context) -> tuple[Numbers, Any]:
    numbers: Numbers = {}
    for ending, slices in (("", context.fakes), (".real", _reals(context))):
        in_corners = pixels.corners(slices.images)
        numbers[f"corners{ending}"] = float(in_corners.mean())
        numbers[f"corners.faint{ending}"] = float((in_corners < FAINT).mean())
        numbers[f"brightness{ending}"] = float(pixels.brightness(slices.images).mean())
    numbers["brightness.train"] = float(pixels.brightness(context.learnt.images).mean())
    return numbers | _interval(_reals(context), numbers["brightness.real"]), None


def _interval(reals: SliceTable, mean: float) -> Numbers:
    """By how much the mean of these people may be off; nothing where they are few."""
    if independent(reals.subjects) < FEWEST:
        return {}
    each, groups = pixels.brightness(reals.images), reals.subjects
    found = half_sample_intervals(lambda x, y: {"": float(each[x].mean())}, groups, groups, {"": mean}, draws=DRAWS)
    low, high = found[""]
    return {"brightness.real.low": low, "brightness.real.high": high}


def answer(numbers: Numbers) -> str:
    return (
        f"Corners of generated slices have {numbers['corners']:.1f} gray levels, of real ones "
        f"{numbers['corners.real']:.1f}; the brains have {numbers['brightness']:.0f} and "
        f"{numbers['brightness.real']:.0f} on average."
    )


def _reals(context: Context) -> SliceTable:
    return context.held_out if len(context.held_out) else context.train


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    return [_both(context), _generated(context)]


def _both(context: Context) -> ReportFigure:
    reals, fakes = _reals(context), context.fakes
    split = context.held_out_split or "train"
    rows, names = [], []
    for label, name in enumerate(context.class_names):
        pool = np.flatnonzero(reals.labels == label)
        chosen = pool[of_many_persons(reals.subjects[pool], 2 * COLUMNS, seed=1)]
        made = np.flatnonzero(fakes.labels == label)[: 2 * COLUMNS]
        for title, images in ((f"{name} real", reals.images[chosen]), (f"{name} generated", fakes.images[made])):
            for start in range(0, len(images), COLUMNS):
                rows.append(images[start : start + COLUMNS])
                names.append(title if start == 0 else "")
    figure = plots.new_figure(COLUMNS + 1.2, len(rows) + 0.9)
    title = f"real ({split}, drawn at random) and generated (first seeds)"
    plots.image_rows(figure.add_subplot(), rows, names, title, context.geometry)
    shown = f"{sum(map(len, rows))} slices: of each class {2 * COLUMNS} real and {2 * COLUMNS} generated at most."
    return ReportFigure(
        "real_vs_fake",
        figure,
        "Real and generated slices",
        "Nothing is picked by hand. Reals are drawn at random, generated slices are the first seeds. A column has the "
        "same seed in every class.",
        "the real rows",
        private=True,
        alt=f"Rows of brain slices: for each of {', '.join(context.class_names)} two rows of real ones above two rows "
        "of generated ones.",
        shown=shown,
    )


def _generated(context: Context) -> ReportFigure:
    """Without reals, for a page that leaves the lab: all that a reader there can see."""
    fakes = context.fakes
    made = [fakes.images[fakes.labels == label][:COLUMNS] for label in range(len(context.class_names))]
    figure = plots.new_figure(COLUMNS + 1.2, len(made) + 0.9)
    plots.image_rows(figure.add_subplot(), made, context.class_names, "generated (first seeds)", context.geometry)
    return ReportFigure(
        "generated",
        figure,
        "Generated slices",
        "The first seeds of each class are shown. A column has the same seed in every class.",
        "copies.share. Whether slices are somebody's is counted below, not seen here",
        private=False,
        alt=f"A row of generated brain slices for each of {', '.join(context.class_names)}.",
        shown=f"{sum(map(len, made))} generated slices.",
    )
