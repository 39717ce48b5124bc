"""What this machine can do and was doing: calibration, memory, load, versions."""

import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from progan_style import memory


class Clock:
    """Wall and CPU seconds of calls, kept per name: the first call of a name warms up and is left out."""

    def __init__(self, device: torch.device):
        self.device = device
        self.wall: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}

    def time(self, name: str, call: Callable[[], Any], warm: bool = False) -> None:
        """Time one call; warm=True runs it without keeping the figure."""
        self._wait()
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        self._wait()
        if not warm:
            self.wall.setdefault(name, []).append(time.perf_counter() - wall)
            self.cpu.setdefault(name, []).append(time.process_time() - cpu)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def median(self, name: str) -> float:
        """Median wall seconds."""
        return statistics.median(self.wall[name])

    def rows(self) -> dict[str, dict[str, float]]:
        return {
            name: {
                "seconds": round(statistics.median(wall), 4),
                "min": round(min(wall), 4),
                "max": round(max(wall), 4),
                "cpu_seconds": round(statistics.median(self.cpu[name]), 4),
                "calls": len(wall),
            }
            for name, wall in self.wall.items()
        }


def conv_flops_per_second(
    channels: int, resolution: int, batch: int, dtype: torch.dtype, device: torch.device, calls: int = 3
) -> float:
    """Forward and backward of one 3x3 convolution, channels-last: what its precision reaches here, FLOP/s.

    2 * 9 * C * C * R * R * N operations forward and twice as many backward.
    """
    x = torch.randn(batch, channels, resolution, resolution, device=device, dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    weight = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
    weight = weight.contiguous(memory_format=torch.channels_last).requires_grad_()
    up = torch.ones_like(x)

    def call() -> None:
        torch.autograd.grad(F.conv2d(x, weight, padding=1), [x, weight], up)

    clock = Clock(device)
    clock.time("conv", call, warm=True)
    for _ in range(calls):
        clock.time("conv", call)
    return 3 * 2 * 9 * channels**2 * resolution**2 * batch / clock.median("conv")


def peak_rss_mb() -> float:
    """Most memory that this process has held, MB; NaN where the system does not say."""
    peak = memory.peak_mb()
    return math.nan if peak is None else peak


def describe(device: torch.device) -> dict[str, Any]:
    """Versions, processor, threads, load: what a figure has to be read with."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or "CPU",
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": [round(x, 2) for x in os.getloadavg()],
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
