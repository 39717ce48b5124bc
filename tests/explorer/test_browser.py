"""The page in headless Chromium: one server and one browser for all, and what a user does."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from browser_tools import Browser, Started, chromium

from explorer.explored import Explored
from explorer.generators import Generators
from explorer.pictures import difference
from explorer.real import Real
from explorer.state import State, link

POINT = """
// Where a point of the map lies on the screen
const view = (function walk(views) {
  for (const one of views) {
    if ((one.model.renderers ?? []).some((r) => r.data_source?.name === "map")) return one
    const found = walk(one.child_views ?? [])
    if (found) return found
  }
})([...Bokeh.index])
const data = Bokeh.documents[0].get_model_by_name("map").data
const [x, y] = ["x", "y"].map((name) => (data instanceof Map ? data.get(name) : data[name])[arguments[0]])
const box = view.canvas_view.el.getBoundingClientRect()
return [box.left + view.frame.x_scale.compute(x), box.top + view.frame.y_scale.compute(y)]
"""
ALL_TEXT = """
const inside = [...document.querySelectorAll("*")].map((element) => element.shadowRoot?.textContent ?? "")
return document.body.innerText + inside.join(" ")
"""


@dataclass
class Watched:
    """A server with its run, what its pictures have to be, and the browser that looks at it."""

    server: Started
    explored: Explored
    browser: Browser

    def open(self, state: State):
        self.browser.open(f"http://127.0.0.1:{self.server.port}/?{link(state, 'tiny')}")

    def shows(self, panel, picture):
        """Wait until a panel shows exactly this picture."""
        expected = [picture[::-1].ravel().tolist(), list(picture.shape)]
        self.browser.until(lambda: self.browser.picture(panel) == expected)
        assert np.ptp(picture) > 20  # not blank

    def click_tab(self, title):
        from selenium.webdriver.common.by import By

        tabs = self.browser.find("tabs", ".bk-header").find_elements(By.CSS_SELECTOR, ".bk-tab")
        next(tab for tab in tabs if tab.text == title).click()

    def quiet(self):
        """No complaint on the console, and nothing was asked of another machine."""
        asked, complaints = self.browser.log()
        assert not complaints
        here = tuple(f"{scheme}://127.0.0.1:{self.server.port}/" for scheme in ("http", "ws"))
        assert asked and not [address for address in asked if not address.startswith((*here, "data:", "blob:"))]
        assert self.server.process.poll() is None and not any("REACHED OUT" in line for line in self.server.lines)


@pytest.fixture(scope="module")
def watched(tiny_run, tmp_path_factory):
    chromium()  # or skip
    folder = tmp_path_factory.mktemp("browser")
    run_dir = Path(shutil.copytree(tiny_run.run_dir, folder / "tiny"))
    server = Started("--run", run_dir)
    browser = None
    try:
        browser = Browser(folder)
        browser.open(server.url)
        yield Watched(server, Explored(run_dir, tiny_run.config, Generators(run_dir), Real(None), 16), browser)
    finally:
        if browser is not None:
            browser.close()
        server.end()


@pytest.fixture
def state(watched) -> State:
    return watched.explored.first_state()


def test_sliders_change_the_pictures_and_the_address(watched, state):
    from selenium.webdriver.common.keys import Keys

    watched.open(replace(state, seed=3))
    first, second = watched.explored.view(replace(state, seed=3)).pictures
    watched.shows("first", first)
    watched.shows("second", second)
    watched.browser.until(
        lambda: watched.browser.picture("change")[0] == difference(first, second)[::-1].ravel().tolist()
    )
    assert "key=" not in watched.browser.driver.current_url
    handle = watched.browser.find("weight", ".noUi-handle")
    handle.send_keys(Keys.HOME)
    watched.shows("second", first)
    watched.browser.until(lambda: "weight=0&" in watched.browser.driver.current_url)
    watched.browser.find("psi", ".noUi-handle").send_keys(Keys.HOME)
    watched.shows("first", watched.explored.view(replace(state, seed=3, weight=0.0, psi=0.0)).pictures[0])
    watched.browser.find("next", "button").click()
    watched.shows("first", watched.explored.view(replace(state, seed=4, weight=0.0, psi=0.0)).pictures[0])
    watched.browser.set("size", "8")
    watched.shows("first", watched.explored.view(replace(state, seed=4, weight=0.0, psi=0.0, size=8)).pictures[0])
    watched.quiet()


def test_tabs_a_map_and_a_point_that_is_clicked(watched, state):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    browser = watched.browser
    watched.open(state)
    watched.click_tab("Two brains mixed")
    watched.shows("mixed", watched.explored.view(replace(state, tab="mixing")).pictures[2])
    watched.click_tab("Closest training slices")
    watched.shows("closest_of", watched.explored.view(state).pictures[1])
    browser.until(lambda: browser.picture("closest_3"))
    assert "closest first" in browser.value("closest_words", "text")
    watched.click_tab("Map")
    browser.find("map_draw", "button").click()
    browser.until(lambda: "psi 1." in browser.value("map_words", "text"))
    browser.until(lambda: browser.script(POINT, 45)[0] > 0)
    seen = None
    for index in (45, 55, 65, 75):  # a point may lie under another, which is then opened
        mouse = ActionBuilder(browser.driver)
        mouse.pointer_action.move_to_location(*map(round, browser.script(POINT, index))).click()
        mouse.perform()
        browser.until(lambda: browser.picture("map_slice"))
        seen = browser.until(lambda: browser.value("map_slice_words", "text"))
        if "generate.py" in seen:
            break
    assert "generate.py" in seen
    pressed = browser.picture("map_slice")
    ActionChains(browser.driver).click(browser.find("map_open", "button")).perform()
    browser.until(lambda: "way=label" in browser.driver.current_url and "tab=brain" in browser.driver.current_url)
    opened = [browser.picture(name)[0] for name in ("first", "second")]
    assert min(np.abs(np.subtract(one, pressed[0])).max() for one in opened) <= 1
    watched.quiet()


def test_a_download_is_what_is_shown(watched, state):
    watched.open(replace(state, seed=8, weight=0.5))
    view = watched.explored.view(replace(state, seed=8, weight=0.5))
    watched.shows("second", view.pictures[1])
    watched.browser.find("downloads", 'a[href*=".npz"]').click()
    file = watched.browser.downloads / "tiny_16_CN_AD_seed8.npz"
    watched.browser.until(file.is_file)
    with np.load(file) as found:
        assert np.array_equal(found["second"], view.pictures[1])
    watched.quiet()


def test_bad_days_of_an_open_page(watched, state):
    """A checkpoint that is deleted; then a server that ends."""
    browser = watched.browser
    watched.open(state)
    watched.shows("first", watched.explored.view(state).pictures[0])
    (watched.explored.run_dir / "stage-016" / "generator.safetensors").unlink()
    browser.find("next", "button").click()
    browser.until(lambda: "stage-016: the generator was deleted" in browser.value("message", "text"))
    watched.shows("first", watched.explored.view(replace(state, seed=1)).pictures[0])
    watched.quiet()
    watched.server.end()
    browser.until(lambda: "onnection" in browser.script(ALL_TEXT))


def test_the_watch_would_notice(watched):
    watched.browser.driver.get("data:text/html,<img src='http://elsewhere.invalid/a.png'><script>x.y</script>")
    watched.browser.until(lambda: any("elsewhere.invalid" in address for address in watched.browser.log()[0]))
    assert any("ReferenceError" in line for line in watched.browser.complaints)
