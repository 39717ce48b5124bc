"""What a process does with memory that it has freed: it keeps it, in large pages where the system gives them.

A step asks for and frees maps of tens of megabytes hundreds of times. The C library gives blocks of 32 MB and more
back to the system at once, which hands out new ones in pages of 4 KB, cleared one by one as they are touched. At
256x256 that was a quarter of a step on a CPU (docs/performance.md).
"""

import ctypes
import functools
import mmap
import os
import platform
import sys

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # parameters of mallopt, from glibc's malloc.h
ADVISED = 8 * 2**30  # bytes of the heap that are to come in large pages, at most a quarter of the machine's


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
