"""The page without a browser: a document, whose turns are taken by hand."""

import asyncio
import inspect
from dataclasses import replace
from urllib.parse import parse_qs

import numpy as np
import pytest
from bokeh.document import Document
from bokeh.events import ButtonClick
from bokeh.models.widgets.markups import Div

from explorer.page import Page
from explorer.real import Real
from explorer.state import from_link, link


class Turns(Document):
    """A document that keeps what is to be done in its next turn."""

    def __init__(self):
        super().__init__()
        self.turns = []

    def add_next_tick_callback(self, callback):
        self.turns.append(callback)


@pytest.fixture
def opened(explored):
    """opened(query) -> a page that has come to rest."""

    def make(query="", then=lambda page: None):
        async def all_of_it():
            page = Page(explored, Turns(), parse_qs(query))
            await rest(page)
            then(page)
            await rest(page)
            return page

        return asyncio.run(all_of_it())

    return make


async def rest(page):
    while page.document.turns or page.tasks:
        for callback in [page.document.turns.pop(0)] if page.document.turns else []:
            done = callback()
            if inspect.isawaitable(done):
                await done
        if page.tasks:
            await asyncio.wait(set(page.tasks), timeout=60)


def picture(panel):
    return panel.source.data["image"][0][::-1]


def test_a_page_shows_the_state_of_its_address(opened, explored, state):
    asked = replace(state, seed=5, weight=0.5)
    page = opened(link(asked, "tiny"))
    assert page.shown == asked and page.controls.state() == asked and page.link.value == link(asked, "tiny")
    assert np.array_equal(picture(page.brain.second), explored.view(asked).pictures[1])
    assert page.title.text.startswith("<b>tiny</b>, 16x16") and "apart" in page.brain.words.text
    assert (
        "nii.gz" not in page.brain.downloads.text and 'href="/download/brain.png?run=tiny' in page.brain.downloads.text
    )


def test_what_a_link_asks_for_in_vain_is_said(opened):
    page = opened("size=64&seed=<b>")
    assert page.message.visible and "size=64: expected one of 8, 16" in page.message.text
    assert "seed=&lt;b&gt;" in page.message.text and "<b>" not in page.message.text
    assert "no bar in mm and no NIfTI" in page.message.text and page.shown.size == 16


def test_no_text_is_taken_for_tex(opened):
    """TeX can hold links that run code, and a link to this page can hold TeX."""
    page = opened("seed=$$\\href{javascript:x}{y}$$")
    divs = [model for model in page.document.models if isinstance(model, Div) and model.text.strip("$")]
    assert "$$" in page.message.text
    assert {one.text for one in divs if not one.disable_math} == {"Class", "Variety", "Second brain"}


def test_a_change_by_hand_is_shown_and_stands_in_the_link(opened, choices, state):
    page = opened(then=lambda page: page.controls.weight.update(value=0.25))
    assert page.shown.weight == 0.25 and "25% of the way" in page.brain.second.title.text
    assert from_link(parse_qs(page.link.value), choices, state)[0] == page.shown


def test_what_lies_between_two_wishes_is_skipped(opened, explored, monkeypatch):
    seen, view = [], explored.view
    monkeypatch.setattr(explored, "view", lambda state: seen.append(state.weight) or view(state))

    def drag(page):
        for weight in (0.1, 0.2, 0.3):
            page.controls.weight.value = weight

    assert opened(then=drag).shown.weight == 0.3 and seen == [1.0, 0.3]


def test_each_tab_is_drawn_when_it_is_opened(opened):
    page = opened(then=lambda page: page.tabs.update(active=1))
    assert page.shown.tab == "mixing" and picture(page.mixing.panels[2]).shape == (16, 16)
    assert page.controls.coarse.visible
    page = opened(then=lambda page: page.tabs.update(active=3))
    assert page.shown.tab == "closest" and "closest first" in page.closest.words.text
    assert picture(page.closest.panels[3]).shape == (16, 16)


def draw(page):
    page.tabs.active = 2
    page.map.draw._trigger_event(ButtonClick(page.map.draw))


def test_a_map_is_drawn_and_a_point_is_opened(opened, small_maps):
    page = opened(then=draw)
    assert page.map.words.text.endswith("psi 1.") and not page.map.draw.disabled
    made = int(np.flatnonzero(page.map.shown.seeds == 7)[1])  # of AD

    async def open_it():
        page.map.source.selected.indices = [made]
        page.map.open._trigger_event(ButtonClick(page.map.open))
        await rest(page)

    asyncio.run(open_it())
    assert page.shown.tab == "brain" and (page.shown.seed, page.shown.way, page.shown.weight) == (7, "label", 1.0)
    off = np.abs(picture(page.brain.second).astype(int) - page.map.shown.pictures[made].astype(int))
    assert off.max() <= 1


def test_a_point_is_opened_with_the_conditions_that_it_was_drawn_with(opened, small_maps):
    page = opened(then=draw)
    made = int(np.flatnonzero(page.map.shown.seeds == 7)[1])

    async def open_it(**drawn):
        page.map.shown = replace(page.map.shown, given=(drawn,) * len(page.map.shown.seeds))
        page.map.source.selected.indices = [made]
        page.map.open._trigger_event(ButtonClick(page.map.open))
        await rest(page)

    asyncio.run(open_it(age=61.5, sex=None))
    assert page.shown.tab == "map" and page.map.opened_words.text.startswith("sex of this slice is unknown")
    asyncio.run(open_it(age=61.5, sex="F"))
    assert page.shown.tab == "brain" and page.shown.given == (("age", 61.5), ("sex", "F"))


def test_slices_of_which_nobody_says_whose_they_are_are_called_so(opened, explored):
    explored.real = replace(explored.real, doubt="The run has no checkpoint.pt")
    assert "The run has no checkpoint.pt" in opened().message.text


def test_a_map_that_cannot_be_drawn_says_why(opened, explored):
    explored.real = Real(None, "data/<gone>: no such folder")
    page = opened(then=draw)
    assert page.map.words.text.startswith("The map cannot be drawn: ")
    assert "slices are not here: data/&lt;gone&gt;: no such folder" in page.map.words.text
    assert not page.map.draw.disabled
    closest = opened(then=lambda page: page.tabs.update(active=3))
    assert "slices are not here: data/&lt;gone&gt;" in closest.closest.words.text


def test_with_public_no_real_slice_is_shown(opened, explored):
    explored.public = True
    page = opened("tab=closest")
    assert [panel.title for panel in page.tabs.tabs] == ["One brain", "Two brains mixed", "Map"]
    assert page.shown.tab == "brain" and "real slices stay closed" in page.message.text and page.map.public


def test_a_generator_that_was_deleted_is_said_and_others_go_on(opened, explored, run_dir):
    (run_dir / "stage-016" / "generator.safetensors").unlink()
    page = opened(then=lambda page: page.controls.seed.update(value=3))
    assert page.shown.seed == 3 and "stage-016: the generator was deleted" in page.message.text


def test_a_size_that_cannot_be_had_leaves_the_picture_that_was_there(opened, explored, run_dir):
    (run_dir / "stage-008" / "generator.safetensors").write_bytes(b"no network")
    page = opened(then=lambda page: page.controls.size.update(value="8"))
    assert "stage-008/generator.safetensors: not a network of this program" in page.message.text
    assert page.shown.size == 16 and page.controls.size.value == "16" and picture(page.brain.first).shape == (16, 16)


def test_a_fault_of_ours_is_said_and_goes_to_the_terminal(opened, explored, monkeypatch, caplog):
    monkeypatch.setattr(explored, "view", lambda state: 1 / 0)
    page = opened()
    assert "the terminal of explore.py says what" in page.message.text and "ZeroDivisionError" in caplog.text


def test_nothing_is_done_for_a_browser_that_is_gone(opened, explored):
    page = opened()
    page.leave()
    page.soon(lambda: 1 / 0)
    assert page.document.turns == []
