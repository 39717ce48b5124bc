"""Long work is seen to go on: a bar whose clock ticks, or a line a minute where there is no terminal."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

TICK, MINUTE = 1.0, 60.0  # seconds


@contextlib.contextmanager
def ticking(bar: tqdm, name: str, log: Callable[[str], None]) -> Iterator[None]:
    """While the block runs, `bar` is drawn anew each second; if it is not shown, `log` gets a line each minute."""
    over, began = threading.Event(), time.monotonic()

    def tick() -> None:
        while not over.wait(MINUTE if bar.disable else TICK):
            if bar.disable:
                log(f"{name}: {(time.monotonic() - began) / 60:.0f} min so far")
            else:
                bar.refresh()

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
