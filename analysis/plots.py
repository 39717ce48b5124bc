"""Arrays -> axes: every function draws on the axes it is given and returns them.

Figures are made without pyplot: no display, no global state. Letters: M images, R resolution, K classes.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

# Okabe and Ito's colours, apart for colour-blind readers and in print
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")


@dataclass(frozen=True)
class Picture:
    """One figure of a report, with what a reader needs to read it.

    name is the file's, without suffix; content a figure, or the bytes of a ready file of that suffix; reading says in
    plain language what is seen and what it cannot show; control is what it has to be read against. private: a pixel
    shows a real slice, so a page that leaves the lab leaves it out.
    """

    name: str
    content: Figure | bytes
    title: str
    reading: str
    control: str
    private: bool
    suffix: str = ".png"


def picture_bytes(picture: Picture, settings: str) -> bytes:
    """The file of a picture; a figure gets the settings under it and in the file's description."""
    if isinstance(picture.content, bytes):
        return picture.content
    write_settings(picture.content, settings)
    buffer = io.BytesIO()
    picture.content.savefig(buffer, format="png", dpi=110, metadata={"Description": settings})
    return buffer.getvalue()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_settings(figure: Figure, settings: str, caption: str = "") -> Figure:
    """A figure says how it was made: the caption and the settings go under it."""
    per_line = int(14 * figure.get_size_inches()[0])  # characters of 8 points
    lines = [textwrap.fill(line, per_line) for line in f"{caption}\n{settings}".splitlines() if line]
    figure.supxlabel("\n".join(lines), fontsize=8, ha="left", x=0.01, color="0.25")
    return figure


def scatter(
    ax: Axes,
    points: NDArray[Any],
    groups: NDArray[Any],
    names: Sequence[str],
    title: str,
    colours: Sequence[str] = COLOURS,
) -> Axes:
    """Points [M, 2] coloured by their group [M], an index into names.

    The order of drawing is mixed, or the last group would cover the others.
    """
    points, groups = np.asarray(points), np.asarray(groups)
    order = np.random.default_rng(0).permutation(len(points))
    palette = np.array([colours[index % len(colours)] for index in range(len(names))])
    ax.scatter(points[order, 0], points[order, 1], c=palette[groups[order]], s=7, alpha=0.65, linewidths=0)
    for index, name in enumerate(names):
        ax.scatter([], [], c=palette[index], s=20, label=f"{name} ({int((groups == index).sum())})")
    ax.legend(loc="best", fontsize=8, framealpha=0.8)
    ax.set(xticks=[], yticks=[], title=title)
    return ax


def image_rows(ax: Axes, rows: Sequence[NDArray[np.uint8]], names: Sequence[str], title: str = "") -> Axes:
    """Rows of images uint8 [M, 1, R, R], each with its name at the left; shown as they are, without interpolation."""
    resolution = rows[0].shape[-1]
    width = max(len(row) for row in rows)
    canvas = np.zeros((len(rows) * resolution, width * resolution), dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            canvas[i * resolution : (i + 1) * resolution, j * resolution : (j + 1) * resolution] = image[0]
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set_yticks([(i + 0.5) * resolution - 0.5 for i in range(len(rows))], names)
    ax.tick_params(length=0)
    ax.set(xticks=[], title=title)
    return ax


def confusion_matrix(ax: Axes, counts: NDArray[Any], names: Sequence[str], title: str) -> Axes:
    """Counts [K, K] by true class (rows) and answer (columns), shaded by the share of the row."""
    counts = np.asarray(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(*counts.shape):
        colour = "white" if share[i, j] > 0.5 else "black"
        ax.text(j, i, f"{counts[i, j]}\n{share[i, j]:.0%}", ha="center", va="center", color=colour)
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="answer", ylabel="true class", title=title)
    return ax
