from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import latents as of_the_report
from explorer.generators import Generators
from explorer.pictures import (
    Kept,
    Pictures,
    beginning,
    difference,
    mixture,
    on_the_way,
    root_mean_square,
    second,
)
from progan_style import Condition, generate, load_generator

CLASSES = ("CN", "AD")


def off(picture, other):
    return int(np.abs(picture.astype(int) - np.asarray(other).astype(int)).max())


def test_both_ends_are_generate_s_within_a_gray_level(pictures, state):
    """By the label; along the direction the beginning is."""
    for psi in (1.0, 0.6):
        theirs = generate(pictures.G, torch.tensor([0, 1]), torch.tensor([17, 17]), psi)[:, 0].numpy()
        here = replace(state, seed=17, psi=psi, way="label")
        assert off(pictures.of(beginning(here, CLASSES)), theirs[0]) <= 1
        assert off(pictures.of(on_the_way(here, CLASSES)), theirs[1]) <= 1
        assert pictures.of(on_the_way(replace(here, weight=0.0), CLASSES)) is pictures.of(beginning(here, CLASSES))


def test_what_lies_between_is_the_report_s_path(pictures, state):
    """Both ways, against the report's own functions."""
    at, seeds = [0.0, 0.4, 1.0], torch.tensor([3])
    paths = {"label": of_the_report.path, "direction": of_the_report.path_in_w}
    for way, path in paths.items():
        theirs = path(pictures.G, seeds, 0, 1, at)[:, 0, 0]
        mine = [pictures.of(on_the_way(replace(state, seed=3, weight=t, way=way), CLASSES)) for t in at]
        assert max(map(off, mine, theirs)) <= 1, way
        assert off(theirs[0], theirs[2]) > 1


def test_at_psi_0_the_direction_leads_from_centre_to_centre(pictures, state):
    typical = replace(state, psi=0.0)
    by_label = pictures.of(on_the_way(replace(typical, way="label"), CLASSES))
    assert off(pictures.of(on_the_way(typical, CLASSES)), by_label) <= 1
    other = replace(typical, seed=5, noise=0)
    assert off(pictures.of(beginning(other, CLASSES)), pictures.of(beginning(typical, CLASSES))) == 0


def test_the_noise_has_a_seed_of_its_own(pictures, state):
    own = beginning(replace(state, seed=4), CLASSES)
    assert own == beginning(replace(state, seed=4, noise=4), CLASSES)
    assert beginning(replace(state, seed=4, noise=5), CLASSES) == replace(own, noise=5)


def test_a_mixture_has_the_first_s_coarse_styles_and_noise(pictures, state):
    """Against the report's style mixing of one label; 4 and 8 have two styles each."""
    here = replace(state, seed=2, other=6, weight=0.0)
    for coarse, styles in ((4, 2), (8, 4)):
        theirs = of_the_report.style_mixing(pictures.G, torch.tensor([2]), torch.tensor([6]), 0, styles)[0, 0, 0]
        assert off(pictures.of(mixture(replace(here, coarse=coarse), CLASSES)), theirs) <= 1
    assert second(here, CLASSES) == beginning(replace(here, seed=6), CLASSES)


def test_conditions_and_a_third_class(write_generator, tmp_path, state):
    pictures = Pictures(load_generator(write_generator(tmp_path / "G.safetensors")))
    names = tuple(pictures.G.class_names)
    here = replace(state, low="MCI", high="AD", weight=0.25, way="label", given=(("slice_mm", 6.0),))
    brain = on_the_way(here, names)
    assert brain.weights == (0.0, 0.75, 0.25)
    rank = torch.tensor([0.5])  # 6 is the fourth of five quantiles
    asked = Condition.of(torch.tensor([brain.weights]), names, rank)
    assert off(pictures.of(brain), generate(pictures.G, asked, torch.tensor([0]))[0, 0]) <= 1
    along = on_the_way(replace(here, way="direction"), names)
    assert along.moved == (1, 2, 0.25) and pictures.of(along).shape == (16, 16)


def test_brains_are_compared_as_the_report_compares_them(pictures, state):
    images = generate(pictures.G, torch.zeros(6, dtype=torch.int64), torch.arange(6)).numpy()
    assert pictures.apart(state) == pytest.approx(of_the_report.diversity(images), rel=0.02)


def test_a_difference_is_signed_and_has_a_size():
    a, b = np.array([[10, 250]], np.uint8), np.array([[13, 246]], np.uint8)
    assert difference(a, b).tolist() == [[3, -4]] and root_mean_square(difference(a, b)) == pytest.approx(12.5**0.5)


def test_the_last_are_kept():
    kept, made = Kept(2), []
    for key in (1, 2, 1, 3, 1, 2):
        assert kept.get(key, lambda key=key: made.append(key) or key) == key
    assert made == [1, 2, 3, 2]


def test_the_pictures_of_a_size_are_its_own(run_dir, state):
    generators = Generators(run_dir)
    assert generators.get(8)[0].pictures.of(beginning(state, CLASSES)).shape == (8, 8)
