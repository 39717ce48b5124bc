"""Phantom persons: known truth, and a split within each class."""

import numpy as np
import pytest

from progan_style.phantoms.persons import SPLITS, draw_person, draw_persons, draw_severity


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
