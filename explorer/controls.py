"""Sliders, lists and buttons: a state -> widgets, widgets -> a state."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from bokeh.layouts import column, row
from bokeh.models.ui.ui_element import UIElement
from bokeh.models.widgets.buttons import Button
from bokeh.models.widgets.inputs import Checkbox, Select, Spinner
from bokeh.models.widgets.markups import Div
from bokeh.models.widgets.sliders import Slider

from explorer.conditions import AnyCondition, CategoryCondition, Value
from explorer.state import GIVEN, LARGEST_SEED, SCALES, Choices, State, coarse_sizes

WIDTH = 280
Listed = list[str | tuple[Any, str]]  # of a Select: values, or values and their words
WAYS_IN_WORDS: Listed = [("direction", "along one direction in w"), ("label", "by the label, same z")]


def listed(values: Sequence[int]) -> Listed:
    return [str(value) for value in values]


def seed_field(title: str, name: str) -> Spinner:
    return Spinner(title=title, low=0, high=LARGEST_SEED, step=1, width=130, name=name)


def share(title: str, name: str) -> Slider:
    return Slider(title=title, start=0, end=1, step=0.01, value=1, width=WIDTH, name=name)


def plain(name: str) -> str:
    """A column's or a class's name as a title. Bokeh takes what looks like TeX for HTML, and it is out of a file."""
    return name.replace("$", "").replace("\\", "/")


def of_condition(one: AnyCondition) -> Slider | Select:
    """A number in its own unit, over the training slices' range; a category's names."""
    if isinstance(one, CategoryCondition):
        words: Listed = [(name, plain(name)) for name in one.names]
        return Select(title=plain(one.name), options=words, value=one.first, width=WIDTH, name=f"{GIVEN}{one.name}")
    return Slider(
        title=plain(one.name if one.unit is None or one.name.endswith(one.unit) else f"{one.name}, {one.unit}"),
        start=one.low,
        end=one.high,
        step=(one.high - one.low) / 100,
        value=one.first,
        width=WIDTH,
        name=f"{GIVEN}{one.name}",
    )


class Controls:
    """changed: called after a change by hand. What a run does not have (a second class, a condition) has no widget."""

    def __init__(self, choices: Choices, state: State, changed: Callable[[], None]):
        self.choices, self.last, self.setting = choices, state, False
        two = len(choices.class_names) > 1
        names: Listed = [*choices.class_names]
        self.size = Select(title="Size, pixels per side", options=listed(choices.sizes), width=WIDTH, name="size")
        self.seed = seed_field("Brain (seed)", "seed")
        self.next = Button(label="Another brain", width=130, align="end", name="next")
        self.low = Select(title="From the class", options=names, width=130, name="low")
        self.high = Select(title="to the class", options=names, width=130, name="high")
        self.weight = share("Way", "weight")
        self.way = Select(title="How the class changes", options=WAYS_IN_WORDS, width=WIDTH, name="way")
        self.psi = share("psi: 1 is as trained, 0 the typical brain", "psi")
        apart = [one for one in choices.conditions if isinstance(one, CategoryCondition) or one.low < one.high]
        self.given = {one.name: of_condition(one) for one in apart}
        self.own_noise = Checkbox(label="noise of the brain's own seed", active=True, width=WIDTH, name="own_noise")
        self.noise = seed_field("Noise (seed)", "noise")
        self.scale = Select(
            title="Difference: gray levels at the ends", options=listed(SCALES), width=WIDTH, name="scale"
        )
        self.other = seed_field("Second brain (seed)", "other")
        self.coarse = Select(title="Styles of the first, up to", options=[], width=WIDTH, name="coarse")
        for widget in self._valued():
            widget.on_change("value", lambda attr, old, new: self._by_hand(changed))
        self.own_noise.on_change("active", lambda attr, old, new: self._by_hand(changed))
        self.next.on_click(lambda event: self._another(changed))
        title: dict[str, str | None] = {"font-weight": "bold", "margin-top": "8px"}
        ends: list[UIElement] = [row(self.low, self.high)] if len(names) > 2 else []
        classes = [Div(text="Class", styles=title), *ends, self.weight, self.way, self.scale] if two else []
        self.mixing = [Div(text="Second brain", styles=title), self.other, self.coarse]
        self.layout = column(
            self.size,
            row(self.seed, self.next),
            *classes,
            Div(text="Variety", styles=title),
            self.psi,
            *self.given.values(),
            self.own_noise,
            self.noise,
            *self.mixing,
            width=WIDTH + 20,
        )
        self.set(state)

    def _valued(self) -> list[Select | Slider | Spinner]:
        lists = [self.size, self.low, self.high, self.way, self.scale, self.coarse]
        return [*lists, self.weight, self.psi, *self.given.values(), self.seed, self.noise, self.other]

    def _by_hand(self, changed: Callable[[], None]) -> None:
        if not self.setting:
            self.set(self.state())  # what follows from it: titles, lists
            changed()

    def _another(self, changed: Callable[[], None]) -> None:
        self.set(replace(self.last, seed=(self.last.seed + 1) % (LARGEST_SEED + 1)))
        changed()

    def show_tab(self, tab: str) -> None:
        self.last = replace(self.last, tab=tab)
        for widget in self.mixing:
            widget.visible = tab == "mixing"

    def state(self) -> State:
        """What the widgets say. A field that was emptied keeps its value."""
        size, last = int(self.size.value), self.last
        coarse = min(int(self.coarse.value), coarse_sizes(size)[-1])

        def seed(widget: Spinner, before: int) -> int:
            return before if widget.value is None else min(max(int(widget.value), 0), LARGEST_SEED)

        def value(widget: Slider | Select) -> Value:
            if isinstance(widget, Select):
                return str(widget.value)
            return float(min(max(widget.value, widget.start), widget.end))  # the last step may lie a rounding beyond

        given = dict(last.given) | {name: value(widget) for name, widget in self.given.items()}
        return State(
            size=size,
            low=self.low.value,
            high=self.high.value,
            seed=seed(self.seed, last.seed),
            weight=round(float(self.weight.value), 4),
            way=self.way.value,
            psi=round(float(self.psi.value), 4),
            noise=None if self.own_noise.active else seed(self.noise, last.seed),
            other=seed(self.other, last.other),
            coarse=coarse,
            scale=int(self.scale.value),
            tab=last.tab,
            given=tuple(given.items()),
        )

    def set(self, state: State) -> None:
        """Bring the widgets to a state; `changed` is not called."""
        self.setting = True
        try:
            self.last = state
            self.size.value, self.seed.value = str(state.size), state.seed
            self.low.value, self.high.value, self.way.value = state.low, state.high, state.way
            self.weight.value, self.psi.value = state.weight, state.psi
            self.weight.title = f"From {plain(state.low)} (0) to {plain(state.high)} (1)"
            for name, value in state.given:
                if name in self.given:
                    self.given[name].value = value
            self.own_noise.active = state.noise is None
            self.noise.value = state.seed if state.noise is None else state.noise
            self.noise.visible = state.noise is not None
            self.other.value, self.scale.value = state.other, str(state.scale)
            places: Listed = [*((str(s), f"{s}x{s}") for s in coarse_sizes(state.size))]
            self.coarse.options = places
            self.coarse.value = str(state.coarse)
            self.show_tab(state.tab)
        finally:
            self.setting = False
