"""Bad days of a run, as they are: a folder that is deleted, a disk that is full or read-only. Nothing is patched."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fork_tools import Forked
from shell_tools import refused

REPO = Path(__file__).parents[1]


def mount(where, options):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", where], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting a small disk needs rights that are not here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path):
    """A call that mounts a disk of some kilobytes, and what fills it or makes it read-only."""
    if sys.platform != "linux":
        pytest.skip("tmpfs is Linux's")
    where = tmp_path / "disk"

    def make(kilobytes):
        where.mkdir()
        mount(where, f"size={kilobytes}k")
        return where

    yield make
    subprocess.run(["umount", where], capture_output=True, check=False)


def fill(folder):
    """Write until nothing more fits."""
    with open(folder / "full", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def read_only(folder):
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


LONG = ("--set", "schedule.hold_kimg.8=1000", "--set", "training.log_kimg=0.2", "--set", "training.checkpoint_kimg=0.4")


def start(overlay, root, run):
    """A training in a process of its own, which has written its first lines and its first checkpoint."""
    process = Forked("train.py", "--config", overlay, "--data", root, "--run", run, *LONG)
    for _ in range(4800):  # a machine may be busy
        if (run / "checkpoint.pt").is_file():
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate())


def ends_in_one_line(process, *told):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 2, (out, err)
    assert err.count("\n") == 1 and any(text in err for text in told) and "Traceback" not in out + err, (
        out[-500:],
        err,
    )


def test_a_run_folder_that_is_deleted(tiny_overlay, toy_root, tmp_path):
    run = tmp_path / "run"
    process = start(tiny_overlay, toy_root, run)
    run.rename(tmp_path / "gone")
    ends_in_one_line(process, "run: the folder of this training was moved or deleted")
    assert not run.exists() and (tmp_path / "gone" / "checkpoint.pt").is_file()


@pytest.mark.parametrize(
    ("harm", "told"),
    # Of a full disk the log tells first, or what is written beside it.
    ((fill, ("No space left on device", "the disk is full")), (read_only, ("cannot be written to",))),
)
def test_a_disk_that_a_training_cannot_write_to_any_more(harm, told, disk, tiny_overlay, toy_root):
    """What was kept before is whole, and the same command goes on when there is room again."""
    place = disk(4000)
    run = place / "run"
    process = start(tiny_overlay, toy_root, run)
    if harm is read_only:  # a disk that is written to cannot be remounted; the process pauses for it
        process.kill()
        process.communicate()
        read_only(place)
        process = Forked("train.py", "--run", run)
    else:
        harm(place)
    ends_in_one_line(process, *told)
    assert (run / "checkpoint.pt").is_file()


@pytest.mark.parametrize("command", ("generate.py", "predict.py", "prepare.py"))
def test_a_full_disk(command, disk, tiny_run, call_shell):
    place = disk(800)
    fill(place)
    arguments = {
        "generate.py": ["--run", tiny_run.run_dir, "--count", 8, "--to", place / "made"],
        "prepare.py": [tiny_run.root, "--to", place / "out", "--split", "50/25/25"],
    }
    if command == "predict.py":
        (place / "full").unlink()
        run = Path(shutil.copytree(tiny_run.run_dir, place / "run", ignore=shutil.ignore_patterns("*.pt")))
        fill(place)
        arguments["predict.py"] = ["--run", run, "--parts", "grid"]
    done = call_shell(command, *arguments[command])
    refused(done, " are free in " if command == "generate.py" else "the disk is full")
    assert not (place / "made").exists() and not (place / "out").exists()


# Each 40th question finds the clock three days further, three days back, or right; files keep the system's time.
JUMPING = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static long jump(void) { static long asked; return (asked++ / 40 % 3 - 1) * 3 * 86400; }
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, now);
    if (id == CLOCK_REALTIME) now->tv_sec += jump();
    return code;
}
int gettimeofday(struct timeval *now, void *zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int code = real(now, zone);
    now->tv_sec += jump();
    return code;
}
time_t time(time_t *now) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (now) *now = t.tv_sec;
    return t.tv_sec;
}
"""
SHOWN = "import time; times = [time.time() for _ in range(120)]; print(round((max(times) - min(times)) / 86400))"


def test_a_clock_that_jumps(tiny_run, tmp_path):
    """Forth and back by days, all through a training: its weights and its speeds are those of a quiet clock."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("it needs a C compiler, and Linux' way to put functions before the system's")
    (tmp_path / "jumping.c").write_text(JUMPING)
    library = tmp_path / "jumping.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, tmp_path / "jumping.c", "-ldl"], check=True)
    given = {"cwd": REPO, "env": os.environ | {"LD_PRELOAD": str(library)}, "capture_output": True, "text": True}
    assert subprocess.run([sys.executable, "-c", SHOWN], **given).stdout == "6\n"
    run = tmp_path / "run"
    words = ["train.py", "--config", tiny_run.overlay, "--data", tiny_run.root, "--run", run]
    done = subprocess.run([sys.executable, *words], **given)
    assert done.returncode == 0 and not done.stderr, done
    made, whole = (folder / "stage-016" / "generator.safetensors" for folder in (run, tiny_run.run_dir))
    assert made.read_bytes() == whole.read_bytes()
    speeds = [json.loads(line).get("images_per_second", 1) for line in (run / "log.jsonl").read_text().splitlines()]
    assert all(0 < speed < 1e6 for speed in speeds)
