"""Fidelity: chance for a generator that ignores its label, and a warning where slices are more typical than people."""

from dataclasses import replace

import pytest

from analysis.context import NotHereError
from analysis.sections import fidelity


def test_a_generator_that_ignores_its_label_is_at_chance(context_of, made, tiny_run, quick):
    """Every CN slice has an AD slice of the same pixels: the classifier can know nothing of what was asked for."""
    context = context_of(tiny_run)
    images = context.fakes.images.copy()
    images[24:] = images[:24]
    context.fakes = replace(context.fakes, images=images)
    numbers, pictures = made(fidelity, context)
    assert numbers["fidelity.auc"] == pytest.approx(0.5, abs=1e-6)
    assert numbers["fidelity.accuracy"] == pytest.approx(0.5, abs=1e-6)
    assert numbers["fidelity.real"] > 0.95 and numbers["trtr.auc"] == numbers["fidelity.real"]
    assert fidelity.in_words(numbers) in pictures[0].reading


def test_more_typical_than_real_people_is_called_no_success():
    above = {"fidelity.more_typical_than_real": True, "fidelity.low": 0.95, "fidelity.real.high": 0.9}
    words = fidelity.in_words(above)
    assert "no success" in words and words.endswith("likenesses of training persons.")
    assert "overlap" in fidelity.in_words(above | {"fidelity.low": 0.8})
    assert "not above" in fidelity.in_words({"fidelity.more_typical_than_real": False})


def test_without_intervals_it_is_said_who_is_too_few():
    above = {"fidelity.more_typical_than_real": True, "fidelity.low": 0.95, "fidelity.real.high": 0.9}
    for lacking, who in (
        (("fidelity.real.high",), "Held-out people"),
        (("fidelity.low",), "Generated slices"),
        (("fidelity.low", "fidelity.real.high"), "Generated slices and held-out people"),
    ):
        words = fidelity.in_words({key: value for key, value in above.items() if key not in lacking})
        assert words == f"Label fidelity is above that of held-out real people. {who} are too few to say by how much."


def test_one_class_has_nothing_to_tell_apart(context_of, tiny_run):
    with pytest.raises(NotHereError, match="nothing to tell apart"):
        fidelity.measure(replace(context_of(tiny_run), class_names=("CN",)))
