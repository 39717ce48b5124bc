"""The pyramid in the cache."""

import numpy as np
import pytest
from PIL import Image

from progan_style.data.packing import Job, _pack_chunk, resolutions


def test_levels_go_down_to_eight():
    assert resolutions(256) == [256, 128, 64, 32, 16, 8]
    assert resolutions(8) == [8]


@pytest.mark.parametrize("side", (64, 100, 240))
def test_a_levels_bytes_do_not_depend_on_where_the_pyramid_starts(side, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (side, side), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    from_64, from_16 = (_pack_chunk(Job(str(tmp_path), r), ["a.png"])["levels"] for r in (64, 16))
    assert [np.array_equal(a, b) for a, b in zip(from_64[-2:], from_16, strict=True)] == [True, True]
