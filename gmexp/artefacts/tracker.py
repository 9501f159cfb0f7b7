"""The interface of what a run is tracked with, and what is known of the run where tracking begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from gmexp.artefacts.table import Table

__all__ = ["Session", "Tracker"]


@dataclass(frozen=True)
class Session:
    """What a tracked run is called, what it belongs to, and where it lies. Sessions of one `id` are one run."""

    project: str = "gmexp"
    group: str | None = None  # the study
    name: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    dir: Path = Path(".")
    id: str | None = None  # any text; None: a new one
    entity: str | None = None  # W&B's user or team
    job_type: str | None = None  # train or study
    tags: Sequence[str] = ()
    notes: str | None = None


class Tracker:
    """Where metrics, tables, figures and artefacts go. This one lets them go nowhere."""

    def log(self, metrics: Mapping[str, float | None], step: int) -> None:
        """Points of curves; None is left out."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Final values of the run."""

    def table(self, name: str, table: Table) -> None: ...

    def figure(self, path: Path) -> None: ...

    def video(self, path: Path, name: str, caption: str) -> None:
        """A film: mp4 or gif."""

    def page(self, path: Path, name: str) -> None:
        """A whole HTML page."""

    def artefact(self, path: Path, kind: str, name: str, aliases: Sequence[str] = ()) -> None:
        """Upload a file or a folder."""

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
