"""explore.py in a process of its own, and a headless Chromium that looks at its page."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
WAIT = 60  # seconds at most for what takes a moment; machines are busy
# explore.py, ended at its first step out of this machine
WATCHED = """
import functools, os, sys

def hook(event, arguments):
    names = ("socket.connect", "socket.sendto", "socket.gethostbyname", "urllib.Request", "webbrowser.open")
    if event in names or (event == "socket.getaddrinfo" and arguments[0] != "127.0.0.1"):
        print("REACHED OUT:", event, arguments, file=sys.stderr, flush=True)
        os._exit(99)

sys.addaudithook(hook)
from analysis import context
from analysis.judge import train_judge
from explorer import real
from explorer.command import main

real.POINTS = 20
context.train_judge = functools.partial(train_judge, images_seen=640)  # seconds, not minutes
sys.exit(main(sys.argv[1:]))
"""
# An element of a named widget, through the shadow roots that Bokeh's widgets live in
FIND = """
const [name, selector] = arguments
function search(root) {
  for (const element of root.querySelectorAll("*")) {
    const inside = element.shadowRoot
    if (!inside) continue
    const found = search(inside)
    if (found) return found
  }
  return null
}
const view = (function walk(views) {
  for (const one of views) {
    if (one.model.name === name) return one
    const found = walk(one.child_views ?? [])
    if (found) return found
  }
  return null
})([...Bokeh.index])
return view ? view.shadow_el.querySelector(selector) : null
"""
VALUE = "const m = Bokeh.documents[0].get_model_by_name(arguments[0]); return m ? m[arguments[1]] : null"
PICTURE = """
const source = Bokeh.documents[0].get_model_by_name(arguments[0])
const image = source.data instanceof Map ? source.data.get("image") : source.data.image
return image.length ? [Array.from(image[0]), image[0].shape] : null
"""


def chromium():
    """The paths of Chromium and its driver; the test is skipped where there are none."""
    pytest.importorskip("selenium", reason="selenium drives the browser: pip install '.[dev]'")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no headless browser here: apt-get install chromium chromium-driver")
    return browser, driver


class Browser:
    """Chromium that can reach this machine alone, and writes down all that it asks for."""

    def __init__(self, downloads: Path):
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

        browser, driver = chromium()
        options = Options()
        options.binary_location = browser
        for flag in (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--window-size=1500,1000",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # whatever is asked for elsewhere fails
        ):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_page_load_timeout(WAIT)
        self.downloads = downloads
        self.asked: list[str] = []
        self.complaints: list[str] = []

    def close(self):
        self.driver.quit()

    def open(self, url):
        self.driver.get(url)
        self.until(lambda: self.script("return window.Bokeh && Bokeh.documents.length === 1"))

    def script(self, code, *arguments):
        return self.driver.execute_script(code, *arguments)

    def until(self, condition, seconds=WAIT):
        """What a condition answers when it is true at last."""
        end = time.monotonic() + seconds
        while not (answer := condition()):
            assert time.monotonic() < end, (condition, self.log())
            time.sleep(0.05)
        return answer

    def value(self, name, what="value"):
        return self.script(VALUE, name, what)

    def set(self, name, value, what="value"):
        self.script(
            "const m = Bokeh.documents[0].get_model_by_name(arguments[0]); m[arguments[1]] = arguments[2]",
            name,
            what,
            value,
        )

    def find(self, name, selector):
        return self.until(lambda: self.script(FIND, name, selector))

    def picture(self, name):
        """The values of a panel's picture and its shape, None while there is none."""
        return self.script(PICTURE, name)

    def changed(self, name, before):
        """The picture of a panel when it is another than `before`."""
        return self.until(lambda: (now := self.picture(name)) and now != before and now)

    def log(self):
        """The addresses that were asked for and the complaints of the console, so far."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self.asked.append(message["params"]["request"]["url"])
            if message["method"] == "Network.webSocketCreated":
                self.asked.append(message["params"]["url"])
        self.complaints += [e["message"] for e in self.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")]
        return self.asked, self.complaints

    def shot(self, path):
        self.driver.save_screenshot(str(path))


class Started:
    """explore.py in a process of its own; lines holds what it has printed, url the address."""

    def __init__(self, *arguments):
        words = [sys.executable, "-c", WATCHED, "--port", "0", *map(str, arguments)]
        self.process = subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines, self.ready = [], threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        assert self.ready.wait(200) and self.process.poll() is None, self.lines
        self.url = next(line.split()[1] for line in self.lines if line.startswith("open http"))
        self.port = int(re.search(r":(\d+)/", self.url)[1])

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if "Ctrl-C" in line:
                self.ready.set()
        self.ready.set()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join()
