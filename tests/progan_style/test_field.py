import json
from dataclasses import replace

import numpy as np
import pytest

from progan_style.field import Field, field_of


def with_columns(data, sizes, **columns):
    train = replace(data.train, columns={name: np.array(cells) for name, cells in columns.items()})
    return replace(data, train=train, source_sizes=sizes)


def test_what_prepare_cut_has_its_millimetres(tiny_run):
    data = with_columns(tiny_run.data, {"256x256": 48}, mm_per_pixel=["1"] * 48, plane=["coronal"] * 48)
    assert field_of(data) == Field(256.0, "coronal")
    assert field_of(data).directions == ((1, 0, 0), (0, 0, -1), (0, 1, 0))
    half = with_columns(tiny_run.data, {"128x128": 48}, mm_per_pixel=["2"] * 48)
    assert field_of(half) == Field(256.0, "") and field_of(half).directions == ()


@pytest.mark.parametrize(
    ("sizes", "cells"),
    (
        ({"32x32": 48}, {}),
        ({"32x32": 48}, {"mm_per_pixel": ["1", "2"] * 24}),
        ({"32x32": 40, "64x64": 8}, {"mm_per_pixel": ["1"] * 48}),
        ({"32x32": 48}, {"mm_per_pixel": ["n/a"] * 48}),
        ({"32x32": 48}, {"mm_per_pixel": ["0"] * 48}),
        ({"32x32": 48}, {"mm_per_pixel": ["nan"] * 48}),
    ),
)
def test_nobody_guesses(tiny_run, sizes, cells):
    assert field_of(with_columns(tiny_run.data, sizes, **cells)) is None


def test_phantoms_have_225_millimetres(tiny_run, tmp_path):
    (tmp_path / "phantoms.json").write_text(json.dumps({}))
    assert field_of(replace(tiny_run.data, root=str(tmp_path))) == Field(pytest.approx(225.28), "axial")
