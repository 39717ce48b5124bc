"""A map as a page of its own: hovering over a point shows its slice. Nothing in it asks the network for anything."""

from __future__ import annotations

import numpy as np
from bokeh.embed import file_html
from bokeh.models import ColumnDataSource, HoverTool
from bokeh.plotting import figure
from bokeh.resources import INLINE
from numpy.typing import NDArray
from PIL import Image

from analysis import plots
from analysis.context import Context
from analysis.plots import ReportFigure
from analysis.slices import SliceTable
from analysis.sources import FeatureTable
from progan_style import png_uri


def interactive_map(
    context: Context, points: NDArray[np.float32], both: FeatureTable, rows: NDArray[np.int64]
) -> ReportFigure:
    """The points [M, 2] of a joined table; rows [M] say which slices they are of."""
    plot = figure(
        width=900,
        height=760,
        title="UMAP of the reference classifier's features, fitted on training reals",
        tools="pan,wheel_zoom,reset",
    )
    for label, name in enumerate(both.class_names):
        for real, side in ((True, "real"), (False, "generated")):
            here = np.flatnonzero((both.labels == label) & (both.is_real == real))
            slices: SliceTable = context.held_out if real else context.fakes
            source = ColumnDataSource(
                {
                    "x": points[here, 0].tolist(),
                    "y": points[here, 1].tolist(),
                    "slice": [_thumbnail(slices.images[row]) for row in rows[here]],
                    "words": [f"{name}, {side}{_whose(slices, row)}" for row in rows[here]],
                }
            )
            colour = plots.COLOURS[label + len(both.class_names) * (not real)]
            plot.scatter("x", "y", source=source, size=6, alpha=0.7, color=colour, legend_label=f"{name} {side}")
    plot.add_tools(HoverTool(tooltips='<img src="@slice" width="128" style="image-rendering: pixelated"><br>@words'))
    plot.legend.click_policy = "hide"
    plot.axis.visible = False
    return ReportFigure(
        "umap_interactive",
        file_html(plot, INLINE, "UMAP").encode(),
        "The same map, interactive",
        "Hover over a point to see its slice. Click a legend entry to hide it.",
        "the printed map above",
        private=True,
        suffix=".html",
    )


def _whose(slices: SliceTable, row: int) -> str:
    if slices.seeds[row] >= 0:
        return f", seed {slices.seeds[row]}"
    return f", {slices.subjects[row]}" if slices.subjects[row] else ""


def _thumbnail(image: NDArray[np.uint8]) -> str:
    return png_uri(Image.fromarray(image[0]))
