"""Slices of known worth are what they are called, and a verdict on them is right or wrong by the line that is owed."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from analysis import Context
from analysis.slices import real_slices
from benchmarks import verdicts

NAMES = ("CN", "AD")


def people(count, seed):
    """Class 0 is dark, class 1 bright; no two slices are alike."""
    images = np.random.default_rng(seed).integers(0, 100, (count, 1, 16, 16)).astype(np.uint8)
    labels = np.arange(count) % 2
    images[labels == 1] += 128
    return real_slices(images, labels, np.arange(count) + 1000 * seed, NAMES)


@pytest.fixture
def context():
    return SimpleNamespace(class_names=NAMES, resolution=16, train=people(40, 1))


def among(images, others):
    known = {image.tobytes() for image in others}
    return [image.tobytes() in known for image in images]


def test_each_source_is_what_it_is_called(context):
    strangers = people(60, 2)

    def drawn(source, seed=0):
        made = verdicts.drawn(source, context, strangers, 12, seed)
        assert len(made) == 24 and sorted(set(made.labels)) == [0, 1] and not made.is_real.any()
        return made

    copies, real, one = drawn("copies"), drawn(verdicts.PEOPLE), drawn("one class")
    assert all(among(copies.images, context.train.images)) and set(copies.subjects) == {""}
    assert all(among(real.images, strangers.images)) and set(real.subjects) <= set(strangers.subjects)
    assert (one.images.mean(axis=(1, 2, 3)) < 100).all() and (one.labels == 1).sum() == 12
    for source in ("noise", "untrained"):
        assert not np.array_equal(drawn(source).images, drawn(source, seed=1).images)
        assert not any(among(drawn(source).images, np.concatenate([context.train.images, strangers.images])))


def test_a_verdict_is_right_by_the_line_that_is_owed():
    good = dict.fromkeys(("realism", "variety", "class", "copies"), "good")
    assert verdicts.right(verdicts.PEOPLE, good | {"class": "unclear"})
    assert not verdicts.right(verdicts.PEOPLE, good | {"copies": "bad"})
    assert verdicts.right("one class", good | {"class": "bad"}) and not verdicts.right("one class", good)


def test_few_held_out_people_cannot_say_that_nothing_is_copied(monkeypatch):
    """As in a report: the benchmark plays the rule of people as well."""
    copies = {"copies.share": 0.0, "copies.false_alarms": 0.01, "copies.found": 1.0}
    copies |= {"copies.relative.share": 0.0, "copies.relative.false_alarms": 0.01}
    section = SimpleNamespace(measure=lambda context: (copies, None))
    monkeypatch.setattr(verdicts.sections, "load", lambda: {"copies": section})
    for count, grade in ((15, "unclear"), (20, "good")):
        held_out = people(count, 3)
        context = Context(
            *("", "", "", NAMES, 16, people(40, 1), held_out, "test", "stated", np.zeros(count), "", Path(), list)
        )
        context.__dict__["judge"] = None
        assert verdicts.graded(context, held_out, ["copies"])["copies"] == grade


def test_the_sections_behind_a_line_are_measured():
    for line in verdicts.OWED.values():
        assert set(verdicts.BEHIND[line]) <= set(verdicts.SECTIONS)
