"""Freed memory stays with the process."""

import importlib
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


def test_the_limit_of_a_control_group_counts(monkeypatch, tmp_path):
    """Of both versions, of the group and of those around it; what the process holds is taken off."""
    held = 3
    files = {
        "/proc/meminfo": "MemTotal: 900 kB\nMemAvailable:   800 kB\n",
        "/proc/self/statm": f"99 {held} 1",
        "/proc/self/cgroup": "4:memory:/a/b\n2:cpu:/\n0::/job/step\n",
    }
    real = memory.text_of
    monkeypatch.setattr(memory, "text_of", lambda path: files.get(str(path)) or real(path))
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    assert memory.free_bytes() == 800 * 1024
    (tmp_path / "job" / "step").mkdir(parents=True)
    (tmp_path / "job" / "step" / "memory.max").write_text("max\n")
    assert memory.free_bytes() == 800 * 1024
    (tmp_path / "job" / "memory.max").write_text("600000\n")
    assert memory.free_bytes() == 600000 - held * memory.mmap.PAGESIZE
    (tmp_path / "memory" / "a" / "b").mkdir(parents=True)
    (tmp_path / "memory" / "a" / "b" / "memory.limit_in_bytes").write_text("500000\n")
    assert memory.free_bytes() == 500000 - held * memory.mmap.PAGESIZE
    files["/proc/meminfo"] = "MemTotal: 900 kB\n"  # a system that does not say
    assert memory.free_bytes() is None


def test_a_step_needs_what_its_maps_need():
    """Against a sum written out: channels 64, 64, 32 at 4, 8, 16 px."""
    maps = 64 * 16 + 64 * 64 + 32 * 256
    assert memory.bytes_of_image("stylegan1", 512, 64, 16) == 4 * 20 * maps
    assert memory.largest_batch(23 * 7, 7) == 20 and memory.largest_batch(5, 7) == 0


@pytest.mark.parametrize(
    "command",
    (
        ("progan_style.commands.generate", "--to", "new"),
        ("analysis.commands.predict",),
        ("analysis.commands.compare", "--real", ".", "--fake", "nowhere", "--to", "new"),
        ("explorer.command",),
    ),
)
def test_commands_that_make_many_pictures_keep_what_they_free(command, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    kept = []
    monkeypatch.setattr(memory, "keep_freed", lambda: kept.append(True))
    module, *argv = command
    assert importlib.import_module(module).main(argv) == 2  # there is no run
    assert kept, capsys.readouterr().err
