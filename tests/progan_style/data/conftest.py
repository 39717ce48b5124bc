import pytest

from progan_style.data.loading import load_folder


@pytest.fixture
def load(tmp_path):
    def load(root=tmp_path / "data", resolution=16, **keys):
        return load_folder(root, resolution=resolution, cache_dir=tmp_path / "cache", progress=False, **keys)

    return load


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"
