"""One process writes in a run's folder; a dead one's lock is free."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from progan_style.training.lock import NAME, Lock, refuse_busy

REPO = Path(__file__).parents[3]
HOLD = """
import sys, time
from pathlib import Path
from progan_style.training.lock import Lock
Lock(Path(sys.argv[1])).take()
lock = Lock(Path(sys.argv[1] + "-other")); lock.take(); lock.release()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path / run."""
    script = HOLD.replace("Lock(Path(sys.argv[1])).take()", "mine = Lock(Path(sys.argv[1])); mine.take()")
    process = subprocess.Popen(
        [sys.executable, "-c", script, tmp_path / "run"], cwd=REPO, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_writer_is_refused_and_the_first_named(holder, tmp_path):
    told = rf"run: another training writes here \(process {holder.pid} on {platform.node()}, since 20.*\); wait for it"
    with pytest.raises(ValueError, match=told):
        Lock(tmp_path / "run").take()


def test_a_folder_can_be_asked_without_taking_it(holder, tmp_path):
    with pytest.raises(ValueError, match=f"another training writes here .process {holder.pid} on"):
        refuse_busy(tmp_path / "run")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    left = (tmp_path / "run" / NAME).read_text()
    refuse_busy(tmp_path / "run")
    refuse_busy(tmp_path / "none")
    assert (tmp_path / "run" / NAME).read_text() == left and not (tmp_path / "none").exists()


def test_a_dead_owners_lock_is_taken_over_with_a_line(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock = Lock(tmp_path / "run")
    assert f"ended without a word (process {holder.pid} on" in lock.take()
    lock.release()


def test_what_was_released_is_gone(tmp_path):
    lock = Lock(tmp_path)
    assert lock.take() == "" and str(os.getpid()) in (tmp_path / NAME).read_text()
    lock.release()
    assert not list(tmp_path.iterdir())
    assert Lock(tmp_path).take() == ""


@pytest.mark.parametrize("text", ("{", "[]", "{}", "x"))
def test_a_lock_that_says_nothing_is_free(text, tmp_path):
    (tmp_path / NAME).write_text(text)
    assert "an unknown process" in Lock(tmp_path).take()
