"""StyleGAN's own: noise, leaky ReLU and AdaIN as one function, beside their definitions."""

import pytest
import torch
import torch.nn.functional as F

from progan_style.networks import passes
from progan_style.networks.stylegan1 import Styled


@pytest.fixture(params=(False, True), ids=("whole maps", "rows"))
def narrow(request, monkeypatch):
    """Both forms of the passes, whatever the map."""
    monkeypatch.setattr(passes, "is_narrow", lambda x: request.param)


def plain(x, noise, strength, y_s, y_b):
    if noise is not None:
        x = x + strength[:, None, None] * noise
    x = F.leaky_relu(x, 0.2)
    mean, var = x.mean(dim=(2, 3), keepdim=True), x.var(dim=(2, 3), keepdim=True, unbiased=False)
    return y_s[:, :, None, None] * (x - mean) / (var + 1e-8).sqrt() + y_b[:, :, None, None]


def inputs(dtype, n=2, c=3, h=4, w=5):
    """With a mean far from zero, as features have."""
    torch.manual_seed(0)
    x = (torch.randn(n, c, h, w, dtype=dtype) + 2).contiguous(memory_format=torch.channels_last)
    noise = torch.randn(n, 1, h, w, dtype=dtype)
    others = (torch.randn(shape, dtype=dtype) for shape in ((c,), (n, c), (n, c)))
    return [t.requires_grad_() for t in (x, *others)], noise


@pytest.mark.parametrize("noisy", (True, False))
def test_styled_and_its_gradients_against_finite_differences(narrow, noisy):
    (x, *others), noise = inputs(torch.float64)
    noise = noise if noisy else None
    if not noisy:
        others[0].requires_grad_(False)

    def of(x, *others):
        return Styled.apply(x, noise, *others)

    assert torch.allclose(of(x, *others), plain(x, noise, *others))
    assert torch.autograd.gradcheck(of, (x, *others))


def test_styled_leaves_its_input_as_it_is(narrow):
    (x, *others), noise = inputs(torch.float32)
    before = x.detach().clone()
    Styled.apply(x, noise, *others).sum().backward()
    assert torch.equal(x, before)


def test_maps_of_another_memory_order_give_the_same(narrow):
    (x, *others), noise = inputs(torch.float64)
    usual = torch.autograd.grad(Styled.apply(x, noise, *others).square().sum(), [x, *others])
    y = x.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    other = torch.autograd.grad(Styled.apply(y, noise, *others).square().sum(), [y, *others])
    assert all(torch.allclose(a, b) for a, b in zip(usual, other, strict=True))


def test_in_bf16_statistics_styles_and_sums_stay_fp32(narrow):
    (x, *others), noise = inputs(torch.float32, n=4, c=8, h=32, w=32)
    g = torch.randn(x.shape)
    bf16 = [x.detach().bfloat16().requires_grad_(), *others]
    exact = [t.detach().double().requires_grad_() for t in bf16]
    ours = torch.autograd.grad(Styled.apply(bf16[0], noise, *others), bf16, g.bfloat16())
    noise = noise.bfloat16().double()
    true = torch.autograd.grad(plain(exact[0], noise, *exact[1:]), exact, g.bfloat16().double())
    assert [t.dtype for t in ours] == [torch.bfloat16] + 3 * [torch.float32]
    # The strength's: a bf16 sum of map and noise near zero has the wrong sign, and the leaky ReLU's other slope.
    for a, b, most in zip(ours, true, (6e-3, 2e-2, 6e-3, 1e-6), strict=True):
        assert (a.double() - b).norm() <= most * b.norm()


def test_sums_of_products_of_bf16_maps_are_summed_in_fp32():
    torch.manual_seed(0)
    x, noise = torch.randn(64, 8, 16, 16).bfloat16(), torch.randn(64, 1, 16, 16).bfloat16()
    ours = passes.sum_of_products(x.contiguous(memory_format=torch.channels_last), noise, torch.float32)
    true = (x.double() * noise.double()).sum(dim=(0, 2, 3))
    assert ours.dtype == torch.float32 and (ours.double() - true).norm() <= 3e-3 * true.norm()
