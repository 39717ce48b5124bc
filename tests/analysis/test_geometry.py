"""Plane, sides and millimetres come from the data; what the data do not say is not known."""

from types import SimpleNamespace

import numpy as np
import pytest

from analysis.geometry import Geometry, geometry_of
from analysis.held_out import PHANTOMS


def data(root, sizes=("256x256",), **columns):
    columns = {name: np.array(values) for name, values in columns.items()}
    return SimpleNamespace(root=str(root), source_sizes=dict.fromkeys(sizes, 2), train=SimpleNamespace(columns=columns))


def test_what_a_manifest_says(tmp_path):
    found = geometry_of(data(tmp_path, plane=["coronal"] * 2, mm_per_pixel=["0.9"] * 2), 64)
    assert found == Geometry("coronal", pytest.approx(3.6)) and found.sides == ("L", "R")
    assert found.words() == "coronal, 3.6 mm per pixel"
    assert Geometry("sagittal").sides == ("A", "P")


@pytest.mark.parametrize(
    ("sizes", "columns"),
    [
        (("256x256",), {}),
        (("256x256",), {"plane": ["axial", "coronal"], "mm_per_pixel": ["0.9", "1.0"]}),
        (("256x256",), {"plane": ["oblique"] * 2, "mm_per_pixel": ["n/a"] * 2}),
    ],
)
def test_what_differs_or_is_not_said_is_unknown(tmp_path, sizes, columns):
    found = geometry_of(data(tmp_path, sizes, **columns), 64)
    assert found == Geometry("", None) and found.sides == ("", "")
    assert found.words() == "plane unknown, millimetres unknown"


def test_pictures_of_several_sizes_have_no_common_millimetre(tmp_path):
    known = {"plane": ["axial"] * 2, "mm_per_pixel": ["1"] * 2}
    assert geometry_of(data(tmp_path, ("256x256", "128x128"), **known), 64) == Geometry("axial", None)
    assert geometry_of(data(tmp_path, ("240x256",), **known), 64) == Geometry("axial", 4.0)  # padded to a square


def test_phantoms_are_known(tmp_path):
    (tmp_path / PHANTOMS).write_text("{}")
    assert geometry_of(data(tmp_path), 64) == Geometry("axial", pytest.approx(3.52))


def test_planes_across_a_stack():
    assert Geometry("axial").across == ("coronal", "sagittal")
    assert Geometry("sagittal").across == ("axial", "coronal")
    assert Geometry().across == ("along a row", "along a column")
