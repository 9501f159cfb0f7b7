"""How far runs on other machines are: each adds up what it reports in a file, and the one that waits reads them all."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.support.errors import UserError
from gmexp.training.workers import Failure, Work, attempt

__all__ = ["Note", "Watch", "far"]

REPORT_SECONDS = 5.0  # how often a run elsewhere writes down how far it is


class Note:
    """What a task reports, added up in a file. A task that is begun again counts from 0."""

    def __init__(self, path: Path) -> None:
        self._path, self._done, self._written = path, 0, -REPORT_SECONDS

    def __call__(self, amount: int) -> None:
        self._done += amount
        if time.monotonic() - self._written >= REPORT_SECONDS:
            self.write()

    def write(self) -> None:
        self._written = time.monotonic()
        with contextlib.suppress(UserError):  # a disk that is full stops the run, not its progress
            artefacts.write_text(self._path, str(self._done))


class Watch:
    """All notes of a folder, and what was made of them so far."""

    def __init__(self, folder: Path, advance: Callable[[int], None]) -> None:
        self._folder, self._advance, self._told = folder, advance, 0

    def look(self) -> None:
        """Tell how much was added since the last look (less than nothing where a run lost some of its work)."""
        found = 0
        for path in self._folder.glob("*.done"):
            with contextlib.suppress(OSError, ValueError):
                found += int(path.read_text())
        self._advance(found - self._told)
        self._told = found


def far(work: Work, task: Any, note: Path) -> Failure | None:
    """One task on another machine."""
    report = Note(note)
    failure = attempt(work, task, report)
    report.write()
    return failure
