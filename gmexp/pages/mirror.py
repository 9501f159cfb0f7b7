"""What runs and studies show where they are tracked.

A run: its rates under every shift with intervals over its own episodes, a table of its episodes, films, its weights. A
study: rates over runs, tables, the calibration, figures, the page and the artefacts themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, Episode, OutcomeCounts
from gmexp.artefacts.study import Study
from gmexp.artefacts.table import Table
from gmexp.artefacts.tracking import Tracker
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.mitigations.play import PlayedCounts
from gmexp.pages.clips import film_run
from gmexp.rates import mitigated
from gmexp.rates.counting import count_outcomes
from gmexp.rates.judged import Judged, judged
from gmexp.rates.mitigated import Mitigated
from gmexp.rates.of_run import rates_of_run
from gmexp.rates.over_runs import read_rates
from gmexp.training.session import log_curve

NAMES = ("capability", "goal_failure", "latent", "realised")


def log_study(tracker: Tracker, study: Path) -> None:
    """Everything a study has made so far: rates, tables, calibration, figures and the artefacts themselves."""
    if type(tracker) is Tracker:
        return
    paths = Study(Path(study))
    if paths.rates.exists():
        cells = judged(read_rates(paths.rates))
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
            tracker.table("calibration/summaries", Table.from_pylist(summaries))
    if paths.estimate.exists():
        for row in artefacts.read_json(paths.estimate, required=["shifts"])["shifts"]:
            found = {f"delta={rates['train_diversity']:g}": rates for rates in row["conditions"]}
            tracker.summary(_numbers(f"estimate/shift{row['shift']}", found | {"published": row["published"]}))
    if paths.mitigations.exists():
        content = mitigated.read(paths.mitigations)
        tracker.summary(mitigation_metrics(content))
        tracker.table("mitigations", Table.from_pylist(mitigated.flat(content)))
    if paths.mitigated.exists():
        tracker.table("mitigated_runs", Table.from_pylist(
            [mitigated_run(row) for row in tables.read_records(paths.mitigated, PlayedCounts)]))
    for figure in sorted(paths.figures.glob("*.png")):
        tracker.figure(figure)
    if paths.report.exists():
        tracker.page(paths.report, "report")
    experiment = paths.read_index()["experiment"]
    for file in (paths.index, paths.counts, paths.rates, paths.mitigations, paths.mitigated, paths.calibration,
                 paths.calibration.with_suffix(".npz"), paths.estimate, paths.sensitivity, paths.report):
        if file.exists():
            tracker.artefact(file, file.stem, f"{experiment}-{file.name}")
    for run in runs:
        if paths.run(run).exists():
            tracker.artefact(paths.run(run), "run", f"{experiment}-{run}")


def log_run(tracker: Tracker, folder: Path, plan: EvaluationPlan, trained_before: bool = False) -> None:
    """What an evaluated run did: `shift3/goal_failure`, `capability`, `realised` with `_low` and `_high`, its episodes, up
    to `plan.clips` films, its last and its best weights.

    `trained_before`: its curve as well, which this session has not seen. It is the last that the tracker gets.
    """
    if type(tracker) is Tracker:
        return
    if trained_before:
        log_curve(tracker, tables.read_records(folder / "curve.parquet", CurvePoint))
    episodes = tables.read_table(folder / "episodes.parquet", Episode)
    meta = Study(folder.parent.parent).finished(folder.name)
    tracker.summary(run_metrics(count_outcomes(episodes, meta)))
    tracker.table("episodes", episodes)
    with TemporaryDirectory(prefix="gmexp-films-") as films:
        for film in film_run(folder, Path(films), plan):
            about = artefacts.read_json(film.with_suffix(".json"))
            tracker.video(film, f"films/{film.stem}", about["caption"])
        for place, aliases in ((folder / "best", ("best",)), (folder, ("final", f"steps-{meta.train_steps}"))):
            tracker.artefact(place / "checkpoint.npz", "model", f"{meta.experiment_id}-{meta.run_id}-checkpoint", aliases)
        tracker.artefact(folder / "episodes.parquet", "episodes", f"{meta.experiment_id}-{meta.run_id}-episodes")
        tracker.close()  # while the films are there, should it have to begin anew


def run_metrics(counts: Iterable[OutcomeCounts]) -> dict[str, float]:
    """`shift3/goal_failure` and so on of one run, with intervals over its own episodes; known values only."""
    found = {}
    for row in counts:
        for name, known in rates_of_run(row).items():
            key = f"{cell_key(row)}/{name}"
            found |= {key: known.value, f"{key}_low": known.low, f"{key}_high": known.high}
    return found


def cell_key(cell: Any) -> str:
    """`shift3`; a grade other than 1 and a probe are named."""
    return f"{_shift_key(cell)}{'_probe' if cell.probe else ''}"


def _shift_key(cell: Any) -> str:
    grade = f"_grade{cell.grade:g}" if cell.shift_type and cell.grade != 1 else ""
    return f"shift{cell.shift_type}{grade}"


def rate_metrics(cells: Iterable[Judged]) -> dict[str, float]:
    """`shift3/goal_failure`, `shift3/goal_failure_low`, `..._high` and so on, known values only.

    A grade other than 1, a probe, and the condition where there are several, become part of the key.
    """
    cells = list(cells)
    several = len({cell.condition for cell in cells}) > 1
    found = {}
    for cell in cells:
        key = f"{f'{cell.condition}/' if several else ''}{cell_key(cell)}"
        for name in NAMES:
            rate = getattr(cell, name)
            if rate is not None and rate.mean is not None:
                found |= {f"{key}/{name}": rate.mean, f"{key}/{name}_low": rate.low, f"{key}/{name}_high": rate.high}
    return found


def mitigation_metrics(found: Mitigated) -> dict[str, float]:
    """`mitigations/shield/shift3/reduction`, `..._low` and `..._high` of the settings that stand for their methods, known
    values only; the environment is named where there are several."""
    several = len({row.env for row in found.rows}) > 1
    metrics = {}
    for row in found.rows:
        if row.declared and row.shift_type and row.risk is not None and row.risk.relative is not None:
            key = f"mitigations/{f'{row.env}/' if several else ''}{row.method}/{_shift_key(row)}/reduction"
            metrics |= dict(zip((key, f"{key}_low", f"{key}_high"), row.risk.relative, strict=True))
    return metrics


def mitigated_run(row: PlayedCounts) -> dict[str, Any]:
    """What a run did in a cell with a mitigation: its rates as far as they are known, and the share of decisions that
    somebody else took."""
    rates = rates_of_run(row)
    return {name: getattr(row, name) for name in ("run_id", "train_seed", "env", "train_diversity", "method", "setting",
                                                  "shift_type", "shift_name", "grade", "probe")} | {
        name: rates[name].value if name in rates else None for name in ("capability", "goal_failure", "realised")} | {
        "usefulness": row.useful / row.n_visible if row.n_visible else None,
        "helped": row.helped / row.decisions if row.decisions and row.helped is not None else None}


def rate_table(cells: Iterable[Judged]) -> Table:
    """The cells as a flat table: a row each, a column per rate and interval end."""
    rows = []
    for cell in cells:
        row = {name: getattr(cell, name) for name in ("condition", "shift_type", "shift_name", "grade", "probe",
                                                      "n_runs", "n_episodes", "causal")}
        for name in NAMES:
            rate = getattr(cell, name)
            row |= {f"{name}{end}": rate and getattr(rate, part) for end, part in (("", "mean"), ("_low", "low"),
                                                                                  ("_high", "high"))}
        rows.append(row)
    return Table.from_pylist(rows)


def _numbers(prefix: str, values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers in nested objects, by their path."""
    found = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _numbers(f"{prefix}/{key}", value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}/{key}"] = value
    return found
