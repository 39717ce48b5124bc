"""Utility: real slices with and without generated ones, at shares of the real people."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis import plots, style, utility
from analysis.context import Context, NotHereError
from analysis.judge import BATCH
from analysis.numbers import Number, Numbers
from analysis.plots import ReportFigure
from analysis.utility import ArmResult, interval_over_seeds

QUESTION = "Do generated slices help a classifier that has few real people?"
APART = True
NUMBERS = (
    Number("utility.test.persons", meaning="people that each AUC is of"),
    Number("utility.test.slices", meaning="their slices"),
    Number("utility.seeds", meaning="trainings of each arm"),
    Number(
        "utility.<ROW>.gain",
        "utility at <ROW> %",
        "mean paired difference of the two AUCs, its 95 % interval over seeds, and that over random halves of the test "
        "people (.persons)",
        beside=(
            "95 % {.low} to {.high}",
            "over people {.persons.low} to {.persons.high}",
            "AUC of real slices alone {utility.<ROW>.real.auc}",
            "{utility.<ROW>.title}",
            "{utility.<ROW>.verdict}",
        ),
        also={".low": "", ".high": "", ".persons.low": "", ".persons.high": ""},
    ),
    Number("utility.<ROW>.title", meaning="what the generator saw"),
    Number("utility.<ROW>.verdict", meaning="the row in words"),
    Number("utility.<ROW>.persons", meaning="real people of the arm"),
    Number("utility.<ROW>.slices", meaning="their slices"),
    Number("utility.<ROW>.real.auc", meaning="mean test AUC with real slices alone, the control"),
    Number("utility.<ROW>.both.auc", meaning="the same with real and generated ones"),
)


def measure(context: Context) -> tuple[Numbers, list[ArmResult]]:
    if context.generator is None or context.data is None:
        raise NotHereError("utility needs a run and its data: two folders have no generator")
    data, size, o = context.data, context.resolution, context.options
    sources = [utility.source_of(context.generator, data)]
    sources += [utility.own_source(run, size, o.device) for run in o.own]
    arms = utility.compare(sources, data, size, seed=o.seed, device=o.device, log=o.log)
    test = data.unseen[1]
    numbers: Numbers = {
        "utility.test.persons": len(set(test.subjects)),
        "utility.test.slices": len(test),
        "utility.seeds": len(arms[0].real),
    }
    for arm in arms:
        numbers |= numbers_of(arm)
    return numbers, arms


def numbers_of(arm: ArmResult) -> Numbers:
    """Flat numbers, utility.<percent>...; .own: a generator of its own, .unproven: one that saw all."""
    gain, low, high = interval_over_seeds(arm.gains)
    return {
        f"{arm.name}.title": arm.title,
        f"{arm.name}.verdict": in_words(arm),
        f"{arm.name}.persons": arm.persons,
        f"{arm.name}.slices": arm.slices,
        f"{arm.name}.real.auc": float(np.mean(arm.real)),
        f"{arm.name}.both.auc": float(np.mean(arm.both)),
        f"{arm.name}.gain": gain,
        f"{arm.name}.gain.low": low,
        f"{arm.name}.gain.high": high,
        f"{arm.name}.gain.persons.low": arm.of_persons[0],
        f"{arm.name}.gain.persons.high": arm.of_persons[1],
    }


def answer(numbers: Numbers) -> str:
    said = [f"{key.split('.')[1]} % of the people: {words}" for key, words in numbers.items() if _is_verdict(key)]
    return f"{'; '.join(said)}." if said else ""


def _is_verdict(key: str) -> bool:
    return key.startswith("utility.") and key.endswith(".verdict")


def in_words(arm: ArmResult) -> str:
    """What one arm shows."""
    if not arm.proves:
        return f"{arm.title}: proves nothing"
    _, low, high = interval_over_seeds(arm.gains)
    low, high = min(low, arm.of_persons[0]), max(high, arm.of_persons[1])
    return "generated slices help" if low > 0 else "generated slices harm" if high < 0 else "no difference shown"


def show(context: Context, numbers: Numbers, findings: Any) -> list[ReportFigure]:
    arms: list[ArmResult] = findings
    said = " ".join(
        f"At {arm.share:.0%}{' with its own generator' if arm.own else ''}, {in_words(arm)}." for arm in arms
    )
    picture = ReportFigure(
        name="utility",
        content=_figure(arms, context.held_out_split),
        title="Utility: real slices with and without generated ones",
        reading=f"Each dot is a classifier of another seed. It takes {utility.STEPS} optimiser steps of "
        f"{BATCH} slices whatever the arm, and is stopped where the validate part says. It is tested once on "
        f"{numbers['utility.test.persons']} people. {said}",
        control="The same classifier on the same people's real slices alone is dark. Where the generator saw people "
        "outside the arm with their class, it hands it on, and that row proves nothing. A difference is one only "
        "where the interval over seeds and that over test people are both on one side of 0.",
        private=False,
        alt="Dots, one for each training: the AUC on held-out people of classifiers of real slices alone, and of real "
        "and generated ones, at each share of the people.",
        shown=f"{numbers['utility.seeds']} trainings of each arm; tested on {numbers['utility.test.slices']} slices.",
    )
    return [picture]


def _figure(arms: Sequence[ArmResult], split: str) -> Any:
    """Test AUC over the share of real persons; hollow where the generator was told of persons outside the arm."""
    figure = plots.new_figure(9, 5.2)
    ax = figure.add_subplot()
    places = np.arange(len(arms))
    for values, shift, drawn, label in (
        ([arm.real for arm in arms], -0.12, style.look(True), "real slices alone"),
        ([arm.both for arm in arms], 0.12, style.look(False), "real and generated slices"),
    ):
        colour, marker = drawn.colour, drawn.marker
        for place, arm, several in zip(places, arms, values, strict=True):
            filled = arm.proves or shift < 0
            x = np.full(len(several), place + shift)
            ax.scatter(x, several, s=28, marker=marker, facecolors=colour if filled else "none", edgecolors=colour)
            ax.hlines(float(np.mean(several)), place + shift - 0.1, place + shift + 0.1, colors=colour)
        ax.scatter([], [], c=colour, marker=marker, s=28, label=label)
    ax.scatter([], [], facecolors="none", edgecolors="0.4", s=28, label="hollow: proves nothing, see the row's title")
    whole = [arm for arm in arms if arm.share == 1.0 and not arm.own]
    if whole:
        ax.axhline(float(np.mean(whole[0].real)), color="0.6", lw=0.8, ls="--", label="all real people")
    ax.set_xticks(places, [f"{arm.share:.0%}: {arm.persons} people\n{_wrapped(arm)}" for arm in arms], fontsize=7)
    ax.set(
        ylabel=f"AUC on held-out people ({split}), {style.HIGHER}",
        title="What generated slices add to a share of the real people",
    )
    ax.legend(fontsize=8)
    return figure


def _wrapped(arm: ArmResult) -> str:
    """An arm's title in the width of its column."""
    return textwrap.fill(("its own " if arm.own else "") + arm.title, 20)
