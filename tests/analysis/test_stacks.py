"""Stacks: likeness and area over the height, on slices whose answer is known."""

import numpy as np
import pytest

from analysis import stacks
from analysis.stacks import Stack


def head(radius, texture, size=64):
    """A disc with stripes of its own, [1, R, R]."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    stripes = 60 * np.sin(0.8 * (np.cos(texture) * x + np.sin(texture) * y) + texture)
    return ((np.hypot(x, y) < radius) * (150 + stripes)).astype(np.uint8)[None]


def stack(radii, texture, heights=None, label=0):
    heights = np.arange(len(radii), dtype=float) if heights is None else np.asarray(heights, float)
    return Stack(np.stack([head(radius, texture) for radius in radii]), heights, label)


def test_slices_are_gathered_by_person_and_sorted_by_height():
    images = np.arange(9, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 8, 8), np.uint8)
    subjects = np.array(["b", "a", "a", "a", "b", "a", "", "c", "c"])
    heights = np.array([1.0, 9.0, 3.0, 5.0, 2.0, 3.0, 1.0, 1.0, np.nan])
    found = stacks.stacks_of(images, np.zeros(9, np.int64), subjects, heights)
    assert len(found) == 1  # b has two heights, c one that is known, and "" is nobody
    assert found[0].heights.tolist() == [3.0, 5.0, 9.0] and found[0].images[:, 0, 0, 0].tolist() == [2, 3, 1]


def test_pairs_are_neighbours_or_about_ten_millimetres_apart():
    heights = np.array([0.0, 4.0, 9.0, 10.5, 30.0])
    assert stacks.near_pairs(heights) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert stacks.far_pairs(heights) == [(0, 3)]
    assert stacks.far_pairs(np.array([0.0, 1.0, 2.0])) == []


def test_one_texture_is_alike_and_another_is_not():
    one, other = stack([25, 24, 23], 0.3), stack([25, 24, 23], 1.4)
    pairs = stacks.near_pairs(one.heights)
    assert stacks.likeness(one, one, pairs) > 0.8 > 0.5 > stacks.likeness(one, other, pairs)


def test_a_slice_ends_halfway_to_the_next():
    assert np.allclose(stacks.edges_of(np.array([2.0, 4.0, 10.0])), [1, 3, 7, 13])


def test_the_area_is_that_of_the_disc():
    assert stacks.areas(stack([20], 0.0).images) == pytest.approx([np.pi * 400 / 64**2], rel=0.02)
    assert stacks.areas(np.zeros((1, 1, 8, 8), np.uint8)) == [0.0]


def test_a_stack_that_follows_the_usual_profile_is_not_off_it_whatever_its_size():
    shape = np.sqrt(np.array([1.0, 0.9, 0.8, 0.7, 0.6]))
    usual = stacks.usual_profile([stack(25 * shape, 0.1), stack(22 * shape, 0.2)])
    small, upside_down = stack(15 * shape, 0.3), stack(20 * shape[::-1], 0.3)
    assert stacks.off_profile(small, usual) < 0.03
    expected = np.sqrt(np.mean([(a - b) ** 2 for a, b in zip(shape**2 / 0.8, shape[::-1] ** 2 / 0.8, strict=True)]))
    assert stacks.off_profile(upside_down, usual) == pytest.approx(expected, abs=0.03)
