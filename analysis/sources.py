"""Slices -> features -> FeatureTable: the spaces in which real and generated slices are compared.

Letters: M images, R resolution (pixels per side), F features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.inception import Inception
from analysis.judge import Judge
from analysis.slices import SliceTable, same_length
from progan_style import generator_features, register_part, to_float

BATCH = 64


@dataclass(frozen=True)
class FeatureTable:
    """Features of slices, one row per image, and where they came from.

    features float32 [M, F]; the other columns as in SliceTable; source names the extractor.
    Raises ValueError if the columns differ in length or a feature is not finite.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    is_real: NDArray[np.bool_]
    subjects: NDArray[Any]
    class_names: tuple[str, ...]
    source: str

    def __post_init__(self) -> None:
        same_length(features=self.features, labels=self.labels, is_real=self.is_real, subjects=self.subjects)
        broken = int((~np.isfinite(self.features)).any(axis=1).sum())
        if broken:
            raise ValueError(f"{self.source}: finite features expected, got NaN or infinity in {broken} images")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[Any]) -> FeatureTable:
        """The chosen rows (indices or a mask), in that order."""
        return replace(
            self,
            features=self.features[rows],
            labels=self.labels[rows],
            is_real=self.is_real[rows],
            subjects=self.subjects[rows],
        )


def join(first: FeatureTable, second: FeatureTable) -> FeatureTable:
    """Both tables, one after the other. Raises ValueError if their classes or sources differ."""
    if (first.class_names, first.source) != (second.class_names, second.source):
        raise ValueError(
            f"tables of one extractor and one list of classes expected, got {first.source} {first.class_names} "
            f"and {second.source} {second.class_names}"
        )
    return replace(
        first,
        features=np.concatenate([first.features, second.features]),
        labels=np.concatenate([first.labels, second.labels]),
        is_real=np.concatenate([first.is_real, second.is_real]),
        subjects=np.concatenate([first.subjects, second.subjects]),
    )


def from_generator(G: Any, slices: SliceTable) -> FeatureTable:
    """The generator's last feature map on an 8x8 grid per channel, made again from labels and seeds.

    These features are made from the label: classes that lie apart here prove nothing about the images.
    Raises ValueError for real slices, which have no seed.
    """
    if slices.is_real.any():
        raise ValueError("the generator has features of generated slices only, got real ones")
    features = generator_features(G, torch.from_numpy(slices.labels), torch.from_numpy(slices.seeds), psi=slices.psi)
    return _table(features.cpu().numpy(), slices, "generator, last feature map on an 8x8 grid")


def from_discriminator(D: Any, slices: SliceTable) -> FeatureTable:
    """The discriminator's final layer, which sees no label."""
    return _table(in_batches(D, D.features, slices.images), slices, "discriminator, final layer")


def from_judge(judge: Judge, slices: SliceTable) -> FeatureTable:
    """What the reference classifier's heads read."""
    return _table(judge.features(slices.images), slices, f"{judge.name}, {judge.hash}")


def from_inception(model: Inception, slices: SliceTable) -> FeatureTable:
    """InceptionV3's pooled features."""
    return _table(model.features(slices.images), slices, f"{model.name}, {model.hash}")


@torch.inference_mode()
def in_batches(D: Any, function: Callable[[Tensor], Tensor], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """function of a discriminator's images, in batches: uint8 [M, 1, R, R] -> [M, ...]"""
    D.eval()
    device = next(D.parameters()).device
    rows = [
        function(to_float(torch.from_numpy(np.array(images[start : start + BATCH])).to(device))).float().cpu().numpy()
        for start in range(0, len(images), BATCH)
    ]
    return np.concatenate(rows)


def _table(features: NDArray[np.float32], slices: SliceTable, source: str) -> FeatureTable:
    return FeatureTable(
        features=features,
        labels=slices.labels,
        is_real=slices.is_real,
        subjects=slices.subjects,
        class_names=slices.class_names,
        source=source,
    )


# name -> function(model, slices): each owns its range and resize
SOURCES: dict[str, Callable[[Any, SliceTable], FeatureTable]] = {
    "generator": from_generator,
    "discriminator": from_discriminator,
    "judge": from_judge,
    "inception": from_inception,
}

# ------------------------------------------------------------------ of the user's own

Extract = Callable[[NDArray[np.uint8]], NDArray[Any]]  # images [M, 1, R, R] -> features [M, F]
OWN: dict[str, Extract] = {}  # from plugins; shown by the section `own`


def register_source(name: str) -> Callable[[Extract], Extract]:
    """A decorator: the function makes features of images, uint8 [M, 1, R, R] -> [M, F], for the report's section `own`.

    Raises ValueError if it does not, or if a row depends on the images beside it.
    """

    def register(function: Extract) -> Extract:
        what = f"source {name}"
        images = np.random.default_rng(0).integers(0, 256, (4, 1, 64, 64), np.uint8)
        try:
            together, alone = np.asarray(function(images)), np.asarray(function(images[2:3]))
        except Exception as error:
            raise ValueError(f"{what}: fails on a trial: {type(error).__name__}: {error}") from error
        if together.ndim != 2 or len(together) != 4 or together.dtype.kind not in "fiu":
            raise ValueError(
                f"{what}: expected numbers [4, F] of 4 images, got {together.dtype} {list(together.shape)}"
            )
        if not np.isfinite(together).all():
            raise ValueError(f"{what}: expected finite features, got NaN or infinity")
        if alone.shape != together[2:3].shape or not np.allclose(alone, together[2:3], rtol=1e-3, atol=1e-4):
            raise ValueError(f"{what}: the features of an image differ with the images beside it")
        register_part(OWN, "source", name, function)
        return function

    return register


def of_own(name: str, slices: SliceTable) -> FeatureTable:
    """The features of an own source."""
    features = np.asarray(OWN[name](slices.images), np.float32)
    return _table(features, slices, f"{name}, of a plugin")
