"""The sections of the report, one module each, in the page's order. A new one is a file here and its name in NAMES.

A module says in the first line of its docstring what it shows. It has a QUESTION, NUMBERS, `measure(context)` -> the
numbers and what the pictures need besides, `show(context, numbers, findings)` -> the pictures, and `answer(numbers)` ->
the question's answer in a sentence or two. A section that these data have
no room for raises NotHereError; any other ValueError is a fault. The other sections go on.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.context import Context
from analysis.numbers import Number, Numbers
from analysis.plots import ReportFigure
from analysis.sources import OWN
from progan_style import plugin_digests

NAMES = (
    "grid",
    "training",
    "similarity",
    "fidelity",
    "discriminator",
    "copies",
    "umap",
    "same_brain",
    "ventricles",
    "conditions",
    "projection",
    "styles",
    "stack",
    "own",
    "inception",
    "utility",
)
TITLES = {
    "grid": "Slices",
    "training": "Training",
    "similarity": "Similarity",
    "fidelity": "Class",
    "discriminator": "Discriminator",
    "copies": "Copies",
    "umap": "Maps",
    "same_brain": "The same brain in both classes",
    "ventricles": "Ventricles",
    "conditions": "Age, sex and other conditions",
    "projection": "Real slices, moved",
    "styles": "Styles",
    "stack": "Whole persons",
    "own": "Features of your own",
    "inception": "Inception",
    "utility": "Utility",
}
GROUPS = {"latents": ("same_brain", "ventricles", "projection", "styles")}  # a name for several


@dataclass(frozen=True)
class ReportSection:
    """One section. of_networks: two folders have none of it. apart: long, and run only when asked for by name."""

    name: str
    title: str
    what: str
    question: str
    answer: Callable[[Numbers], str]
    numbers: Sequence[Number]
    measure: Callable[[Context], tuple[Numbers, Any]]
    show: Callable[[Context, Numbers, Any], list[ReportFigure]]
    of_networks: bool
    apart: bool


@functools.cache
def load() -> dict[str, ReportSection]:
    """All sections by name."""
    sections = {}
    for name in NAMES:
        module = importlib.import_module(f"analysis.sections.{name}")
        flags = (getattr(module, "OF_NETWORKS", False), getattr(module, "APART", False))
        what = (module.__doc__ or "").strip().splitlines()[0]
        sections[name] = ReportSection(
            name,
            TITLES[name],
            what,
            module.QUESTION,
            module.answer,
            module.NUMBERS,
            module.measure,
            module.show,
            *flags,
        )
    return sections


def usual(context: Context) -> list[str]:
    """What is run without being asked for by name."""
    networks = context.generator is not None
    wanted = {name for name, s in load().items() if not s.apart and (networks or not s.of_networks)}
    return [name for name in load() if name in wanted or (name == "own" and OWN)]


def made_of(name: str) -> str:
    """What a section is made of besides this package's code and the context: "" but for that of the plugins."""
    return str(sorted(plugin_digests().items())) if name == "own" else ""


def check_sections(names: Iterable[str]) -> list[str]:
    """The names, if all are known; names of groups stay as they are. Raises ValueError."""
    names = list(names)
    unknown = [name for name in names if name not in NAMES and name not in GROUPS]
    if unknown or not names:
        known = ", ".join((*NAMES, *GROUPS))
        raise ValueError(f"--parts: expected some of {known}; got {', '.join(filter(None, unknown)) or 'no name'}")
    return names
