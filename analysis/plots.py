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
class ReportFigure:
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


def picture_bytes(picture: ReportFigure, settings: str) -> bytes:
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


def scatter_values(ax: Axes, points: NDArray[Any], values: NDArray[Any], title: str, words: str) -> Axes:
    """Points [M, 2] coloured by a number [M]."""
    shown = ax.scatter(points[:, 0], points[:, 1], c=values, s=7, alpha=0.8, linewidths=0, cmap="viridis")
    bar = ax.get_figure().colorbar(shown, ax=ax, shrink=0.8)  # type: ignore[union-attr]
    bar.set_label(words)
    ax.set(xticks=[], yticks=[], title=title)
    return ax


def beside_baseline(
    ax: Axes,
    names: Sequence[str],
    values: Sequence[tuple[float, ...]],
    baselines: Sequence[tuple[float, ...]],
    title: str,
    expected: float | None = None,
) -> Axes:
    """A number of each class as a dot, its real-vs-real baseline as a bar, equality as a line.

    values, baselines: the number alone, or with the two ends of its interval behind it.
    """
    for i, ((value, *between), (baseline, *around)) in enumerate(zip(values, baselines, strict=True)):
        label = i == 0
        if around:
            ax.fill_between([i - 0.25, i + 0.25], around[0], around[1], color="0.85", lw=0)
        ax.plot([i - 0.25, i + 0.25], [baseline] * 2, color="0.35", lw=2, label="real vs real" if label else None)
        if between:
            ax.plot([i, i], between, color=COLOURS[0], lw=1.5)
        ax.plot(i, value, "o", color=COLOURS[0], label="generated" if label else None)
    if expected is not None:
        ax.axhline(expected, color="0.6", ls=":", lw=1, label="equal distributions")
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set_title(title)
    return ax


def curves(
    ax: Axes, x: NDArray[Any], lines: Sequence[tuple[str, NDArray[Any]]], title: str, words: tuple[str, str]
) -> Axes:
    """Several named curves over one x."""
    for i, (name, y) in enumerate(lines):
        ax.plot(x, y, label=name, color=COLOURS[i % len(COLOURS)], lw=1.4)
    ax.set(title=title, xlabel=words[0], ylabel=words[1])
    ax.legend(fontsize=8)
    return ax


def reliability(ax: Axes, sets: Sequence[tuple[str, NDArray[Any], NDArray[Any]]], title: str, bins: int = 10) -> Axes:
    """Share right over confidence, of each (name, confidence [M], right [M]); the diagonal is calibrated."""
    ax.plot([0, 1], [0, 1], color="0.6", ls=":", lw=1)
    for i, (name, confidence, right) in enumerate(sets):
        place = np.minimum((confidence * bins).astype(int), bins - 1)
        used = [b for b in range(bins) if (place == b).sum() >= 10]
        ax.plot(
            [confidence[place == b].mean() for b in used],
            [right[place == b].mean() for b in used],
            "o-",
            color=COLOURS[i],
            label=name,
        )
    ax.set(title=title, xlabel="confidence", ylabel="share right", xlim=(0.3, 1.02), ylim=(0, 1.02))
    ax.legend(fontsize=8)
    return ax


def histograms(
    ax: Axes, sets: Sequence[tuple[str, NDArray[Any]]], title: str, words: str, line: tuple[str, float] | None = None
) -> Axes:
    """Outlines of the histograms of several named sets of numbers, on common bins."""
    everything = np.concatenate([values for _, values in sets])
    edges = np.linspace(everything.min(), everything.max() + 1e-9, 41).tolist()
    for i, (name, values) in enumerate(sets):
        weights = np.full(len(values), 1 / len(values))
        ax.hist(values, edges, weights=weights, histtype="step", color=COLOURS[i], label=f"{name} ({len(values)})")
    if line is not None:
        ax.axvline(line[1], color="0.4", ls="--", lw=1, label=line[0])
    ax.set(title=title, xlabel=words, ylabel="share")
    ax.legend(fontsize=8)
    return ax


def signed_rows(
    ax: Axes, rows: Sequence[NDArray[Any]], names: Sequence[str], limit: float, title: str = "", bar: bool = True
) -> Axes:
    """Rows of difference maps [n, R, R] in gray levels, red above 0 and blue below, from -limit to limit."""
    canvas = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    limit = limit or 1.0
    shown = ax.imshow(canvas, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    size = rows[0].shape[-1]
    ax.set_yticks([(i + 0.5) * size - 0.5 for i in range(len(rows))], names)
    ax.tick_params(length=0)
    ax.set(xticks=[], title=title)
    if bar:
        ax.figure.colorbar(shown, ax=ax, fraction=0.04, pad=0.01, label="gray levels")
    return ax
