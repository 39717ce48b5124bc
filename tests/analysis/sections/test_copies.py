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
