"""What D's features know is counted on held-out slices; two folders have no D."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.context import NotHereError
from analysis.sections import discriminator
from progan_style import to_uint8


def test_every_held_out_slice_is_counted(context_of, made, tiny_run):
    numbers, pictures = made(discriminator, context_of(tiny_run))
    counts = np.array(numbers["discriminator.confusion"])
    assert counts.sum() == 48 and counts.sum(axis=1).tolist() == [24, 24]
    assert numbers["discriminator.accuracy"] == pytest.approx(np.trace(counts) / 48)
    assert numbers["discriminator.majority"] == 0.5
    assert numbers["discriminator.fidelity.real"] == numbers["discriminator.auc"] and len(pictures) == 1


def test_a_class_that_D_sees_is_told_whatever_its_own_head_says(context_of, made, tiny_run, monkeypatch):
    """Features of a large mean and a small spread, one of which is the brightness that sets the classes apart."""
    context = context_of(tiny_run)
    D, bright = context.discriminator, {}
    for slices in (context.train, context.held_out):
        for image, label in zip(slices.images, slices.labels, strict=True):
            bright[image.tobytes()] = float(label)
    noise = torch.Generator().manual_seed(0)

    def features(images):
        of_class = torch.tensor([bright.get(to_uint8(image).numpy().tobytes(), 0.0) for image in images])
        return 10.0 + 0.01 * torch.stack([of_class, torch.randn(len(images), generator=noise)], dim=1)

    monkeypatch.setattr(D, "features", features)
    numbers, _ = made(discriminator, context)
    assert numbers["discriminator.auc"] == 1.0 and numbers["discriminator.accuracy"] == 1.0


def test_two_folders_have_none(context_of, tiny_run):
    with pytest.raises(NotHereError, match="a discriminator and two classes or more"):
        discriminator.measure(replace(context_of(tiny_run), discriminator=None))
