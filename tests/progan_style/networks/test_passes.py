"""Passes over a map: both forms beside their definitions, and which is taken."""

import pytest
import torch

from progan_style.networks import passes


@pytest.fixture(params=(False, True), ids=("whole maps", "rows"))
def narrow(request, monkeypatch):
    monkeypatch.setattr(passes, "is_narrow", lambda x: request.param)


def map_of(*shape):
    return torch.randn(*shape, dtype=torch.float64).contiguous(memory_format=torch.channels_last)


def test_multiply_add_of_one_map_and_of_two(narrow):
    torch.manual_seed(0)
    x, y, (shift, a, b) = map_of(2, 3, 4, 5), map_of(2, 3, 4, 5), torch.randn(3, 2, 3, dtype=torch.float64)
    of = torch.einsum
    assert torch.allclose(passes.multiply_add(shift, (x, a)), shift[:, :, None, None] + of("nchw,nc->nchw", x, a))
    both = shift[:, :, None, None] + of("nchw,nc->nchw", x, a) + of("nchw,nc->nchw", y, b)
    out = passes.multiply_add(shift, (x, a), (y, b))
    assert torch.allclose(out, both) and out.is_contiguous(memory_format=torch.channels_last)


def test_plus_outer_and_its_transpose(narrow):
    torch.manual_seed(0)
    x, noise, strength = map_of(2, 3, 4, 5), map_of(2, 1, 4, 5), torch.randn(3, dtype=torch.float64)
    assert torch.allclose(passes.plus_outer(x, noise, strength), x + strength[:, None, None] * noise)
    assert torch.allclose(passes.sum_of_products(x, noise, x.dtype), (x * noise).sum(dim=(0, 2, 3)))


def test_the_slope_of_a_leaky_relu_is_taken_in_place():
    g, y = torch.tensor([1.0, 2.0, -3.0, 4.0]), torch.tensor([5.0, -1.0, -2.0, 0.0])
    out = passes.leaky_slope_(g, y)
    assert out.tolist() == pytest.approx([1.0, 0.4, -0.6, 0.8]) and out.data_ptr() == g.data_ptr()


@pytest.mark.parametrize(
    ("channels", "dtype", "narrow"),
    [(8, torch.float32, True), (16, torch.float32, False), (16, torch.bfloat16, True), (32, torch.bfloat16, False)],
)
def test_rows_are_for_pixels_that_fill_no_vector(channels, dtype, narrow):
    assert passes.is_narrow(torch.zeros(1, channels, 2, 2, dtype=dtype)) is narrow
    assert not passes.is_narrow(torch.zeros(1, channels, 2, 2, dtype=dtype, device="meta"))
