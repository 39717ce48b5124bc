"""The blur as a kernel of its own, for CUDA: each pixel of each channel is sixteen multiplications.

cuDNN's depthwise convolutions take most of a step's time instead (docs/performance.md). Triton comes with torch's CUDA
builds on Linux; this module cannot be imported without it.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 1024  # of a row's pixels and channels, per program


@triton.jit
def blur_kernel(x_at, y_at, gain, h, w, c, PADDING: tl.constexpr, BLOCK: tl.constexpr):
    """One row of one image, x [N, H, W, C] -> y [N, H', W', C], BLOCK of its W' * C numbers; sums in fp32."""
    row, at = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    h_out, w_out = h + 2 * PADDING - 3, w + 2 * PADDING - 3
    image, i_out = row // h_out, row % h_out
    j_out = at // c
    total = tl.zeros([BLOCK], tl.float32)
    for a in tl.static_range(4):
        i = i_out + a - PADDING + tl.zeros_like(at)
        line = x_at + (image * h + i).to(tl.int64) * w * c  # there are more than 2**31 in a large batch
        of_line = tl.zeros([BLOCK], tl.float32)
        for b in tl.static_range(4):
            j = j_out + b - PADDING
            there = (at < w_out * c) & (i >= 0) & (i < h) & (j >= 0) & (j < w)
            value = tl.load(line + at + (b - PADDING) * c, mask=there, other=0.0).to(tl.float32)
            of_line += value * (3.0 if b == 1 or b == 2 else 1.0)
        total += of_line * (3.0 if a == 1 or a == 2 else 1.0)
    y = (total * gain).to(y_at.dtype.element_ty)
    tl.store(y_at + row.to(tl.int64) * w_out * c + at, y, mask=at < w_out * c)


def blur(x: Tensor, gain: float, padding: int) -> Tensor:
    """x [N, C, H, W] of fp32, bf16 or fp16 -> [N, C, H + 2p - 3, W + 2p - 3], channels-last in memory."""
    n, c, h, w = x.shape
    h_out, w_out = h + 2 * padding - 3, w + 2 * padding - 3
    x = x.contiguous(memory_format=torch.channels_last)
    y = torch.empty([n, h_out, w_out, c], dtype=x.dtype, device=x.device)
    grid = (n * h_out, triton.cdiv(w_out * c, BLOCK))
    blur_kernel[grid](x, y, gain, h, w, c, PADDING=padding, BLOCK=BLOCK)
    return y.permute(0, 3, 1, 2)
