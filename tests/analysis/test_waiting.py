"""Long work is seen to go on, and the thread that shows it ends with it."""

import io
import threading
import time

import pytest
from tqdm import tqdm

from analysis import waiting
from analysis.waiting import ticking


@pytest.mark.parametrize("shown", (True, False))
def test_a_bar_ticks_or_a_line_comes_until_the_work_is_over(monkeypatch, shown):
    monkeypatch.setattr(waiting, "TICK", 0.01)
    monkeypatch.setattr(waiting, "MINUTE", 0.01)
    lines, drawn = [], io.StringIO()
    before = threading.active_count()
    bar = tqdm(total=2, file=drawn, disable=not shown)
    length = len(drawn.getvalue())
    with pytest.raises(ValueError, match="a fault"), ticking(bar, "umap", lines.append):
        end = time.monotonic() + 20
        while time.monotonic() < end and not lines and len(drawn.getvalue()) == length:
            time.sleep(0.01)
        raise ValueError("a fault")
    assert threading.active_count() <= before + shown  # tqdm's own monitor
    assert (len(drawn.getvalue()) > length) == shown
    assert (lines[:1] == ["umap: 0 min so far"]) == (not shown)
