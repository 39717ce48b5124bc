"""What a training shows on the screen: a table of its statistics, with the time that is left."""

import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from progan_style.training.schedule import GrowthSchedule

HEAD_EVERY = 30  # rows


@dataclass(frozen=True)
class Column:
    """key: of the log's line. title: its words stand below each other. dispensable: left out on a narrow terminal."""

    key: str
    title: str
    width: int
    dispensable: bool = False


# The nine statistics that users of this line of systems know, in their order, between what a row needs to be read.
COLUMNS = (
    Column("kimg", "kimg", 7),
    Column("resolution", "px", 4),
    Column("loss_d", "Loss_D", 7),
    Column("loss_g", "Loss_G", 7),
    Column("real_pred", "Real Pred", 6),
    Column("real_class_acc", "Real Class Acc", 6),
    Column("alpha", "Alpha", 6),
    Column("grad_d", "Disc Grad", 7, dispensable=True),
    Column("grad_g", "Gen Grad", 7, dispensable=True),
    Column("lr_d", "Disc Rate", 8, dispensable=True),
    Column("lr_g", "Gen Rate", 8, dispensable=True),
    Column("images_per_second", "images /s", 7, dispensable=True),
    Column("left", "time left", 8),
)
STAMP = "%m-%d %H:%M "


@dataclass
class Pace:
    """How long the rest of a run takes: what a stage's images take now, and for later stages what was forecast.

    forecast: resolution -> seconds of an image, as tried out before the run; a stage may be missing.
    """

    schedule: GrowthSchedule
    end: int  # images at which this call is over
    forecast: Mapping[int, float]

    def left(self, nimg: int, images_per_second: float) -> tuple[float, bool]:
        """Seconds to the end, and whether that is all of it; else stages are missing that nothing is known of.

        Later stages are as much slower or faster than forecast as the present one is: other work on the machine,
        or a clock that is throttled, slows all of them.
        """
        if images_per_second <= 0:
            return 0.0, False  # a line without a step of this call
        now = self.schedule.stage(nimg - 1)
        seconds = (min(now.end, self.end) - nimg) / images_per_second
        factor = 1 / (images_per_second * self.forecast[now.resolution]) if now.resolution in self.forecast else None
        later = [stage for stage in self.schedule.stages if now.end <= stage.start < self.end]
        known = [stage for stage in later if stage.resolution in self.forecast and factor]
        seconds += sum((s.end - s.start) * self.forecast[s.resolution] * (factor or 0.0) for s in known)
        return seconds, len(known) == len(later)


class Table:
    """Rows of fixed width: at most 100 columns, or what a terminal has; off a terminal each begins with the time."""

    def __init__(self) -> None:
        self.rows = 0
        self.terminal = sys.stdout.isatty()
        room = shutil.get_terminal_size().columns if self.terminal else 100
        narrow = room < sum(c.width for c in COLUMNS)
        self.columns = [c for c in COLUMNS if not (narrow and c.dispensable)]

    def lines(self, numbers: Mapping[str, Any]) -> list[str]:
        """The row of `numbers`, below the head where that is due. A number that is missing leaves its place empty."""
        row = "".join(in_width(numbers.get(c.key), c.width) for c in self.columns)
        words = [c.title.split() for c in self.columns]
        height = max(map(len, words))
        words = [[""] * (height - len(w)) + w for w in words]
        head = ["".join(w[i].rjust(c.width) for w, c in zip(words, self.columns, strict=True)) for i in range(height)]
        due, self.rows = self.rows % HEAD_EVERY == 0, self.rows + 1
        stamp = "" if self.terminal else time.strftime(STAMP)
        indent = "" if self.terminal else " " * len(time.strftime(STAMP))
        return [*((indent + line).rstrip() for line in head if due), (stamp + row).rstrip()]


def in_width(value: Any, width: int) -> str:
    """A number with as many digits as fit beside a space, at most four; a text as it is."""
    if value is None:
        return " " * width
    if isinstance(value, int | str):
        return str(value).rjust(width)
    texts = [f"{value:.{digits}g}" for digits in (4, 3, 2, 1)]
    return next((text for text in texts if len(text) < width), texts[-1]).rjust(width)


def brief(seconds: float, all_of_it: bool = True) -> str:
    """95.0 -> "2 min"; with a ">" before it where more is to come of which nothing is known."""
    if seconds < 60:
        text = f"{seconds:.0f} s"
    elif seconds < 5940:
        text = f"{seconds / 60:.0f} min"
    elif seconds < 48 * 3600:
        text = f"{seconds / 3600:.1f} h"
    else:
        text = f"{seconds / 86400:.1f} days"
    return text if all_of_it else f">{text}"


def legend(share_of_largest: float) -> str:
    """Said once, before the table. share_of_largest: of the training slices, the largest class's."""
    return (
        f"Real Class Acc is the share of real slices whose class D's class head names. Always naming the largest class "
        f"would give {share_of_largest:.2f}."
    )
