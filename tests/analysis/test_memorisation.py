"""Planted copies are found, strangers are not, and the false alarms are what they say."""

import numpy as np
import pytest

from analysis import memorisation
from analysis.memorisation import PLANTED, aligned_pixels, false_alarms, nearest, share_of_copies
from progan_style.phantoms.atlas import prepare_template
from progan_style.phantoms.drawing import draw_slices, reduce
from progan_style.phantoms.persons import draw_persons


@pytest.fixture(scope="module")
def heads():
    """Phantoms at 64 px: 40 for training, 40 unseen ones."""
    template = prepare_template()
    people = draw_persons(80, 7, "clear")
    drawn = [draw_slices(person, (10.0, 22.0), 7, *template)[0] for person in people]
    images = reduce(np.concatenate(drawn), 64)[:, None]
    return images[:80], images[80:]


@pytest.mark.parametrize("name", PLANTED)
def test_planted_copies_are_found_and_traced_to_their_slice(name, heads):
    train, unseen = heads
    training = aligned_pixels(train)
    strangers = nearest(aligned_pixels(unseen), training)
    copies = nearest(aligned_pixels(PLANTED[name](train)), training)
    assert share_of_copies(copies.distances, strangers.distances)[0] == 1
    assert np.array_equal(copies.rows, np.arange(len(train)))
    assert share_of_copies(copies.relative, strangers.relative)[0] > 0.95


def test_held_out_persons_are_at_the_false_alarms(heads):
    train, unseen = heads
    found = nearest(aligned_pixels(unseen), aligned_pixels(train)).distances
    assert share_of_copies(found, found)[0] == pytest.approx(0.01, abs=0.01)
    assert false_alarms(found, np.repeat(np.arange(40), 2).astype(str)) < 0.1


def test_nearest_is_brute_force_over_chunks(monkeypatch):
    monkeypatch.setattr(memorisation, "CHUNK", 3)
    monkeypatch.setattr(memorisation, "OTHERS", 2)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 4)), rng.normal(size=(5, 4))
    distances = np.linalg.norm(x[:, None] - y[None], axis=2)
    found = nearest(x, y)
    assert np.array_equal(found.rows, distances.argmin(axis=1))
    assert found.distances == pytest.approx(distances.min(axis=1))
    with pytest.raises(ValueError, match="2 slices of other persons needed, got 1 in all"):
        nearest(x, y[:1])


def test_relative_is_the_likeness_of_other_persons_over_the_nearest(monkeypatch):
    monkeypatch.setattr(memorisation, "OTHERS", 1)
    angles = np.deg2rad([0, 5, 60, 90])
    training = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    image = np.array([[np.cos(0.1), np.sin(0.1)]])  # 5.7 degrees: nearest is the second slice of person a
    found = nearest(image, training, np.array(["a", "a", "b", "c"]))
    assert found.rows[0] == 1
    assert found.relative[0] == pytest.approx(np.cos(angles[2] - 0.1) / np.cos(0.1 - angles[1]))


def test_a_pose_is_undone_whatever_the_gain():
    y, x = np.mgrid[:32, :32] - 15.5
    head = np.where((y / 12) ** 2 + (x / 8) ** 2 < 1, 100 + 5 * y, 0)
    moved = 1.4 * np.roll(head, (2, -3), axis=(0, 1))
    a, b = aligned_pixels(np.stack([head, moved])[:, None].astype(np.uint8))
    assert a @ b > 0.995 and np.linalg.norm(a) == pytest.approx(1, abs=1e-4)
    large = np.kron(head, np.ones((4, 4)))[None, None].astype(np.uint8)  # 128 px: compared at 64
    assert aligned_pixels(large).shape == (1, 64 * 64)
    assert np.isfinite(aligned_pixels(np.zeros((1, 1, 16, 16), np.uint8))).all()


def test_the_share_counts_what_is_nearer_than_the_percentile():
    unseen = np.arange(1.0, 102.0)  # its first percentile is 2
    assert share_of_copies(np.array([0.0, 1.9, 2.0, 50.0]), unseen) == (0.5, 2.0)
    with pytest.raises(ValueError, match="two held-out persons or more, got 1"):
        false_alarms(unseen, np.full(101, "a"))
