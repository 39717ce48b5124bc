"""Phantom persons: known truth, and a split within each class."""

import dataclasses

import numpy as np
import pytest

from progan_style.phantoms.persons import (
    CORTEX_MM_PER_YEAR,
    DISEASE_SHARE,
    HEAD,
    SPLITS,
    VENTRICLES_MM_PER_YEAR,
    draw_person,
    draw_persons,
    draw_severity,
)


@pytest.mark.parametrize(("overlap", "best"), [("apart", 0.995), ("clear", 0.92), ("real", 0.80)])
def test_bayes_accuracy_from_the_known_severity(overlap, best):
    rng = np.random.default_rng(0)
    right = [(draw_severity(k % 2, overlap, rng) > 0.5) == (k % 2 == 1) for k in range(20000)]
    assert abs(np.mean(right) - best) < 0.01
    default = [(person.severity > 0.5) == (person.label == 1) for person in draw_persons(500, 999, overlap)]
    assert abs(np.mean(default) - best) <= (0.02 if overlap == "clear" else 0.05)


def test_split_by_person_within_each_class():
    persons = draw_persons(500, 999, "clear")
    for label in (0, 1):
        counts = [sum(p.label == label and p.split == split for p in persons) for split in SPLITS]
        assert counts == [200, 25, 25]
    few, more = draw_person(3, "train", 7, "clear"), draw_persons(40, 7, "clear")[3]
    assert (few.severity, few.gain, few.ventricles_mm) == (more.severity, more.gain, more.ventricles_mm)


def test_with_people_everyone_has_an_age_and_a_sex_and_patients_are_older():
    persons = draw_persons(2000, 7, "clear", years_older=8.0)
    ages, labels = np.array([p.age for p in persons]), np.array([p.label for p in persons])
    men = np.array([p.sex == "M" for p in persons])
    assert {p.sex for p in persons} == {"F", "M"} and 50 <= ages.min() < ages.max() <= 98
    assert ages[labels == 0].mean() == pytest.approx(70, abs=0.75)  # three standard errors
    assert ages[labels == 1].mean() - ages[labels == 0].mean() == pytest.approx(8, abs=1.1)
    assert men.mean() == pytest.approx(0.5, abs=0.04)
    # Within a class age and sex say nothing of severity, nor of each other
    severity = np.array([p.severity for p in persons])
    for label in (0, 1):
        mine = labels == label
        pairs = np.corrcoef([ages[mine], severity[mine], men[mine]])[np.triu_indices(3, 1)]
        assert np.abs(pairs).max() < 3 / np.sqrt(mine.sum())
    same = draw_persons(200, 7, "clear", years_older=0.0)
    assert {p.age for p in same if p.label} == {round(p.age - 8.0, 1) for p in persons[:200] if p.label}


def test_a_person_is_the_same_with_an_age_and_without_but_for_what_age_and_sex_do():
    ours = ("disease_mm", "age", "sex", "ventricles_mm", "sulci", "affine", "shift_mm")
    for index in range(20):
        without, person = (
            draw_person(index, "train", 7, "clear"),
            draw_person(index, "train", 7, "clear", years_older=8),
        )
        for name in (field.name for field in dataclasses.fields(person) if field.name not in ours):
            assert getattr(person, name) == getattr(without, name)
        assert (person.shift_mm == without.shift_mm).all() and (without.age, without.sex) == (None, "")
        assert person.disease_mm == DISEASE_SHARE * without.disease_mm
        assert person.ventricles_mm - person.disease_mm == pytest.approx(without.ventricles_mm - without.disease_mm)
        sizes = [np.linalg.norm(one.affine, axis=0) for one in (without, person)]
        free = np.all([(size > 0.8801) & (size < 1.1199) for size in sizes], axis=0)
        assert sizes[0][free] / sizes[1][free] == pytest.approx(HEAD[person.sex])


def test_age_opens_by_its_millimetres_a_year():
    person = draw_person(1, "train", 7, "clear", years_older=8)
    ten = [dataclasses.replace(person, age=age) for age in (60.0, 70.0)]
    assert ten[1].age_mm - ten[0].age_mm == pytest.approx(10 * VENTRICLES_MM_PER_YEAR)
    assert 2.5 * (ten[1].age_sulci - ten[0].age_sulci) == pytest.approx(10 * CORTEX_MM_PER_YEAR)
    assert (ten[0].ventricles_mm, ten[0].severity) == (ten[1].ventricles_mm, ten[1].severity)
    nobody = draw_person(1, "train", 7, "clear")
    assert nobody.age_mm == nobody.age_sulci == 0.0
