"""Sets of slices with what is known about them, and where they come from: a data set's part or a generator.

Letters: M images, R resolution (pixels per side).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from progan_style import Dataset, Generator, generate

HEIGHT = "slice_mm"  # the one of these that is known to be in mm
POSITIONS = (HEIGHT, "slice_rank", "slice", "position")  # manifest columns that say where in the head a slice lies


def same_length(**columns: NDArray[Any]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"one row per image expected in every column, got {lengths}")


@dataclass(frozen=True)
class SliceTable:
    """Slices with what is known about them: what a feature source is given.

    images uint8 [M, 1, R, R]; labels [M] index into class_names, -1 for unlabelled ones (Context.learnt);
    subjects [M], "" for generated or unknown; seeds [M], the generated images' own, -1 for real ones; files [M], their
    names in their folder, "" for none.
    Raises ValueError if the columns differ in length.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    is_real: NDArray[np.bool_]
    subjects: NDArray[Any]
    seeds: NDArray[np.int64]
    class_names: tuple[str, ...]
    files: NDArray[Any]
    psi: float = 1.0

    def __post_init__(self) -> None:
        same_length(
            images=self.images,
            labels=self.labels,
            is_real=self.is_real,
            subjects=self.subjects,
            seeds=self.seeds,
            files=self.files,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[Any]) -> SliceTable:
        """The chosen rows (indices or a mask), in that order."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            is_real=self.is_real[rows],
            subjects=self.subjects[rows],
            seeds=self.seeds[rows],
            files=self.files[rows],
        )


def stacked(tables: Sequence[SliceTable]) -> SliceTable:
    """Several tables of the same classes as one, in that order."""

    def all_of(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(table, name) for table in tables])

    return replace(
        tables[0],
        images=all_of("images"),
        labels=all_of("labels"),
        is_real=all_of("is_real"),
        subjects=all_of("subjects"),
        seeds=all_of("seeds"),
        files=all_of("files"),
    )


def real_slices(
    images: NDArray, labels: NDArray, subjects: NDArray, class_names: tuple[str, ...], files: Sequence[str] = ()
) -> SliceTable:
    """Slices of persons."""
    return SliceTable(
        images=np.asarray(images),
        labels=np.asarray(labels, dtype=np.int64),
        is_real=np.ones(len(labels), dtype=bool),
        subjects=np.asarray(subjects, dtype=object),
        seeds=np.full(len(labels), -1, dtype=np.int64),
        class_names=class_names,
        files=np.array(files or [""] * len(labels), dtype=object),
    )


def generated_slices(
    images: NDArray, labels: NDArray, seeds: NDArray, class_names: tuple[str, ...], psi: float = 1.0
) -> SliceTable:
    """Slices of a generator, with the labels that they were asked for."""
    return SliceTable(
        images=np.asarray(images),
        labels=np.asarray(labels, dtype=np.int64),
        is_real=np.zeros(len(labels), dtype=bool),
        subjects=np.full(len(labels), "", dtype=object),
        seeds=np.asarray(seeds, dtype=np.int64),
        class_names=class_names,
        files=np.full(len(labels), "", dtype=object),
        psi=psi,
    )


def real_part(dataset: Dataset, resolution: int, subjects_known: bool) -> SliceTable:
    """A part of a data set at one resolution."""
    subjects = dataset.subjects if subjects_known else np.full(len(dataset), "", dtype=object)
    return real_slices(np.asarray(dataset.at(resolution)), dataset.labels, subjects, dataset.class_names, dataset.paths)


def generated(G: Generator, samples_per_label: int, first_seed: int, psi: float = 1.0) -> SliceTable:
    """The same seeds for each class. Raises ValueError if a weight is not finite: its images would be."""
    broken = [name for name, value in G.named_parameters() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(f"the generator makes NaN images: {len(broken)} of its weights are not finite, as {broken[0]}")
    class_names: tuple[str, ...] = tuple(G.class_names)
    labels = np.repeat(np.arange(len(class_names)), samples_per_label)
    seeds = np.tile(np.arange(first_seed, first_seed + samples_per_label), len(class_names))
    images = generate(G, torch.from_numpy(labels), torch.from_numpy(seeds), psi=psi)
    return generated_slices(images.cpu().numpy(), labels, seeds, class_names, psi)


def joined(parts: list[Dataset]) -> Dataset:
    """Several parts of a data set as one."""
    first = parts[0]
    return Dataset(
        levels={size: np.concatenate([part.levels[size] for part in parts]) for size in first.levels},
        labels=np.concatenate([part.labels for part in parts]),
        subjects=np.concatenate([part.subjects for part in parts]),
        class_names=first.class_names,
        paths=tuple(path for part in parts for path in part.paths),
        columns={name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns},
    )


def number(cell: str) -> float:
    """NaN for what is none, as n/a."""
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def stated(dataset: Dataset, column: str) -> NDArray[np.float64]:
    """A column of numbers of the manifest, [M]; NaN where it says none."""
    return np.array([number(cell) for cell in dataset.columns.get(column, [""] * len(dataset))])


def slice_positions(dataset: Dataset) -> tuple[NDArray[np.float64], str]:
    """Where in the head each slice lies and the manifest's column that says so; NaN and "" without one."""
    for name in POSITIONS:
        if name in dataset.columns:
            heights = stated(dataset, name)
            if np.isfinite(heights).any():  # words in a column of that name are no heights
                return heights, name
    return np.full(len(dataset), np.nan), ""
