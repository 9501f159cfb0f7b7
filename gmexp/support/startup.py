"""How a process starts on heavy work: PyTorch's settings on a CPU, and imports that say nothing."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import io
import sys
import warnings
from types import ModuleType

__all__ = ["imported", "settle_torch"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT = 2**30  # bytes


def settle_torch() -> None:
    """One thread, for the same bits on any number of cores, and memory that stays with the process.

    glibc gives every freed block above 32 MiB back to the kernel, which hands it out again page by page, zeroed: 40% of a
    training step of agent=impala on frames. Here blocks of up to a GiB are kept, and the process holds what it once needed.
    """
    import torch

    torch.set_num_threads(1)
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT)


def imported(module: str) -> ModuleType:
    """Import a module; what it prints on stderr and its warnings are dropped, its errors are not.

    The old gym prints lines whenever something loads it.
    """
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)
