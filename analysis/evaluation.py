"""The numbers that a training logs about its generator, measured on the validate part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from analysis.classification import accuracy, auc
from analysis.distances import kid
from analysis.judge import Judge, train_judge
from analysis.pixels import finest_octave
from analysis.slices import SliceTable, generated, real_part
from analysis.sources import SOURCES, FeatureTable
from progan_style import Data, Generator, Phase

FIRST_SEED = 2**31  # other latents than the report's, which choose no checkpoint


def evaluator(
    data: Data,
    *,
    samples_per_label: int = 256,
    cache_dir: Path | str | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Callable[[Generator, Phase], dict[str, float]] | None:
    """A callable for Trainer.run: generator and phase -> numbers on the validate part; None if there is no such part.

    kid.<CLASS> and their mean `kid`; finest_octave, the power of the finest detail over that of the reals, mean of the
    classes; fidelity.auc and fidelity.accuracy for two classes and more. The reference classifier of a size is trained
    when it is first asked for. Nothing here touches the test part or the global random state.
    """
    if not len(data.validate):
        return None
    judges: dict[int, Judge] = {}

    def evaluate(G: Generator, phase: Phase) -> dict[str, float]:
        resolution = phase.resolution
        if resolution not in judges:
            judges.clear()  # a training never returns to a smaller size
            images = np.asarray(data.train.at(resolution))
            judges[resolution] = train_judge(
                images, data.train.labels, data.class_names, seed=seed, device=device, cache=cache_dir
            )
        judge = judges[resolution]
        made = generated(G, samples_per_label, FIRST_SEED)
        real = real_part(data.validate, resolution, data.subjects_known)
        reals, fakes = SOURCES["judge"](judge, real), SOURCES["judge"](judge, made)
        numbers = {f"kid.{name}": _kid(reals, fakes, label) for label, name in enumerate(data.class_names)}
        numbers["kid"] = float(np.mean(list(numbers.values())))
        numbers["finest_octave"] = _octave(made, real, len(data.class_names))
        if len(data.class_names) > 1:
            probabilities = judge.probabilities(made.images)
            numbers["fidelity.auc"] = auc(made.labels, probabilities)
            numbers["fidelity.accuracy"] = accuracy(made.labels, probabilities)
        return numbers

    return evaluate


def _octave(made: SliceTable, real: SliceTable, classes: int) -> float:
    """Class by class: as many slices of each are made, and real ones are as they are."""
    each = (finest_octave(made.images[made.labels == c], real.images[real.labels == c]) for c in range(classes))
    return float(np.mean(list(each)))


def _kid(reals: FeatureTable, fakes: FeatureTable, label: int) -> float:
    x, y = reals.take(reals.labels == label), fakes.take(fakes.labels == label)
    return kid(x.features, y.features, x.subjects, y.subjects)
