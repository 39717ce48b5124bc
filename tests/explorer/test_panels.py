from dataclasses import replace

import numpy as np
import pytest

from explorer.panels import BrainTab, ClosestTab, MapTab, MixingTab, Panel, against
from explorer.real import Shown
from explorer.state import State, class_in_words
from progan_style import Field

FIELD = Field(225.28, "axial")
CLASSES = ("C<N", "AD")
STATE = State(16, "C<N", "AD", seed=7, weight=0.4)


@pytest.fixture
def views(explored, state):
    explored.prepare_closest(16)
    return lambda tab: replace(explored.view(replace(state, tab=tab)), state=replace(STATE, tab=tab, other=9))


def image(panel):
    (shown,) = panel.source.data["image"]
    return shown


def test_a_picture_stands_upright_on_the_whole_range_of_grays():
    panel = Panel("p", 225.28, bar=True)
    panel.show(np.array([[1, 2], [3, 4]], np.uint8), "title")
    assert image(panel).tolist() == [[3, 4], [1, 2]]  # Bokeh's first row is the lowest
    assert (panel.mapper.low, panel.mapper.high, panel.title.text) == (0, 255, "title")
    assert panel.mapper.palette[0] == "#000000" and panel.mapper.palette[-1] == "#ffffff"
    panel.show(np.array([[1, 2], [3, 4]], np.uint8), "$$\\href{x}{y}$$")
    assert panel.title.text == "/href{x}{y}"
    panel.clear()
    assert panel.source.data["image"] == []


def test_the_bar_has_50_mm_where_mm_are_known():
    def bars(panel):
        lines = [r for r in panel.figure.renderers if r.glyph.__class__.__name__ == "Line"]
        return [r.data_source.data["x"][1] - r.data_source.data["x"][0] for r in lines]

    assert bars(Panel("p", 225.28, bar=True)) == [pytest.approx(50.0)]
    assert Panel("p", 225.28).figure.x_range.end == 225.28
    assert bars(Panel("p", None, bar=True)) == []


def test_the_scale_of_a_difference_is_fixed(views):
    tab = BrainTab(FIELD, True)
    for scale in (64, 16):
        tab.show(replace(views("brain"), state=replace(STATE, scale=scale)), None)
        assert (tab.change.mapper.low, tab.change.mapper.high) == (-scale, scale)
    assert tab.change.mapper.palette[0] == "#053061"  # darker is blue


def test_the_brain_s_tab_tells_the_change_beside_that_of_two_brains(views):
    tab, view = BrainTab(FIELD, True), views("brain")
    tab.show(view, 43.21)
    assert (
        f"The change is {view.change:.1f} gray levels" in tab.words.text
        and "are 43.2 apart on average" in tab.words.text
    )
    assert "C&lt;N" in tab.words.text and "C<N" not in tab.words.text
    assert (tab.first.title.text, tab.second.title.text) == ("C<N, seed 7", "40% of the way to AD")
    alone = BrainTab(FIELD, False)
    alone.show(view, None)
    assert "one class" in alone.words.text and np.array_equal(image(alone.first)[::-1], view.pictures[0])


def test_where_the_slider_stands():
    assert class_in_words(replace(STATE, weight=1.0)) == "AD" and class_in_words(replace(STATE, weight=0.0)) == "C<N"


def test_the_mixture_says_whose_styles_it_has(views):
    tab = MixingTab(None)
    tab.show(views("mixing"))
    assert tab.panels[2].title.text == "coarse of 7, fine of 9" and "the finer ones of seed 9" in tab.words.text
    assert len({image(panel).tobytes() for panel in tab.panels}) == 3


def test_real_slices_are_called_real(views, explored):
    tab, view = ClosestTab(FIELD, CLASSES), views("closest")
    tab.show(view, explored.closest(16))
    near = view.neighbours[0]
    assert tab.panels[0].title.text == f"real, {CLASSES[near.label]}, person {near.person}: {near.distance:.2f}"
    assert "1 % have a training slice closer than" in tab.words.text
    tab.say("<gone>")
    assert tab.words.text == "&lt;gone&gt;" and tab.panels[0].source.data["image"] == []


def test_a_distance_is_read_beside_held_out_people():
    assert "is closer than that: look whether it is a copy" in against(0.1, 0.2)
    assert "is not closer than that" in against(0.3, 0.2)
    assert "no held-out slices" in against(0.3, None)


@pytest.fixture
def shown():
    rng = np.random.default_rng(0)
    return Shown(
        "PCA",
        16,
        rng.normal(size=(4, 2)).astype(np.float32),
        rng.integers(0, 255, (4, 16, 16), dtype=np.uint8),
        np.array([0, 1, 0, 1]),
        np.array([-1, -1, 0, 5]),
    )


def test_a_point_opens_its_slice_and_its_seed(shown):
    tab = MapTab(FIELD, CLASSES, public=False)
    tab.show(shown)
    assert tab.source.data["words"] == ["C<N, real", "AD, real", "C<N, generated", "AD, generated"]
    assert tab.pick(3) == 5 and not tab.open.disabled and tab.opened.title.text == "AD, generated, seed 5"
    assert np.array_equal(image(tab.opened)[::-1], shown.pictures[3])
    assert tab.pick(0) is None and tab.open.disabled and tab.opened.title.text == "C<N, held-out real"
    assert tab.ranges[0].start < shown.points[:, 0].min() and tab.ranges[0].end > shown.points[:, 0].max()


def test_a_public_map_opens_no_real_slice(shown):
    tab = MapTab(FIELD, CLASSES, public=True)
    tab.show(shown)
    assert tab.pick(3) == 5
    assert tab.pick(1) is None and tab.opened.source.data["image"] == [] and "stay closed" in tab.opened_words.text
