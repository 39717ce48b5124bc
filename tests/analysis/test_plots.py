import numpy as np

from analysis import plots


def test_scatter_counts_each_group_in_the_legend():
    ax = plots.new_figure(4, 4).add_subplot()
    assert (
        plots.scatter(ax, np.random.default_rng(0).normal(size=(5, 2)), np.array([0, 1, 1, 1, 0]), ("CN", "AD"), "t")
        is ax
    )
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
