"""Work in several processes, a few tasks at a time."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_processes(
    work: Callable[[Task], Result], tasks: Sequence[Task], workers: int, chunksize: int = 1
) -> Generator[Result, None, None]:
    """work(task) for each task, in order; in this process for one worker. Results should be small: they wait here.

    Spawned, not forked: the caller may already run torch's threads. A spawned worker imports the script that was
    started, whose own work must then stand under `if __name__ == "__main__":`.
    Raises OSError if no worker could begin, or if one was ended from outside.
    """
    if workers == 1:
        yield from map(work, tasks)
        return
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        sys.exit(1)  # a worker that is importing a script without that line: its parent tells
    spawn = multiprocessing.get_context("spawn")
    begun = spawn.Event()
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_start_worker, initargs=(begun,))
    with contextlib.ExitStack() as stack:
        stack.callback(pool.shutdown, cancel_futures=True)
        try:
            yield from pool.map(work, tasks, chunksize=chunksize)
        except BrokenProcessPool:
            if not begun.is_set():
                script = getattr(sys.modules["__main__"], "__file__", None) or "the script"
                raise OSError(
                    f"none of {workers} worker processes could begin. Each imports {script}: "
                    f'put what this script does under `if __name__ == "__main__":`. If it stands there already, '
                    f"memory ran out: use fewer --workers"
                ) from None
            raise OSError(
                f"one of {workers} worker processes was ended from outside, for want of memory most likely: "
                f"use fewer --workers"
            ) from None


def _start_worker(begun: Any) -> None:
    """A worker says that it lives, leaves Ctrl-C to its parent and does not outlive it, however that ended."""
    begun.set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is spawned"
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: Any) -> None:
    parent.join()
    os._exit(1)
