"""A browser's session: what is changed by hand goes to the workers as a state, what they make goes to the panels."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from typing import Any, cast

from bokeh.document import Document
from bokeh.layouts import column, row
from bokeh.models import CustomJS, TabPanel, Tabs
from bokeh.models.widgets.buttons import Button
from bokeh.models.widgets.inputs import TextInput
from bokeh.models.widgets.markups import Div

from explorer.controls import Controls
from explorer.downloads import KINDS
from explorer.explored import Explored
from explorer.panels import BrainTab, ClosestTab, MapTab, MixingTab
from explorer.real import Shown
from explorer.state import TABS, State, from_link, link
from explorer.view import View

log = logging.getLogger(__name__)
# The address of the page always holds the state, and never the key.
SHOW_LINK = 'window.history.replaceState(null, "", "/?" + cb_obj.value)'
COPY_LINK = "navigator.clipboard.writeText(window.location.href)"
TITLES = dict(zip(TABS, ("One brain", "Two brains mixed", "Map", "Closest training slices"), strict=True))


def refresh(explored: Explored, query: Mapping[str, Sequence[str]]) -> tuple[State, list[str]]:
    """The state that an address asks for."""
    return from_link(query, explored.choices(), explored.first_state())


class Page:
    """The latest state that was asked for is `wanted`; what is between it and the one that is shown is skipped."""

    def __init__(self, explored: Explored, document: Document, query: Mapping[str, Sequence[str]]):
        self.explored, self.document, self.open = explored, document, True
        state, lines = refresh(explored, query)
        if explored.public and state.tab == "closest":
            state = replace(state, tab="brain")
            lines.append("tab=closest: real slices stay closed with --public")
        self.wanted, self.at_work = state, False
        self.shown, self.picked = state, cast(int | None, None)
        self.tasks: set[asyncio.Task[None]] = set()
        choices, field = explored.choices(), explored.real.field
        self.controls = Controls(choices, state, self.changed)
        self.brain = BrainTab(field, len(choices.class_names) > 1)
        self.mixing, self.map = MixingTab(field), MapTab(field, choices.class_names, explored.public)
        self.closest = ClosestTab(field, choices.class_names)
        layouts = {
            "brain": self.brain.layout,
            "mixing": self.mixing.layout,
            "map": self.map.layout,
            "closest": self.closest.layout,
        }
        self.names = [name for name in TABS if not (explored.public and name == "closest")]
        panels = [TabPanel(child=layouts[name], title=TITLES[name]) for name in self.names]
        self.tabs = Tabs(tabs=panels, active=self.names.index(state.tab), name="tabs", min_width=1040)
        self.title = Div(name="title", styles={"font-size": "15px"}, disable_math=True)
        red: dict[str, str | None] = {"color": "#a00000", "font-size": "14px"}
        self.message = Div(name="message", visible=False, styles=red, disable_math=True)
        self.link = TextInput(value=link(state, explored.name), visible=False, name="link")
        self.link.js_on_change("value", CustomJS(code=SHOW_LINK))
        copy = Button(label="Copy the link to this state", width=200, name="copy")
        copy.js_on_event("button_click", CustomJS(code=COPY_LINK))
        self.tabs.on_change("active", lambda attr, old, new: self.change_tab(self.names[new]))
        self.map.draw.on_click(lambda event: self.draw_map())
        self.map.source.selected.on_change("indices", lambda attr, old, new: self.pick(new))
        self.map.open.on_click(lambda event: self.open_picked())
        body = row(column(self.controls.layout, copy), self.tabs)
        document.add_root(column(self.title, self.message, body, self.link))
        document.title = f"{explored.name}: explorer"
        document.on_session_destroyed(lambda context: self.leave())
        if field is None:
            why = explored.real.why or "the data do not say how many mm a pixel has"
            lines.append(f"no bar in mm and no NIfTI: {why}")
        self.standing = [*lines, *filter(None, [explored.real.doubt])]
        self.changed()

    def leave(self) -> None:
        self.open = False

    # ------------------------------------------------------------------ pictures

    def changed(self) -> None:
        """Something was changed by hand."""
        self.wanted = self.controls.state()
        if not self.at_work:
            self.at_work = True
            self.document.add_next_tick_callback(cast(Callable[[], None], self.work))  # may be async

    async def work(self) -> None:
        """Make what is wanted, show it, and again if another was wanted in the meantime."""
        try:
            while self.open:
                state = self.wanted
                try:
                    view = await asyncio.wrap_future(self.explored.pictures.submit(partial(self.explored.view, state)))
                except (ValueError, OSError) as error:
                    self.go_back(str(error))
                except Exception:
                    log.exception("a picture could not be made")
                    self.go_back("something went wrong; the terminal of explore.py says what")
                else:
                    self.show(view)
                if self.wanted == state or self.wanted == self.shown:
                    break
        finally:
            self.at_work = False

    def go_back(self, why: str) -> None:
        """What was asked for cannot be had: the controls go back to what is shown."""
        self.wanted = self.shown
        self.controls.set(self.shown)
        self.say(why)

    def say(self, *lines: str) -> None:
        """Above everything: what is wrong, until it is not."""
        every = [*lines, *self.standing]
        self.message.text = "<br>".join(map(escape, every))
        self.message.visible = bool(every)

    def show(self, view: View) -> None:
        state = self.shown = view.state
        run = escape(self.explored.name)
        self.title.text = f"<b>{run}</b>, {state.size}x{state.size}, after {view.nimg:,} training images. Every slice "
        self.title.text += "is generated, unless it says real. For research, not for diagnosis."
        self.say(*([view.remark] if view.remark else []))
        if state.tab == "brain":
            apart = self.explored.known_apart(state)
            self.brain.show(view, apart)
            if apart is None and self.brain.two:
                self.later(partial(self.explored.measure_apart, state), lambda found: self.show_apart(view, found))
        elif state.tab == "mixing":
            self.mixing.show(view)
        elif state.tab == "closest":
            self.show_closest(view)
        query = link(state, self.explored.name)
        self.link.value = query
        kinds = [kind for kind in KINDS if kind != "nii.gz" or self.nifti_is_known()]
        links = [f'<a href="/download/brain.{kind}?{escape(query)}" download>{kind}</a>' for kind in kinds]
        self.brain.downloads.text = f"Download: {', '.join(links)}"

    def nifti_is_known(self) -> bool:
        field = self.explored.real.field
        return field is not None and bool(field.directions)

    def show_apart(self, view: View, found: float) -> None:
        if self.shown == view.state:
            self.brain.show(view, found)

    def show_closest(self, view: View) -> None:
        size = view.state.size
        closest = self.explored.closest(size)
        self.closest.show(view, closest if view.neighbours else None)
        if view.neighbours:
            return
        if self.explored.real.data is None:
            self.closest.say(f"The run's slices are not here: {self.explored.real.why}")
            return
        self.closest.say("The training slices are brought into a common pose. This takes seconds, once for each size.")
        self.later(partial(self.explored.prepare_closest, size), lambda found: self.changed(), self.closest.say)

    # ------------------------------------------------------------------ what takes longer

    def later(
        self, work: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[str], None] | None = None
    ) -> None:
        """work in the thread for slow things; then done(its result) here, or failed(why)."""

        async def wait() -> None:
            try:
                found = await asyncio.wrap_future(self.explored.slow.submit(work))
            except (ValueError, OSError) as error:
                self.soon(partial(failed or self.say, str(error)))
            except Exception:
                log.exception("a slow piece of work failed")
                self.soon(partial(failed or self.say, "something went wrong; the terminal of explore.py says what"))
            else:
                self.soon(partial(done, found))

        task = asyncio.get_running_loop().create_task(wait())
        self.tasks.add(task)  # a task that nobody holds may vanish
        task.add_done_callback(self.tasks.discard)

    def soon(self, call: Callable[[], None]) -> None:
        """In the page's turn, from any thread; for a browser that is gone, not at all."""
        if self.open:
            self.document.add_next_tick_callback(call)

    def change_tab(self, tab: str) -> None:
        self.controls.show_tab(tab)
        self.changed()

    def draw_map(self) -> None:
        size, kind = self.shown.size, self.map.kind.value
        self.map.draw.disabled = True
        self.picked = None

        def tell(line: str) -> None:
            self.soon(lambda: self.map.words.update(text=escape(line)))

        def done(shown: Shown) -> None:
            self.map.draw.disabled = False
            self.map.show(shown)

        def failed(why: str) -> None:
            self.map.draw.disabled = False
            self.map.words.text = f"The map cannot be drawn: {escape(why)}"

        self.map.words.text = "The map is being drawn."
        self.later(partial(self.explored.map, size, kind, tell), done, failed)

    def pick(self, indices: Sequence[int]) -> None:
        if indices and self.map.shown is not None:
            self.picked = indices[-1] if self.map.pick(indices[-1]) is not None else None

    def open_picked(self) -> None:
        """The brain of the point that was clicked, in the first tab, as generate() makes it: of its class, psi 1."""
        shown = self.map.shown
        if self.picked is None or shown is None:
            return
        label, seed = int(shown.labels[self.picked]), int(shown.seeds[self.picked])
        name, state = self.controls.choices.class_names[label], self.shown
        low = state.low if name != state.low else next(n for n in (state.high, name) if n != state.low or n == name)
        ends = {"weight": 0.0} if name == state.low else {"weight": 1.0, "low": low, "high": name}
        drawn = shown.given[self.picked]
        if unknown := [column for column, value in drawn.items() if value is None]:
            self.map.opened_words.text = f"{escape(unknown[0])} of this slice is unknown: the page cannot ask for it."
            return
        given = dict(state.given) | {column: value for column, value in drawn.items() if value is not None}
        state = replace(state, given=tuple(given.items()))
        state = replace(state, seed=seed, size=shown.size, way="label", psi=1.0, noise=None, tab="brain", **ends)
        self.controls.set(state)
        if self.tabs.active == 0:
            self.changed()
        else:
            self.tabs.active = 0
