"""One thread that does one thing after another, and does not hold up the end of the program."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """Work is done in the order in which it came. A process that ends does not wait for it."""

    def __init__(self, name: str):
        self._work: queue.Queue[tuple[Future[Any], Callable[[], Any]]] = queue.Queue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()
        self._work.put((future, work))
        return future

    def _run(self) -> None:
        while True:
            future, work = self._work.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # whoever waits is told
                future.set_exception(error)
