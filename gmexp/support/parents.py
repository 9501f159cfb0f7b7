"""Worker processes that end with their parent, however that ends."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

PR_SET_PDEATHSIG = 1  # of prctl.h


def begun(target: Callable[..., None], arguments: Sequence[Any], daemon: bool = True, loaded: Sequence[str] = (),
          ) -> tuple[BaseProcess, Connection]:
    """target(*arguments, connection) in a process of its own, and this side of its connection. The process ends with this
    one, and leaves Ctrl-C to it.

    daemon: false for one that has processes of its own.
    loaded: modules that it needs. Where processes can be forked safely, all that are begun with such modules come from one
        that has imported them once (those of the first call), instead of importing them again.
    """
    context = _context(loaded)
    ours, theirs = context.Pipe()
    process = context.Process(target=_beside_parent, args=(dict(os.environ), target, *arguments, theirs), daemon=daemon)
    with _interrupts_held():
        process.start()
    theirs.close()
    return process, ours


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while a process starts: it inherits that and leaves interrupts to the parent for good."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which, when it starts, lets Ctrl-C through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _context(loaded: Sequence[str]) -> BaseContext:
    if not loaded or sys.platform != "linux":  # macOS's own libraries do not survive a fork
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(loaded))
    return context


def _beside_parent(environment: Mapping[str, str], target: Callable[..., None], *arguments: Any) -> None:
    os.environ.clear()
    os.environ.update(environment)  # that it was forked from may know another
    end_with_parent()
    target(*arguments)


def end_with_parent() -> None:
    """End this process, which multiprocessing began, with its parent, whatever it is doing: at once where the kernel can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_follow, args=(multiprocessing.parent_process().sentinel,), daemon=True).start()


def _follow(parent: int) -> None:
    """End this process when the parent's sentinel says that it is gone."""
    wait([parent])
    os._exit(1)
