"""A share of the training persons: who they are, and a data folder with them alone.

Letters: M images.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from progan_style.data.dataset import Data
from progan_style.data.manifest import write_manifest
from progan_style.data.persons import STATED
from progan_style.files import new_folder, refuse_inside


def check_share(share: float) -> None:
    """Raises ValueError for a share that is none."""
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share of the persons: expected more than 0 and at most 1, got {share:g}")


def persons_of_share(subjects: NDArray[Any], labels: NDArray[Any], share: float) -> NDArray[np.bool_]:
    """The slices of `share` (0 .. 1) of each class's persons, at least one: [M], [M] -> a mask [M].

    Persons are ranked by a hash of their id: the choice is as good as random, the same in every program and data
    folder, and nested, so that a smaller share's persons are all in a larger one.
    Raises ValueError for a share outside (0, 1] or persons who are unknown.
    """
    check_share(share)
    subjects, labels = np.asarray(subjects).astype(str), np.asarray(labels)
    if (subjects == "").any():
        raise ValueError("a share of the persons needs to know who is who; see manifest.csv in README.md")
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        names = sorted(set(subjects[labels == label]), key=lambda name: hashlib.sha256(name.encode()).digest())
        kept = names[: max(1, round(share * len(names)))]
        chosen |= (labels == label) & np.isin(subjects, kept)
    return chosen


def write_share(data: Data, share: float, to: Path | str, subject_column: str = "subject") -> tuple[int, int]:
    """A copy of a data folder with `share` of its training persons and all others -> (persons, slices) for training.

    A generator trained on it has seen exactly the persons of `persons_of_share`. Raises ValueError as that does, and
    if `to` is not empty or lies in the data folder.
    """
    to = Path(to)
    refuse_inside(to, data.root, "--to")
    chosen = persons_of_share(data.train.subjects, data.train.labels, share)
    train = data.train.subset(chosen)
    named = data.subjects_are == STATED  # a guess stays one: the column would make a fact of it
    with new_folder(to) as making:
        rows = []
        for split, part in (("train", train), ("validate", data.validate), ("test", data.test)):
            for i, path in enumerate(part.paths):
                (making / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(Path(data.root) / path, making / path)
                row = {"path": path, "label": data.class_names[part.labels[i]]}
                row |= {subject_column: part.subjects[i]} if named else {}
                rows.append(row | {"split": split} | {name: part.columns[name][i] for name in train.columns})
        for notice in Path(data.root).glob("NOTICE*"):
            shutil.copyfile(notice, making / notice.name)
        write_manifest(making, rows)
    return len(set(train.subjects)), len(train)
