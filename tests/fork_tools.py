"""A command in a process of its own that begins at once: a fork of one that has imported all that a training imports.

A new interpreter spends ten seconds of the processor on imports. What a test has to say of how an interpreter begins
or ends, it says of one (subprocess).
"""

import atexit
import multiprocessing
import os
import runpy
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.soak import LOADED

REPO = Path(__file__).parents[1]


def begin(words, environment, out, error):
    """In the fork: what `python WORDS` does from here on."""
    for number, pipe in ((1, out), (2, error)):
        os.dup2(pipe.fileno(), number)
        pipe.close()
    sys.stdout = os.fdopen(1, "w", closefd=False)  # the old ones may know that they were files
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(REPO)
    sys.path.insert(0, os.fspath(REPO))
    try:
        if words[0] == "-c":
            sys.argv = ["-c", *words[2:]]
            exec(words[1], {"__name__": "__main__"})
        else:
            sys.argv = list(words)
            runpy.run_path(words[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # a fork ends without


class Forked:
    """As subprocess.Popen of `python WORDS` at the top of the checkout, with pipes for both of its outputs."""

    def __init__(self, *words, env=None):
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(LOADED)
        (out, told), (err, failed) = (context.Pipe(duplex=False) for _ in range(2))
        given = (
            [os.fspath(word) if isinstance(word, os.PathLike) else str(word) for word in words],
            dict(env or os.environ),
        )
        self.process = context.Process(target=begin, args=(*given, told, failed))
        self.process.start()
        self.pid = self.process.pid
        for pipe in (told, failed):
            pipe.close()
        self.stdout, self.stderr = (os.fdopen(os.dup(pipe.fileno())) for pipe in (out, err))
        for pipe in (out, err):
            pipe.close()

    @property
    def returncode(self):
        return self.process.exitcode

    poll = returncode.fget

    def wait(self, timeout=None):
        self.process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a fork", timeout)
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.process.kill()

    def communicate(self, timeout=200):
        """What it still says until it ends."""
        with ThreadPoolExecutor(2) as readers:
            said = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            self.process.join(timeout)
            if late := self.returncode is None:
                self.kill()
            out, err = (one.result() for one in said)
        self.stdout.close()
        self.stderr.close()
        self.process.join()
        assert not late, f"it was killed after {timeout} s; it had said {out[-500:]!r}, {err[-500:]!r}"
        return out, err
