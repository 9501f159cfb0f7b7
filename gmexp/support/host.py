"""How PyTorch uses this process on a CPU."""

from __future__ import annotations

import ctypes
import sys

import torch

__all__ = ["settle_torch"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT = 2**30  # bytes


def settle_torch() -> None:
    """One thread, for the same bits on any number of cores, and memory that stays with the process.

    glibc gives every freed block above 32 MiB back to the kernel, which hands it out again page by page, zeroed: 40% of a
    training step of agent=impala on frames. Here blocks of up to a GiB are kept, and the process holds what it once needed.
    """
    torch.set_num_threads(1)
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)
