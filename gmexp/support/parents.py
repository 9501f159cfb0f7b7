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
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

PR_SET_PDEATHSIG = 1  # of prctl.h


def begun(target: Callable[..., None], arguments: Sequence[Any], daemon: bool = True) -> tuple[BaseProcess, Connection]:
    """target(*arguments, connection) in a process of its own, which ends with this one, and this side of its connection.
    `daemon` is false for one that has processes of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_beside_parent, args=(target, *arguments, theirs), daemon=daemon)
    process.start()
    theirs.close()
    return process, ours


def _beside_parent(target: Callable[..., None], *arguments: Any) -> None:
    end_with_parent()
    target(*arguments)


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
