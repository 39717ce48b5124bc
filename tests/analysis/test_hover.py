"""The interactive map: a slice behind every point, and nobody else is asked for anything."""

import numpy as np

from analysis.hover import interactive_map
from analysis.slices import generated_slices, real_slices
from analysis.sources import FeatureTable, join


def test_every_point_has_its_slice_and_its_words():
    from types import SimpleNamespace

    classes, images = ("CN", "AD"), np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 8, 8), np.uint8)
    real = real_slices(images, np.array([0, 0, 1, 1]), np.array(["p1", "p1", "p2", ""]), classes)
    made = generated_slices(images, np.array([0, 0, 1, 1]), np.arange(70, 74), classes)
    tables = [
        FeatureTable(np.zeros((4, 2), np.float32), s.labels, s.is_real, s.subjects, classes, "x") for s in (real, made)
    ]
    context = SimpleNamespace(held_out=real, fakes=made)
    page = interactive_map(context, np.zeros((8, 2)), join(*tables), np.tile(np.arange(4), 2))
    text = page.content.decode()
    assert page.private and page.suffix == ".html" and text.count("data:image/png;base64,") >= 8
    assert "CN, real, p1" in text and "AD, generated, seed 73" in text and "<script src" not in text
