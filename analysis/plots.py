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
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from numpy.typing import NDArray

from analysis import style
from analysis.geometry import Geometry
from analysis.style import Look

MIXED = 10  # turns in which the groups of a map are drawn
BARS = (100, 50, 20, 10, 5)  # mm: the longest that fits is drawn
DPI, PAGE_DPI = 300, 150  # of the file beside the page, of the picture in it
VECTORS = ("svg", "pdf")
Series = tuple[str, NDArray[Any], style.Look]  # a name, its numbers, how it is drawn


@dataclass(frozen=True)
class ReportFigure:
    """One figure of a report, with what a reader needs to read it.

    name is the file's, without suffix; content a figure, or the bytes of a ready file of that suffix; reading says in
    plain language what is seen and what it cannot show; control is what it has to be read against. private: a pixel
    shows a real slice, so a page that leaves the lab leaves it out. alt says what is seen to who cannot see it; shown,
    how many slices of what are in it. frames: of a strip whose frames stand below each other and lead from ends[0] to
    ends[1], which the page shows with a slider.
    """

    name: str
    content: Figure | bytes
    title: str
    reading: str
    control: str
    private: bool
    suffix: str = ".png"
    alt: str = ""
    shown: str = ""
    frames: int = 0
    ends: tuple[str, str] = ("", "")


def picture_bytes(picture: ReportFigure, settings: str, suffix: str = ".png") -> bytes:
    """The file of a picture; a figure gets the settings under it and in the file's description."""
    if isinstance(picture.content, bytes):
        return picture.content
    write_settings(picture.content, settings, picture.shown)
    name = {".png": "Description", ".svg": "Description", ".pdf": "Subject"}[suffix]
    return _saved(picture.content, suffix, DPI, {name: settings})


def page_bytes(picture: ReportFigure) -> bytes:
    """The picture as a page shows it: without the settings, which stand on the page once."""
    if isinstance(picture.content, bytes):
        return picture.content
    style.finish(picture.content)
    return _saved(picture.content, ".png", PAGE_DPI, {})


def _saved(figure: Figure, suffix: str, dpi: int, about: dict[str, str]) -> bytes:
    dated = {".svg": "Date", ".pdf": "CreationDate"}  # left out, so that the same figure is the same file
    literal(figure)
    metadata: dict[str, Any] = about | ({dated[suffix]: None} if suffix in dated else {})
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix.removeprefix("."), dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def literal(figure: Figure) -> None:
    """A $ in a name is a $, and no beginning of a formula; ticks of logarithmic axes are formulas of matplotlib's."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if "$" in text.get_text() and not text.get_text().startswith("$\\mathdefault"):
            text.set_parse_math(False)


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
    looks: Sequence[tuple[str, Look]],
    title: str,
    axes: str = "UMAP",
) -> Axes:
    """Points [M, 2] drawn by their group [M], an index into looks: (name, look).

    The order of drawing is mixed, or the last group would cover the others.
    """
    points, groups = np.asarray(points), np.asarray(groups)
    order = np.random.default_rng(0).permutation(len(points))
    for some in np.array_split(order, max(1, min(MIXED, len(order)))):
        for index, (_, drawn) in enumerate(looks):
            mine = some[groups[some] == index]
            x, y = points[mine].T
            ax.scatter(x, y, c=drawn.colour, marker=drawn.marker, s=15, alpha=0.75, linewidths=0, rasterized=True)
    for index, (name, drawn) in enumerate(looks):
        count = int((groups == index).sum())
        ax.scatter([], [], c=drawn.colour, marker=drawn.marker, s=24, label=f"{name} ({count})")
    ax.legend(loc="best", fontsize=8)
    ax.set(xticks=[], yticks=[], title=title)
    ax.set_xlabel(f"{axes} 1", fontsize=8)
    ax.set_ylabel(f"{axes} 2", fontsize=8)
    return ax


def image_rows(
    ax: Axes,
    rows: Sequence[NDArray[np.uint8]],
    names: Sequence[str],
    title: str = "",
    geometry: Geometry | None = None,
) -> Axes:
    """Rows of images uint8 [M, 1, R, R], each with its name at the left; shown as they are, without interpolation.

    geometry: marks the sides and a length in mm on the first image, as far as they are known.
    """
    resolution = rows[0].shape[-1]
    width = max(len(row) for row in rows)
    canvas = np.zeros((len(rows) * resolution, width * resolution), dtype=np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            canvas[i * resolution : (i + 1) * resolution, j * resolution : (j + 1) * resolution] = image[0]
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if geometry is not None:
        mark(ax, geometry, resolution, inside=len(rows) * width > 1)
    ax.set_yticks([(i + 0.5) * resolution - 0.5 for i in range(len(rows))], names)
    ax.tick_params(length=0)
    ax.set(xticks=[], title=title)
    return ax


def mark(ax: Axes, geometry: Geometry, resolution: int, inside: bool = True) -> Axes:
    """The sides of the first image of a canvas (L, R) and a bar of so many mm, as far as both are known."""
    size = 7 if inside else 9
    look: dict[str, Any] = dict(
        color="white", fontsize=size, path_effects=[withStroke(linewidth=1.5, foreground="black")]
    )
    for side, x, at in zip(geometry.sides, (0.03, 0.97), ("left", "right"), strict=True):
        ax.text(x * resolution - 0.5, 0.04 * resolution, side, ha=at, va="top", **look)
    if geometry.mm is not None:
        fits = [mm for mm in BARS if mm / geometry.mm <= 0.4 * resolution]
        if fits:
            start, y = 0.05 * resolution, 0.95 * resolution - 0.5
            ax.plot([start, start + fits[0] / geometry.mm], [y, y], color="white", lw=2, solid_capstyle="butt")
            ax.text(start, y - 0.04 * resolution, f"{fits[0]} mm", ha="left", va="bottom", **look)
    return ax


def confusion_matrix(ax: Axes, counts: NDArray[Any], names: Sequence[str], title: str) -> Axes:
    """Counts [K, K] by true class (rows) and answer (columns), shaded by the share of the row."""
    counts = np.asarray(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap=style.SHARES, vmin=0, vmax=1)
    for i, j in np.ndindex(*counts.shape):
        colour = "white" if share[i, j] > 0.5 else "black"
        ax.text(j, i, f"{counts[i, j]}\n{share[i, j]:.0%}", ha="center", va="center", color=colour)
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="answer", ylabel="true class", title=title)
    return ax


def scatter_values(ax: Axes, points: NDArray[Any], values: NDArray[Any], title: str, words: str) -> Axes:
    """Points [M, 2] coloured by a number [M]."""
    shown = ax.scatter(
        points[:, 0], points[:, 1], c=values, s=15, alpha=0.8, linewidths=0, rasterized=True, cmap=style.SEQUENTIAL
    )
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
    better: str = "",
) -> Axes:
    """A number of each class as a triangle, its real-vs-real baseline as a bar, equality as a line.

    values, baselines: the number alone, or with the two ends of its interval behind it. better: says which way.
    """
    for i, ((value, *between), (baseline, *around)) in enumerate(zip(values, baselines, strict=True)):
        label, drawn = i == 0, style.look(False, i)
        if around:
            ground = "real vs real, 95 %" if label else None
            ax.fill_between([i - 0.25, i + 0.25], around[0], around[1], color="0.87", lw=0, label=ground)
        ax.plot([i - 0.25, i + 0.25], [baseline] * 2, color="0.35", lw=2, label="real vs real" if label else None)
        if between:
            ax.plot([i, i], between, color=style.outline(i), lw=1.5, label="generated, 95 %" if label else None)
        words = "generated (hue: class)" if label else None
        edge = style.outline(i)
        ax.plot(i, value, drawn.marker, color=drawn.colour, markeredgecolor=edge, ms=8, label=words)
    if expected is not None:
        ax.axhline(expected, color=style.LIMIT, ls=":", lw=1, label="equal distributions")
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set(title=title, ylabel=better, xlabel="class")
    return ax


def curves(ax: Axes, x: NDArray[Any], lines: Sequence[Series], title: str, words: tuple[str, str]) -> Axes:
    """Several named curves over one x."""
    for name, y, drawn in lines:
        ax.plot(x, y, label=name, color=drawn.colour, ls=drawn.line, lw=1.6)
    ax.set(title=title, xlabel=words[0], ylabel=words[1])
    ax.legend(fontsize=8)
    return ax


def reliability(
    ax: Axes, sets: Sequence[tuple[str, NDArray[Any], NDArray[Any], Look]], title: str, bins: int = 10
) -> Axes:
    """Share right over confidence, of each (name, confidence [M], right [M], look); the diagonal is calibrated."""
    ax.plot([0, 1], [0, 1], color=style.LIMIT, ls=":", lw=1, label="calibrated")
    for name, confidence, right, drawn in sets:
        place = np.minimum((confidence * bins).astype(int), bins - 1)
        used = [b for b in range(bins) if (place == b).sum() >= 10]
        x, y = ([column[place == b].mean() for b in used] for column in (confidence, right))
        ax.plot(x, y, ls=drawn.line, marker=drawn.marker, color=drawn.colour, label=f"{name} ({len(right)})")
    ax.set(title=title, xlabel="confidence", ylabel="share right", xlim=(0.3, 1.02), ylim=(0, 1.02))
    ax.legend(fontsize=8)
    return ax


def histograms(ax: Axes, sets: Sequence[Series], title: str, words: str, line: tuple[str, float] | None = None) -> Axes:
    """Outlines of the histograms of several named sets of numbers, on common bins."""
    everything = np.concatenate([values for _, values, _ in sets])
    edges = np.linspace(everything.min(), everything.max() + 1e-9, 41).tolist()
    for name, values, drawn in sets:
        weights, label = np.full(len(values), 1 / len(values)), f"{name} ({len(values)})"
        ax.hist(values, edges, weights=weights, histtype="step", color=drawn.colour, ls=drawn.line, lw=1.6, label=label)
    if line is not None:
        ax.axvline(line[1], color=style.LIMIT, ls="-.", lw=1, label=line[0])
    ax.set(title=title, xlabel=words, ylabel="share of slices")
    ax.legend(fontsize=8)
    return ax


def signed_rows(
    ax: Axes, rows: Sequence[NDArray[Any]], names: Sequence[str], limit: float, title: str = "", bar: bool = True
) -> Axes:
    """Rows of difference maps [n, R, R] in gray levels, red above 0 and blue below, from -limit to limit."""
    canvas = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    limit = limit or 1.0
    shown = ax.imshow(canvas, cmap=style.DIVERGING, vmin=-limit, vmax=limit, interpolation="nearest")
    size = rows[0].shape[-1]
    ax.set_yticks([(i + 0.5) * size - 0.5 for i in range(len(rows))], names)
    ax.tick_params(length=0)
    ax.set(xticks=[], title=title)
    if bar:
        ax.figure.colorbar(shown, ax=ax, fraction=0.04, pad=0.01, label="gray levels")
    return ax
