"""Paths, directions, style mixing and films: identities and known values."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from analysis import latents
from progan_style import generate


def test_the_ends_of_a_path_are_the_classes_to_the_byte(G):
    seeds = torch.arange(5)
    walk = latents.path(G, seeds, 0, 1, (0.0, 0.4, 1.0))
    assert walk.shape == (3, 5, 1, 16, 16)
    for end, label in ((0, 0), (2, 1)):
        assert (walk[end] == generate(G, torch.full_like(seeds, label), seeds).numpy()).all()
    assert (walk[1] != walk[0]).any() and (walk[1] != walk[2]).any()


def test_path_weights_by_hand():
    weights = latents.class_weights(2, 0, 3, (0.0, 0.25, 1.0))
    assert weights.tolist() == [[0, 0, 1], [0.25, 0, 0.75], [1, 0, 0]]


def test_shuffling_cancels_what_all_pairs_share_and_keeps_the_scale_of_chance():
    maps = np.full((6, 4, 4), 7.0, np.float32)
    assert (latents.swapped_mean(maps) == 0).all()
    noise = np.random.default_rng(0).normal(0, 1, (400, 8, 8)).astype(np.float32)
    assert latents.swapped_mean(noise).std() == pytest.approx(1 / 20, rel=0.25)


def test_correlation_of_maps():
    a = np.arange(16.0).reshape(4, 4)
    assert latents.correlation(a, 3 * a + 5) == pytest.approx(1) and latents.correlation(a, -a) == pytest.approx(-1)
    assert latents.correlation(a, np.ones((4, 4))) == 0.0


def test_a_direction_in_w_moves_every_latent_alike(G):
    ws, noise = latents.styles(G, torch.arange(4), 0)
    direction = latents.class_direction(G, 0, 1)
    moved = latents.path_in_w(G, torch.arange(4), 0, 1, [0.0, 1.0])
    assert (moved[0] == latents.render(G, ws, noise)).all()
    assert (moved[1] == latents.render(G, ws + direction, noise)).all()
    other = latents.random_direction(direction, 3)
    assert torch.allclose(other.norm(dim=1), direction.norm().expand(3), rtol=1e-4)
    assert (other @ direction).abs().max() < 1e-4 * direction.norm() ** 2 and not torch.allclose(other[0], other[1])


def test_style_mixing_at_both_ends_is_the_columns_and_the_rows_image(G):
    rows, columns = torch.tensor([0, 1]), torch.tensor([4, 5, 6])
    ws, noise = latents.styles(G, rows, 1)
    others, _ = latents.styles(G, columns, 1)
    all_row = latents.style_mixing(G, rows, columns, 1, G.active_layers)
    assert all_row.shape == (2, 3, 1, 16, 16) and (all_row == latents.render(G, ws, noise)[:, None]).all()
    none = latents.style_mixing(G, rows, columns, 1, 0)
    assert (none[1, 2] == latents.render(G, others[2:], noise[1:])[0]).all()


def test_explained_shares_by_hand():
    row = np.array([0, 100], np.uint8)[:, None, None, None, None] * np.ones((2, 3, 1, 2, 2), np.uint8)
    assert latents.explained(row) == (pytest.approx(1), pytest.approx(0))
    assert latents.explained(row.swapaxes(0, 1)) == (pytest.approx(0), pytest.approx(1))
    both = row[:, :2] // 2 + (row[:, :2] // 2).swapaxes(0, 1)
    assert latents.explained(both) == (pytest.approx(0.5), pytest.approx(0.5))
    assert latents.explained(np.full((2, 2, 1, 2, 2), 7, np.uint8)) == (0.0, 0.0)


def test_diversity_is_the_root_mean_square_distance_of_pairs():
    images = np.random.default_rng(0).integers(0, 255, (6, 1, 4, 4), dtype=np.uint8)
    x = images.reshape(6, -1).astype(float)
    pairs = [((x[i] - x[j]) ** 2).mean() for i in range(6) for j in range(6) if i != j]
    assert latents.diversity(images) == pytest.approx(np.sqrt(np.mean(pairs)))
    with pytest.raises(ValueError, match="two images or more, got 1"):
        latents.diversity(images[:1])


def test_slerp_keeps_the_length_and_meets_both_ends():
    a, b = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 2.0])
    assert torch.allclose(latents.slerp(a, b, 0.0), a) and torch.allclose(latents.slerp(a, b, 1.0), b, atol=1e-6)
    assert torch.allclose(latents.slerp(a, b, 0.5), torch.tensor([2.0, 2.0]) / 2**0.5)
    assert torch.allclose(latents.slerp(a, a, 0.3), a)


def test_a_walk_is_closed_and_a_film_changes_no_pixel(G):
    frames = latents.interpolation(G, torch.arange(3), latents.class_weights(0, 1, 2, (0.0, 1.0)), steps=2)
    assert frames.shape == (6, 2, 1, 16, 16)
    ws, noise = latents.styles(G, torch.arange(3), 1)
    assert (frames[[0, 2, 4], 1] == latents.render(G, ws, noise[:1].expand(3, -1))).all()
    film = Image.open(io.BytesIO(latents.film(frames, side=32)))
    assert (film.n_frames, film.size, film.info["loop"]) == (6, (64, 32), 0)
    for i in (0, 3):
        film.seek(i)
        shown = np.asarray(film.convert("L"))[::2, ::2]
        assert (shown == np.concatenate([frames[i, 0, 0], frames[i, 1, 0]], axis=1)).all()
