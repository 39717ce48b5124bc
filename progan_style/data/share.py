"""A share of the training persons: who they are, and a data folder with them alone.

Letters: M images.

Run as a program it writes such a folder, on which a generator can be trained that has seen nobody else:
    python -m progan_style.data.share --run DIR --share 0.25 --to DIR
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from progan_style.data.dataset import Data
from progan_style.data.folder import MANIFEST


def persons_of_share(subjects: NDArray[Any], labels: NDArray[Any], share: float) -> NDArray[np.bool_]:
    """The slices of `share` (0 .. 1) of each class's persons, at least one: [M], [M] -> a mask [M].

    Persons are ranked by a hash of their id: the choice is as good as random, the same in every program and data
    folder, and nested, so that a smaller share's persons are all in a larger one.
    Raises ValueError for a share outside (0, 1] or persons who are unknown.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share of the persons: expected more than 0 and at most 1, got {share:g}")
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
    if `to` is not empty.
    """
    to = Path(to)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ValueError(f"{to}: expected a new or empty folder, found something there; name another with --to")
    chosen = persons_of_share(data.train.subjects, data.train.labels, share)
    train = data.train.subset(chosen)
    # Groups that were only read from file names stay that: the column would make persons of them.
    named = data.subjects_are == "persons"
    extra = list(train.columns)
    rows = []
    for split, part in (("train", train), ("validate", data.validate), ("test", data.test)):
        for i, path in enumerate(part.paths):
            (to / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(data.root) / path, to / path)
            subject = [part.subjects[i]] if named else []
            rows.append(
                [path, data.class_names[part.labels[i]], *subject, split, *(part.columns[name][i] for name in extra)]
            )
    for notice in Path(data.root).glob("NOTICE*"):
        shutil.copyfile(notice, to / notice.name)
    with open(to / MANIFEST, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", *([subject_column] if named else []), "split", *extra])
        writer.writerows(rows)
    return len(set(train.subjects)), len(train)


def main(argv: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(
        prog="python -m progan_style.data.share",
        description="Write a data folder with a share of a run's training persons, to train a generator on them alone.",
    )
    p.add_argument(
        "--run", metavar="DIR", default="saved_output/run", help="a run on all persons (default: %(default)s)"
    )
    p.add_argument("--share", type=float, default=0.25, help="of the training persons, 0..1 (default: %(default)s)")
    p.add_argument("--to", metavar="DIR", required=True, help="folder to write")
    args = p.parse_args(argv)
    from progan_style.run import finished_stage, load_data, run_config

    try:
        config = run_config(args.run)
        data = load_data(config, finished_stage(args.run, None))
        persons, slices = write_share(data, args.share, args.to, config.data.subject_column)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.to}: {slices} training slices of {persons} {data.subjects_are}; validate and test as they were")
    return 0


if __name__ == "__main__":
    sys.exit(main())
