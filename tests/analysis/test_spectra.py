"""The figure of gray levels and frequencies: by mm where millimetres are known, each set with its count."""

from types import SimpleNamespace

import numpy as np
import pytest

from analysis.geometry import Geometry
from analysis.slices import generated_slices, real_slices
from analysis.spectra import pixel_picture


@pytest.mark.parametrize(
    ("geometry", "words", "finest"),
    [(Geometry(), "cycles per image", 16), (Geometry("axial", 2.0), "cycles per mm", 16 / 64)],
)
def test_frequencies_go_by_mm_where_they_are_known(geometry, words, finest):
    images = np.random.default_rng(0).integers(0, 255, (5, 1, 32, 32)).astype(np.uint8)
    labels, classes = np.zeros(5, int), ("CN",)
    real = real_slices(images, labels, np.arange(5).astype(str), classes)
    sets = {"held-out reals": real, "training reals": real.take(np.arange(3))}
    sets["generated"] = generated_slices(images, labels, np.arange(5), classes)
    context = SimpleNamespace(geometry=geometry, resolution=32, class_names=classes)
    levels, power = pixel_picture(context, {"CN": sets}).content.axes
    assert power.get_xlabel() == words and power.lines[0].get_xdata()[-1] == pytest.approx(finest)
    assert [text.get_text() for text in levels.get_legend().get_texts()] == [
        *("held-out reals (5)", "training reals (3)", "generated (5)")
    ]
    assert np.allclose(power.lines[0].get_ydata(), 1) and power.yaxis.get_major_formatter()(1.25, 0) == "1.25"
