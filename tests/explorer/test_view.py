from dataclasses import replace

import numpy as np

from explorer.pictures import difference, root_mean_square
from explorer.real import Closest
from explorer.view import view


def test_each_tab_asks_for_its_own_pictures(explored, state):
    opened, _ = explored.generators.get(16)
    brain = view(opened, state)
    assert len(brain.pictures) == 2 and brain.nimg == opened.pictures.G.nimg and not brain.neighbours
    assert brain.change == root_mean_square(difference(*brain.pictures)) > 0
    mixing = view(opened, replace(state, tab="mixing"), remark="r")
    assert len(mixing.pictures) == 3 and mixing.remark == "r"
    assert not any(np.array_equal(mixing.pictures[2], other) for other in mixing.pictures[:2])
    assert view(opened, replace(state, tab="map")).pictures == ()
    closest = Closest(explored.real.data, 16)
    assert len(view(opened, replace(state, tab="closest"), closest).neighbours) == 4
    assert view(opened, state, closest).neighbours == () == view(opened, replace(state, tab="closest")).neighbours
