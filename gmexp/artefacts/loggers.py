"""The other trackers: TensorBoard's event files, and Trackio's local data base. Like W&B they get copies, and may fail.

TensorBoard has curves, figures and texts; final values are scalars at the last step, tables are Markdown of their first
rows, files are named where they lie, and there are no films. Trackio is W&B's interface on this machine:
`trackio show --project gmexp`.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts.table import Table
from gmexp.artefacts.tracker import Session, Tracker
from gmexp.support.errors import first_line

__all__ = ["TensorboardTracker", "TrackioTracker"]

FOLDER = "tensorboard"
MOST_ROWS = 50


class _Fragile(Tracker):
    """A tracker whose first failure ends it, with a line on stderr."""

    NAME: str

    def __init__(self, start: Callable[[], Any]) -> None:
        self._to: Any = None
        self._attempt_start(start)

    def _attempt_start(self, start: Callable[[], Any]) -> None:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # Trackio says on stdout where it writes
                self._to = start()
        except Exception as error:  # libraries and disks raise anything, and none of it may stop a run
            _warn(f"{self.NAME} could not start ({first_line(error)}); this run is not logged there")

    def _attempt(self, action: Callable[[Any], Any]) -> None:
        if self._to is None:
            return
        try:
            action(self._to)
        except Exception as error:  # see above
            self._to = None
            _warn(f"{self.NAME} failed ({first_line(error)}); carrying on without it, the artefacts on disk are complete")


class TensorboardTracker(_Fragile):
    """A folder of event files, `tensorboard/` in the run's or the study's folder."""

    NAME = "TensorBoard"

    def __init__(self, session: Session) -> None:
        self._step = 0

        def start() -> Any:
            from torch.utils.tensorboard import SummaryWriter

            return SummaryWriter(str(session.dir / FOLDER))

        super().__init__(start)
        about = {"name": session.name, "group": session.group, "job_type": session.job_type, "tags": list(session.tags),
                 "notes": session.notes, "config": artefacts.plain(session.config)}
        self._text("about", f"```json\n{json.dumps(about, indent=1, default=str)}\n```")

    def log(self, metrics: Mapping[str, float | None], step: int) -> None:
        self._step = step
        for name, value in metrics.items():
            if value is not None:
                self._attempt(lambda writer, name=name, value=value: writer.add_scalar(name, value, step))

    def summary(self, values: Mapping[str, Any]) -> None:
        numbers = {name: value for name, value in values.items()
                   if isinstance(value, int | float) and not isinstance(value, bool)}
        self.log(numbers, self._step)

    def table(self, name: str, table: Table) -> None:
        rows = [table.column_names, ["---"] * len(table.column_names),
                *([str(cell) for cell in row.values()] for row in table.to_pylist()[:MOST_ROWS])]
        self._text(name, "\n".join(f"| {' | '.join(row)} |" for row in rows))

    def figure(self, path: Path) -> None:
        def add(writer: Any) -> None:
            import numpy as np
            from PIL import Image

            with Image.open(path) as picture:
                writer.add_image(f"figures/{path.stem}", np.asarray(picture.convert("RGB")), self._step, dataformats="HWC")

        self._attempt(add)

    def page(self, path: Path, name: str) -> None:
        self._text(name, str(path.resolve()))

    def artefact(self, path: Path, kind: str, name: str, aliases: Sequence[str] = ()) -> None:
        self._text(f"{kind}/{name}", str(path.resolve()))

    def close(self) -> None:
        self._attempt(lambda writer: writer.close())
        self._to = None

    def _text(self, name: str, text: str) -> None:
        self._attempt(lambda writer: writer.add_text(name, text, self._step))


class TrackioTracker(_Fragile):
    """A run in Trackio's local data base; it never leaves this machine (TRACKIO_DIR says where it lies)."""

    NAME = "Trackio"

    def __init__(self, session: Session) -> None:
        self._step = 0

        def start() -> Any:
            import trackio

            about = {"job_type": session.job_type, "tags": list(session.tags), "notes": session.notes}
            return trackio.init(project=session.project, name=session.name, group=session.group, resume="allow",
                                config={**artefacts.plain(session.config), **about}, embed=False, auto_log_gpu=False,
                                auto_log_cpu=False)

        super().__init__(start)

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        self._step = step
        known = {name: value for name, value in metrics.items() if value is not None}
        self._attempt(lambda run: run.log(known, step=step))

    def summary(self, values: Mapping[str, Any]) -> None:
        self.log(values, self._step + 1)

    def table(self, name: str, table: Table) -> None:
        rows = [[_simple(cell) for cell in row.values()] for row in table.to_pylist()]
        self._media(name, lambda trackio: trackio.Table(columns=table.column_names, data=rows))

    def figure(self, path: Path) -> None:
        self._media(f"figures/{path.stem}", lambda trackio: trackio.Image(str(path)))

    def video(self, path: Path, name: str, caption: str) -> None:
        self._media(name, lambda trackio: trackio.Video(str(path), caption=caption))

    def page(self, path: Path, name: str) -> None:
        self._media(name, lambda trackio: trackio.Markdown(f"[{path.name}]({path.resolve().as_uri()})"))

    def artefact(self, path: Path, kind: str, name: str, aliases: Sequence[str] = ()) -> None:
        self._media(f"{kind}/{name}", lambda trackio: trackio.Markdown(str(path.resolve())))

    def close(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self._attempt(lambda run: run.finish())
        self._to = None

    def _media(self, name: str, make: Callable[[Any], Any]) -> None:
        def add(run: Any) -> None:
            import trackio

            run.log({name: make(trackio)}, step=self._step)

        self._attempt(add)


def _simple(cell: Any) -> Any:
    return cell if cell is None or isinstance(cell, str | int | float | bool) else str(cell)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)
