"""Arrays in huge pages: where instances are many, a step waits less for their addresses than in pages of 4 kB.

An instance's state lies in a dozen arrays, so that stepping thousands touches more small pages than a processor remembers
(its TLB). Linux is asked to use pages of 2 MB for large arrays (`madvise`, transparent huge pages); it may refuse, and
other systems are not asked. Contents, copies and pickles are those of any array.
"""

import mmap
from math import prod

import numpy as np

LARGE = 2**20  # bytes; smaller arrays are not worth pages of their own
HUGE_PAGE = 2**21
CACHE_LINE = 64


def paged_zeros(shape: tuple[int, ...], dtype) -> np.ndarray:
    """A zeroed array whose data begin at a cache line, or at a huge page where it is large and the system has them."""
    kind = np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    if size >= LARGE and (block := _huge(size + HUGE_PAGE)) is not None:
        return _from(block, HUGE_PAGE, size).view(kind).reshape(shape)
    return _from(np.zeros(size + CACHE_LINE, np.uint8), CACHE_LINE, size).view(kind).reshape(shape)


def _from(block: np.ndarray, boundary: int, size: int) -> np.ndarray:
    """`size` bytes of a block, from the first multiple of `boundary` on."""
    start = -block.ctypes.data % boundary
    return block[start:start + size]


def _huge(size: int) -> np.ndarray | None:
    """A zeroed block that the system may keep in huge pages; None where it does not know them. Freed with its last view."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        pages.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # a kernel built without them
        pages.close()
        return None
    return np.frombuffer(pages, np.uint8)
