"""The ruler against truth: unseen phantoms with known ratio, and shapes of known area."""

import numpy as np
import pytest

from analysis.ruler import ventricle_ratio
from progan_style.phantoms.drawing import draw_slices, reduce
from progan_style.phantoms.persons import draw_persons


def rank_correlation(a, b):
    return np.corrcoef(np.argsort(np.argsort(a)), np.argsort(np.argsort(b)))[0, 1]


@pytest.fixture(scope="module")
def unseen(template):
    """Persons of a seed that the ruler's region was not made from: pictures [120, 256, 256], truth [120]."""
    persons = draw_persons(40, 20261, "clear")
    drawn = [draw_slices(person, (8.0, 16.0, 25.0), 20261, *template) for person in persons]
    return np.concatenate([pictures for pictures, _ in drawn]), np.concatenate([ratios for _, ratios in drawn])


@pytest.mark.parametrize(("resolution", "at_least"), [(128, 0.96), (64, 0.96), (32, 0.93)])
def test_ranks_unseen_phantoms_as_the_truth_does(unseen, resolution, at_least):
    pictures, truth = unseen
    measured = ventricle_ratio(reduce(pictures, resolution)[:, None])
    assert rank_correlation(measured, truth) >= at_least
    assert 0.85 < np.median(measured) / np.median(truth) < 1.2


def test_noise_blur_and_gain_do_not_change_the_order(unseen):
    from scipy.ndimage import gaussian_filter

    pictures, truth = unseen
    small = reduce(pictures, 64).astype(np.float64)
    noisy = small + np.random.default_rng(0).normal(0.0, 6.0, small.shape)
    blurred = gaussian_filter(small, (0.0, 0.7, 0.7))
    for changed in (noisy, blurred, 0.6 * small):
        measured = ventricle_ratio(np.clip(np.rint(changed), 0, 255).astype(np.uint8)[:, None])
        assert rank_correlation(measured, truth) >= 0.93


def test_known_areas():
    """Two dark bars in a bright ellipse: their area over the ellipse's."""
    y, x = np.mgrid[:128, :128] - 63.5
    brain = (y / 50) ** 2 + (x / 40) ** 2 < 1
    bars = (abs(y + 10) < 8) & (abs(abs(x) - 6) < 3)
    image = np.where(brain, 200, 0) - np.where(bars, 160, 0)
    measured = ventricle_ratio(np.stack([image, np.where(brain, 200, 0)]).astype(np.uint8)[:, None])
    assert measured[0] == pytest.approx(bars.sum() / brain.sum(), rel=0.02)
    assert measured[1] == 0.0


# v, u in half axes: frontal horns, bodies, trigones, atria of the ventricles; then the fissures, sulci at the side and
# behind, what lies between the atria.
INSIDE = ((-0.3, 0.2), (-0.05, 0.15), (0.15, 0.32), (0.34, 0.41))
OUTSIDE = ((-0.75, 0.0), (-0.3, 0.6), (0.1, 0.65), (0.36, 0.1), (0.65, 0.4))


@pytest.mark.parametrize(("place", "share"), [*((p, 1.0) for p in INSIDE), *((p, 0.0) for p in OUTSIDE)])
def test_dark_is_a_ventricle_where_ventricles_are(place, share):
    """A dark square of either side, at one place of an ellipse of white matter."""
    y, x = np.mgrid[:256, :256] - 127.5
    v, u = y / 100, abs(x) / 80
    brain = v**2 + u**2 < 1
    square = (abs(v - place[0]) < 0.04) & (abs(u - place[1]) < 0.04)
    image = np.where(brain, 200, 0) - np.where(square, 160, 0)
    measured = ventricle_ratio(image.astype(np.uint8)[None, None])[0]
    assert measured == pytest.approx(share * square.sum() / brain.sum(), abs=0.05 * square.sum() / brain.sum())


def test_pictures_without_a_brain_give_zero():
    images = np.stack([np.zeros((16, 16)), np.full((16, 16), 99), np.eye(16) * 255]).astype(np.uint8)
    assert (ventricle_ratio(images[:, None]) == 0.0).all()


def test_another_shape_is_named():
    with pytest.raises(ValueError, match=r"expected \[M, 1, R, R\]"):
        ventricle_ratio(np.zeros((4, 16, 16), np.uint8))
