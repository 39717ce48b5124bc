"""InceptionV3's numbers stand beside their baseline; without weights a line says so."""

import numpy as np
import pytest

from analysis.context import NotHereError
from analysis.sections import inception


class Means:
    """In InceptionV3's place: a few means of the pixels."""

    name, hash = "means", "0"

    def features(self, images):
        return np.stack([images[:, 0, ::4, i].mean(axis=1) for i in range(4)], axis=1).astype(np.float32)


def test_a_baseline_is_nearer_than_generated_slices(context_of, made, tiny_run, monkeypatch):
    monkeypatch.setattr(inception, "load_inception", lambda file, device: Means())
    context = context_of(tiny_run)
    with pytest.raises(NotHereError, match="no weights here"):
        inception.measure(context)
    object.__setattr__(context.options, "inception", "weights.pth")
    numbers, pictures = made(inception, context)
    assert numbers["inception.name"] == "means" and pictures == []
    assert numbers["inception.fid.CN.baseline"] < numbers["inception.fid.CN"]
