"""The class head's answers are counted on held-out slices; two folders have none."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.context import NotHereError
from analysis.sections import discriminator


def test_every_held_out_slice_is_counted(context_of, made, tiny_run):
    numbers, pictures = made(discriminator, context_of(tiny_run))
    counts = np.array(numbers["discriminator.confusion"])
    assert counts.sum() == 48 and counts.sum(axis=1).tolist() == [24, 24]
    assert numbers["discriminator.accuracy"] == pytest.approx(np.trace(counts) / 48)
    assert numbers["discriminator.majority"] == 0.5
    assert numbers["discriminator.fidelity.real"] == numbers["discriminator.auc"] and len(pictures) == 1


def test_two_folders_have_none(context_of, tiny_run):
    with pytest.raises(NotHereError, match="a discriminator and two classes or more"):
        discriminator.measure(replace(context_of(tiny_run), discriminator=None))
