"""What is measured in a process of its own: listening to it until it says what came of it, and its memory."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gmexp.support.parents import begun

__all__ = ["heard", "peak_memory", "peak_of_children"]

UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of `ru_maxrss`, to a MiB


def heard(target: Callable[..., None], arguments: Sequence[Any], told: Callable[[Any], object],
          daemon: bool = True) -> dict[str, Any] | None:
    """Run target(*arguments, connection) in a process of its own: what it sends goes to `told`, until it sends a dict ->
    that; None where it died before. `daemon` as of `begun`."""
    process, connection = begun(target, arguments, daemon)
    try:
        while not isinstance(said := connection.recv(), dict):
            told(said)
        return said
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()


def peak_memory() -> float:
    """The most memory this process has held, in MiB (`ru_maxrss` of Linux would count its parent's)."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / UNIT


def peak_of_children() -> float:
    """The same of the largest of the processes that this one has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / UNIT
