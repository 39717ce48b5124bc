"""The fixed filters: each form against the definition, and what is said where the kernel cannot be used."""

import sys
from types import ModuleType

import pytest
import torch

from progan_style.networks import fir
from progan_style.networks.resampling import Blur


@pytest.fixture
def on_a_card(monkeypatch):
    monkeypatch.setattr(fir, "on_card", lambda x: True)


def blurred(x, gain, padding):
    """Written out: each output is a sum over the 16 inputs below the filter."""
    n, c, h, w = x.shape
    taps = [1.0, 3.0, 3.0, 1.0]
    framed = torch.zeros(n, c, h + 2 * padding, w + 2 * padding, dtype=x.dtype)
    framed[:, :, padding : padding + h, padding : padding + w] = x
    y = torch.zeros(n, c, h + 2 * padding - 3, w + 2 * padding - 3, dtype=x.dtype)
    for a, of_row in enumerate(taps):
        for b, of_column in enumerate(taps):
            y += gain * of_row * of_column * framed[:, :, a : a + y.shape[2], b : b + y.shape[3]]
    return y


@pytest.mark.parametrize("where", ("cpu", "card"))
@pytest.mark.parametrize("padding", (1, 2))
def test_blur_is_its_sum_with_both_derivatives(padding, where, request):
    if where == "card":
        request.getfixturevalue("on_a_card")
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(Blur.apply(x, 1 / 64, padding), blurred(x, 1 / 64, padding), rtol=1e-14, atol=1e-15)
    assert torch.autograd.gradcheck(lambda x: Blur.apply(x, 1 / 16, padding), x)
    assert torch.autograd.gradgradcheck(lambda x: Blur.apply(x, 1 / 16, padding).square(), x)


@pytest.mark.parametrize("where", ("cpu", "card"))
def test_a_bias_is_added_and_learns(where, request):
    if where == "card":
        request.getfixturevalue("on_a_card")
    torch.manual_seed(0)
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(Blur.apply(x, 1 / 16, 1, bias), blurred(x, 1 / 16, 1) + bias[:, None, None])
    assert torch.autograd.gradcheck(lambda x, bias: Blur.apply(x, 1 / 16, 1, bias), (x, bias))
    assert torch.autograd.gradgradcheck(lambda x, bias: Blur.apply(x, 1 / 16, 1, bias).square(), (x, bias))


def test_forms_agree_in_each_type_and_keep_it():
    torch.manual_seed(0)
    for dtype, apart in ((torch.float32, 1e-6), (torch.bfloat16, 2**-8)):
        x = torch.randn(2, 16, 9, 8).to(dtype).contiguous(memory_format=torch.channels_last)
        exact = blurred(x.double(), 1 / 64, 2)
        for form in (fir.blur, fir.slices):
            y = form(x, 1 / 64, 2)
            assert y.dtype == dtype and (y.double() - exact).abs().max() <= apart * exact.abs().max(), form


def test_means_are_those_of_four(on_a_card):
    x = torch.randn(2, 3, 4, 6, dtype=torch.float64)
    means = x.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    assert torch.allclose(fir.mean2(x), means)


def test_a_compiled_pass_on_a_card_takes_the_slices(on_a_card, monkeypatch):
    monkeypatch.setattr(fir, "why_no_kernel", lambda: pytest.fail("asked for the kernel"))
    x = torch.randn(2, 3, 8, 8)
    compiled = torch.compile(lambda x: Blur.apply(x, 1 / 64, 2), backend="aot_eager", fullgraph=True)
    assert torch.allclose(compiled(x), fir.slices(x, 1 / 64, 2))
    torch.compiler.reset()


# ---------------------------------------------------------------- why the kernel is not used

CASES = {
    "missing": (None, "Triton is not there"),
    "no compiler": (RuntimeError("Failed to find C compiler.\nset CC"), "Triton does not work here (Failed to find C"),
    "an old card": (ValueError(""), "Triton does not work here (ValueError)"),
    "wrong": (0.5, "Triton's kernel is wrong on this card"),
    "right": (1.0, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_stands_in_the_kernels_way_is_told(case, monkeypatch):
    result, told = CASES[case]
    module = ModuleType("fir_triton")

    def blur(x, gain, padding):
        if isinstance(result, Exception):
            raise result
        return result * fir.slices(x, gain, padding)

    module.blur = blur
    monkeypatch.setitem(sys.modules, "progan_style.networks.fir_triton", module if result is not None else None)
    monkeypatch.setattr("progan_style.networks.fir_triton", module, raising=False)
    if result is None:
        monkeypatch.delattr("progan_style.networks.fir_triton")
    ones = torch.ones
    monkeypatch.setattr(fir.torch, "ones", lambda *shape, device: ones(*shape))
    fir.why_no_kernel.cache_clear()
    assert fir.why_no_kernel().startswith(told) and bool(fir.why_no_kernel()) == bool(told)
    assert "\n" not in fir.why_no_kernel()
    fir.why_no_kernel.cache_clear()


def test_where_it_cannot_be_used_the_slices_serve(on_a_card, monkeypatch):
    monkeypatch.setattr(fir, "why_no_kernel", lambda: "Triton is not there")
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(fir.blur(x, 1 / 64, 2), fir.slices(x, 1 / 64, 2))
