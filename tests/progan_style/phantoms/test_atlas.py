"""The prepared template: a distance with its gradient, and tissues that are shares."""

import numpy as np

from progan_style.phantoms.atlas import BRAIN, DISTANCE, GREY, SULCI, VENTRICLES, WHITE
from progan_style.phantoms.space import SAMPLED


def test_tissues_are_shares_of_a_brain_in_the_window(template):
    geometry, tissues = template
    shape = tuple(round(high - low) for low, high in SAMPLED)
    assert geometry.shape == (*shape, 4) and tissues.shape == (*shape, 5)
    assert tissues.min() >= 0.0 and tissues.max() <= 1.0
    together = tissues[..., GREY] + tissues[..., WHITE]
    assert (together <= tissues[..., BRAIN] + 1e-5).all()
    assert (tissues[..., SULCI][tissues[..., VENTRICLES] > 0.5] == 0).all()  # sulci are no ventricles


def test_the_ventricles_lie_inside_their_wall_and_on_both_sides(template):
    geometry, tissues = template
    inside = tissues[..., VENTRICLES] > 0.9
    assert geometry[inside][:, DISTANCE].max() < 3.0 and np.median(geometry[inside][:, DISTANCE]) < 0.0
    middle = inside.shape[0] // 2
    left, right = inside[:middle].sum(), inside[middle:].sum()
    assert min(left, right) > 0.8 * max(left, right) > 0
