"""Bad days of a run, as they are: a folder that is deleted, a disk that is full or read-only. Nothing is patched."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
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
    command = [sys.executable, "train.py", "--config", overlay, "--data", root, "--run", run, *LONG]
    process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(1200):
        if (run / "checkpoint.pt").is_file():
            return process
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate())


def ends_in_one_line(process, *told):
    out, err = process.communicate(timeout=60)
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
        command = [sys.executable, "train.py", "--run", run]
        process = subprocess.Popen(command, cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
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
