"""The kernel in Triton's interpreter, which needs Triton and no card."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[3]
SHAPES = """
import torch
from progan_style.networks import fir, fir_triton

torch.manual_seed(0)
for n, c, h, w, padding in ((2, 3, 5, 5, 1), (2, 3, 5, 7, 2), (1, 64, 17, 17, 2), (3, 1, 8, 8, 1), (1, 300, 9, 9, 0)):
    for dtype, apart in ((torch.float32, 1e-6), (torch.bfloat16, 2**-7)):  # the interpreter cuts, a card rounds
        x = torch.randn(n, c, h, w).to(dtype)
        y, expected = fir_triton.blur(x, 1 / 64, padding), fir.slices(x.double(), 1 / 64, padding)
        assert y.shape == expected.shape and y.dtype == dtype, (y.shape, y.dtype)
        assert y.is_contiguous(memory_format=torch.channels_last)
        assert (y.double() - expected).abs().max() <= apart * expected.abs().max(), (n, c, h, w, padding, dtype)
print("equal")
"""


@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed (it comes with CUDA)")
def test_the_kernel_is_the_sum_in_every_shape():
    """In a process of its own: Triton asks at its import whether it shall interpret."""
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SHAPES], cwd=REPO, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout == "equal\n", done.stderr
