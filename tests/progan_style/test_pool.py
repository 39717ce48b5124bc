"""Work in several processes: order, and what is said when the processes do not live."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from progan_style.pool import in_processes

REPO = Path(__file__).parents[2]


def die(task):
    os.kill(os.getpid(), signal.SIGKILL)


def test_results_come_in_the_order_of_the_tasks():
    assert list(in_processes(abs, [-3, 2, -1], 2)) == [3, 2, 1]


def test_a_worker_that_is_killed_is_told_with_the_number_to_lower():
    with pytest.raises(OSError, match=r"one of 2 worker processes was ended from outside, for want of memory most"):
        list(in_processes(die, [1, 2], 2))


def test_a_script_without_the_guard_is_told_so(tmp_path):
    """Each worker imports the script, which asks for workers again before the first task."""
    script = tmp_path / "mine.py"
    script.write_text("from progan_style.pool import in_processes\nprint(list(in_processes(abs, [-3, 2], 2)))\n")
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=120)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and 'put what this script does under `if __name__ == "__main__":`' in last, done.stderr
    assert "mine.py" in last and last.startswith("OSError") and "most likely" not in last
    assert done.stderr.count("Traceback") == 1, done.stderr  # the workers are silent
    guarded = script.read_text().replace("print", 'if __name__ == "__main__":\n    print')
    script.write_text(guarded)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[3, 2]\n", done.stderr
