"""What needs the run's slices: the closest training slices of a picture, and a map of held-out and generated slices.

Letters: M slices, R pixels per side, P pixels of a slice in the common pose.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from analysis import Options, aligned_pixels, of_many_persons, run_context, share_of_copies
from explorer.conditions import Value
from explorer.pictures import Picture
from progan_style import (
    Config,
    Data,
    Field,
    Generator,
    condition_for,
    conditions_in_words,
    draw_conditions,
    field_of,
    finished_stages,
    load_data,
    refuse_slices_of_others,
)

CLOSEST = 4  # training slices that are shown
POINTS = 300  # of each class on the map, held-out and generated
FITTED = 1000  # training slices that the map is fitted on
CHUNK = 512
MAPS = ("PCA", "UMAP")


@dataclass(frozen=True)
class Real:
    """The run's slices, or why they are not here; their field, where it is known. doubt: that nobody says whose they
    are."""

    data: Data | None
    why: str = ""
    doubt: str = ""

    @property
    def field(self) -> Field | None:
        return field_of(self.data) if self.data is not None else None


def load_real(run_dir: Path, config: Config) -> Real:
    """The slices that the run learnt from. What is wrong with them costs what is shown of them, and nothing else."""
    try:
        data = load_data(config, finished_stages(run_dir)[-1])
        refuse_slices_of_others(run_dir, data.learnt)
    except (ValueError, OSError) as error:
        return Real(None, str(error))
    if config.data.root is None or (run_dir / "checkpoint.pt").exists():
        return Real(data)
    return Real(data, doubt="The run has no checkpoint.pt, which would say whether it learnt from these slices.")


# ------------------------------------------------------------------ closest training slices


@dataclass(frozen=True)
class Neighbour:
    """A training slice. label: -1 where unlabelled. person: a letter, the same for slices of one person; "" where
    persons are unknown."""

    picture: Picture
    label: int
    distance: float
    person: str


class Closest:
    """All training slices, the unlabelled too, at one size in the pose of the report: analysis.aligned_pixels.

    threshold: the distance below which the report calls a slice a copy, 1 % of the held-out slices being nearer; None
    without held-out slices. Raises ValueError if the size was not packed.
    """

    def __init__(self, data: Data, size: int):
        self.train, self.images = data.learnt, data.learnt.at(size)
        self.known = data.subjects_known
        self.vectors = aligned_pixels(np.asarray(self.images))
        held_out = data.unseen[1]
        self.threshold: float | None = None
        if len(held_out):
            nearest = np.sqrt(self._squares(aligned_pixels(np.asarray(held_out.at(size)))))
            self.threshold = share_of_copies(nearest, nearest)[1]

    def _squares(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """The squared distance of each unit vector [M, P] to the closest training slice."""
        parts = [(vectors[i : i + CHUNK] @ self.vectors.T).max(axis=1) for i in range(0, len(vectors), CHUNK)]
        return np.maximum(2.0 - 2.0 * np.concatenate(parts).astype(np.float64), 0.0)

    def of(self, picture: Picture, count: int = CLOSEST) -> list[Neighbour]:
        """The closest first."""
        likeness = self.vectors @ aligned_pixels(picture[None, None])[0]
        rows = np.argsort(-likeness, kind="stable")[:count]
        names = [str(self.train.subjects[row]) for row in rows]
        letters = {name: chr(ord("A") + i) for i, name in enumerate(dict.fromkeys(names))}
        return [
            Neighbour(
                np.array(self.images[row, 0]),
                int(self.train.labels[row]),
                float(np.sqrt(max(2.0 - 2.0 * float(likeness[row]), 0.0))),
                letters[name] if self.known and name else "",
            )
            for row, name in zip(rows, names, strict=True)
        ]


# ------------------------------------------------------------------ the map


@dataclass(frozen=True)
class Shown:
    """What stands on a map: points [M, 2], their slices [M, R, R], labels [M], seeds [M] (-1: a held-out real).

    given [M]: the conditions that a generated slice was made with, None where one was unknown; none of a real one.
    """

    kind: str
    size: int
    points: NDArray[np.float32]
    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64]
    seeds: NDArray[np.int64]
    given: tuple[dict[str, Value | None], ...] = ()


def make_map(
    run_dir: Path, config: Config, data: Data, size: int, kind: str, weights: str, log: Callable[[str], None]
) -> Shown:
    """Held-out and generated slices, placed alike on a map of the reference classifier's features.

    It is fitted on training reals, as the report's. kind: PCA or UMAP. Minutes, where the classifier has to be trained.
    Raises ValueError where there are no held-out slices, or too few for a UMAP.
    """
    from analysis import pca_map, umap_map  # seconds to import

    options = Options(samples_per_label=POINTS, cache_dir=config.data.cache, weights=weights, log=log)
    context = run_context(run_dir, data, size, options)
    context.need_held_out()
    assert context.generator is not None
    judge = context.judge
    log("the slices are described by the reference classifier")
    rows = of_many_persons(context.train.subjects, FITTED, 0)
    fitted = judge.features(context.train.images[np.sort(rows)])
    held_out = [
        here[of_many_persons(context.held_out.subjects[here], POINTS, 0)]
        for label in range(len(context.class_names))
        if len(here := np.flatnonzero(context.held_out.labels == label))
    ]
    real, made = context.held_out.take(np.concatenate(held_out)), context.fakes
    features = np.concatenate([judge.features(real.images), judge.features(made.images)])
    log(f"{kind} is fitted on {len(fitted)} training slices" + (", for a minute or more" if kind == "UMAP" else ""))
    place = pca_map(fitted) if kind == "PCA" else umap_map(fitted)[0]
    return Shown(
        kind,
        size,
        place(features),
        np.concatenate([real.images, made.images])[:, 0],
        np.concatenate([real.labels, made.labels]),
        np.concatenate([real.seeds, made.seeds]),
        ({},) * len(real) + drawn_with(context.generator, made.labels, made.seeds),
    )


def drawn_with(
    G: Generator, labels: NDArray[np.int64], seeds: NDArray[np.int64]
) -> tuple[dict[str, Value | None], ...]:
    """The conditions [M] that generate() draws for these seeds where none are asked for."""
    condition = condition_for(G, labels, None)
    words = conditions_in_words(G, draw_conditions(G, condition, torch.from_numpy(seeds)))
    return tuple(dict(zip(words, row, strict=True)) for row in zip(*words.values(), strict=True)) or ({},) * len(seeds)
