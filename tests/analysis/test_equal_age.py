"""The disease at equal age, on sizes whose causes are known."""

import types
from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import equal_age
from analysis.conditional import Told
from analysis.equal_age import Made, Real, adjusted_map, ages_to_compare, measured, true_ratios, with_intervals
from progan_style import Category, Conditions, Dataset, Number

DISEASE, YEAR, SLOPE = 0.02, 0.001, 1.3  # of the true ratio, and what the ruler makes of it


def ratio(is_high, age, own=0.0):
    return 0.03 + DISEASE * is_high + YEAR * (age - 60) + own


@pytest.fixture
def people():
    """300 people of two slices each, patients eight years older; (Real, persons)."""
    rng = np.random.default_rng(0)
    is_high = np.repeat(np.arange(300) % 2.0, 2)
    age = np.repeat(rng.normal(70, 8, 300), 2) + 8 * is_high
    own = np.repeat(rng.normal(0, 0.003, 300), 2)
    truth = ratio(is_high, age, own)
    sizes = 0.01 + SLOPE * truth + rng.normal(0, 0.001, 600)
    at = np.stack([ratio(is_high, years, own) for years in (69, 79)])
    sex = np.repeat(rng.integers(0, 2, 300), 2).astype(float)
    return Real(sizes, is_high, age, {"sex": sex}, at, truth), np.repeat([f"p{i}" for i in range(300)], 2)


def made(disease=1.0, year=1.0, raw=1.0, seeds=200):
    """A generator that has learnt these shares of each."""
    own = np.random.default_rng(1).normal(0, 0.003, seeds)
    cells = [[ratio(k * disease, 60 + year * (age - 60), own) for age in (69, 79)] for k in (0, 1)]
    groups = [ratio(k * raw, 70 + 8 * k * raw, own) for k in (0, 1)]
    return Made(0.01 + SLOPE * np.array(groups), 0.01 + SLOPE * np.array(cells))


def test_a_generator_that_knows_both_is_right_in_both_and_its_groups_differ_by_both(people):
    real, persons = people
    found = with_intervals(made(), real, persons)
    assert found["calibration"] == pytest.approx(SLOPE, rel=0.02)
    for cause in ("disease", "ten_years"):
        assert found[f"{cause}.of_true"] == pytest.approx(1, abs=0.1)
        assert found[f"{cause}.of_real"] == pytest.approx(1, abs=0.1)
        assert found[f"{cause}.of_true.low"] < found[f"{cause}.of_true"] < found[f"{cause}.of_true.high"]
    assert found["raw.of_true"] == pytest.approx((DISEASE + 8 * YEAR) / DISEASE, abs=0.15)
    assert found["raw.real"] == pytest.approx(SLOPE * (DISEASE + 8 * YEAR), abs=0.003)
    assert found["ten_years.true"] == pytest.approx(10 * SLOPE * YEAR, rel=0.02)


def test_what_a_generator_has_not_learnt_is_missing(people):
    found = measured(made(disease=0.5, year=0.0), people[0], np.arange(600), np.arange(200))
    assert found["disease.of_true"] == pytest.approx(0.5, abs=0.05) and abs(found["ten_years.of_true"]) < 0.01


def test_a_class_alone_has_the_groups_difference_and_no_more(people):
    real, persons = people
    found = with_intervals(replace(made(), cells=None), real, persons)
    assert found["raw.of_true"] == pytest.approx(1.4, abs=0.15) and "raw.of_true.low" in found
    assert not [name for name in found if name.startswith(("disease.of", "disease.generated", "ten_years.of"))]


def test_without_real_slices_of_one_class_the_generated_ones_are_what_is_left(people):
    real, persons = people
    some = np.flatnonzero(real.is_high == 0)
    healthy = Real(
        *(real.sizes[some], real.is_high[some], real.age[some], {"sex": real.others["sex"][some]}),
        *(real.at[:, some], real.truth[some]),
    )
    found = with_intervals(made(), healthy, persons[some])
    assert set(found) == {"raw.generated", "disease.generated", "ten_years.generated", "calibration"}
    assert np.isfinite(list(found.values())).all()


def test_without_truth_the_real_slices_are_what_is_left_and_unknown_people_have_no_interval(people):
    real, persons = people
    found = with_intervals(made(), replace(real, at=None, truth=None), np.full(len(persons), ""))
    assert found["disease.of_real"] == pytest.approx(1, abs=0.1)
    assert not [name for name in found if "true" in name or name.endswith(".low")]
    without_age = replace(real, at=None, truth=None, age=np.full(600, np.nan))
    assert set(measured(made(), without_age, np.arange(600), np.arange(200))) == {
        *("raw.generated", "raw.real", "disease.generated", "ten_years.generated")
    }


def test_the_two_ages_are_those_of_the_truth_or_lie_between_the_classes():
    columns = {"ventricle_ratio_at_69": np.array(["0.1"]), "ventricle_ratio_at_79": np.array(["0.2"])}
    data = Dataset.from_arrays(np.zeros((1, 8, 8), np.uint8), [0], class_names=("CN", "AD"))
    (younger, older), at = true_ratios(replace(data, columns=columns))
    assert (younger, older) == (69, 79) and at.tolist() == [[0.1], [0.2]] and true_ratios(data) is None
    ages, labels = np.array([60.0, 70, np.nan, 80, 74]), np.array([0, 0, 0, 1, 1])
    assert ages_to_compare(types.SimpleNamespace(ends=(55.0, 95.0)), ages, labels, 0, 1) == (66, 76)
    assert ages_to_compare(types.SimpleNamespace(ends=(70.0, 72.0)), ages, labels, 0, 1) == (70, 72)
    of_one = np.where(labels == 0, ages, np.nan)
    assert ages_to_compare(types.SimpleNamespace(ends=(55.0, 95.0)), of_one, labels, 0, 1) is None


def test_all_but_age_and_class_is_the_same_in_every_cell(monkeypatch):
    """Each class would draw its own MMSE; the middle of it is given, and half of the seeds have each sex."""
    asked = []

    def fake(G, label, seeds, given):
        asked.append((label, given["age"], given["mmse"], given["sex"], seeds.tolist()))
        return torch.zeros(len(seeds), 1, 8, 8, dtype=torch.uint8)

    monkeypatch.setattr(equal_age, "generate", fake)
    age, mmse = (Number(column=c, mean=m, sd=5.0, low=0.0, high=90.0) for c, m in (("age", 70.0), ("mmse", 26.0)))
    others = [age, mmse, Category(column="sex", names=["F", "M"])]
    G = types.SimpleNamespace(described=Conditions(others=others))
    cells = equal_age.cells_of(G, (0, 1), (65.0, 75.0), 4)
    assert [len(cells[cell]) for cell in ((0, 0), (0, 1), (1, 0), (1, 1))] == [4] * 4
    assert [row[:2] for row in asked[::2]] == [(0, 65), (0, 75), (1, 65), (1, 75)]
    assert {row[2:4] for row in asked} == {(26.0, "F"), (26.0, "M")} and asked[0][4] + asked[1][4] == [0, 1, 2, 3]


def test_a_column_that_tells_no_two_slices_apart_is_held_by_none():
    told = [Told("age"), Told("mmse"), Told("empty"), Told("sex", "", ("F", "M")), Told("site", "", ("a", "b", "c"))]
    columns = {"age": ["60", "70"], "mmse": ["30", "30"], "empty": ["", "n/a"], "sex": ["F", "M"], "site": ["a", "b"]}
    assert {name: values.tolist() for name, values in equal_age.others_of(told, columns).items()} == {"sex": [0.0, 1.0]}


def test_the_map_at_equal_age_is_the_disease_and_not_the_age(people):
    real, _ = people
    images = np.zeros((600, 1, 8, 8), np.uint8)
    images[:, 0, 0, 0] = np.round(20 + 40 * real.is_high)
    images[:, 0, 7, 7] = np.round(np.clip(2 * real.age, 0, 255))
    found = adjusted_map(images, real)
    assert found[0, 0] == pytest.approx(40, abs=1) and abs(found[7, 7]) < 0.5
    assert images[real.is_high == 1, 0, 7, 7].mean() - images[real.is_high == 0, 0, 7, 7].mean() > 10


def test_people_are_halved_class_by_class_those_of_a_third_class_too(people, monkeypatch):
    """Eight healthy people, six patients and ten others, of two slices each: every half has half of each."""
    real, persons = people
    is_high, rows = np.repeat([0.0, 1.0, np.nan], [16, 12, 20]), np.arange(48)
    some = Real(real.sizes[rows], is_high, real.age[rows], {}, real.at[:, rows], real.truth[rows])
    seen = []

    def spied(made, real, people, seeds):
        seen.append([int((is_high[people] == 0).sum()), int((is_high[people] == 1).sum()), len(people)])
        return measured(made, real, people, seeds)

    monkeypatch.setattr(equal_age, "measured", spied)
    with_intervals(made(seeds=4), some, persons[rows])
    assert seen.pop(0) == [16, 12, 48] and len(seen) == 200 and seen == [[8, 6, 24]] * 200


@pytest.mark.parametrize("sick", [2, 4, 6])
def test_few_people_of_a_class_have_no_interval_and_end_nothing(people, sick):
    real, persons = people
    kept = np.isin(persons, [*persons[real.is_high == 0][:60], *persons[real.is_high == 1][: 2 * sick]])
    some = Real(
        *(real.sizes[kept], real.is_high[kept], real.age[kept], {"sex": real.others["sex"][kept]}),
        *(real.at[:, kept], real.truth[kept]),
    )
    for seed in range(5):
        found = with_intervals(made(), some, persons[kept], seed=seed)
        assert ("disease.of_true.low" in found) == (sick >= 6) and "disease.of_true" in found
