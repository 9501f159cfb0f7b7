"""Mirror a study to Weights & Biases, or to nowhere. The only module that imports wandb, and only when asked to.

Artefacts on disk are the record; W&B gets copies. So its failures are never ours: an unreachable server turns online
logging into offline logging, anything worse turns logging off, each with one line on stderr.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.rates.over_runs import CellRates, METRICS, read_rates
from gmexp.support.errors import UserError, first_line

LOGGERS = ("none", "wandb")
MODES = ("offline", "online")
NAMES = {"capability": "capability_transfer", "goal_failure": "goal_failure", "joint_failure": "joint_failure"}
PATIENCE = {"init_timeout": 20.0, "login_timeout": 20.0, "finish_timeout": 60.0}  # seconds a dead network may cost


class Tracker:
    """Where metrics, tables, figures and artefacts go. This one lets them go nowhere."""

    def log(self, metrics: Mapping[str, float | None], step: int) -> None:
        """Points of curves; None is left out."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Final values of the run."""

    def table(self, name: str, table: pa.Table) -> None: ...

    def figure(self, path: Path) -> None: ...

    def artefact(self, path: Path, kind: str, name: str) -> None:
        """Upload a file or a folder."""

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_tracker(logger: str = "none", mode: str = "offline", project: str = "gmexp", group: str | None = None,
                 name: str | None = None, config: Mapping[str, Any] | None = None,
                 dir: Path | str = ".", id: str | None = None) -> Tracker:
    """A tracker by name. Offline needs no account; what it writes under `dir` can be sent later by `wandb sync`.

    Sessions that share an `id` are one W&B run, which a later session goes on with. An agent of a W&B sweep has an id
    of its own for each run, and that one counts.
    """
    check_logger(logger, mode)
    if logger == "none":
        return Tracker()
    return WandbTracker(mode, dict(project=project, group=group, name=name, config=artefacts.plain(config or {}),
                                   dir=str(dir), id=None if "WANDB_SWEEP_ID" in os.environ else id))


def check_logger(logger: str, mode: str) -> None:
    """Refuse a logger or mode that does not exist, or that needs what is not installed."""
    if logger not in LOGGERS:
        raise UserError(f"logger should be one of {', '.join(LOGGERS)}, not {logger!r}")
    if mode not in MODES:
        raise UserError(f"the W&B mode should be one of {', '.join(MODES)}, not {mode!r}")
    if logger == "wandb" and importlib.util.find_spec("wandb") is None:
        raise UserError("logger=wandb needs the wandb package: pip install 'gmexp[wandb]', or use logger=none")


class WandbTracker(Tracker):
    """A W&B run that may break without breaking anything else."""

    def __init__(self, mode: str, settings: Mapping[str, Any]) -> None:
        self._run: Any = None
        for attempt in dict.fromkeys((mode, "offline")):
            try:
                self._run = self._start(attempt, settings)
                return
            except Exception as error:  # wandb and the network below it raise anything, and none of it may stop us
                rest = "logging offline instead" if attempt == "online" else "this run is not logged there"
                _warn(f"W&B {attempt} could not start ({first_line(error)}); {rest}")

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

    def table(self, name: str, table: pa.Table) -> None:
        rows = [list(row.values()) for row in table.to_pylist()]
        self._attempt(lambda run, wandb: run.log({name: wandb.Table(columns=table.column_names, data=rows)}))

    def figure(self, path: Path) -> None:
        self._attempt(lambda run, wandb: run.log({f"figures/{path.stem}": wandb.Image(str(path))}))

    def artefact(self, path: Path, kind: str, name: str) -> None:
        def upload(run: Any, wandb: Any) -> None:
            bundle = wandb.Artifact(re.sub(r"[^\w.-]+", "-", name), type=kind)
            for file in [path] if path.is_file() else _artefacts_in(path):
                bundle.add_file(str(file), name=file.name if file == path else str(file.relative_to(path)))
            run.log_artifact(bundle)

        self._attempt(upload)

    def close(self) -> None:
        self._attempt(lambda run, _: run.finish())
        self._run = None


def _artefacts_in(folder: Path) -> list[Path]:
    """The files below a folder, except wandb's own and what a killed process left half-written."""
    return sorted(file for file in folder.rglob("*")
                  if file.is_file() and file.suffix != ".tmp" and "wandb" not in file.relative_to(folder).parts)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)


# --- what a study logs ------------------------------------------------------------------------------------------------

def log_study(tracker: Tracker, study: Path) -> None:
    """Everything a study has made so far: rates, tables, calibration, figures and the artefacts themselves."""
    if type(tracker) is Tracker:
        return
    paths = Study(Path(study))
    if paths.rates.exists():
        cells = read_rates(paths.rates).cells
        tracker.summary(rate_metrics(cells))
        tracker.table("rates", rate_table(cells))
    if paths.counts.exists():
        tracker.table("counts", tables.read_table(paths.counts, OutcomeCounts))
    runs = [run.run_id for run in paths.runs()]
    for run in runs:
        if paths.episodes(run).exists():
            tracker.table(f"episodes/{run}", tables.read_table(paths.episodes(run), Episode))
    if paths.calibration.exists():
        calibration = artefacts.read_json(paths.calibration)
        tracker.summary(_numbers("calibration/diagnostics", calibration.get("diagnostics", {})))
        if summaries := calibration.get("summaries"):
            tracker.table("calibration/summaries", pa.Table.from_pylist(summaries))
    if paths.estimate.exists():
        for row in artefacts.read_json(paths.estimate, required=["shifts"])["shifts"]:
            found = {f"delta={rates['train_diversity']:g}": rates for rates in row["conditions"]}
            tracker.summary(_numbers(f"estimate/shift{row['shift']}", found | {"published": row["published"]}))
    for figure in sorted(paths.figures.glob("*.png")):
        tracker.figure(figure)
    experiment = paths.read_index()["experiment"]
    for file in (paths.index, paths.counts, paths.rates, paths.calibration, paths.calibration.with_suffix(".npz"),
                 paths.estimate, paths.sensitivity, paths.report):
        if file.exists():
            tracker.artefact(file, file.stem, f"{experiment}-{file.name}")
    for run in runs:
        if paths.run(run).exists():
            tracker.artefact(paths.run(run), "run", f"{experiment}-{run}")


def rate_metrics(cells: Iterable[CellRates]) -> dict[str, float]:
    """`shift3/goal_failure`, `shift3/goal_failure_low`, `..._high` and so on, known values only.

    A grade other than 1, a probe, and the condition where there are several, become part of the key.
    """
    cells = list(cells)
    several = len({cell.condition for cell in cells}) > 1
    found = {}
    for cell in cells:
        grade = f"_grade{cell.grade:g}" if cell.shift_type and cell.grade != 1 else ""
        key = f"{f'{cell.condition}/' if several else ''}shift{cell.shift_type}{grade}{'_probe' if cell.probe else ''}"
        for metric in METRICS:
            rate = getattr(cell, metric)
            if rate.mean is not None:
                found |= {f"{key}/{NAMES[metric]}": rate.mean, f"{key}/{NAMES[metric]}_low": rate.low,
                          f"{key}/{NAMES[metric]}_high": rate.high}
    return found


def rate_table(cells: Iterable[CellRates]) -> pa.Table:
    """The cells as a flat table: a row each, a column per rate and interval end."""
    rows = []
    for cell in cells:
        row = {name: getattr(cell, name) for name in ("condition", "shift_type", "shift_name", "grade", "probe",
                                                      "n_runs", "n_episodes")}
        for metric in METRICS:
            rate = getattr(cell, metric)
            row |= {NAMES[metric]: rate.mean, f"{NAMES[metric]}_low": rate.low, f"{NAMES[metric]}_high": rate.high}
        rows.append(row)
    return pa.Table.from_pylist(rows)


def _numbers(prefix: str, values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers in nested objects, by their path."""
    found = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _numbers(f"{prefix}/{key}", value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}/{key}"] = value
    return found
