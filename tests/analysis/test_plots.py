import numpy as np
import pytest

from analysis import plots, style
from analysis.geometry import Geometry


def test_scatter_counts_each_group_in_the_legend():
    ax = plots.new_figure(4, 4).add_subplot()
    looks = [("CN", style.look(True, 0)), ("AD", style.look(False, 1))]
    assert plots.scatter(ax, np.random.default_rng(0).normal(size=(5, 2)), np.array([0, 1, 1, 1, 0]), looks, "t") is ax
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["CN (2)", "AD (3)"]
    assert ax.get_title() == "t"


def test_image_rows_show_the_images_as_they_are():
    ax = plots.new_figure(4, 4).add_subplot()
    rows = [np.full((3, 1, 8, 8), 7, dtype=np.uint8), np.full((2, 1, 8, 8), 9, dtype=np.uint8)]
    assert plots.image_rows(ax, rows, ("CN real", "CN generated")) is ax
    shown = ax.get_images()[0].get_array()
    assert shown.shape == (16, 24)
    assert (shown[:8] == 7).all() and (shown[8:, :16] == 9).all() and (shown[8:, 16:] == 0).all()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["CN real", "CN generated"]


def test_the_confusion_matrix_writes_its_counts():
    ax = plots.new_figure(4, 4).add_subplot()
    assert plots.confusion_matrix(ax, np.array([[3, 1], [0, 4]]), ("CN", "AD"), "t") is ax
    assert {text.get_text() for text in ax.texts} == {"3\n75%", "1\n25%", "0\n0%", "4\n100%"}


def test_a_figure_carries_its_settings():
    figure = plots.write_settings(plots.new_figure(3, 3), "psi 1, seed 0", "what it shows")
    assert figure.get_supxlabel() == "what it shows\npsi 1, seed 0"


def test_the_order_of_drawing_is_mixed():
    ax = plots.new_figure(4, 4).add_subplot()
    looks = [("CN", style.look(True, 0)), ("AD", style.look(True, 1))]
    plots.scatter(ax, np.zeros((200, 2)), np.repeat([0, 1], 100), looks, "t")
    drawn = [tuple(points.get_facecolor()[0]) for points in ax.collections if len(points.get_offsets())]
    assert len(drawn) > plots.MIXED and drawn[0] == drawn[2] != drawn[1]  # in turns, not one after the other


def test_images_are_marked_with_their_sides_and_millimetres_as_far_as_they_are_known():
    rows = [np.zeros((2, 1, 64, 64), dtype=np.uint8)]
    for geometry, words in (
        (Geometry("axial", 3.52), {"L", "R", "50 mm"}),
        (Geometry("sagittal"), {"A", "P"}),
        (Geometry(), set()),
        (None, set()),
    ):
        ax = plots.image_rows(plots.new_figure(4, 4).add_subplot(), rows, ("x",), "", geometry)
        assert {text.get_text() for text in ax.texts} - {""} == words
        if geometry is not None and geometry.mm:
            start, end = ax.lines[0].get_xdata()
            assert (end - start) * geometry.mm == pytest.approx(50)


def test_a_dollar_is_a_dollar_and_ticks_of_powers_are_formulas():
    figure = plots.new_figure(3, 3)
    title, ax = figure.suptitle("cost$5_$ and a $ more"), figure.add_subplot()
    ax.set_xscale("log")
    ax.set_xlim(1, 1000)
    figure.canvas.draw()
    plots.literal(figure)
    ticks = [tick for tick in ax.get_xticklabels() if "$" in tick.get_text()]
    assert ticks and all(tick.get_parse_math() for tick in ticks) and not title.get_parse_math()
