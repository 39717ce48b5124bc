"""The networks of a run's stages, read when they are first shown and followed on the disk."""

import os
from dataclasses import dataclass
from pathlib import Path

from explorer.conditions import AnyCondition, conditions_of
from explorer.pictures import Pictures
from progan_style import finished_stages, generator_file, load_generator, stage_dir

OPEN = 3  # networks in memory


@dataclass(frozen=True)
class Opened:
    """A generator with its conditions, and what its file was when it was read."""

    pictures: Pictures
    conditions: tuple[AnyCondition, ...]
    stamp: tuple[int, int, int]


class Generators:
    """weights: of a stage's end, or of its lowest KID ("last", "best")."""

    def __init__(self, run_dir: Path, weights: str = "last"):
        self.run_dir, self.weights = run_dir, weights
        self._open: dict[int, Opened] = {}

    def sizes(self) -> tuple[int, ...]:
        """Those that can be shown now, ascending; one that was opened before stays."""
        there = set(finished_stages(self.run_dir)) | set(self._open)
        return tuple(size for size in sorted(there) if size in self._open or self._file(size) is not None)

    def get(self, size: int) -> tuple[Opened, str]:
        """The generator of a size and a remark on its file, "" where there is nothing to say.

        A file that has changed is read again. One that was deleted stays open as it was. Raises ValueError or
        FileNotFoundError if it was never opened and cannot be.
        """
        known, file = self._open.get(size), self._file(size)
        name = stage_dir(self.run_dir, size).name
        if file is None and known is not None:
            return known, f"{name}: the generator was deleted; what is shown is the network in memory"
        if file is None:
            left = ", ".join(map(str, self.sizes())) or "none"
            raise ValueError(f"{name}: the generator is gone; sizes that are left: {left}")
        if known is not None and known.stamp == _stamp(file):
            return known, ""
        try:
            opened = self._read(file)
        except (ValueError, OSError) as error:
            if known is None:
                raise
            return (
                known,
                f"{name}: the generator has changed and cannot be read; what is shown is the one before it ({error})",
            )
        self._open.pop(size, None)
        self._open[size] = opened
        while len(self._open) > OPEN:
            self._open.pop(next(iter(self._open)))
        return opened, f"{name}: the generator has changed and was read again" if known is not None else ""

    def _file(self, size: int) -> Path | None:
        try:
            return generator_file(self.run_dir, size, self.weights)
        except ValueError:
            return None

    def _read(self, file: Path) -> Opened:
        stamp = _stamp(file)
        G = load_generator(file)
        try:
            return Opened(Pictures(G), conditions_of(G), stamp)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None


def _stamp(file: Path) -> tuple[int, int, int]:
    """By which a change is noticed; of a file that is gone, (0, 0, 0)."""
    try:
        status = os.stat(file)
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
