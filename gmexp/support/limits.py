"""What this process may use: cores and memory of the machine, within the limits of its control groups (v1 and v2)."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["available_cores", "available_memory"]

GROUPS, MEMBERSHIP, MEMINFO = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"), Path("/proc/meminfo")
UNLIMITED = 2**60  # bytes; version 1 writes a number about as large where there is no limit


def available_cores() -> int:
    """Cores this process may use: those it may run on, or as many as its groups' quotas of time are worth."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    for group in _groups("cpu"):
        with contextlib.suppress(OSError, ValueError, IndexError, ZeroDivisionError):  # "max" is no number: no limit
            if (group / "cpu.max").is_file():
                quota, period = map(float, (group / "cpu.max").read_text().split()[:2])
            else:
                quota, period = (float((group / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
            if quota > 0:
                cores = min(cores, quota / period)
    return max(1, math.floor(cores))


def available_memory() -> float:
    """Bytes that processes may still take by the system or by their groups; infinity if unknown."""
    free = math.inf
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = MEMINFO.read_text().splitlines()
        free = 1024 * float(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    for group in _groups("memory"):
        names = ("memory.max", "memory.current") if (group / "memory.max").is_file() else (
            "memory.limit_in_bytes", "memory.usage_in_bytes")
        with contextlib.suppress(OSError, ValueError):
            limit, used = (float((group / name).read_text()) for name in names)
            if limit < UNLIMITED:
                free = min(free, limit - used + _reclaimable(group))
    return max(free, 0.0)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's group and of those around it, for a controller."""
    for line in _lines(MEMBERSHIP):
        number, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = GROUPS / controllers if controllers else GROUPS
        root = root if root.is_dir() else GROUPS / controller
        inner = root / path.lstrip("/")
        folders = [inner, *(parent for parent in inner.parents if parent.is_relative_to(root))]
        yield from (folder for folder in folders if folder.is_dir())  # a container sees its own group as the root


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line.count(":") >= 2]
    except OSError:
        return []


def _reclaimable(group: Path) -> float:
    """Bytes of a group that only cache files and are given up when needed."""
    with contextlib.suppress(OSError, ValueError):
        stated = dict(line.split(" ", 1) for line in (group / "memory.stat").read_text().splitlines())
        return float(stated.get("total_inactive_file", stated.get("inactive_file", 0)))
    return 0.0
