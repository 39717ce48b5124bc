"""What tests of the explorer share: the tiny run, opened; a generator that knows positions; the command, started."""

import shutil
from pathlib import Path

import pytest
from browser_tools import Started

from explorer import real
from explorer.explored import Explored
from explorer.generators import Generators
from explorer.real import load_real
from explorer.state import Choices, first_state


@pytest.fixture
def run_dir(tiny_run, tmp_path):
    """The tiny run, copied: a test may damage it."""
    return Path(shutil.copytree(tiny_run.run_dir, tmp_path / "tiny"))


@pytest.fixture
def explored(tiny_run, run_dir):
    return Explored(run_dir, tiny_run.config, Generators(run_dir), load_real(run_dir, tiny_run.config), 16)


@pytest.fixture
def small_maps(monkeypatch, quick):
    """A map in a second: a classifier that has seen 640 images, few slices."""
    monkeypatch.setattr(real, "POINTS", 20)


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
            # What is wrong on purpose stands in the file alone
            network = build(HEADER | header | {"positions": HEADER["positions"]})
            save_network(file, network, HEADER | header)
        return file

    return write


@pytest.fixture
def started():
    """started(*options): explore.py, which ends with the test."""
    processes = []

    def start(*arguments):
        processes.append(Started(*arguments))
        return processes[-1]

    yield start
    for process in processes:
        process.end()
