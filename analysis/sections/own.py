"""How near generated slices are to held-out people in features of your own, from a plugin."""

from __future__ import annotations

from typing import Any

from analysis.context import Context, NotHereError
from analysis.distances import kid
from analysis.numbers import Number, Numbers
from analysis.plots import ReportFigure
from analysis.sections.similarity import same_size
from analysis.sources import OWN, of_own

QUESTION = "What do features of your own say?"
APART = True  # without a plugin there is nothing to tell; with one it is run unasked (sections.usual)
NUMBERS = (
    Number(
        "own.<SOURCE>.kid.<CLASS>",
        "KID <CLASS>, <SOURCE>",
        "kernel distance on the features of a plugin's source. Its scale is that of the features, so read it only "
        "beside its baseline",
        beside=("real-vs-real baseline {.baseline}", "untrained generator {.untrained}"),
        also={".baseline": "", ".untrained": "with two folders, which have no generator"},
    ),
)


def measure(context: Context) -> tuple[Numbers, Any]:
    if not OWN:
        raise NotHereError("no plugin registers a feature source (--plugin FILE; see docs/plugins.md)")
    context.need_held_out()
    numbers: Numbers = {}
    for source in OWN:
        for label, name in enumerate(context.class_names):
            x = of_own(source, context.held_out.take(context.held_out.labels == label))
            for suffix, slices in same_size(context, label).items():
                y = of_own(source, slices)
                numbers[f"own.{source}.kid.{name}{suffix}"] = kid(x.features, y.features, x.subjects, y.subjects)
    return numbers, None


def answer(numbers: Numbers) -> str:
    said = [
        f"{key.removeprefix('own.').replace('.kid.', ', ')}: {value:.3g}, of two real samples "
        f"{numbers[f'{key}.baseline']:.3g}"
        for key, value in numbers.items()
        if f"{key}.baseline" in numbers
    ]
    return f"KID: {'; '.join(said)}." if said else ""


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    return []
