"""The one colour language of all figures: hue says the class, lightness and marker say real or generated.

Real is dark, a disc, a whole line. Generated is light, a triangle, a dashed line. Where no class is meant the hue is
gray. So a figure is read in print, in gray, and by the colour-blind (tests/analysis/test_style.py measures it).
"""

from __future__ import annotations

from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# (dark, light) of each class: blue, orange, purple, green; gray where no class is meant
HUES = (("#0B4F8A", "#6FB1E4"), ("#9C3D00", "#F2A35E"), ("#5E1152", "#E7A8DA"), ("#00614A", "#7FD8BC"))
NEUTRAL = ("#333333", "#A8A8A8")
BASELINE = "#8C8C8C"  # training reals in the place of generated slices; thin and dotted
LIMIT = "#707070"  # lines to compare with
# Single persons, who are eight at most: Okabe and Ito's colours
PERSONS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
SEQUENTIAL, DIVERGING, SHARES = "viridis", "RdBu_r", "Greys"  # color maps: a height; a difference; counts

LOWER, HIGHER, MIDDLE = "lower is better \u2193", "higher is better \u2191", "1 is right"


class Look(NamedTuple):
    """How one set of slices is drawn."""

    colour: str
    marker: str
    line: str


def look(real: bool, label: int | None = None) -> Look:
    """Of real or generated slices, of a class (its label) or of all."""
    dark, light = NEUTRAL if label is None else HUES[label % len(HUES)]
    return Look(dark, "o", "-") if real else Look(light, "^", "--")


BASELINE_LOOK = Look(BASELINE, "s", ":")


def outline(label: int | None = None) -> str:
    """The dark shade of a class, for an edge around its light one."""
    return look(True, label).colour


def plain_ticks(ax: Axes, x: bool = True, y: bool = True) -> Axes:
    """Ticks of a logarithmic axis as plain numbers: 0.5, 1, 20."""
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    for wanted, axis in ((x, ax.xaxis), (y, ax.yaxis)):
        if wanted:
            axis.set_major_formatter(plain)
            axis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    return ax


def finish(figure: Figure) -> Figure:
    """What all figures share: no frame where there are axes, quiet legends."""
    for ax in figure.axes:
        if not ax.images and len(ax.get_xticks()) and len(ax.get_yticks()):
            ax.spines[["top", "right"]].set_visible(False)
        legend = ax.get_legend()
        if legend is not None:
            legend.set_frame_on(True)
            legend.get_frame().set(linewidth=0, alpha=0.8)
    return figure
