import pytest

from progan_style.phantoms.folder import make_phantoms


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return make_phantoms(tmp_path_factory.mktemp("p") / "d", persons=30, slices=2, size=128, workers=1, progress=False)
