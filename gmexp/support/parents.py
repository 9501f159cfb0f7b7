"""Worker processes that end with their parent, however that ends."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1  # of prctl.h


def end_with_parent() -> None:
    """End this process, which multiprocessing began, with its parent: at once where the kernel can, else in a second."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_follow, args=(multiprocessing.parent_process().pid,), daemon=True).start()


def _follow(parent: int) -> None:
    """End this process when the parent is gone, whatever it is doing."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
