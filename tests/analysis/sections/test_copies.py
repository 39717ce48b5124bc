"""Copied training slices are called copies, and false alarms are few."""

from dataclasses import replace

import numpy as np

from analysis.sections import copies


def test_copied_training_slices_are_called_copies(context_of, made, tiny_run, quick):
    context = context_of(tiny_run)
    context.fakes = replace(context.fakes, images=np.asarray(tiny_run.data.train.at(16))[:48])
    numbers, pictures = made(copies, context)
    # Discs have no axis, so a turned one is not sought: test_memorisation.py has heads.
    assert numbers["copies.share"] == numbers["copies.features.share"] == numbers["copies.found.exact"] == 1
    assert numbers["copies.false_alarms"] < 0.2 and numbers["copies.median"] < 1e-6
    assert {p.name for p in pictures if p.private} == {"closest_pairs"}


def test_unknown_people_are_not_counted(context_of, made, tiny_run, quick):
    numbers, pictures = made(copies, context_of(tiny_run, replace(tiny_run.data, subjects_known=False)))
    assert "copies.most_per_person" not in numbers and len(pictures) == 2


def test_a_copy_of_an_unlabelled_person_is_a_copy(context_of, made, tiny_run, quick, with_some_unlabelled):
    """Whom nobody has diagnosed is somebody too."""
    data = with_some_unlabelled(tiny_run.data)
    context = context_of(tiny_run, data)
    context.fakes = replace(context.fakes, images=np.tile(np.asarray(data.unlabelled.at(16)), (6, 1, 1, 1))[:48])
    numbers, _ = made(copies, context)
    assert numbers["copies.share"] == numbers["copies.found.exact"] == 1 and numbers["copies.median"] < 1e-6
    assert len(context.learnt) == len(data.learnt) == 48 and context.learnt.labels.min() == -1
    assert len(context.train) == 40 and context.train.labels.min() == 0
    other = context_of(tiny_run, replace(data, with_unlabelled=None))
    other.fakes = context.fakes
    assert made(copies, other)[0]["copies.share"] < 1
