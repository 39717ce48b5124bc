"""Up and down by two, and the fade."""

import torch

from progan_style.networks.resampling import downsample2, fade_reals, upsample2


def test_reals_fade_like_the_networks():
    images = torch.randn(4, 1, 16, 16)
    assert torch.equal(fade_reals(images, 0.0), upsample2(downsample2(images)))
    assert torch.equal(fade_reals(images, 1.0), images)
    assert torch.allclose(downsample2(fade_reals(images, 0.3)), downsample2(images), atol=1e-6)


def test_up_then_down_is_the_identity():
    images = torch.randn(2, 3, 8, 8)
    assert torch.allclose(downsample2(upsample2(images)), images)


def test_means_have_both_derivatives():
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(downsample2(x), torch.nn.functional.avg_pool2d(x, 2))
    assert torch.autograd.gradcheck(downsample2, x)
    assert torch.autograd.gradgradcheck(lambda x: downsample2(x).square(), x)
