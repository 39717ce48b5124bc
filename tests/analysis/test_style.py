"""The colour language holds for the colour-blind and in gray: measured in CIELAB, by formulas written here."""

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis import style

# Machado, Oliveira and Fernandes 2009, deuteranopia (severity 1), on linear RGB
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
# IEC 61966-2-1, to CIE XYZ under D65
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = XYZ.sum(axis=1)


def linear(colour):
    """#rrggbb -> linear RGB, 0..1."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """Linear RGB -> CIELAB."""
    t = XYZ @ rgb / WHITE
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def for_deuteranopes(colour):
    return lab(np.clip(DEUTERANOPIA @ linear(colour), 0, 1))


def in_gray(colour):
    """L*, which is what a gray print keeps."""
    return lab(linear(colour))[0]


def looks(classes):
    return [style.look(real, label) for label in range(classes) for real in (True, False)]


def test_the_formulas_know_white_black_and_red():
    assert np.allclose(lab(linear("#ffffff")), (100, 0, 0), atol=0.1) and np.allclose(lab(linear("#000000")), 0)
    assert np.allclose(lab(linear("#ff0000")), (53.2, 80.1, 67.2), atol=0.1)
    assert np.allclose(for_deuteranopes("#808080"), lab(linear("#808080")), atol=0.5)  # gray stays gray


@pytest.mark.parametrize(("classes", "least"), [(2, 30.0), (4, 15.0)])
def test_classes_and_sides_are_apart_for_deuteranopes(classes, least):
    pairs = itertools.combinations(looks(classes), 2)
    assert min(np.linalg.norm(for_deuteranopes(a.colour) - for_deuteranopes(b.colour)) for a, b in pairs) >= least


def test_real_and_generated_are_apart_in_gray_and_by_their_marker():
    for label in (None, 0, 1, 2, 3):
        real, made = style.look(True, label), style.look(False, label)
        assert in_gray(made.colour) - in_gray(real.colour) >= 30 and in_gray(made.colour) <= 85  # seen on white
        assert real.marker != made.marker and real.line != made.line
    assert style.look(True, 0) == style.look(True, len(style.HUES))  # more classes than hues begin again


def test_a_finished_figure_has_no_frame_and_plain_numbers_on_a_logarithmic_axis():
    ax = Figure().subplots()
    ax.plot([1, 10], [0.5, 20], label="x")
    ax.set_yscale("log")
    ax.legend()
    style.plain_ticks(ax)
    style.finish(ax.get_figure())
    assert not ax.spines["top"].get_visible() and ax.yaxis.get_major_formatter()(0.5, 0) == "0.5"
    assert ax.yaxis.get_major_formatter()(10.0, 0) == "10" and ax.yaxis.get_minor_formatter()(2.0, 0) == ""
