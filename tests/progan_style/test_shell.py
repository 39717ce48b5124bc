"""How a command ends: what a user can mend is one line and a number, what they cannot is a traceback."""

import argparse
import errno
import io
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from progan_style import shell

FULL = "the disk is full; free space, and run the same command again"


def ended(error: BaseException) -> int:
    def work(args: argparse.Namespace) -> int:
        raise error

    return shell.run("train.py", work, argparse.Namespace(), interrupted="stopped")


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ValueError("seed: expected 0, got 1"), 2, "train.py: seed: expected 0, got 1\n"),
        (FileNotFoundError("x: no such file"), 2, "train.py: x: no such file\n"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 2, f"train.py: {FULL}\n"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a/b"), 2, f"train.py: a/b: {FULL}\n"),
        (
            OSError(errno.ENOSPC, "cache: the disk is full: free space"),
            2,
            "train.py: cache: the disk is full: free space\n",
        ),
        (PermissionError(errno.EACCES, "Permission denied", b"a/b"), 2, "train.py: a/b: Permission denied\n"),
        (shutil.Error([("a", "b", "no room"), ("c", "d", "no room")]), 2, "train.py: a: not copied: no room\n"),
        (MemoryError("lower the batch"), 2, "train.py: lower the batch\n"),
        (torch.OutOfMemoryError("CUDA"), 2, "train.py: out of memory; ask for less at a time, or use --device cpu\n"),
        (KeyboardInterrupt(), 130, "train.py: stopped\n"),
    ],
)
def test_what_a_user_can_mend_is_one_line(error, code, line, capsys, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert ended(error) == code
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), TypeError("a fault of ours"), SystemExit(3)])
def test_our_own_faults_are_not_hidden(error):
    with pytest.raises(type(error)):
        ended(error)


def test_the_works_own_code_is_the_commands():
    for code in (0, 1, 143):
        assert shell.run("x", lambda args: args.code, argparse.Namespace(code=code), interrupted="") == code


@pytest.mark.parametrize(
    ("world", "rank", "joined", "lines"),
    [
        *(("2", "0", False, 1), ("2", "1", False, 0), ("2", "1", True, 1)),
        *(("1", "1", False, 1), ("", "1", False, 1), ("2", "x", False, 1), ("x", "0", False, 1)),
    ],
)
def test_of_several_processes_one_tells_what_all_find(world, rank, joined, lines, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", world)
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setitem(sys.modules, "progan_style.distributed", SimpleNamespace(joined=joined))
    assert ended(ValueError("no data")) == 2
    assert capsys.readouterr().err.count("\n") == lines


@pytest.mark.parametrize(
    ("error", "out"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError(), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling"), True),
        (RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED"), False),
        (ValueError("the memory of a run"), False),
    ],
)
def test_memory_that_ran_out_is_known_in_each_of_torchs_words(error, out):
    assert shell.is_out_of_memory(error) is out


@pytest.mark.parametrize("limited", (True, False))
def test_onednn_has_one_word_for_two_faults(limited, monkeypatch):
    monkeypatch.setattr(shell, "memory_is_limited", lambda: limited)
    assert shell.is_out_of_memory(RuntimeError("could not create a primitive")) is limited


def test_a_limit_of_addresses_is_seen():
    code = "from progan_style import shell; print(shell.memory_is_limited())"
    words = ["bash", "-c", f'ulimit -v 4000000; exec {sys.executable} -c "{code}"']
    assert subprocess.run(words, capture_output=True, text=True, check=False).stdout == "True\n"


def test_the_backend_of_a_notebook_ends_no_command(monkeypatch):
    """A notebook hands its own to what it starts, where its module may not be installed."""
    code = (
        "import argparse\nfrom progan_style import shell\n"
        "def work(args):\n    from matplotlib.figure import Figure\n"
        "    Figure().savefig(args.to, format='png')\n    return 0\n"
        "raise SystemExit(shell.run('x', work, argparse.Namespace(to='/dev/null'), ''))"
    )
    monkeypatch.setenv("MPLBACKEND", "rubbish")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


UNREAD = """
import argparse, sys, time
from progan_style import shell

def work(args):
    print("first", flush=True)
    sys.stdin.readline()  # the reader has gone by now
    for stream in (sys.stdout, sys.stderr):
        for _ in range(3):
            print("more" * 10000, file=stream, flush=True)
    open(args.to, "w").close()
    print("last")
    return 0

raise SystemExit(shell.run("x", work, argparse.Namespace(to=sys.argv[1]), ""))
"""


def test_a_command_that_nobody_reads_any_more_goes_on_without_words(tmp_path):
    words = [sys.executable, "-c", UNREAD, tmp_path / "made"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"first\n"
    process.stdout.close()
    process.stdin.close()
    assert process.wait(timeout=60) == 0 and (tmp_path / "made").is_file()


def test_a_line_break_in_a_name_makes_no_second_line(capsys):
    def work(args):
        raise ValueError("manifest.csv line 3: a\nb is not there")

    assert shell.run("prepare.py", work, argparse.Namespace(), "") == 2
    assert capsys.readouterr().err == "prepare.py: manifest.csv line 3: a b is not there\n"


def test_a_command_whose_terminal_is_gone_goes_on_without_words(tmp_path):
    """Without a hangup, as after `disown`: writing fails with EIO then."""
    pty = pytest.importorskip("pty", reason="no terminals on Windows")
    ours, theirs = pty.openpty()
    words = [sys.executable, "-c", UNREAD, tmp_path / "made"]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    assert process.stdin is not None and os.read(ours, 5) == b"first"
    os.close(ours)
    process.stdin.close()
    assert process.wait(timeout=60) == 0 and (tmp_path / "made").is_file()


def test_a_log_on_a_disk_that_fails_is_told(tmp_path):
    """The error of a terminal that is gone, EIO, is of a file one that nobody may miss."""

    class Fails(io.FileIO):
        def write(self, text):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    stream = shell.Unread(io.TextIOWrapper(Fails(tmp_path / "log", "w"), write_through=True))
    with pytest.raises(OSError, match="Input/output error"):
        stream.write("a line")
