"""How far the runs of a folder are, those that train right now included: read, never written."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint
from gmexp.rates.learning import WINDOW
from gmexp.support.errors import UserError

__all__ = ["OWN", "Progress", "progress"]

OWN = "run."  # what names in resume.npz begin with that are not the trainer's
POINTS = 100  # of a curve, at most
UNREADABLE = (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, UserError)


@dataclass(frozen=True, slots=True)
class Progress:
    """A run: training, trained or evaluated, and its curve so far as (steps, success over the last iterations)."""

    run_id: str
    state: str
    curve: tuple[tuple[int, float], ...]


def progress(study: Path) -> list[Progress]:
    """Every run of a study's folder that has a curve, in the order of their ids. What is half written is passed over."""
    found = []
    for folder in sorted(study.glob("runs/*")):
        source = next(filter(Path.is_file, (folder / "curve.parquet", folder / "resume.npz")), None)
        if source is not None and (curve := _curve(source, source.stat().st_mtime_ns)):
            found.append(Progress(folder.name, _state(folder), curve))
    return found


def _state(folder: Path) -> str:
    if not (folder / "curve.parquet").is_file():
        return "training"
    return "evaluated" if (folder / "episodes.parquet").is_file() else "trained"


@lru_cache(maxsize=1024)
def _curve(source: Path, changed: int) -> tuple[tuple[int, float], ...]:
    """The curve in a file as it was at a time: the mean of the last WINDOW known successes at up to POINTS steps."""
    try:
        points = _points(source)
    except UNREADABLE:
        return ()
    smoothed = []
    for end in range(1, len(points) + 1):
        known = [success for _, success in points[max(end - WINDOW, 0):end] if success is not None]
        if known:
            smoothed.append((points[end - 1][0], round(sum(known) / len(known), 4)))
    if not smoothed:
        return ()
    chosen = np.unique(np.linspace(0, len(smoothed) - 1, min(POINTS, len(smoothed))).round().astype(int))
    return tuple(smoothed[index] for index in chosen)


def _points(source: Path) -> list[tuple[int, float | None]]:
    """(steps, success) of every iteration: of a finished curve, or of the last state that training saved."""
    if source.suffix == ".parquet":
        table = tables.read_table(source, CurvePoint)
        return list(zip(table["steps"].to_pylist(), table["success"].to_pylist(), strict=True))
    with np.load(source, allow_pickle=False) as state:
        saved: list[dict[str, Any]] = json.loads(str(state[f"{OWN}curve"]))
    return [(point["steps"], point["success"]) for point in saved]
