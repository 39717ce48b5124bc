"""Features [M, F] -> points [M, 2] to look at. A picture of neighbours, never a measurement.

Letters: M images, F features.
"""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

MOST_POINTS = 4000  # umap-learn takes another path above 4,096 and compiles for a minute more
NEIGHBOURS = 15
MIN_DIST = 0.1


def _pca(features: NDArray[Any], components: int, seed: int) -> PCA:
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"an embedding needs two images or more, [M, F], got {list(features.shape)}")
    return PCA(min(components, *features.shape), random_state=seed).fit(features)


def pca_embed(features: NDArray[Any], components: int = 2, seed: int = 0) -> NDArray[np.float32]:
    """The directions of largest variance: [M, F] -> [M, components], fewer where M or F are.

    Raises ValueError if there are fewer than two images.
    """
    return _pca(features, components, seed).transform(np.asarray(features, dtype=np.float32)).astype(np.float32)


@dataclass(frozen=True)
class Map:
    """A fitted map of features [M, F] to points [M, 2]: the same for whatever is shown on it."""

    transform: Callable[[NDArray[np.float32]], NDArray[Any]]

    def __call__(self, features: NDArray[Any]) -> NDArray[np.float32]:
        return np.asarray(self.transform(np.asarray(features, dtype=np.float32)), dtype=np.float32)


def pca_map(features: NDArray[Any], seed: int = 0) -> Map:
    """The plane of largest variance of these features. Raises ValueError if there are fewer than two images."""
    return Map(_pca(features, 2, seed).transform)


def umap_map(features: NDArray[Any], seed: int = 0) -> tuple[Map, NDArray[np.float32]]:
    """UMAP (McInnes et al. 2018) of the first 50 principal components, fitted: the map, and the features' own points.

    The same features and seed give the same points: a seed needs one thread. The first call of an environment
    compiles for up to a minute: announce it. Raises ValueError if there are too few or too many images.
    """
    features = np.asarray(features, dtype=np.float32)
    if not NEIGHBOURS < len(features) <= MOST_POINTS:
        raise ValueError(f"UMAP needs {NEIGHBOURS + 1} to {MOST_POINTS} images, got {len(features)}")
    umap = load_umap()
    pca = _pca(features, 50, seed)
    reducer = umap.UMAP(n_neighbors=NEIGHBOURS, min_dist=MIN_DIST, random_state=seed, n_jobs=1)
    points = np.asarray(reducer.fit_transform(pca.transform(features)), dtype=np.float32)
    return Map(lambda rows: reducer.transform(pca.transform(rows))), points


def load_umap() -> ModuleType:
    """The package, which takes seconds, and most of a minute the first time. Where the environment cannot be written
    and there is no home, numba finds no folder for what it compiles: it gets one that goes with this process."""
    try:
        return importlib.import_module("umap")
    except RuntimeError as error:
        from numba.core import config

        if "no locator" not in str(error):
            raise
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="numba-")
        atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
        config.reload_config()
        return importlib.import_module("umap")


def umap_embed(features: NDArray[Any], seed: int = 0) -> NDArray[np.float32]:
    """Points of a UMAP fitted on these features alone: [M, F] -> [M, 2]; see umap_map."""
    return umap_map(features, seed)[1]
