"""Freed memory stays with the process."""

import subprocess
import sys

import pytest

from progan_style import memory

SCRIPT = """
import resource, sys
import torch
from progan_style import memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if "keep" in sys.argv:
    assert memory.keep_freed() and memory.keep_freed()  # a second call does no harm
for _ in range(3):
    torch.ones(2**24)
before = faults()
for _ in range(10):
    torch.ones(2**24)
print(faults() - before)
"""


@pytest.fixture(autouse=True)
def asked_anew():
    memory.keep_freed.cache_clear()
    yield
    memory.keep_freed.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="only the C library of Linux has the setting")
def test_maps_that_come_and_go_need_no_new_pages():
    """Ten maps of 64 MB are 163,840 pages of 4 KB, or 320 of 2 MB where the system gives those to all."""
    done = subprocess.run([sys.executable, "-c", SCRIPT, "keep"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 300


def test_elsewhere_nothing_is_set(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("asked the C library"))
    assert memory.keep_freed() is False


def test_a_c_library_that_refuses_is_left_alone(monkeypatch):
    class Refuses:
        def mallopt(self, parameter, value):
            return 0

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: Refuses())
    assert memory.keep_freed() is False
