"""The section utility: a row for each arm, and rows that prove nothing say so."""

import functools
import json
from dataclasses import replace

import pytest

from analysis import utility as arms
from analysis.context import NotHereError, Options, run_context
from analysis.sections import utility
from analysis.utility import ALL_PERSONS, ARM_AND_UNLABELLED, ARM_ONLY, ArmResult, ComparisonPlan


def arm(share=1.0, title=ARM_ONLY, own=False, gains=(0.1, 0.1, 0.1), of_persons=None):
    real = (0.7, 0.71, 0.72)
    both, of_persons = tuple(r + g for r, g in zip(real, gains, strict=True)), of_persons or (min(gains), max(gains))
    return ArmResult(share, 10, 80, title, own, real, both, of_persons)


def test_a_row_in_words():
    assert utility.in_words(arm(title=ALL_PERSONS)) == "generator saw all persons: proves nothing"
    assert utility.in_words(arm(gains=(0.1, 0.11, 0.1))) == "generated slices help"
    assert utility.in_words(arm(gains=(-0.1, -0.11, -0.1))) == "generated slices harm"
    assert utility.in_words(arm(gains=(-0.1, 0.1, 0.0))) == "no difference shown"
    assert utility.in_words(arm(gains=(0.1, 0.11, 0.1), of_persons=(-0.01, 0.2))) == "no difference shown"
    assert utility.in_words(arm(title=ARM_AND_UNLABELLED, gains=(0.1, 0.11, 0.1))) == "generated slices help"


def test_numbers_of_an_unproven_row_cannot_be_taken_for_others():
    numbers = {}
    for one in (arm(0.25, ALL_PERSONS), arm(), arm(0.25, own=True)):
        numbers |= utility.numbers_of(one)
    gains = {name for name in numbers if name.endswith(".gain")}
    assert gains == {"utility.25.unproven.gain", "utility.100.gain", "utility.25.own.gain"}
    assert numbers["utility.25.unproven.title"] == "generator saw all persons"
    assert numbers["utility.100.gain"] == pytest.approx(0.1) and numbers["utility.100.real.auc"] == pytest.approx(0.71)
    json.dumps(numbers, allow_nan=False)


def test_the_section_of_a_report(tiny_run, made, monkeypatch):
    few = ComparisonPlan(shares=(0.5, 1.0), seeds=2, steps=4, synthetic=16)
    monkeypatch.setattr(arms, "compare", functools.partial(arms.compare, plan=few))
    lines = []
    options = Options(samples_per_label=4, own=(tiny_run.run_dir,), log=lines.append)
    context = run_context(tiny_run.run_dir, tiny_run.data, 16, options)
    numbers, (picture,) = made(utility, context)
    assert {"utility.50.unproven.gain", "utility.100.gain", "utility.100.own.gain"} <= set(numbers)
    assert numbers["utility.test.persons"] == 24 and not picture.private and len(lines) == 3
    assert "At 100% with its own generator, " in picture.reading and "proves nothing" in picture.control
    with pytest.raises(NotHereError, match="two folders have no generator"):
        utility.measure(replace(context, generator=None))


def test_an_own_run_without_this_stage_is_refused(tiny_run, tmp_path):
    with pytest.raises(ValueError, match="no stage is finished yet"):
        run_context(tiny_run.run_dir, tiny_run.data, 16, Options(own=(tmp_path / "nobody",)))
