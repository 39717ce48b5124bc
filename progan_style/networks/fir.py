"""Fixed filters of each map of a batch, in the form that suits the device: a blur of 4x4 taps, and 2x2 means.

A CPU does both best as depthwise convolutions. On CUDA those are the dearest kernels of a step (docs/performance.md):
there the blur is a kernel of its own in Triton, and in a compiled pass a sum of slices, which the compiler fuses. Where
Triton does not work (Windows, an old card, no C compiler) the slices serve everywhere. All forms give the same numbers
but for rounding.

Letters: N batch, C channels, H and W sides, p padding.
"""

import functools
import sys

import torch
import torch.nn.functional as F
from torch import Tensor

TAPS = (1.0, 3.0, 3.0, 1.0)


def blur(x: Tensor, gain: float, padding: int, bias: Tensor | None = None) -> Tensor:
    """x [N, C, H, W], bias [C] -> [N, C, H + 2p - 3, W + 2p - 3] of x's type: gain times the taps' sum, plus bias."""
    bias = None if bias is None else bias.to(x.dtype)
    if not on_card(x):
        taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device)
        return depthwise(x, torch.outer(taps, taps) * gain, bias, padding=padding)
    if torch.compiler.is_compiling() or x.dtype is torch.float64 or why_no_kernel():
        y = slices(x, gain, padding)
    else:
        from progan_style.networks import fir_triton

        y = fir_triton.blur(x, gain, padding)
    return y if bias is None else y + bias[:, None, None]


def mean2(x: Tensor) -> Tensor:
    """2x2 means: [N, C, H, W] -> [N, C, H / 2, W / 2]."""
    if on_card(x):
        return F.avg_pool2d(x, 2)
    return depthwise(x, torch.full((2, 2), 0.25, dtype=x.dtype, device=x.device), stride=2)  # in bf16 twice as fast


def on_card(x: Tensor) -> bool:
    return x.is_cuda


def depthwise(x: Tensor, taps: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0) -> Tensor:
    """Each map convolved with the same taps [K, K], bias [C] added."""
    c = x.shape[1]
    return F.conv2d(x, taps.expand(c, 1, *taps.shape), bias, stride=stride, padding=padding, groups=c)


def slices(x: Tensor, gain: float, padding: int) -> Tensor:
    """Four shifted rows, then four shifted columns, added up in fp32 at least."""
    y = F.pad(x.to(torch.promote_types(x.dtype, torch.float32)), [padding] * 4)
    for axis in (2, 3):
        length = y.shape[axis] - 3
        a, b, c, d = (y.narrow(axis, start, length) for start in range(4))
        y = (a + d) + 3.0 * (b + c)
    return (y * gain).to(x.dtype)


def slower_because(device: torch.device) -> str:
    """Why blurs take the slower form on a device; "" where they do not."""
    return why_no_kernel() if device.type == "cuda" else ""


@functools.cache
def why_no_kernel() -> str:
    """Why the Triton kernel cannot be used on this machine's card; "" if it can, which is tried once."""
    try:
        from progan_style.networks import fir_triton

        x = torch.ones(1, 16, 4, 4, device="cuda")
        worked = torch.allclose(fir_triton.blur(x, 1 / 64, 2), slices(x, 1 / 64, 2))
    except ImportError:
        return "Triton is not there" + (" (none is made for Windows)" if sys.platform == "win32" else "")
    except Exception as error:  # a compiler, a driver or a card that Triton does not know: each has its own
        return f"Triton does not work here ({(str(error).splitlines() or [type(error).__name__])[0]})"
    return "" if worked else "Triton's kernel is wrong on this card"
