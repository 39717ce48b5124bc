"""The interactive map: a slice behind every point, and nobody else is asked for anything."""

import numpy as np

from analysis.hover import interactive_map
from analysis.slices import generated_slices, real_slices
from analysis.sources import FeatureTable, join


def test_every_point_has_its_slice_and_its_words():
    from types import SimpleNamespace

    classes, images = ("CN", "AD"), np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 8, 8), np.uint8)
    files = [f"test/{name}.png" for name in "abcd"]
    real = real_slices(images, np.array([0, 0, 1, 1]), np.array(["p1", "p1", "p2", ""]), classes, files)
    made = generated_slices(images, np.array([0, 0, 1, 1]), np.arange(70, 74), classes)
    tables = [
        FeatureTable(np.zeros((4, 2), np.float32), s.labels, s.is_real, s.subjects, classes, "x") for s in (real, made)
    ]
    context = SimpleNamespace(held_out=real, fakes=made)
    page = interactive_map(context, np.zeros((8, 2)), join(*tables), np.tile(np.arange(4), 2))
    text = page.content.decode()
    assert page.private and page.suffix == ".html" and text.count("data:image/png;base64,") >= 8
    assert all(file in text for file in files) and "lasso_select" in text and "stretch_width" in text
    assert "selection.csv" in text and "report.html" in text
    assert "CN, real, p1" in text and "AD, generated, seed 73" in text and "<script src" not in text


def test_the_order_of_drawing_is_mixed():
    from types import SimpleNamespace

    from analysis.hover import _columns

    count, classes = 40, ("CN", "AD")
    images, labels = np.zeros((count, 1, 8, 8), np.uint8), np.repeat([0, 1], count // 2)
    real = real_slices(images, labels, np.arange(count).astype(str), classes)
    made = generated_slices(images, labels, np.arange(count), classes)
    tables = [
        FeatureTable(np.zeros((count, 2), np.float32), s.labels, s.is_real, s.subjects, classes, "x")
        for s in (real, made)
    ]
    kinds = [(label, side) for side in (True, False) for label in (0, 1)]
    context, rows = SimpleNamespace(held_out=real, fakes=made), np.tile(np.arange(count), 2)
    columns = _columns(context, np.zeros((2 * count, 2)), join(*tables), rows, kinds)
    changes = np.count_nonzero(np.diff(columns["kind"]))
    assert changes > count and len(columns["x"]) == 2 * count  # 3 if one kind were drawn after the other
    assert set(columns["marker"]) == {"circle", "triangle"} and set(columns["seed"]) >= {"", "0", "39"}
