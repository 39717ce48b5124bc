"""A slice's place in w: generated slices are found again, noise stays noise."""

import numpy as np
import pytest
import torch

from analysis import projection
from progan_style import Condition, centre, generate, to_float, untrained_like


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
    assert (
        torch.equal(again.w, found.w) and (projection.moved_along(G, found, torch.ones(8), 0.0) == found.images).all()
    )


def test_the_start_is_the_slices_own_class(G):
    reals = np.zeros((2, 1, 16, 16), np.uint8)
    found = projection.project(G, reals, np.array([0, 1]), steps=0)
    of_class = centre(G, Condition.of(torch.tensor([0, 1]), G.class_names))
    assert torch.equal(found.w, of_class) and not torch.equal(*of_class)


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
