"""Data: train, validate and test as uint8 pyramids, with labels by name and persons.

Letters: M images of a split, R pixels per side, N batch.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from progan_style.data import arrays
from progan_style.data.folder import UNLABELLED, some
from progan_style.data.manifest import MANIFEST
from progan_style.data.persons import IN_PART, STATED, crossing

if TYPE_CHECKING:  # torch takes seconds to import and only batch() needs it
    import torch


@dataclass(eq=False)
class Dataset:
    """One split: rows are images, the same rows at every resolution.

    levels maps a resolution to uint8 [M, 1, R, R] (memory-mapped: reading a row reads its bytes only); labels [M] index
    class_names, -1 where the class is not known (in Data.learnt alone); subjects [M] are the persons or groups, ""
    where unknown; paths are relative to the data folder; columns are the manifest's further columns as
    strings, "" where missing.
    """

    levels: dict[int, np.ndarray]
    labels: np.ndarray
    subjects: np.ndarray
    class_names: tuple[str, ...]
    paths: tuple[str, ...] = ()
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    _order: dict[tuple[int, int, int], np.ndarray] = field(default_factory=dict, init=False, repr=False)
    _resident: Any = field(default=None, init=False, repr=False)

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        subjects: "Sequence[str] | np.ndarray | None" = None,
        *,
        class_names: Sequence[str] = ("CN", "AD"),
        range: tuple[float, float] | None = None,
        resolution: int | None = None,
    ) -> "Dataset":
        """Slices in memory, [M, R, R] or [M, 1, R, R], as one split; what load_folder makes of the same PNG files.

        images: uint8, or other numbers with their `range`, the values that become black and white, such as (0.0, 1.0).
        They are padded to a square; `resolution`: pixels per side of the highest level, a power of two (default: the
        largest that they have). labels [M]: names of class_names or their numbers. subjects [M]: whose slices they are
        (None: unknown). Raises ValueError, in one line, for anything else.

        >>> import numpy as np
        >>> from progan_style import Dataset
        >>> images = np.random.default_rng(0).random((6, 32, 32))
        >>> data = Dataset.from_arrays(images, ["CN", "AD"] * 3, ["a", "b", "c"] * 2, range=(0.0, 1.0))
        >>> len(data), sorted(data.levels), data.labels.tolist()
        (6, [8, 16, 32], [0, 1, 0, 1, 0, 1])
        """
        names = arrays.check_names(class_names)
        levels = arrays.pyramid(images, range, resolution)
        count = len(levels[min(levels)])
        return cls(
            levels=levels,
            labels=arrays.check_labels(labels, names, count),
            subjects=arrays.check_subjects(subjects, count),
            class_names=names,
            paths=tuple(f"{row:06d}" for row in np.arange(count)),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> dict[str, str]:
        """Tells data sets apart, wherever they lie: hashes of the slices' names, labels and pixels, in order.

        The pixels are those of the lowest level, 8x8: the same bytes whatever size was packed, and read in no time.
        """
        parts = {
            "names": "\n".join(self.paths).encode(errors="surrogateescape"),
            "labels": self.labels.astype("<i8").tobytes(),
            "pixels": np.ascontiguousarray(self.levels[min(self.levels)]).tobytes(),
        }
        return {name: hashlib.sha256(part).hexdigest()[:16] for name, part in parts.items()}

    def at(self, resolution: int) -> np.ndarray:
        """All images at one resolution, uint8 [M, 1, R, R]. Raises ValueError if that level was not packed."""
        if resolution not in self.levels:
            packed = ", ".join(map(str, sorted(self.levels)))
            raise ValueError(f"resolution {resolution} was not packed; this data set has {packed}")
        return self.levels[resolution]

    def indices(self, seed: int, nimg: int, n: int, balanced: bool = False) -> np.ndarray:
        """The rows of images nimg .. nimg + n - 1 of a run, int64 [n]: image i is row perm(seed, i // M)[i % M].

        balanced: the classes take turns, each through permutations of its own, so that all are seen equally often.
        Unlabelled slices keep their places; the turns go on over the others.
        Pure: each epoch is a permutation of its own, so order depends on neither batch size nor what was asked before.
        """
        if not len(self):
            raise ValueError("this split holds no images")
        number = np.arange(nimg, nimg + n, dtype=np.int64)
        if not balanced:
            return self._in_epochs(seed, number, -1)
        classes, labelled = len(self.class_names), self.labels >= 0
        if labelled.all():
            rows, here = np.empty(n, np.int64), np.ones(n, bool)
        else:
            rows = self._in_epochs(seed, number, -1)
            here, number = labelled[rows], self._labelled_before(seed, number)
        # Each round begins one class later: a term that looks at every second image of a batch sees all classes.
        turn = (number + number // classes) % classes
        for label in range(classes):
            mine = here & (turn == label)
            rows[mine] = self._in_epochs(seed, number[mine] // classes, label)
        return rows

    def _labelled_before(self, seed: int, number: np.ndarray) -> np.ndarray:
        """How many labelled images a run sees before each of these."""
        labelled = self.labels >= 0
        epochs, places = np.divmod(number, len(self))
        before = epochs * int(labelled.sum())
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            known = labelled[self._permutation(seed, int(epoch), -1)]
            before[mine] += (np.cumsum(known) - known)[places[mine]]
        return before

    def _in_epochs(self, seed: int, number: np.ndarray, label: int) -> np.ndarray:
        """The rows of the images of one class (-1: of all) with these numbers."""
        total = len(self) if label < 0 else int((self.labels == label).sum())
        epochs, places = np.divmod(number, total)
        rows = np.empty(len(number), np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            rows[here] = self._permutation(seed, int(epoch), label)[places[here]]
        return rows

    def _permutation(self, seed: int, epoch: int, label: int) -> np.ndarray:
        key = (seed, epoch, label)
        if key not in self._order:
            # A batch spans two epochs at most (of each class), unless it is larger than the split.
            while len(self._order) >= 2 * (1 + len(self.class_names)):
                self._order.pop(next(iter(self._order)))
            # 0xDA7A: the data's own stream, apart from others keyed by the same seed
            if label < 0:
                self._order[key] = np.random.default_rng([0xDA7A, seed, epoch]).permutation(len(self))
            else:
                rows = np.flatnonzero(self.labels == label)
                self._order[key] = np.random.default_rng([0xDA7A, seed, epoch, label]).permutation(rows)
        return self._order[key]

    def batch(
        self,
        seed: int,
        nimg: int,
        n: int,
        resolution: int,
        device: "str | torch.device" = "cpu",
        balanced: bool = False,
    ) -> "tuple[torch.Tensor, torch.Tensor]":
        """Images nimg .. nimg + n - 1 of a run -> uint8 [n, 1, R, R] and labels int64 [n], both on the device.

        On a GPU the level last asked for stays there as a whole if it takes no more than a third of the free memory, so
        that a batch is one gather; else the rows are read from the memory-mapped level. Nothing waits for the GPU.
        """
        import torch

        where = torch.device(device)
        rows = self.indices(seed, nimg, n, balanced)
        labels = torch.from_numpy(self.labels[rows])
        if where.type == "cpu":
            return torch.from_numpy(self.at(resolution)[rows]), labels
        if self._resident is None or self._resident[0] != (resolution, where):
            self._resident = None  # frees the level before
            self._resident = ((resolution, where), self._to_device(resolution, where))
        level = self._resident[1]
        if level is None:
            return _send(torch.from_numpy(self.at(resolution)[rows]), where), _send(labels, where)
        return level[_send(torch.from_numpy(rows), where)], _send(labels, where)

    def _to_device(self, resolution: int, device: "torch.device") -> "torch.Tensor | None":
        """A level as a whole, sent in pieces so that the host never holds a copy of it; None if there is no room."""
        import torch

        level = self.at(resolution)
        if device.type == "cuda" and level.nbytes > torch.cuda.mem_get_info(device)[0] // 3:
            return None
        images = torch.empty(level.shape, dtype=torch.uint8, device=device)
        for start in range(0, len(level), 1024):
            images[start : start + 1024] = torch.from_numpy(np.array(level[start : start + 1024]))
        return images

    def subset(self, rows: "np.ndarray | Sequence[int]") -> "Dataset":
        """The given rows (indices or a mask), in that order. Consecutive rows stay memory-mapped, others are copied."""
        chosen = np.asarray(rows)
        index = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        consecutive = len(index) > 0 and index[0] >= 0 and bool((np.diff(index) == 1).all())
        pick: Any = slice(int(index[0]), int(index[-1]) + 1) if consecutive else index
        return Dataset(
            levels={resolution: level[pick] for resolution, level in self.levels.items()},
            labels=self.labels[pick],
            subjects=self.subjects[pick],
            class_names=self.class_names,
            paths=tuple(self.paths[i] for i in index),
            columns={name: values[pick] for name, values in self.columns.items()},
        )


def _send(rows: "torch.Tensor", device: "torch.device") -> "torch.Tensor":
    """From pinned memory, so that the host goes on while they travel."""
    return (rows.pin_memory() if device.type == "cuda" else rows).to(device, non_blocking=True)


@dataclass(eq=False)
class Data:
    """A data folder: its three splits, what is known about it, and a one-screen summary."""

    train: Dataset
    validate: Dataset
    test: Dataset
    class_names: tuple[str, ...]
    root: str
    resolution: int
    key: str  # hash of the files' names, sizes and times and of all data settings
    subjects_known: bool
    subjects_are: str  # persons.STATED, GUESSED or UNKNOWN
    why_subjects: str = ""  # the reason in words
    class_folders: dict[str, tuple[str, ...]] = field(default_factory=dict)  # class -> names of its folders
    source_sizes: dict[str, int] = field(default_factory=dict)  # "240x256" (width x height) -> images
    mean_intensity: dict[tuple[str, str], float] = field(default_factory=dict)  # (split, class) -> 0..255, as packed
    bits: int = 8
    intensity_range: tuple[int, int] = (0, 255)  # of the source values; packed as 0..255
    upsampled: int = 0  # images that were smaller than the resolution
    skipped: tuple[str, ...] = ()  # unreadable images left out
    unused: tuple[str, ...] = ()  # folders and labels that belong to no class
    # Who of those whom a manifest names crosses a split, where it does not name all
    crossing_if_unknown: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    with_unlabelled: Dataset | None = None  # train and after it the unlabelled slices; None where there are none

    @property
    def learnt(self) -> Dataset:
        """What a generator learns from: train, and the unlabelled slices where they were asked for (label -1)."""
        return self.train if self.with_unlabelled is None else self.with_unlabelled

    @property
    def unlabelled(self) -> Dataset:
        """The slices without a class among those; none, where they were not asked for."""
        return self.learnt.subset(self.learnt.labels < 0)

    @property
    def splits(self) -> dict[str, Dataset]:
        return {"train": self.train, "validate": self.validate, "test": self.test}

    @property
    def unseen(self) -> tuple[str, Dataset]:
        """The split for final numbers: test if it has images, else validate; ("", an empty one) if neither has."""
        for name in ("test", "validate"):
            if len(self.splits[name]):
                return name, self.splits[name]
        return "", self.test

    def _learnt_and_others(self) -> dict[str, Dataset]:
        return self.splits | {"train": self.learnt}

    def shared_subjects(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Who, stated or guessed, has images on both sides of a split: {("train", "test"): ids}."""
        if not self.subjects_known:
            return self.crossing_if_unknown
        parts = self._learnt_and_others()
        owner = np.repeat(list(parts), [len(part) for part in parts.values()])
        ids = np.concatenate([part.subjects for part in parts.values()])
        return crossing(ids, {name: np.flatnonzero(owner == name) for name in parts})

    def summary(self) -> str:
        """One screen: classes in order, images, persons, sizes, intensities, whose they are, what is left out."""
        people = "persons" if self.subjects_are == STATED else "guessed"
        parts = self._learnt_and_others()
        total = sum(map(len, parts.values()))
        origin = {
            name: ", ".join(sorted({os.path.basename(f) for f in folders})) or MANIFEST
            for name, folders in self.class_folders.items()
        }
        classes = ", ".join(f"{name} = {i} (from {origin.get(name, '?')})" for i, name in enumerate(self.class_names))
        width = max(5, *map(len, self.class_names), 0 if self.with_unlabelled is None else len(UNLABELLED))
        lines = [
            f"data      {self.root}: {total} images, packed at {self.resolution}x{self.resolution}",
            f"classes   {classes}" + (": unconditional" if len(self.class_names) == 1 else ""),
            f"          {'split':8}  {'class':{width}}  {'images':>7}  {people:>7}  mean intensity",
        ]
        for name, split in parts.items():
            for label, class_name in [*enumerate(self.class_names), (-1, UNLABELLED)]:
                here = split.labels == label
                if here.any():
                    count = str(len(np.unique(split.subjects[here]))) if self.subjects_known else "?"
                    mean = self.mean_intensity.get((name, class_name), float("nan"))
                    lines.append(f"          {name:8}  {class_name:{width}}  {here.sum():7}  {count:>7}  {mean:14.1f}")
        lines += [f"          {name}: no images" for name, split in self.splits.items() if not len(split)]
        lines.append(f"sizes     {some([f'{size} ({count})' for size, count in self.source_sizes.items()])}")
        if self.upsampled:
            lines.append(
                f"          UPSAMPLED: {self.upsampled} images are smaller than {self.resolution}, made larger"
            )
        low, high = self.intensity_range
        lines.append(f"intensity {self.bits}-bit, {low}..{high} for the whole data set, packed as 0..255")
        ids = {name for split in parts.values() for name in split.subjects.tolist()}
        state = f"{len(ids)} {self.subjects_are}" if self.subjects_known else "PERSONS UNKNOWN"
        lines.append(f"persons   {state}: {self.why_subjects}")
        return "\n".join(lines + self._warnings())

    def _warnings(self) -> list[str]:
        people = self.subjects_are if self.subjects_known else IN_PART
        lines = [
            f"WARNING   {len(shared)} {people} stand in both {a} and {b} ({some(shared)}): "
            f"numbers on {b} are not numbers on unseen persons"
            for (a, b), shared in self.shared_subjects().items()
        ]
        if self.subjects_known:
            splits = self.splits.values()
            owners = {pair for split in splits for pair in zip(split.subjects.tolist(), split.labels, strict=True)}
            both = sorted(name for name, count in Counter(name for name, _ in owners).items() if count > 1)
            if both:
                lines.append(f"note      {len(both)} {people} have images of more than one class ({some(both)})")
        if self.skipped:
            lines.append(f"SKIPPED   {len(self.skipped)} unreadable images: {some(self.skipped)}")
        if self.unused:
            lines.append(f"not used  {some(self.unused)}")
        return lines
