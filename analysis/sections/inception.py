"""FID and KID on InceptionV3, from a local file of weights."""

from __future__ import annotations

from typing import Any

from analysis.context import Context, NotHereError
from analysis.distances import frechet, kid
from analysis.inception import load_inception
from analysis.numbers import Number, Numbers
from analysis.plots import ReportFigure
from analysis.sections.similarity import same_size
from analysis.sources import SOURCES

QUESTION = "What do features of photographs say (FID as others publish it)?"
BESIDE = ("real-vs-real baseline {.baseline}",)
PHOTOGRAPHS = "on features of photographs. Read it only beside its baseline, at the same n"
NUMBERS = (
    Number("inception.name", meaning="the extractor"),
    Number("inception.hash", meaning="the first digits of the sha256 of its weights"),
    Number(
        "inception.fid.<CLASS>",
        "Inception FID <CLASS>",
        f"Frechet distance {PHOTOGRAPHS}",
        beside=BESIDE,
        also={".baseline": ""},
    ),
    Number(
        "inception.kid.<CLASS>",
        "Inception KID <CLASS>",
        f"kernel distance {PHOTOGRAPHS}",
        beside=BESIDE,
        also={".baseline": ""},
    ),
)


def measure(context: Context) -> tuple[Numbers, Any]:
    if context.options.inception is None:
        raise NotHereError(
            "InceptionV3 has no weights here (--inception FILE); FID and KID use the reference classifier's features "
            "only"
        )
    context.need_held_out()
    model = load_inception(context.options.inception, context.options.device)
    numbers: Numbers = {"inception.name": model.name, "inception.hash": model.hash}
    for label, name in enumerate(context.class_names):
        x = SOURCES["inception"](model, context.held_out.take(context.held_out.labels == label))
        for suffix, slices in same_size(context, label).items():
            if suffix != ".untrained":
                y = SOURCES["inception"](model, slices)
                numbers[f"inception.fid.{name}{suffix}"] = frechet(x.features, y.features)
                numbers[f"inception.kid.{name}{suffix}"] = kid(x.features, y.features, x.subjects, y.subjects)
    return numbers, None


def answer(numbers: Numbers) -> str:
    said = [
        f"{name} {numbers[f'inception.fid.{name}']:.1f}, of two real samples "
        f"{numbers[f'inception.fid.{name}.baseline']:.1f}"
        for name in numbers["class_names"]
    ]
    return f"FID: {'; '.join(said)}."


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    return []
