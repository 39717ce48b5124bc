"""Paths, controls, the ruler's numbers and the projection: identities and known values."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from analysis import latents, projection
from progan_style import generate, load_generator, stage_dir, to_float, untrained_like


@pytest.fixture
def G(tiny_run):
    return load_generator(stage_dir(tiny_run.run_dir, 16) / "generator.safetensors")


# ------------------------------------------------------------------ images between the classes


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


# ------------------------------------------------------------------ the ruler


def persons(count):
    return np.array([f"p{i:03d}" for i in range(count)], dtype=object)


def test_a_ruler_that_does_not_follow_truth_is_refused():
    images, truth = np.zeros((50, 1, 4, 4), np.uint8), np.linspace(0, 1, 50)
    assert latents.validated(lambda images: truth**3, images, truth) == pytest.approx(1)
    noise = np.random.default_rng(0).normal(size=50)
    with pytest.raises(ValueError, match=r"rank correlation with truth is -?0\.\d\d on 50 unseen slices, 0.9 or more"):
        latents.validated(lambda images: noise, images, truth)
    with pytest.raises(ValueError, match=r"0\.00 on 50"):
        latents.validated(lambda images: np.ones(50), images, truth)


def test_atrophy_of_known_sizes():
    rng = np.random.default_rng(0)
    labels = np.arange(2000) % 2
    real = 1.0 + 1.0 * labels + 0.2 * rng.normal(size=2000)
    made = 1.5 + 0.5 * labels + 0.1 * rng.normal(size=2000)
    names = ("CN", "AD")
    numbers = latents.atrophy(made, labels, real, labels, persons(2000), 0, 1, names)
    assert numbers["atrophy.ratio"] == pytest.approx(0.5, abs=0.03)
    assert numbers["atrophy.ratio.low"] < numbers["atrophy.ratio"] < numbers["atrophy.ratio.high"]
    assert numbers["atrophy.ratio.high"] - numbers["atrophy.ratio.low"] < 0.1
    assert numbers["atrophy.spread.AD"] == pytest.approx(0.5, rel=0.1) == numbers["atrophy.spread.CN"]
    assert abs(numbers["atrophy.shuffled"]) < 0.02 < numbers["atrophy.shuffled.high"]
    # The other way round the ratio and its control change places with the classes
    swapped = latents.atrophy(made, 1 - labels, real, labels, persons(2000), 0, 1, names)
    assert swapped["atrophy.ratio"] == pytest.approx(-0.5, abs=0.03)
    unknown = latents.atrophy(made, labels, real, labels, np.full(2000, "", dtype=object), 0, 1, names)
    assert "atrophy.ratio.low" not in unknown
    with pytest.raises(ValueError, match=r"differ by -1\.0"):
        latents.atrophy(made, labels, 3.0 - np.round(real), labels, persons(2000), 0, 1, names)


def test_half_of_the_persons_is_drawn_whole_and_in_both_classes():
    names, labels = np.repeat(persons(10), 4), np.repeat([0, 1], 20)
    mask = latents.half_of_persons(names, labels, np.random.default_rng(0))
    assert mask.sum() == 24 and set(np.bincount(labels[mask])) == {12}  # three of five persons of each class
    assert not set(names[mask]) & set(names[~mask])


def test_a_path_that_rises_and_one_that_does_not():
    up = np.linspace(0, 1, 5)[:, None] + np.zeros((5, 40))
    numbers = latents.rising(up, "x")
    assert (numbers["x.median"], numbers["x.spearman"]) == (1.0, pytest.approx(1))
    assert abs(numbers["x.shuffled"]) < 0.4
    numbers = latents.rising(-up, "x")
    assert (numbers["x.median"], numbers["x.spearman"]) == (0.0, pytest.approx(-1))
    assert latents.rising(np.ones((5, 3)), "x")["x.spearman"] == 0.0


# ------------------------------------------------------------------ styles and film


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


# ------------------------------------------------------------------ projection


def test_projection_finds_a_generated_slice_better_than_its_start(G):
    G = untrained_like(G)  # its noise is not in the image: what is left is w
    labels = np.array([0, 1, 0])
    own = generate(G, torch.from_numpy(labels), torch.arange(3)).numpy()
    before = {name: value.clone() for name, value in G.state_dict().items()}
    found = projection.project(G, own, labels, steps=60)
    assert (found.error < found.start_error).all() and found.error.mean() < 0.6 * found.start_error.mean()
    assert (found.error == projection.rms(found.images, own)).all()
    assert all(torch.equal(value, before[name]) for name, value in G.state_dict().items())
    again = projection.project(G, own, labels, steps=60)
    assert torch.equal(again.w, found.w) and (projection.move(G, found, torch.ones(8), 0.0) == found.images).all()


def test_the_start_is_the_slices_own_class(G):
    reals = np.zeros((2, 1, 16, 16), np.uint8)
    found = projection.project(G, reals, np.array([0, 1]), steps=0)
    assert torch.equal(found.w, G.mapping.centers)


def test_the_noise_stays_noise():
    noise = torch.randn(2, 2 * (16 + 64 + 256 + 1024), generator=torch.Generator().manual_seed(0))
    white = projection.self_likeness(noise, 32)
    smooth = torch.cat([m.cumsum(dim=3).flatten(1) for m in projection._maps(noise, 32)], dim=1)
    assert (projection.self_likeness(projection._standardised(smooth, 32), 32) > 4 * white).all()
    standard = projection._standardised(3.0 + 2.0 * noise, 32)
    for maps in projection._maps(standard, 32):
        assert torch.allclose(maps.mean(dim=(2, 3)), torch.zeros(2, 2), atol=1e-5)
        assert torch.allclose(maps.std(dim=(2, 3)), torch.ones(2, 2), atol=1e-5)


def test_pyramid_distance_of_a_constant_is_its_square():
    a = torch.zeros(2, 1, 32, 32)
    assert torch.allclose(projection.pyramid_distance(a, a + 0.5), torch.full((2,), 0.25))
    fine = to_float(torch.randint(0, 255, (1, 1, 32, 32), dtype=torch.uint8))
    assert projection.pyramid_distance(fine, torch.zeros_like(fine)) < fine.square().mean()


def test_slices_of_another_size_are_refused(G):
    with pytest.raises(ValueError, match="for a generator of 16x16"):
        projection.project(G, np.zeros((1, 1, 32, 32), np.uint8), np.zeros(1, np.int64))
