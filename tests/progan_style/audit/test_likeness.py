"""How alike two slices are."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from progan_style.audit import likeness

OASIS = Path(__file__).parents[4] / "shared" / "data" / "oasis-mri"


def test_likeness_falls_little_between_the_angles(phantoms):
    small = likeness.read_small(next((phantoms / "train" / "AD").glob("*.png")))
    for degrees in np.linspace(-2, 2, 9):
        turned = ndimage.rotate(small, degrees, reshape=False, order=1)
        assert next(likeness.alike(turned[None], small[None], 1))[1][0, 0] > 0.95


def test_the_same_slice_of_the_same_person_is_1_and_blank_is_0(phantoms):
    small = likeness.read_small(next((phantoms / "train" / "AD").glob("*.png")))
    assert next(likeness.alike(small[None], small[None], 1))[1][0, 0] == pytest.approx(1.0, abs=1e-5)
    assert next(likeness.alike(small[None] * 0, small[None], 1))[1][0, 0] == 0.0


def test_known_strangers_raise_the_threshold():
    """Pictures that are much alike, said to be of different persons: the threshold leaves 1 in 1000 of them. Where they
    are almost the same, it stays, and that is an alarm."""
    rng = np.random.default_rng(0)
    base = ndimage.gaussian_filter(rng.normal(size=(64, 64)), 3) * 500
    smalls = (base + rng.normal(0, 18, (60, 64, 64))).clip(0).astype(np.float32)
    persons = (np.array([f"a{i}" for i in range(30)]), np.array([f"b{i}" for i in range(30)]))
    found = likeness.find_pairs(smalls[:30], smalls[30:], persons, 1)
    unknown = likeness.find_pairs(smalls[:30], smalls[30:], None, 1)
    assert len(unknown.pairs) > 500 and unknown.threshold == likeness.PERSON
    assert (unknown.strangers, unknown.strangers_above, unknown.most_alike_strangers) == (0, 0, -1.0)
    assert found.strangers == 900 and found.threshold > likeness.PERSON and len(found.pairs) <= 1
    same = (base + rng.normal(0, 3, (60, 64, 64))).clip(0).astype(np.float32)
    assert not found.alarm and likeness.find_pairs(smalls[:30], smalls[30:], None, 1).alarm is False
    alarming = likeness.find_pairs(same[:30], same[30:], persons, 1)
    assert alarming.alarm and alarming.threshold == likeness.PERSON and len(alarming.pairs) == 900


@pytest.mark.skipif(not OASIS.is_dir(), reason="needs the OASIS slices beside the repository")
def test_real_neighbours_are_found_and_real_strangers_are_not():
    """40 persons of the validate and train parts: every second slice held out by slice, against all others."""
    rows = list(csv.DictReader((OASIS / "manifest.csv").read_text().splitlines()))
    chosen = sorted({row["subject"] for row in rows})[::7]
    mine = [row for row in rows if row["subject"] in chosen]
    smalls = likeness.read_all([OASIS / row["path"] for row in mine], 1)
    persons = np.array([row["subject"] for row in mine])
    ranks = np.array([int(row["slice_rank"]) for row in mine])
    held_out = np.random.default_rng(0).random(len(mine)) < 0.15
    some, others = np.flatnonzero(held_out), np.flatnonzero(~held_out)
    found = likeness.find_pairs(smalls[some], smalls[others], None, 1)
    same = [persons[some[i]] == persons[others[j]] for i, j, _ in found.pairs]
    strangers = int((persons[some][:, None] != persons[others][None]).sum())
    assert same.count(False) <= strangers / 1000
    hits = {(some[i], others[j]) for i, j, _ in found.pairs}
    neighbours = {(i, j) for i in some for j in others if persons[i] == persons[j] and abs(ranks[i] - ranks[j]) == 1}
    assert len(hits & neighbours) >= 0.9 * len(neighbours)


def test_the_brightest_value_of_16_bits_is_white(tmp_path):
    for top in (1, 300, 65535):
        picture = np.zeros((64, 64), np.uint16)
        picture[20:40, 20:40] = top
        Image.fromarray(picture).save(tmp_path / "a.png")
        small = likeness.read_small(tmp_path / "a.png")
        assert small.max() == 255 and small.min() == 0 and (small > 0).sum() == 400


def test_strangers_that_are_not_alike_leave_the_threshold():
    pictures = np.random.default_rng(0).normal(100, 30, (8, 64, 64)).clip(0).astype(np.float32)
    persons = (np.array(["a", "b", "c", "d"]), np.array(["e", "f", "g", "h"]))
    found = likeness.find_pairs(pictures[:4], pictures[4:], persons, 1)
    assert found.threshold == likeness.PERSON and (found.strangers, found.strangers_above, found.pairs) == (16, 0, [])
    assert found.most_alike_strangers < 0.5 and not found.alarm
    most = max(float(best.max()) for _, best in likeness.alike(pictures[:4], pictures[4:], 1))  # one pair has it
    assert most <= found.most_alike_strangers <= most + 2 / likeness.BINS


def test_a_turned_picture_has_its_centre_of_brightness_in_the_middle():
    small = np.zeros((64, 64), np.float32)
    small[10:20, 30:50] = 100
    for degrees in (0.0, 30.0):
        turned = likeness.turned(small, degrees)
        rows, columns = np.indices(turned.shape)
        assert turned.sum() == pytest.approx(small.sum(), rel=0.02)
        assert (turned * rows).sum() / turned.sum() == pytest.approx(31.5, abs=0.05)
        assert (turned * columns).sum() / turned.sum() == pytest.approx(31.5, abs=0.05)
