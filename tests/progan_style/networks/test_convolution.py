"""Convolutions under a penalty: derivatives against finite differences and against torch's own."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from progan_style.networks import convolution
from progan_style.networks.convolution import Convolution, Form, convolve, twice_differentiable

# kernel, stride, side of the input, transposed, output padding
SHAPES = [
    *((k, s, h, False, 0) for k, s, h in itertools.product((1, 3), (1, 2), (5, 6))),
    *((k, s, h, True, o) for k, s, h in itertools.product((1, 3), (1, 2), (3, 4)) for o in range(s)),
]


@pytest.fixture(autouse=True)
def on_this_machine_too(monkeypatch):
    monkeypatch.setattr(convolution, "DEVICES", {"cpu", "cuda"})


def inputs(k, transposed, h):
    torch.manual_seed(0)
    x = torch.randn(2, 3, h, h + 1, dtype=torch.float64, requires_grad=True)
    weight = torch.randn((3, 4, k, k) if transposed else (4, 3, k, k), dtype=torch.float64, requires_grad=True)
    return x, weight


@pytest.mark.parametrize(("k", "stride", "h", "transposed", "extra"), SHAPES)
def test_first_and_second_derivatives_are_those_of_finite_differences(k, stride, h, transposed, extra):
    x, weight = inputs(k, transposed, h)
    form = Form(stride, k // 2, transposed, (extra, extra))
    assert torch.autograd.gradcheck(lambda x, weight: Convolution.apply(x, weight, form), (x, weight))

    def slope(x, weight):
        """Of a sum that is curved in y, so that the slope depends on x and on the weight in two ways."""
        loss = Convolution.apply(x, weight, form).pow(3).sum()
        return torch.autograd.grad(loss, x, create_graph=True)[0]

    assert torch.autograd.gradcheck(slope, (x, weight))


@pytest.mark.parametrize(("k", "stride", "h", "transposed", "extra"), SHAPES)
def test_the_values_and_a_penaltys_gradients_are_torchs(k, stride, h, transposed, extra):
    x, weight = inputs(k, transposed, h)
    bias = torch.randn(4, dtype=torch.float64, requires_grad=True)

    def penalty(y):
        (slope,) = torch.autograd.grad(y.tanh().sum(), x, create_graph=True)
        return [y, *torch.autograd.grad(slope.square().sum() + y.square().sum(), (x, weight, bias))]

    plain = F.conv_transpose2d if transposed else F.conv2d
    theirs = penalty(plain(x, weight, bias, stride, k // 2, **({"output_padding": 0} if transposed else {})))
    with twice_differentiable():
        ours = penalty(convolve(x, weight, bias, stride=stride, padding=k // 2, transposed=transposed))
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_the_slope_alone_costs_no_weight_gradient(monkeypatch):
    made = []
    gradient = Form.weight_gradient
    monkeypatch.setattr(Form, "weight_gradient", lambda *given: made.append(1) or gradient(*given))
    x, weight = inputs(3, False, 6)
    with twice_differentiable():
        y = convolve(convolve(x, weight, padding=1), weight.transpose(0, 1), padding=1)
    (slope,) = torch.autograd.grad(y.tanh().sum(), x, create_graph=True)
    assert not made
    slope.square().sum().backward()
    assert len(made) == 4  # both convolutions, and both in the slope


def test_passes_that_are_differentiated_once_are_torchs_own(monkeypatch):
    x, weight = inputs(3, False, 6)
    assert type(convolve(x, weight).grad_fn).__name__ == "ConvolutionBackward0"
    with twice_differentiable():
        assert type(convolve(x, weight).grad_fn) is Convolution._backward_cls
        monkeypatch.setattr(convolution, "DEVICES", {"cuda"})
        assert type(convolve(x, weight).grad_fn).__name__ == "ConvolutionBackward0"
    with pytest.raises(ZeroDivisionError), twice_differentiable():
        1 / 0  # noqa: B018
    assert not convolution._twice
