"""Points in mm: samples of the template, fields whose variance is one, heights that end where they should."""

import numpy as np

from progan_style.phantoms.space import SAMPLED, rotation, sample, slice_heights, smooth_field, spline


def test_a_sample_is_trilinear_and_holds_the_edge():
    x, y, z = np.meshgrid(*[np.arange(4.0, dtype=np.float32)] * 3, indexing="ij")
    volume = (x + 10 * y + 100 * z)[..., None]  # linear, so that interpolation is exact
    origin = np.array([low for low, _ in SAMPLED], np.float32)
    points = origin + np.array([[0, 0, 0], [1.5, 0.25, 2.0], [-9.0, 1.0, 1.0]], np.float32)
    np.testing.assert_allclose(sample(volume, points)[:, 0], [0.0, 204.0, 110.0], rtol=1e-5)


def test_the_splines_of_all_knots_add_up_to_one():
    basis = spline(np.linspace(6, 28, 50, dtype=np.float32), 5.0, 6.0, 28.0)
    np.testing.assert_allclose(basis.sum(axis=1), 1.0, rtol=1e-5)


def test_a_smooth_field_has_unit_variance_and_neighbours_agree():
    line = np.linspace(-60, 60, 61, dtype=np.float32)
    field = smooth_field(line, line, np.array([14.0, 15.0], np.float32), 6.0, 8, np.random.default_rng(0))
    assert field.shape == (8, 2, 61, 61) and abs(field.var() - 1.0) < 0.1
    assert np.corrcoef(field[:, 0].ravel(), field[:, 1].ravel())[0, 1] > 0.9


def test_a_rotation_turns_x_to_y_about_z():
    turn = rotation(np.radians([0.0, 0.0, 90.0]))
    np.testing.assert_allclose(turn @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)


def test_heights_go_evenly_from_the_lowest_to_the_highest():
    assert slice_heights(1) == [17.0] and slice_heights(3) == [6.0, 17.0, 28.0]
