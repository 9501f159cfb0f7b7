"""Mirror runs and studies to Weights & Biases, TensorBoard, Trackio, or to nowhere. The only module that imports wandb, and
only when asked to.

Artefacts on disk are the record; W&B gets copies. So its failures are never ours: an unreachable server turns online
logging into offline logging, anything worse turns logging off, each with one line on stderr.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts.table import Table
from gmexp.artefacts.tracker import Session, Tracker
from gmexp.support.errors import UserError, first_line
from gmexp.support.extras import require

__all__ = ["LOGGERS", "MODES", "Session", "Tracker", "WandbTracker", "check_logger", "open_tracker", "shortened"]

LOGGERS = {"none": None, "wandb": "wandb", "tensorboard": "tensorboard", "trackio": "trackio"}  # and the package each needs
OWN = {"wandb", "tensorboard"}  # folders that loggers write into a run's or a study's
MODES = ("offline", "online")
LONGEST, LONGEST_TAG = 128, 64  # characters of a name, of a tag
PATIENCE = {"init_timeout": 20.0, "login_timeout": 20.0, "finish_timeout": 60.0}  # seconds a dead network may cost


def open_tracker(logger: str = "none", mode: str = "offline", project: str = "gmexp", **session: Any) -> Tracker:
    """A tracker by name; `session` is as `Session` has it.

    W&B offline needs no account; what it writes under `dir` can be sent later by `wandb sync`. Sessions that share an `id`
    are one W&B run, which a later session goes on with. An agent of a W&B sweep has an id of its own for each run, and that
    one counts. WANDB_MODE and WANDB_DISABLED count for W&B alone.
    """
    check_logger(logger, mode)
    about = Session(project, **session)
    if logger in ("tensorboard", "trackio"):
        from gmexp.artefacts import loggers

        return (loggers.TensorboardTracker if logger == "tensorboard" else loggers.TrackioTracker)(about)
    wanted = os.environ.get("WANDB_MODE", mode)
    if logger == "none" or wanted in ("disabled", "dryrun") or os.environ.get("WANDB_DISABLED", "").lower() == "true":
        return Tracker()
    return WandbTracker(wanted if wanted in MODES else mode, _settings(about))


def _settings(session: Session) -> dict[str, Any]:
    """What wandb.init is told of a session."""
    hashed = None if session.id is None or "WANDB_SWEEP_ID" in os.environ else (
        hashlib.sha256(session.id.encode()).hexdigest()[:16])
    tags = [tag if len(tag) <= LONGEST_TAG else shortened(tag, LONGEST_TAG) for tag in dict.fromkeys(session.tags) if tag]
    return dict(project=session.project, group=shortened(session.group), name=shortened(session.name),
                config=artefacts.plain(session.config), dir=str(session.dir), id=hashed, entity=session.entity,
                job_type=session.job_type, tags=tags or None, notes=session.notes)


def shortened(text: str | None, longest: int = LONGEST) -> str | None:
    """A text of at most the 128 characters that W&B takes for a name (64 for a tag); a longer one ends in its hash."""
    if text is None or len(text) <= longest:
        return text
    return f"{text[:longest - 17]}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def check_logger(logger: str, mode: str) -> None:
    """Refuse a logger or mode that does not exist, or that needs what is not installed."""
    if logger not in LOGGERS:
        raise UserError(f"logger should be one of {', '.join(LOGGERS)}, not {logger!r}")
    if mode not in MODES:
        raise UserError(f"the logger's mode should be one of {', '.join(MODES)}, not {mode!r}")
    if package := LOGGERS[logger]:
        require(package, f"logger={logger}")


class WandbTracker(Tracker):
    """A W&B run that may break without breaking anything else."""

    _open = 0  # runs of this process

    def __init__(self, mode: str, settings: Mapping[str, Any]) -> None:
        self._run: Any = None
        for attempt in dict.fromkeys((mode, "offline")):
            try:
                if attempt != mode:
                    settings = self._released(settings)
                self._run = self._start(attempt, settings)
                WandbTracker._open += 1
                return
            except Exception as error:  # wandb and the network below it raise anything, and none of it may stop us
                rest = "logging offline instead" if attempt == "online" else "this run is not logged there"
                _warn(f"W&B {attempt} could not start ({first_line(error)}); {rest}")

    @staticmethod
    def _released(settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings to start again with: W&B's service keeps the id of a run that could not start, and calls it in use."""
        import wandb

        if settings["id"] is None or WandbTracker._open:
            return {**settings, "id": settings["id"] and f"{settings['id']}-offline"}
        wandb.teardown()
        return settings

    @staticmethod
    def _start(mode: str, settings: Mapping[str, Any]) -> Any:
        import wandb

        Path(settings["dir"]).mkdir(parents=True, exist_ok=True)
        known = {key: value for key, value in PATIENCE.items() if key in wandb.Settings.model_fields}
        return wandb.init(mode=mode, reinit="create_new", resume="allow" if mode == "online" else None, **settings,
                          settings=wandb.Settings(silent=True, console="off", **known))

    def _attempt(self, action: Callable[[Any, Any], None]) -> None:
        """Do something with the run and the wandb module; at the first failure say so, close and do no more."""
        if self._run is None:
            return
        import wandb

        try:
            action(self._run, wandb)
        except Exception as error:  # see __init__
            run, self._run = self._run, None
            WandbTracker._open -= 1
            try:
                run.finish(exit_code=1)
            except Exception:  # its service process is gone: keep it from complaining when we exit
                with contextlib.suppress(Exception):
                    wandb.teardown()
            _warn(f"W&B failed ({first_line(error)}); carrying on without it, the artefacts on disk are complete")

    def log(self, metrics: Mapping[str, float | None], step: int) -> None:
        known = {key: value for key, value in metrics.items() if value is not None}
        self._attempt(lambda run, _: run.log(known, step=step))

    def summary(self, values: Mapping[str, Any]) -> None:
        known = {key: value for key, value in values.items() if value is not None}
        self._attempt(lambda run, _: run.summary.update(known))

    def table(self, name: str, table: Table) -> None:
        rows = [list(row.values()) for row in table.to_pylist()]
        self._attempt(lambda run, wandb: run.log({name: wandb.Table(columns=table.column_names, data=rows)}))

    def figure(self, path: Path) -> None:
        self._attempt(lambda run, wandb: run.log({f"figures/{path.stem}": wandb.Image(str(path))}))

    def video(self, path: Path, name: str, caption: str) -> None:
        self._attempt(lambda run, wandb: run.log({name: wandb.Video(str(path), caption=caption)}))

    def page(self, path: Path, name: str) -> None:
        self._attempt(lambda run, wandb: run.log({name: wandb.Html(path, inject=False)}))

    def artefact(self, path: Path, kind: str, name: str, aliases: Sequence[str] = ()) -> None:
        def upload(run: Any, wandb: Any) -> None:
            bundle = wandb.Artifact(shortened(re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)), type=kind)
            for file in [path] if path.is_file() else _artefacts_in(path):
                bundle.add_file(str(file), name=file.name if file == path else str(file.relative_to(path)))
            run.log_artifact(bundle, aliases=["latest", *aliases])

        self._attempt(upload)

    def close(self) -> None:
        self._attempt(lambda run, _: run.finish())
        if self._run is not None:
            WandbTracker._open -= 1
        self._run = None


def _artefacts_in(folder: Path) -> list[Path]:
    """The files below a folder, except the loggers' own and what a killed process left half-written."""
    return sorted(file for file in folder.rglob("*")
                  if file.is_file() and file.suffix != ".tmp" and not OWN & set(file.relative_to(folder).parts))


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)
