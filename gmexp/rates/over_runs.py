"""Stage `rates`: episode logs -> counts per run and cell -> rates across runs.

A cell is a condition under a shift at a grade; a training run is its replicate. Counts are stored, rates derive from
them: per run with Wilson's interval, across runs with intervals that know runs differ (see `intervals`).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, OutcomeCounts, RunMeta
from gmexp.artefacts.study import Study, condition_labels
from gmexp.rates import intervals, text
from gmexp.rates.counting import cell_order, count_outcomes
from gmexp.rates.definitions import DefinedRates, compare, tally
from gmexp.rates.text import shift_label
from gmexp.support.errors import UserError

METRICS = ("capability", "goal_failure", "joint_failure")


# --- counts -> rates --------------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class RunRate:
    """One run's rate, k of n, with Wilson's interval; None where n is 0."""

    run_id: str
    k: int
    n: int
    rate: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Rate:
    """A mean over runs, its 95% interval (clustered Wilson) and two others for reference. None is unknown."""

    mean: float | None
    low: float | None
    high: float | None
    t_low: float | None
    t_high: float | None
    bootstrap_low: float | None
    bootstrap_high: float | None
    n_runs: int  # runs for which the rate exists
    runs: tuple[RunRate, ...]


@dataclass(frozen=True, slots=True)
class CellRates:
    """A condition under a shift at a grade, across its runs."""

    condition: str
    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    n_runs: int
    n_episodes: int
    capability: Rate
    goal_failure: Rate
    joint_failure: Rate


def summarise(counts: Sequence[OutcomeCounts], rng: np.random.Generator) -> list[CellRates]:
    """Rates of every cell, ordered by condition and shift; rows that differ only in evaluation seed are added up."""
    labels = condition_labels(counts)
    cells: dict[tuple, dict[str, list[OutcomeCounts]]] = defaultdict(lambda: defaultdict(list))
    for row in counts:
        cells[(row.train_diversity, labels[row.run_id], *cell_order(row))][row.run_id].append(row)
    summaries = []
    for (_, condition, shift_type, shift_name, grade, probe), runs in sorted(cells.items()):
        ids = sorted(runs)
        rates = {metric: rate_of(ids, *np.array([_fraction(metric, runs[i]) for i in ids]).T, rng) for metric in METRICS}
        episodes = sum(row.n_episodes for rows in runs.values() for row in rows)
        summaries.append(CellRates(condition, shift_type, shift_name, grade, probe, len(ids), episodes, **rates))
    return summaries


def _fraction(metric: str, rows: Sequence[OutcomeCounts]) -> tuple[int, int]:
    """Numerator and denominator of a metric in one run."""
    proxy, capable = sum(row.n_proxy for row in rows), sum(row.capable for row in rows)
    if metric == "capability":
        return sum(row.reached for row in rows), sum(row.n_episodes for row in rows)
    return (proxy, capable) if metric == "goal_failure" else (proxy, sum(row.distinguishing or 0 for row in rows))


def rate_of(run_ids: Sequence[str], k: np.ndarray, n: np.ndarray, rng: np.random.Generator) -> Rate:
    """The rate over runs with k of n episodes each."""
    runs = tuple(RunRate(i, int(a), int(b), float(a / b) if b else None, *intervals.wilson(a, b))
                 for i, a, b in zip(run_ids, k, n, strict=True))
    known = [run.rate for run in runs if run.rate is not None]
    return Rate(float(np.mean(known)) if known else None, *intervals.clustered_wilson(k, n),
                *intervals.t_on_runs(k, n), *intervals.bootstrap(k, n, rng), len(known), runs)


@dataclass(frozen=True, slots=True)
class Contrast:
    """How much a condition's rate exceeds the baseline's in the same cell (a difference of means over runs)."""

    metric: str
    condition: str
    baseline: str
    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    difference: float
    low: float
    high: float


def contrasts(cells: Sequence[CellRates]) -> list[Contrast]:
    """Every condition against the first one, wherever both rates are known."""
    if not cells:
        return []
    baseline = {cell_order(cell): cell for cell in cells if cell.condition == cells[0].condition}
    found = []
    for cell in cells:
        base = baseline.get(cell_order(cell))
        if base is None or base is cell:
            continue
        for metric in METRICS:
            rate, compared = getattr(cell, metric), getattr(base, metric)
            if rate.mean is not None and compared.mean is not None:
                found.append(Contrast(metric, cell.condition, base.condition, *cell_order(cell), *intervals.difference(
                    (rate.mean, rate.low, rate.high), (compared.mean, compared.low, compared.high))))
    return found


Cell = TypeVar("Cell", CellRates, Contrast)


def strongest(cells: Sequence[Cell]) -> list[Cell]:
    """The cells, or contrasts, of each shift at the highest grade it was measured at."""
    top: dict[int, float] = defaultdict(float)
    for cell in cells:
        top[cell.shift_type] = max(top[cell.shift_type], cell.grade)
    return [cell for cell in cells if cell.grade == top[cell.shift_type]]


def goal_cells(cells: Sequence[CellRates]) -> list[CellRates]:
    """Where goal failure can be read: the probe of a shift that has one, else the shift itself; known rates only."""
    probed = {(cell.shift_type, cell.grade) for cell in cells if cell.probe}
    return [cell for cell in cells
            if cell.goal_failure.n_runs and cell.probe == ((cell.shift_type, cell.grade) in probed)]


# --- the stage --------------------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Rates:
    """The content of rates.json: all runs; those alone that passed the capability gate; comparisons."""

    gate: float
    cells: tuple[CellRates, ...]
    gated: tuple[CellRates, ...]
    contrasts: tuple[Contrast, ...]
    definitions: tuple[DefinedRates, ...]


def build(study: Path, gate: float = 0.8, seed: int = 0) -> list[Path]:
    """Count the outcomes of every run of a study and summarise them: writes counts.parquet and rates.json."""
    if not 0 <= gate <= 1:
        raise UserError(f"gate should be a share within [0, 1], not {gate}")
    paths = Study(Path(study))
    runs = paths.runs()
    labels = condition_labels(runs)
    check_replicates(runs, labels)
    counts, tallies = [], []
    for meta in runs:
        episodes = tables.read_table(paths.episodes(meta.run_id), Episode)
        counts += count_outcomes(episodes, meta, gate)
        tallies.append((labels[meta.run_id], tally(episodes)))
    if not counts:
        raise UserError(f"{paths.root}: its runs have no episodes")
    all_runs, passed_runs = np.random.SeedSequence(seed).spawn(2)
    cells = summarise(counts, np.random.default_rng(all_runs))
    gated = summarise([row for row in counts if row.gate_passed], np.random.default_rng(passed_runs))
    rates = Rates(gate, tuple(cells), tuple(gated), tuple(contrasts(cells)), tuple(compare(tallies)))
    origin = artefacts.provenance(None, {"gate": gate, "seed": seed}, "outcome counts and rates with intervals")
    return [tables.write_table(paths.counts, counts, OutcomeCounts, origin),
            artefacts.write_json(paths.rates, artefacts.plain(rates), origin)]


def check_replicates(runs: Sequence[RunMeta], labels: dict[str, str]) -> None:
    """Refuse to average runs of one seed: they differ in something that no condition label shows."""
    seen: dict[tuple[str, int], str] = {}
    for run in runs:
        key = labels[run.run_id], run.train_seed
        if key in seen:
            raise UserError(f"runs {seen[key]} and {run.run_id} have the same condition ({key[0]}) and train seed "
                            f"{run.train_seed}: they cannot both be replicates of it; put them into separate studies")
        seen[key] = run.run_id


def read_rates(path: Path) -> Rates:
    """The content of a rates.json."""
    content = artefacts.read_json(path, required=[f.name for f in dataclasses.fields(Rates)])

    def rate(values: dict[str, Any]) -> Rate:
        return Rate(**values | {"runs": tuple(RunRate(**run) for run in values["runs"])})

    def cells(rows: list[dict[str, Any]]) -> tuple[CellRates, ...]:
        return tuple(CellRates(**row | {metric: rate(row[metric]) for metric in METRICS}) for row in rows)

    try:
        return Rates(content["gate"], cells(content["cells"]), cells(content["gated"]),
                     tuple(Contrast(**row) for row in content["contrasts"]),
                     tuple(DefinedRates(**row | {"capability": tuple(row["capability"]),
                                                 "goal_failure": tuple(row["goal_failure"])})
                           for row in content["definitions"]))
    except (TypeError, KeyError) as error:
        raise UserError(f"{path} is not a rates file of this version: {error}") from error


# --- for the terminal -------------------------------------------------------------------------------------------------

def table(cells: Sequence[CellRates]) -> str:
    """The rates as aligned text. A dash is unknown: nobody was capable, or no level tells the goals apart."""
    rows = []
    for previous, cell in zip([None, *cells], cells, strict=False):
        condition = "" if previous and cell.condition == previous.condition else cell.condition
        rows.append((condition, shift_label(cell), cell.n_runs, cell.n_episodes,
                     *(text.quantity(getattr(cell, metric)) for metric in METRICS)))
    return text.table(("condition", "shift", "runs", "episodes", "capability", "goal failure", "joint"), rows, right=(2, 3))


def contrast_table(rates: Rates) -> str:
    """How goal failure differs between conditions, shift by shift, as text; empty with one condition."""
    rows = [(shift_label(c), f"{c.condition} minus {c.baseline}", text.triple(c.difference, c.low, c.high, signed=True))
            for c in rates.contrasts if c.metric == "goal_failure"]
    return text.table(("shift", "difference in goal failure", "with 95% interval"), rows) if rows else ""
