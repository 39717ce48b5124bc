"""Sets of slices: from a part of a data set, from a generator, taken and joined."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.slices import generated, generated_slices, joined, real_part, real_slices, slice_positions


def test_columns_of_another_length_are_refused():
    labels = np.array([0, 1])
    with pytest.raises(ValueError, match="one row per image expected in every column"):
        real_slices(np.zeros((3, 1, 8, 8), np.uint8), labels, np.array(["a", "b"]), ("CN", "AD"))


def test_rows_are_taken_in_order():
    images = np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 8, 8), np.uint8)
    some = generated_slices(images, np.array([0, 1, 0]), np.array([7, 8, 9]), ("CN", "AD")).take(np.array([2, 0]))
    assert some.seeds.tolist() == [9, 7] and some.images[:, 0, 0, 0].tolist() == [2, 0] and not some.is_real.any()


def test_every_class_has_the_same_seeds(G):
    made = generated(G, 3, first_seed=5)
    assert made.labels.tolist() == [0, 0, 0, 1, 1, 1] and made.seeds.tolist() == [5, 6, 7, 5, 6, 7]


def test_weights_that_are_not_finite_are_refused(G):
    with torch.no_grad():
        next(iter(G.parameters())).fill_(float("nan"))
    with pytest.raises(ValueError, match="the generator makes NaN images"):
        generated(G, 2, first_seed=0)


def test_parts_of_a_data_set_are_joined(tiny_run):
    data = tiny_run.data
    both = joined([data.validate, data.test])
    assert len(both) == len(data.validate) + len(data.test)
    assert np.array_equal(both.at(16)[len(data.validate) :], data.test.at(16))
    assert set(real_part(both, 16, subjects_known=False).subjects) == {""}


def test_a_position_is_read_from_the_manifests_column(tiny_run):
    part = tiny_run.data.test
    assert slice_positions(part)[1] == "" and np.isnan(slice_positions(part)[0]).all()
    heights = np.array(["1.5", *[""] * (len(part) - 1)])
    places, column = slice_positions(replace(part, columns={"slice_mm": heights}))
    assert column == "slice_mm" and places[0] == 1.5 and np.isnan(places[1:]).all()
