"""A scan on coarse grids: values at their mm, a background that counts for nothing, a gain that is found."""

import numpy as np
import pytest

from progan_style.scans.grids import Grid, Receiver, coarser, moved_by, quadratic, receiver_of, reduced, sampled
from progan_style.scans.template import load_template
from progan_style.scans.volumes import Volume


def ramp(shape, affine):
    """A linear function of mm on a grid."""
    at = np.indices(shape).reshape(3, -1)
    x, y, z = affine[:3, :3] @ at + affine[:3, 3][:, None]
    return (0.4 + 0.001 * x - 0.002 * y + 0.003 * z).reshape(shape).astype(np.float32)


def test_a_coarser_grid_and_another_grids_points_keep_every_value_at_its_mm():
    """A linear function survives means over cells and trilinear samples: an offset of half a cell would show."""
    affine = np.diag([1.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -20, -30, 5
    grid = Grid(ramp((41, 30, 21), affine), affine)
    for step in (4, 8):
        coarse = coarser(grid, step)
        assert np.allclose(np.linalg.norm(coarse.affine[:3, :3], axis=0), step)
        assert np.allclose(coarse.values, ramp(coarse.values.shape, coarse.affine), atol=1e-5)
        other = moved_by(np.array([-15.0, -20.0, 12.0]), 3.0)
        found = sampled(coarse, (12, 12, 6), other)
        inside = found >= 0
        assert 0.3 < inside.mean() < 1 and np.allclose(found[inside], ramp((12, 12, 6), other)[inside], atol=1e-5)


@pytest.mark.parametrize("background", (-1000.0, 0.0, 60.0))
def test_a_removed_background_is_dark_whatever_its_value(scan_tools, background):
    data, affine, mask = scan_tools.bare_brain()
    with_it = np.where(mask, data, background).astype(np.float32)
    expected = reduced(Volume(np.where(mask, data, 0).astype(np.float32), affine))
    assert np.allclose(reduced(Volume(with_it, affine)).values, expected.values, atol=1e-5)
    masked = reduced(Volume(np.where(mask, data, 700).astype(np.float32), affine), mask)
    assert np.allclose(masked.values, expected.values, atol=1e-5)


def test_the_receivers_gain_is_found_where_white_matter_is():
    level = load_template()[4]
    affine = moved_by(level.origin, level.step)
    index = np.indices(level.values.shape)
    x, y, z = (level.origin[i] + level.step * index[i] for i in range(3))
    terms = np.array([0.1, 0.2, -0.3, 0.2, 0.1, -0.2, 0.1, 0.05, 0.0, 0.1])
    gain = np.exp(quadratic(x, y, z, terms)).astype(np.float32)
    found = receiver_of(np.eye(4), Grid(level.values * gain, affine), level)
    white = level.values > 0.8
    even = found.correct(level.values * gain, level)[white]
    assert even.std() < 0.04 < 3 * (level.values * gain)[white].std() and abs(np.median(even) - 1) < 0.05
    outside = np.full(level.values.shape, -1.0, np.float32)
    assert (found.correct(outside, level) == -1).all() and Receiver().correct(level.values, level).max() <= 1
    assert receiver_of(np.eye(4), Grid(np.zeros_like(level.values), affine), level) == Receiver()
