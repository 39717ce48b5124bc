"""What tests of the explorer share: the tiny run, opened; a generator that knows positions; the command, started."""

import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from explorer.explored import Explored
from explorer.generators import Generators
from explorer.real import load_real
from explorer.state import Choices, first_state

REPO = Path(__file__).parents[2]
# explore.py, ended at its first step out of this machine
WATCHED = """
import os, sys

def hook(event, arguments):
    names = ("socket.connect", "socket.sendto", "socket.gethostbyname", "urllib.Request", "webbrowser.open")
    if event in names or (event == "socket.getaddrinfo" and arguments[0] != "127.0.0.1"):
        print("REACHED OUT:", event, arguments, file=sys.stderr, flush=True)
        os._exit(99)

sys.addaudithook(hook)
from explorer.command import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def run_dir(tiny_run, tmp_path):
    """The tiny run, copied: a test may damage it."""
    return Path(shutil.copytree(tiny_run.run_dir, tmp_path / "tiny"))


@pytest.fixture
def explored(tiny_run, run_dir):
    return Explored(run_dir, tiny_run.config, Generators(run_dir), load_real(run_dir, tiny_run.config), 16)


@pytest.fixture
def choices(explored) -> Choices:
    return explored.choices()


@pytest.fixture
def state(choices):
    return first_state(choices, 16)


@pytest.fixture
def pictures(explored):
    return explored.generators.get(16)[0].pictures


HEADER = {
    "kind": "generator",
    "architecture": "stylegan2",
    "class_names": ["CN", "MCI", "AD"],
    "resolution": 16,
    "nimg": 7,
    "seed": 0,
    "positions": {"column": "slice_mm", "quantiles": [-20.0, -4.0, 0.0, 6.0, 20.0]},
    "arguments": {
        "num_classes": 3,
        "max_resolution": 16,
        "positions": True,
        "z_dim": 8,
        "w_dim": 8,
        "mapping_depth": 2,
        "mapping_lr_mul": 0.01,
        "channel_base": 64,
        "channel_max": 8,
    },
}


@pytest.fixture
def write_generator():
    """write_generator(file, **header): an untrained generator of three classes that knows positions, or others."""
    import torch

    from progan_style.checkpoint import build, save_network

    def write(file, **header):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            save_network(file, build(HEADER | header), HEADER | header)
        return file

    return write


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
