"""A map as a page of its own: hovering over a point shows its slice, a lasso selects, the selection is saved as a list.

Nothing in it asks the network for anything.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.embed import file_html
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, CustomJS, HoverTool
from bokeh.models.annotations import Legend, LegendItem
from bokeh.models.widgets import Button, CheckboxGroup, Div
from bokeh.plotting import figure
from bokeh.resources import INLINE
from numpy.typing import NDArray
from PIL import Image

from analysis import style
from analysis.context import Context
from analysis.plots import ReportFigure
from analysis.slices import SliceTable
from analysis.sources import FeatureTable
from progan_style import png_uri

MARKERS = {"o": "circle", "^": "triangle"}  # of matplotlib, in Bokeh
FAINT = 0.02  # opacity of a kind that is hidden
HIDE = """
const shown = new Set(cb_obj.active);
source.data.alpha = source.data.kind.map((kind) => (shown.has(kind) ? 0.75 : FAINT));
source.change.emit();
""".replace("FAINT", str(FAINT))
COUNT = "button.label = `save the selection (${source.selected.indices.length})`;"
SAVE = """
const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
const d = source.data;
const lines = source.selected.indices.map((i) => [d.class[i], d.side[i], d.file[i], d.seed[i]].map(quoted).join(","));
const text = ["class,side,file,seed", ...lines].join("\\r\\n") + "\\r\\n";
const link = document.createElement("a");
link.href = URL.createObjectURL(new Blob([text], {type: "text/csv"}));
link.download = "selection.csv";
link.click();
URL.revokeObjectURL(link.href);
"""
HOW = (
    "Hover over a point to see its slice. Draw a lasso to select points (with Shift, more of them). The selection is "
    "saved as a list: the files of real slices, the seeds of generated ones. <a href='report.html'>Back to the "
    "report</a>"
)


def interactive_map(
    context: Context, points: NDArray[np.float32], both: FeatureTable, rows: NDArray[np.int64]
) -> ReportFigure:
    """The points [M, 2] of a joined table; rows [M] say which slices they are of."""
    kinds = [(label, real) for real in (True, False) for label in range(len(both.class_names))]
    source = ColumnDataSource(_columns(context, points, both, rows, kinds))
    plot = figure(
        sizing_mode="stretch_width",
        height=760,
        title="UMAP of the reference classifier's features, fitted on training reals",
        tools="pan,wheel_zoom,lasso_select,tap,reset",
        active_drag="lasso_select",
        active_scroll="wheel_zoom",
    )
    drawn: dict[str, Any] = dict(marker="marker", color="colour", alpha="alpha", nonselection_alpha=0.15)
    plot.scatter("x", "y", source=source, size=8, **drawn)
    names = [f"{both.class_names[label]}, {_side(real)}" for label, real in kinds]
    looks = [style.look(real, label) for label, real in kinds]
    nowhere = [float("nan")]  # the legend shows how the first point is drawn, so there must be one
    samples: list[Any] = [
        plot.scatter(nowhere, nowhere, size=9, color=look.colour, marker=MARKERS[look.marker]) for look in looks
    ]
    items = [LegendItem(label=name, renderers=[sample]) for name, sample in zip(names, samples, strict=True)]
    plot.add_layout(Legend(items=items, orientation="horizontal"), "above")
    plot.add_tools(HoverTool(tooltips='<img src="@slice" width="128" style="image-rendering: pixelated"><br>@words'))
    plot.axis.visible = False
    checks = CheckboxGroup(labels=names, active=list(range(len(kinds))), inline=True)
    checks.js_on_change("active", CustomJS(args={"source": source}, code=HIDE))
    button = Button(label="save the selection (0)", width=220)
    button.js_on_event("button_click", CustomJS(args={"source": source}, code=SAVE))
    source.selected.js_on_change("indices", CustomJS(args={"source": source, "button": button}, code=COUNT))
    page = column(Div(text=HOW), row(checks, button), plot, sizing_mode="stretch_width")
    return ReportFigure(
        "umap_interactive",
        file_html(page, INLINE, "UMAP of the slices").encode(),
        "The same map, interactive",
        "A page of its own: hover over a point to see its slice, select points by lasso, save them as a list of files "
        "and seeds.",
        "the printed map above",
        private=True,
        suffix=".html",
        alt="A map of points, real and generated, each with its slice.",
        shown=f"{int(both.is_real.sum())} real and {int((~both.is_real).sum())} generated slices.",
    )


def _columns(
    context: Context,
    points: NDArray[np.float32],
    both: FeatureTable,
    rows: NDArray[np.int64],
    kinds: list[tuple[int, bool]],
) -> dict[str, list[object]]:
    """What is known of every point; in a mixed order, or the last kind would cover the others."""
    columns: dict[str, list[object]] = {}
    for i in np.random.default_rng(0).permutation(len(points)):
        label, real = int(both.labels[i]), bool(both.is_real[i])
        slices: SliceTable = context.held_out if real else context.fakes
        look, seed = style.look(real, label), int(slices.seeds[rows[i]])
        name = f"{both.class_names[label]}, {_side(real)}"
        facts = {
            "x": float(points[i, 0]),
            "y": float(points[i, 1]),
            "slice": png_uri(Image.fromarray(slices.images[rows[i]][0])),
            "words": name + _whose(slices, int(rows[i])),
            "class": both.class_names[label],
            "side": _side(real),
            "file": str(slices.files[rows[i]]),
            "seed": "" if seed < 0 else str(seed),
            "kind": kinds.index((label, real)),
            "colour": look.colour,
            "marker": MARKERS[look.marker],
            "alpha": 0.75,
        }
        for key, value in facts.items():
            columns.setdefault(key, []).append(value)
    return columns


def _side(real: bool) -> str:
    return "real" if real else "generated"


def _whose(slices: SliceTable, row: int) -> str:
    if slices.seeds[row] >= 0:
        return f", seed {slices.seeds[row]}"
    return f", {slices.subjects[row]}" if slices.subjects[row] else ""
