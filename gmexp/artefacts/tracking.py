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
import threading
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
PATIENCE = {"init_timeout": 20.0, "login_timeout": 20.0, "finish_timeout": 60.0,  # seconds that a dead network may cost
            "call_timeout": 90.0}
RAISING = {"finish_timeout_raises": True}


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
    """A W&B run that may break without breaking anything else.

    One that breaks online is begun anew offline, with all that it was given so far: `wandb sync` then sends the whole.
    """

    _open = 0  # runs of this process

    def __init__(self, mode: str, settings: Mapping[str, Any]) -> None:
        self._mode, self._settings = mode, settings
        self._done: list[Callable[[Any, Any], None]] = []
        self._run: Any = None
        for attempt in dict.fromkeys((mode, "offline")):
            try:
                self._begin(attempt, again=attempt != mode)
                return
            except Exception as error:  # wandb and the network below it raise anything, and none of it may stop us
                rest = "logging offline instead" if attempt == "online" else "this run is not logged there"
                _warn(f"W&B {attempt} could not start ({first_line(error)}); {rest}")

    def _begin(self, mode: str, again: bool) -> None:
        """Start the run; `again` after a start that failed."""
        self._run = self._start(mode, self._released() if again else self._settings)
        self._mode = mode
        WandbTracker._open += 1

    def _released(self) -> Mapping[str, Any]:
        """Settings to start again with: W&B's service keeps the id of a run that could not start, and calls it in use."""
        import wandb

        if self._settings["id"] is None or WandbTracker._open or not _in_time(wandb.teardown):
            return {**self._settings, "id": self._settings["id"] and f"{self._settings['id']}-offline"}
        return self._settings

    @staticmethod
    def _start(mode: str, settings: Mapping[str, Any]) -> Any:
        import wandb

        Path(settings["dir"]).mkdir(parents=True, exist_ok=True)
        known = {key: value for key, value in (PATIENCE | RAISING).items() if key in wandb.Settings.model_fields}
        return wandb.init(mode=mode, reinit="create_new", resume="allow" if mode == "online" else None, **settings,
                          settings=wandb.Settings(silent=True, console="off", **known))

    def _attempt(self, action: Callable[[Any, Any], None]) -> None:
        """Do something with the run and the wandb module; a failure online goes on offline, one offline ends it."""
        if self._run is None:
            return
        import wandb

        self._done.append(action)
        run = self._run
        try:
            _must_in_time(lambda: action(run, wandb))
        except Exception as error:  # see __init__
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        """Let go of the run; one that was online goes on offline."""
        self._drop()
        if self._mode != "online":
            _warn(f"W&B failed ({first_line(error)}); carrying on without it, the artefacts on disk are complete")
            return
        _warn(f"W&B online failed ({first_line(error)}); logging offline instead, from the beginning")
        self._repeat()

    def _drop(self) -> None:
        """Let go of a run that failed."""
        run, self._run = self._run, None
        WandbTracker._open -= 1
        ended = _in_time(lambda: run.finish(exit_code=1))
        if not ended or self._mode == "online":  # a service process that is gone, or that keeps the run's id
            _end_service()

    def _repeat(self) -> None:
        """Begin the run anew offline, and do all that was done so far."""
        try:
            self._begin("offline", again=True)
        except Exception as error:  # see __init__
            _warn(f"W&B offline could not start ({first_line(error)}); this run is not logged there")
            return
        done, self._done = self._done, []
        for action in done:
            self._attempt(action)

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
        if self._run is None:
            return
        try:
            _must_in_time(self._run.finish, PATIENCE["finish_timeout"] + PATIENCE["call_timeout"])
            self._run = None
            WandbTracker._open -= 1
        except Exception as error:  # see __init__
            self._failed(error)
            self.close()


def _end_service() -> None:
    """End W&B's service process where no run needs it: one that waits for a dead network would keep us from ending."""
    import wandb

    if WandbTracker._open:
        return
    process = None
    with contextlib.suppress(Exception):  # names of wandb's own, which may change
        from wandb.sdk import wandb_setup

        process = wandb_setup.singleton()._connection._proc._process
    ending = _InThread(wandb.teardown)
    if not ending.ends(PATIENCE["call_timeout"]) and process is not None:
        process.kill()
        ending.ends(PATIENCE["call_timeout"])


class _InThread:
    """Something that may wait for a network that is gone, done beside what goes on."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self._action = action
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._action()
        except BaseException as error:  # raised again by whoever waits
            self.error = error

    def ends(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()


def _must_in_time(action: Callable[[], Any], limit: float | None = None) -> None:
    """Do something -> nothing; its error, or TimeoutError where it takes longer than W&B is given."""
    limit = PATIENCE["call_timeout"] if limit is None else limit
    work = _InThread(action)
    if not work.ends(limit):
        raise TimeoutError(f"no answer within {limit:g} s")
    if work.error is not None:
        raise work.error


def _in_time(action: Callable[[], Any]) -> bool:
    """Whether an action ended well, and within the time that W&B is given."""
    try:
        _must_in_time(action)
    except Exception:  # whoever asks knows what to do without it
        return False
    return True


def _artefacts_in(folder: Path) -> list[Path]:
    """The files below a folder, except the loggers' own and what a killed process left half-written."""
    return sorted(file for file in folder.rglob("*")
                  if file.is_file() and file.suffix != ".tmp" and not OWN & set(file.relative_to(folder).parts))


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)
