"""Conditions, read from slices; the disease at equal age where the ventricles can be measured."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from analysis import two_classes
from analysis.conditional import Told, train_reader
from analysis.context import NotHereError
from analysis.numbers import check_made
from analysis.sections import conditions


@pytest.fixture(autouse=True)
def seconds(quick, monkeypatch):
    monkeypatch.setattr(conditions, "train_reader", functools.partial(train_reader, images_seen=640))
    monkeypatch.setattr(conditions, "ventricle_ratio", lambda x: x.mean(axis=(1, 2, 3)) / 255)


def with_truth(data):
    """The held-out slices' sizes as their truth, which five years more make larger by a tenth."""
    truth = data.test.at(16).mean(axis=(1, 2, 3)) / 255
    columns = {"ventricle_ratio": truth, "ventricle_ratio_at_69": 0.9 * truth, "ventricle_ratio_at_79": 1.1 * truth}
    columns = {name: values.astype(str) for name, values in columns.items()}
    return replace(data, test=replace(data.test, columns=data.test.columns | columns))


def test_what_was_asked_for_is_read_and_small_slices_have_no_ruler(context_of, made, aged_run):
    context = context_of(aged_run)
    numbers, pictures = made(conditions, context)
    assert {"conditions.age.rank", "conditions.age.error.real", "conditions.sex.auc"} <= set(numbers)
    assert {"conditions.age.on_class", "conditions.sex.of_class.real"} <= set(numbers)
    assert not [name for name in numbers if name.startswith("equal_age")]
    assert [picture.name for picture in pictures] == ["asked_and_read"]
    assert any("too small to measure at 16x16" in note for note in context.notes)
    assert "age is read with" in conditions.answer(numbers)


def test_with_truth_the_disease_stands_apart_from_age(context_of, made, aged_run, monkeypatch):
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 16)
    numbers, pictures = made(conditions, context_of(aged_run, with_truth(aged_run.data)))
    assert (numbers["equal_age.younger"], numbers["equal_age.older"]) == (69, 79)
    for cause in ("disease", "ten_years", "raw"):
        low, share, high = (numbers[f"equal_age.{cause}.of_true{end}"] for end in (".low", "", ".high"))
        assert low <= share <= high and np.isfinite(share)
    assert numbers["equal_age.calibration"] == pytest.approx(1)
    truth = aged_run.data.test.at(16).mean(axis=(1, 2, 3)) / 255
    labels = aged_run.data.test.labels
    assert numbers["equal_age.disease.true"] == pytest.approx(truth[labels == 1].mean() - truth[labels == 0].mean())
    names = ["asked_and_read", "equal_age", "equal_age_maps", "one_brain"]
    assert [picture.name for picture in pictures] == names
    assert [picture.private for picture in pictures] == [False, False, True, False]


@pytest.mark.parametrize("ages", ((20, 30), (74, 76)))
def test_ages_that_the_generator_was_not_trained_on_or_that_are_no_ten_years_apart_are_not_asked_for(
    ages, context_of, made, aged_run, monkeypatch
):
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 16)
    data = with_truth(aged_run.data)
    columns = {name.replace("69", str(ages[0])).replace("79", str(ages[1])): v for name, v in data.test.columns.items()}
    context = context_of(aged_run, replace(data, test=replace(data.test, columns=columns)))
    numbers, _ = made(conditions, context)
    assert "equal_age.raw.of_true" in numbers and "equal_age.disease.of_true" not in numbers
    assert any(f"{ages[0]} and {ages[1]} years" in note and "expected ten years" in note for note in context.notes)


def test_held_out_people_of_one_class_cost_what_compares_the_classes_alone(context_of, made, aged_run, monkeypatch):
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 16)
    data = with_truth(aged_run.data)
    healthy = replace(data, test=data.test.subset(np.flatnonzero(data.test.labels == 0)))
    numbers, pictures = made(conditions, context_of(aged_run, healthy))
    assert np.isfinite(list(numbers.values())).all()
    assert {"conditions.age.rank", "conditions.sex.auc", "equal_age.raw.generated", "equal_age.ruler"} <= set(numbers)
    assert not [name for name in numbers if name.startswith("equal_age") and name.endswith(("real", "true"))]
    assert "equal_age_maps" not in [picture.name for picture in pictures]


def unknown_of(part, column, rows):
    """A part whose people of these rows have nothing in this column."""
    return replace(part, columns=part.columns | {column: np.where(rows, "", part.columns[column])})


def test_what_is_unknown_of_held_out_people_costs_no_more_than_what_needs_it(context_of, made, aged_run, monkeypatch):
    """Ages of one class alone would make up a map of the disease; of nobody's sex nothing is held equal."""
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 16)
    data = with_truth(aged_run.data)
    for column, rows, axes in (("age", data.test.labels == 1, 3), ("sex", data.test.labels >= 0, 4)):
        some = replace(data, test=unknown_of(data.test, column, rows))
        numbers, pictures = made(conditions, context_of(aged_run, some))
        assert ("equal_age.disease.real" in numbers) == (axes == 4) and "equal_age.raw.real" in numbers
        maps = next(picture for picture in pictures if picture.name == "equal_age_maps")
        titles = [ax.get_title() for ax in maps.content.axes if ax.get_title()]
        assert len(titles) == axes and ("real, AD - CN\nat equal age" in titles) == (axes == 4)
        assert ("least squares" in maps.reading) == (axes == 4)


def test_training_ages_of_one_class_alone_leave_out_the_comparison_of_ages(context_of, made, aged_run, monkeypatch):
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 16)
    train = aged_run.data.train
    context = context_of(aged_run, replace(aged_run.data, train=unknown_of(train, "age", train.labels == 1)))
    context.geometry = replace(context.geometry, plane="axial")
    numbers, _ = made(conditions, context)
    assert "equal_age.raw.generated" in numbers and "equal_age.younger" not in numbers
    assert "conditions: no ages are compared: no training slice of a class tells an age" in context.notes


def test_a_name_that_no_held_out_slice_has_is_told(context_of, aged_run):
    """The reference model tells three sexes, of which slices have two."""
    context, told = context_of(aged_run), [Told("sex", "", ("F", "M", "X"))]
    own = {"sex": told[0].values(aged_run.data.test.columns["sex"])}
    numbers = conditions._read_from_slices(context, told, own, conditions.Findings())
    assert {"conditions.sex.auc", "conditions.sex.auc.real"} <= set(numbers)
    assert context.notes == ["conditions: of sex generated and held-out slices do not both have X"]


def test_an_interval_that_is_not_there_has_the_reasons_that_it_can_have():
    declared = [number for number in conditions.NUMBERS if number.key.endswith((".raw.of_real", ".rank", "RY>.auc"))]
    read = [f"conditions.{key}{end}" for key in ("age.rank", "sex.auc") for end in ("", ".real", ".shuffled")]
    lines = check_made("conditions", declared, [*read, "equal_age.raw.of_real"], ("CN", "AD"))
    assert lines == [
        "conditions: .low, .high, .real.low, .real.high of conditions.<NUMBER>.rank left out where the people are "
        "unknown, or with fewer than 6 people",
        "conditions: .low, .high, .real.low, .real.high of conditions.<CATEGORY>.auc left out where the people are "
        "unknown, or with fewer than 6 people of a name",
        "conditions: .low, .high of equal_age.raw.of_real left out where the people are unknown, with fewer than 6 "
        "people of a class, or where a half of them lacks the number",
    ]


def test_real_slices_have_no_truth_which_is_said(context_of, made, aged_run, monkeypatch):
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 16)
    context = context_of(aged_run)
    made(conditions, context)
    assert any("the plane of these is not stated" in note for note in context.notes)
    context = context_of(aged_run)
    context.geometry = replace(context.geometry, plane="axial")
    numbers, _ = made(conditions, context)
    assert "equal_age.disease.of_real" in numbers and not [name for name in numbers if "true" in name]
    assert any("nobody knows the truth" in note for note in context.notes)


def test_a_run_without_conditions_has_none_but_its_raw_difference_beside_the_truth(
    context_of, made, tiny_run, monkeypatch
):
    with pytest.raises(NotHereError, match=r"trained without conditions; see data\.conditions"):
        conditions.measure(context_of(tiny_run))
    monkeypatch.setattr(two_classes, "SMALLEST_RULED", 16)
    numbers, pictures = made(conditions, context_of(tiny_run, with_truth(tiny_run.data)))
    assert "equal_age.raw.of_true" in numbers and "equal_age.disease.generated" not in numbers
    assert [picture.name for picture in pictures] == ["equal_age"]
