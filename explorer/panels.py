"""Bokeh figures and words of the tabs. They are given pictures and show them; they ask for nothing.

Letters: R pixels per side.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, FixedTicker, HoverTool, LinearColorMapper, Range1d
from bokeh.models.annotations import ColorBar, Title
from bokeh.models.glyphs import Image
from bokeh.models.widgets.buttons import Button
from bokeh.models.widgets.inputs import Select
from bokeh.models.widgets.markups import Div
from bokeh.palettes import RdBu11, gray, interp_palette
from bokeh.plotting import figure
from numpy.typing import NDArray

from explorer.controls import plain
from explorer.downloads import BAR_MM
from explorer.pictures import difference
from explorer.real import CLOSEST, MAPS, Closest, Shown
from explorer.state import class_in_words
from explorer.view import View
from progan_style import Field

WIDTH = 300  # of a picture on the screen
HINT = {"color": "#555", "font-size": "13px"}


class Panel:
    """One picture: `show` puts another into it. mm: the side of the field, None where nobody knows it."""

    def __init__(self, name: str, mm: float | None, width: int = WIDTH, bar: bool = False, signed: bool = False):
        side = mm or 1.0
        self.side = side
        self.title = Title(text="", text_font_size="13px")
        self.figure = figure(
            title=self.title,
            frame_width=width,
            frame_height=width,
            x_range=Range1d(start=0, end=side),
            y_range=Range1d(start=0, end=side),
            tools="",
            toolbar_location=None,
            min_border=4,
            outline_line_color=None,
        )
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        palette = interp_palette(RdBu11, 255) if signed else gray(256)
        self.mapper = LinearColorMapper(palette=palette, low=0, high=255)
        self.source = ColumnDataSource({"image": []}, name=name)
        glyph = Image(image="image", x=0, y=0, dw=side, dh=side, color_mapper=self.mapper)
        self.figure.add_glyph(self.source, glyph)
        if signed:
            self.colour_bar = ColorBar(color_mapper=self.mapper, width=10)
            self.figure.add_layout(self.colour_bar, "right")
        if bar and mm is not None:
            start = 0.04 * side
            self.figure.line([start, start + BAR_MM], [start, start], line_width=4, color="white")
            self.figure.text([start], [1.4 * start], [f"{BAR_MM} mm"], text_color="white", text_font_size="12px")

    def show(self, picture: NDArray[Any], title: str, scale: int | None = None) -> None:
        """picture [R, R], its first row on top. scale: gray levels at both ends of a difference."""
        if scale is not None and self.mapper.high != scale:
            self.mapper.update(low=-scale, high=scale)
            self.colour_bar.ticker = FixedTicker(ticks=[-scale, -scale // 2, 0, scale // 2, scale])
        self.source.data = {"image": [np.ascontiguousarray(picture[::-1])]}
        self.title.text = plain(title)

    def clear(self) -> None:
        self.source.data = {"image": []}
        self.title.text = ""


def words(name: str, text: str = "", width: int = 3 * WIDTH, **style: str) -> Div:
    return Div(name=name, text=text, styles={**HINT, **style}, width=width, disable_math=True)


class BrainTab:
    """The brain of the first class, on the way to the second, and what has changed."""

    def __init__(self, field: Field | None, two_classes: bool):
        mm = field.side_mm if field is not None else None
        self.first, self.second = Panel("first", mm, bar=True), Panel("second", mm)
        self.change = Panel("change", mm, signed=True)
        self.words = words("brain_words")
        self.two = two_classes
        panels = [self.first.figure, *([self.second.figure, self.change.figure] if two_classes else [])]
        self.downloads = words("downloads")
        self.layout = column(row(*panels), self.words, self.downloads)

    def show(self, view: View, apart: float | None) -> None:
        state = view.state
        if not self.two:
            self.first.show(view.pictures[0], f"seed {state.seed}")
            self.words.text = "This run has one class, so there is no change to show."
            return
        first, second = view.pictures
        self.first.show(first, f"{state.low}, seed {state.seed}")
        self.second.show(second, class_in_words(state))
        self.change.show(difference(first, second), f"difference in gray levels, rms {view.change:.1f}", state.scale)
        brains = (
            f" Two different brains of {escape(state.low)} are {apart:.1f} apart on average (psi 1)."
            if apart is not None
            else ""
        )
        self.words.text = (
            f"Red is brighter than in {escape(state.low)}, blue is darker. The change is {view.change:.1f} gray levels "
            f"(root mean square).{brains} A change as large as that would be another person. It is the generator's "
            "idea of a group, no person's course."
        )


class MixingTab:
    """Two brains, and one with the coarse styles of the first and the fine styles of the second."""

    def __init__(self, field: Field | None):
        mm = field.side_mm if field is not None else None
        self.panels = [Panel("mixed_first", mm, bar=True), Panel("mixed_second", mm), Panel("mixed", mm)]
        self.words = words("mixing_words")
        self.layout = column(row(*(panel.figure for panel in self.panels)), self.words)

    def show(self, view: View) -> None:
        state = view.state
        titles = (f"seed {state.seed}", f"seed {state.other}", f"coarse of {state.seed}, fine of {state.other}")
        for panel, picture, title in zip(self.panels, view.pictures, titles, strict=True):
            panel.show(picture, title)
        self.words.text = (
            f"Right: styles up to {state.coarse}x{state.coarse} of seed {state.seed}, the finer ones of seed "
            f"{state.other}, noise of seed {state.seed}. All are {escape(class_in_words(state))}. The two brains are "
            f"{view.change:.1f} gray levels apart (root mean square)."
        )


class ClosestTab:
    """The picture of the brain's tab on the right, and the training slices closest to it."""

    def __init__(self, field: Field | None, class_names: Sequence[str]):
        mm = field.side_mm if field is not None else None
        self.class_names = class_names
        self.mine = Panel("closest_of", mm, 200, bar=True)
        self.panels = [Panel(f"closest_{i}", mm, 200) for i in range(CLOSEST)]
        self.words = words("closest_words")
        self.layout = column(row(self.mine.figure, *(panel.figure for panel in self.panels)), self.words)

    def show(self, view: View, closest: Closest | None) -> None:
        self.mine.show(view.pictures[0], f"generated, seed {view.state.seed}")
        if closest is None:
            return
        for panel, near in zip(self.panels, view.neighbours, strict=False):
            person = f", person {near.person}" if near.person else ""
            name = self.class_names[near.label] if near.label >= 0 else "unlabelled"
            panel.show(near.picture, f"real, {name}{person}: {near.distance:.2f}")
        nearest = view.neighbours[0].distance
        self.words.text = (
            "Training slices, closest first, with their distance in a common pose and contrast: 0 is equal, 1.41 "
            f"unrelated. {against(nearest, closest.threshold)} Slices of one person have one letter."
        )

    def say(self, text: str) -> None:
        for panel in self.panels:
            panel.clear()
        self.words.text = escape(text)


def against(nearest: float, threshold: float | None) -> str:
    """The smallest distance, read beside that of held-out people."""
    if threshold is None:
        return "There are no held-out slices to read it beside."
    so = "is closer than that: look whether it is a copy" if nearest < threshold else "is not closer than that"
    return (
        f"Of the slices of people whom the generator never saw, 1 % have a training slice closer than {threshold:.2f}. "
        f"This one ({nearest:.2f}) {so}."
    )


class MapTab:
    """Held-out and generated slices as points; a click opens one."""

    def __init__(self, field: Field | None, class_names: Sequence[str], public: bool):
        self.class_names, self.public = class_names, public
        self.shown: Shown | None = None
        kinds: list[str | tuple[Any, str]] = [*MAPS]
        self.kind = Select(title="Kind of map", value="PCA", options=kinds, width=120, name="map_kind")
        self.draw = Button(label="Draw the map", width=140, name="map_draw", align="end")
        self.words = words("map_words", "Nothing is drawn yet. A PCA takes seconds, a UMAP a minute or more.")
        self.source = ColumnDataSource({"x": [], "y": [], "words": [], "colour": [], "marker": []}, name="map")
        self.ranges = Range1d(start=0, end=1), Range1d(start=0, end=1)
        self.figure = figure(
            width=620,
            height=520,
            x_range=self.ranges[0],
            y_range=self.ranges[1],
            tools="pan,wheel_zoom,box_zoom,tap,reset",
        )
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        self.points = self.figure.scatter(
            "x", "y", source=self.source, size=8, alpha=0.7, nonselection_alpha=0.4, color="colour", marker="marker"
        )
        self.figure.add_tools(HoverTool(tooltips=[("slice", "@words")], renderers=[self.points]))
        self.opened = Panel("map_slice", field.side_mm if field is not None else None, 240, bar=True)
        self.opened_words = words("map_slice_words", "Click a point to open its slice.", 260)
        self.open = Button(label="Show this brain in the first tab", disabled=True, width=240, name="map_open")
        self.layout = column(
            row(self.kind, self.draw),
            self.words,
            row(self.figure, column(self.opened.figure, self.opened_words, self.open, width=260)),
        )

    def show(self, shown: Shown) -> None:
        from analysis import look  # with matplotlib: not before a map is drawn

        self.shown = shown
        made = shown.seeds >= 0
        colours = {real: [look(real, label).colour for label in range(len(self.class_names))] for real in (True, False)}
        names = [self.class_names[label] for label in shown.labels]
        self.source.selected.indices = []
        self.source.data = {
            "x": shown.points[:, 0],
            "y": shown.points[:, 1],
            "words": [f"{name}, {'generated' if one else 'real'}" for name, one in zip(names, made, strict=True)],
            "colour": [colours[not one][label] for label, one in zip(shown.labels, made, strict=True)],
            "marker": ["triangle" if one else "circle" for one in made],
        }
        for values, extent in zip(shown.points.T, self.ranges, strict=True):
            margin = 0.05 * float(np.ptp(values)) or 1.0
            low, high = float(values.min()) - margin, float(values.max()) + margin
            extent.update(start=low, end=high, reset_start=low, reset_end=high)
        legend = ", ".join(
            f'<b style="color: {colour}">{escape(name)}</b>'
            for name, colour in zip(self.class_names, colours[True], strict=True)
        )
        self.words.text = (
            f"{legend}; &#9650; generated, light; &#9679; held-out real, dark. {shown.kind} of the reference "
            f"classifier's features at {shown.size}x{shown.size}, fitted on training slices that are not shown. "
            "Neighbours are alike, distances are no measurements. Generated slices have psi 1."
        )

    def pick(self, index: int) -> int | None:
        """Show the slice of a point; -> its seed, None for a real one."""
        assert self.shown is not None
        seed, name = int(self.shown.seeds[index]), self.class_names[self.shown.labels[index]]
        if seed < 0 and self.public:
            self.opened.clear()
            self.opened_words.text = f"A held-out real slice of {escape(name)}. Real slices stay closed with --public."
        else:
            what = f"generated, seed {seed}" if seed >= 0 else "held-out real"
            self.opened.show(self.shown.pictures[index], f"{name}, {what}")
            self.opened_words.text = "As generate.py makes it, psi 1." if seed >= 0 else "No training slice."
        self.open.disabled = seed < 0
        return seed if seed >= 0 else None
