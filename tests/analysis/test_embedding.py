"""conftest.py sets NUMBA_DISABLE_JIT before anything imports umap: compiling takes a minute, 40 points seconds."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.embedding import load_umap, pca_embed, umap_embed


def test_pca_finds_the_direction_of_largest_variance():
    rng = np.random.default_rng(0)
    along = rng.normal(0, 5, 100)
    features = np.outer(along, [0.6, 0.8, 0]) + rng.normal(0, 0.1, (100, 3))
    points = pca_embed(features)
    assert points.shape == (100, 2)
    assert abs(np.corrcoef(points[:, 0], along)[0, 1]) > 0.999


def test_pca_of_few_images_has_fewer_components():
    assert pca_embed(np.eye(3, 60), 50).shape == (3, 3)
    with pytest.raises(ValueError, match="two images"):
        pca_embed(np.zeros((1, 4)))


def test_umap_parts_clusters_and_repeats_for_a_seed():
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(0, 1, (20, 60)), rng.normal(8, 1, (20, 60))])
    points = umap_embed(features, seed=1)
    assert points.shape == (40, 2) and points.dtype == np.float32
    left, right = points[:20], points[20:]
    assert np.linalg.norm(left.mean(0) - right.mean(0)) > 2 * max(left.std(axis=0).max(), right.std(axis=0).max())
    assert np.array_equal(points, umap_embed(features, seed=1))


@pytest.mark.parametrize("count", [10, 4001])
def test_umap_says_how_many_images_it_takes(count):
    with pytest.raises(ValueError, match=f"16 to 4000 images, got {count}"):
        umap_embed(np.zeros((count, 3)))


def test_umap_without_a_folder_for_its_cache_gets_one(tmp_path, monkeypatch):
    """As where the environment cannot be written and there is no home: numba refuses while umap is imported."""
    from numba.core import config

    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    refusal = "RuntimeError(\"cannot cache function 'rdist': no locator available for file 'layouts.py'\")"
    (tmp_path / "umap.py").write_text(
        f"from numba.core import config\nif not config.CACHE_DIR:\n    raise {refusal}\nWHERE = config.CACHE_DIR\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "umap", raising=False)
    assert Path(load_umap().WHERE).is_dir()
    monkeypatch.delitem(sys.modules, "umap")
    (tmp_path / "umap.py").write_text("raise RuntimeError('another fault')\n")
    importlib.invalidate_caches()
    with pytest.raises(RuntimeError, match="another fault"):
        load_umap()
