"""A run's own log, runs/<run id>.log of its study: where and when it was worked on, what it said, how that ended.

Sessions of a run, on whatever machine, append to one file. A log that cannot be written stops nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

__all__ = ["heard", "note"]


def note(path: Path, text: str) -> None:
    """Append a line, or the lines of a traceback, with the time, the machine and the process."""
    stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {socket.gethostname()} {os.getpid()}"
    _append(path, "".join(f"{stamp} {line}\n" for line in text.splitlines()))


@contextlib.contextmanager
def heard(path: Path) -> Iterator[None]:
    """What is written on stderr meanwhile, warnings included, also goes into the log."""
    with contextlib.redirect_stderr(_Both(sys.stderr, path)):
        yield


def _append(path: Path, text: str) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", errors="replace") as file:
            file.write(text)


class _Both(io.TextIOBase):
    """A stream that keeps whole lines of what goes through it in a log."""

    def __init__(self, stream: TextIO, path: Path) -> None:
        self._stream, self._path, self._line = stream, path, ""

    def write(self, text: str) -> int:
        self._stream.write(text)
        *lines, self._line = (self._line + text).split("\n")
        if lines:
            note(self._path, "\n".join(lines))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()
