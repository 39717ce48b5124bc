"""Memory of a CPU: what a training step needs and what is free, and what a process does with memory it has freed.

It keeps it, in large pages where the system gives them. A step asks for and frees maps of tens of megabytes hundreds
of times. The C library gives blocks of 32 MB and more back to the system at once, which hands out new ones in pages of
4 KB, cleared one by one as they are touched. At 256x256 that was a quarter of a step on a CPU (docs/performance.md).
"""

import ctypes
import functools
import mmap
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

GROUPS = Path("/sys/fs/cgroup")  # of Linux's control groups, version 2; the first has a folder of its own
TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameters of mallopt, from glibc's malloc.h
ADVISED = 8 * 2**30  # bytes of the heap that are to come in large pages, at most a quarter of the machine's

# What a step holds at its peak for an image, penalties included, in fp32 maps of all its sizes and channels. Measured
# in fp32: stylegan1 16 at 256 and 20 at 64 px; stylegan2 23 to 25 at 64 px, and some room. In bf16 it is less.
MAPS = {"stylegan1": 20, "stylegan2": 28}


def bytes_of_image(name: str, channel_base: int, channel_max: int, resolution: int) -> int:
    """What an image of the batch needs in a training step on a CPU, beside the weights and the program itself."""
    sizes = (2**k for k in range(2, resolution.bit_length()))
    return 4 * MAPS[name] * sum(min(channel_base // r, channel_max) * r * r for r in sizes)


def largest_batch(free: int, image: int) -> int:
    """How many images of `image` bytes fit, in whole minibatch-std groups of 4."""
    return max(0, free // image // 4 * 4)


def free_bytes() -> int | None:
    """Memory that this process can still have, also under a limit of its control group; None where nothing says so."""
    try:
        fields = {line.split(":")[0]: line.split()[1] for line in text_of("/proc/meminfo").splitlines()}
        held = int(text_of("/proc/self/statm").split()[1]) * mmap.PAGESIZE
        return max(0, min(int(fields["MemAvailable"]) * 1024, *(limit - held for limit in limits())))
    except (OSError, KeyError, IndexError, ValueError):  # not Linux, or one of old
        return None


def peak_mb() -> float | None:
    """Most memory that this process has held, MB; None where nothing says so.

    Linux: VmHWM, which starts anew with the program; ru_maxrss would carry over what the parent held when it forked.
    """
    try:
        lines = text_of("/proc/self/status").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    except (OSError, StopIteration):
        pass
    if platform.system() != "Darwin":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS counts bytes


def peaks(device: torch.device) -> dict[str, float]:
    """memory_mb: the most that this process has held; on a card also gpu_memory_mb, the most that torch had there."""
    held = peak_mb()
    found = {} if held is None else {"memory_mb": round(held, 1)}
    if device.type == "cuda":
        found["gpu_memory_mb"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return found


def limits() -> Iterator[int]:
    """Limits of this process's control group and of those around it (containers, Slurm), in bytes."""
    yield sys.maxsize
    for line in text_of("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, name = GROUPS, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = GROUPS / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = top / path.lstrip("/")
        files = [folder / name for folder in (group, *group.parents) if folder.is_relative_to(top)]
        texts = [text_of(file).strip() for file in files if file.is_file()]
        yield from (int(text) for text in texts if text != "max")


def text_of(path: str | Path) -> str:
    return Path(path).read_text(encoding="utf-8")


@functools.cache
def keep_freed() -> bool:
    """From now on this process keeps what it frees until it ends. False where the C library has no such setting.

    That is so outside of Linux with glibc. Without large pages (Linux may be told to have none) the rest still holds.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    if not (libc.mallopt(MMAP_MAX, 0) and libc.mallopt(TRIM_THRESHOLD, -1)):
        return False
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    # The heap grows by a block that is never touched: it takes addresses, not memory. Advice for them outlives it.
    size = min(ADVISED, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
    if block := libc.malloc(size):
        first = -(-block // mmap.PAGESIZE) * mmap.PAGESIZE
        libc.madvise(first, (block + size - first) // mmap.PAGESIZE * mmap.PAGESIZE, mmap.MADV_HUGEPAGE)
        libc.free(block)
    return True
