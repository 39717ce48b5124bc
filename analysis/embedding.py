"""Features [M, F] -> points [M, 2] to look at. A picture of neighbours, never a measurement.

Letters: M images, F features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

MOST_POINTS = 4000  # umap-learn takes another path above 4,096 and compiles for a minute more
NEIGHBOURS = 15
MIN_DIST = 0.1


def pca_embed(features: NDArray[Any], components: int = 2, seed: int = 0) -> NDArray[np.float32]:
    """The directions of largest variance: [M, F] -> [M, components], fewer where M or F are.

    Raises ValueError if there are fewer than two images.
    """
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"an embedding needs two images or more, [M, F], got {list(features.shape)}")
    components = min(components, *features.shape)
    return PCA(components, random_state=seed).fit_transform(features).astype(np.float32)


def umap_embed(features: NDArray[Any], seed: int = 0) -> NDArray[np.float32]:
    """UMAP (McInnes et al. 2018) of the first 50 principal components: [M, F] -> [M, 2]

    The same features and seed give the same points: a seed needs one thread. The first call of an environment
    compiles for up to a minute: announce it. Raises ValueError if there are too few or too many images.
    """
    features = np.asarray(features, dtype=np.float32)
    if not NEIGHBOURS < len(features) <= MOST_POINTS:
        raise ValueError(f"UMAP needs {NEIGHBOURS + 1} to {MOST_POINTS} images, got {len(features)}")
    import umap  # here: importing it takes seconds, and most of a minute the first time

    reducer = umap.UMAP(n_neighbors=NEIGHBOURS, min_dist=MIN_DIST, random_state=seed, n_jobs=1)
    return np.asarray(reducer.fit_transform(pca_embed(features, 50, seed)), dtype=np.float32)
