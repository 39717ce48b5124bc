"""StyleGAN's own: AdaIN."""

import torch

from progan_style.networks.stylegan1 import AdaIN


def plain_adain(x, y_s, y_b):
    mean, var = x.mean(dim=(2, 3), keepdim=True), x.var(dim=(2, 3), keepdim=True, unbiased=False)
    return y_s[:, :, None, None] * (x - mean) / (var + 1e-8).sqrt() + y_b[:, :, None, None]


def test_adain_and_its_gradient_against_finite_differences():
    torch.manual_seed(0)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((2, 3, 4, 4), (2, 3), (2, 3))]
    assert torch.allclose(AdaIN.apply(*inputs), plain_adain(*inputs))
    assert torch.autograd.gradcheck(AdaIN.apply, inputs)


def test_adain_in_bf16_keeps_fp32_statistics_and_styles():
    torch.manual_seed(0)
    x, y_s, y_b, g = torch.randn(4, 8, 32, 32) + 2, torch.rand(4, 8), torch.randn(4, 8), torch.randn(4, 8, 32, 32)
    bf16 = [t.requires_grad_() for t in (x.bfloat16(), y_s.clone(), y_b.clone())]
    exact = [t.detach().double().requires_grad_() for t in bf16]
    ours = torch.autograd.grad(AdaIN.apply(*bf16), bf16, g.bfloat16())
    true = torch.autograd.grad(plain_adain(*exact), exact, g.bfloat16().double())
    for a, b, most in zip(ours, true, (4e-3, 4e-3, 1e-6), strict=True):
        assert (a.double() - b).norm() <= most * b.norm()
