"""Convolutions whose second derivatives are convolutions of usual shapes.

With y = conv(x, w) and g = dL/dy, the slope by x is the transposed convolution of g with w. A penalty differentiates
it again, by g and by w: a convolution, and the weight gradient of a convolution. torch writes the latter as a
convolution over the batch whose filter is as large as the image: right, and on CUDA most of the time of a step with a
penalty (docs/performance.md). Here each derivative is the operation that it is. The idea is that of StyleGAN2-ADA's
published code (conv2d_gradfix).

Letters: N batch, C channels, H and W sides, K side of the filter.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor

DEVICES = {"cuda"}  # where it is faster; a CPU's plain steps would be 15 % slower

_twice = False


@contextlib.contextmanager
def twice_differentiable() -> Iterator[None]:
    """The convolutions made in here are differentiated twice: by a penalty on images' slopes, or by the path length."""
    global _twice
    before, _twice = _twice, True
    try:
        yield
    finally:
        _twice = before


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    transposed: bool = False,
) -> Tensor:
    """x [N, C, H, W], weight [C', C, K, K] or, transposed, [C, C', K, K], bias [C'] -> [N, C', H', W']."""
    form = Form(stride, padding, transposed)
    if not (_twice and x.device.type in DEVICES):
        return form.of(x, weight, bias)
    y = cast(Tensor, Convolution.apply(x, weight, form))
    return y if bias is None else y + bias[:, None, None]


class Form(NamedTuple):
    """How a convolution is laid out."""

    stride: int
    padding: int
    transposed: bool = False
    output_padding: tuple[int, ...] = (0, 0)  # rows and columns that a transposed one has more

    def of(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if self.transposed:
            return F.conv_transpose2d(x, weight, bias, self.stride, self.padding, self.output_padding)
        return F.conv2d(x, weight, bias, self.stride, self.padding)

    def back(self, x: Tensor, y: Tensor, weight: Tensor) -> "Form":
        """The form that leads with the same weight from y's shape back to x's."""
        if self.transposed:
            return Form(self.stride, self.padding)
        sides = zip(x.shape[2:], y.shape[2:], weight.shape[2:], strict=True)
        # A stride leaves out last rows of an input that it does not divide.
        left_out = (h - ((h_out - 1) * self.stride - 2 * self.padding + k) for h, h_out, k in sides)
        return Form(self.stride, self.padding, True, tuple(left_out))

    def weight_gradient(self, g: Tensor, x: Tensor, weight: Tensor) -> Tensor:
        """The gradient by the weight, whose shape and memory order alone count here."""
        shape = [[self.stride] * 2, [self.padding] * 2, [1, 1], self.transposed, self.output_padding, 1]
        wanted = [False, True, False]
        return cast(Tensor, torch.ops.aten.convolution_backward(g, x, weight, None, *shape, wanted)[1])


class Convolution(torch.autograd.Function):
    """x, weight -> y.

    What is differentiated again (create_graph) is the slope by the images or the styles. The weights' own gradient is
    then not wanted and not worked out: ctx.needs_input_grad stays true for it also where torch.autograd.grad asks for
    the slope alone. What the slope owes to the weights is whole.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, form: Form) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.form = form
        return form.of(x, weight)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = Convolution.apply(g, weight, ctx.form.back(x, g, weight))
        if ctx.needs_input_grad[1] and not torch.is_grad_enabled():
            of_weight = ctx.form.weight_gradient(g, x, weight)
        return of_x, of_weight, None
