"""Held-out slices of both classes are projected and moved; without any there is a line."""

import pytest

from analysis.context import NotHereError
from analysis.sections import projection


def test_four_people_of_each_class_are_moved(context_of, made, tiny_run, few_latents):
    numbers, pictures = made(projection, context_of(tiny_run))
    assert numbers["projection.slices"] == 8 and numbers["projection.steps"] == 2
    assert [(p.name, p.private) for p in pictures] == [("projection", True)]


def test_without_held_out_slices_there_is_none(context_of, tiny_run, nobody, few_latents):
    with pytest.raises(NotHereError, match="no test or validate part"):
        projection.measure(context_of(tiny_run, nobody))
