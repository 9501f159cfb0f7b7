"""The measures of all runs of a study, brought together over runs -> measures.json."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, RunMeta
from gmexp.artefacts.condition import condition_labels
from gmexp.artefacts.study import Study
from gmexp.artefacts.upgrades import renamed
from gmexp.measures import attribution, critic, factors, magnitude
from gmexp.rates import intervals
from gmexp.rates.counting import count_outcomes
from gmexp.rates.intervals import Mean, mean_of_shares
from gmexp.support.errors import UserError
from gmexp_envs.task import FACTOR_NAMES

NEAR = 6  # cells from the end within which the critic can see it


@dataclass(frozen=True, slots=True)
class CellEffect:
    """A causal effect in one cell over runs."""

    effect: str
    condition: str
    shift_type: int
    shift_name: str
    grade: float
    n_levels: int  # of each run, at most
    first: float | None
    second: float | None
    value: Mean


@dataclass(frozen=True, slots=True)
class CriticStudy:
    """What the intended goal is worth to the critics of a condition; profiles are means over runs by
    distance to the proxy."""

    condition: str
    n_runs: int
    before: Mean  # value with the goal in view minus without, 1 to NEAR cells before the proxy
    behind: Mean  # the same, 1 to NEAR cells behind it
    passed: Mean  # share of levels whose end was reached on which the agent went on through the wall
    distance: tuple[int, ...]
    value: tuple[float | None, ...]
    with_goal: tuple[float | None, ...]
    without_goal: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class FactorRates:
    """Capability and goal failure with one factor shifted alone (intervals: clustered Wilson)."""

    condition: str
    factor: str
    grade: float
    probe: bool
    capability: Mean
    goal_failure: Mean


@dataclass(frozen=True, slots=True)
class CellMagnitude:
    """How far a cell is from training, over runs."""

    condition: str
    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    rho: float
    two_sample: Mean
    feature_distance: Mean


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything measures.json holds."""

    effects: tuple[CellEffect, ...]
    critics: tuple[CriticStudy, ...]
    factors: tuple[FactorRates, ...]
    magnitudes: tuple[CellMagnitude, ...]


def summarise(study: Study) -> Measures:
    """Bring together what the runs of a study have measured; empty where no run has."""
    runs = study.runs()
    labels = condition_labels(runs)
    order = list(dict.fromkeys(labels[run.run_id] for run in runs))

    def of_runs(name: str) -> list[tuple[str, Path]]:
        paths = [(labels[run.run_id], study.run(run.run_id) / name) for run in runs]
        return [(condition, path) for condition, path in paths if path.is_file()]

    return Measures(_effects(of_runs(attribution.FILE), order), _critics(of_runs(critic.FILE), order),
                    _factors(runs, study, labels, order), _magnitudes(of_runs(magnitude.FILE), order))


def write(study: Study, measures: Measures) -> Path:
    """Write measures.json."""
    origin = artefacts.provenance(None, {}, "attribution, critic study and magnitudes over the runs of a study")
    return artefacts.write_json(study.measures, dataclasses.asdict(measures), origin)


def read(path: Path) -> Measures:
    """The content of a measures.json; UserError where it is another version's."""
    content = renamed(artefacts.read_json(path, required=[f.name for f in dataclasses.fields(Measures)]))

    def built(kind: type, rows: Sequence[dict[str, Any]]) -> tuple:
        means = {f.name for f in dataclasses.fields(kind) if f.type == "Mean"}
        return tuple(kind(**{key: Mean(**value | {"runs": tuple(value["runs"])}) if key in means
                             else tuple(value) if isinstance(value, list) else value
                             for key, value in row.items()}) for row in rows)

    try:
        return Measures(built(CellEffect, content["effects"]), built(CriticStudy, content["critics"]),
                        built(FactorRates, content["factors"]), built(CellMagnitude, content["magnitudes"]))
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not a measures file of this version: {error}") from error


def _mean(values: Sequence[float | None], half_widths: Sequence[float] | None = None) -> Mean:
    known = [k for k, value in enumerate(values) if value is not None]
    if not known:
        return Mean(None, None, None, tuple(values))
    chosen = np.array([values[k] for k in known])
    halves = np.zeros(len(known)) if half_widths is None else np.array([half_widths[k] for k in known])
    return Mean(*intervals.mean_of_effects(chosen, halves), tuple(values))


def _effects(paths: Sequence[tuple[str, Path]], order: list[str]) -> tuple[CellEffect, ...]:
    cells: dict[tuple, list[attribution.Effect]] = defaultdict(list)
    for condition, path in paths:
        for effect in attribution.effects(path):
            cells[effect.effect, order.index(condition), effect.shift_type, effect.shift_name, effect.grade].append(effect)
    found = []
    for (name, position, *cell), runs in sorted(cells.items()):
        known = [run for run in runs if run.value is not None]
        found.append(CellEffect(
            name, order[position], *cell, max(run.n_levels for run in runs),
            float(np.mean([run.first for run in known])) if known else None,
            float(np.mean([run.second for run in known])) if known else None,
            _mean([run.value for run in runs], [(run.high - run.low) / 2 if run in known else 0 for run in runs])))
    return tuple(found)


def _critics(paths: Sequence[tuple[str, Path]], order: list[str]) -> tuple[CriticStudy, ...]:
    by_condition: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for condition, path in paths:
        by_condition[condition].append(renamed(artefacts.read_json(path, required=("profile",))))
    found = []
    for condition in sorted(by_condition, key=order.index):
        runs = by_condition[condition]
        profiles = [{row["distance"]: row for row in run["profile"]} for run in runs]
        distances = tuple(sorted(profiles[0]))

        def over_runs(key: str, profiles=profiles, distances=distances) -> tuple[float | None, ...]:
            known = [[p[d][key] for p in profiles if p[d][key] is not None] for d in distances]
            return tuple(float(np.mean(values)) if values else None for values in known)

        found.append(CriticStudy(
            condition, len(runs), _mean([_worth(p, range(1, NEAR + 1)) for p in profiles]),
            _mean([_worth(p, range(-NEAR, 0)) for p in profiles]),
            _mean([run["passed_proxy"] / run["reached_proxy"] if run["reached_proxy"] else None for run in runs]),
            distances, over_runs("value"), over_runs("with_goal"), over_runs("without_goal")))
    return tuple(found)


def _factors(runs: Sequence[RunMeta], study: Study, labels: dict[str, str], order: list[str]) -> tuple[FactorRates, ...]:
    cells: dict[tuple, list[tuple[int, int, int, int]]] = defaultdict(list)
    for run in runs:
        path = study.run(run.run_id) / factors.FILE
        for row in count_outcomes(tables.read_table(path, Episode), run) if path.is_file() else ():
            place = order.index(labels[run.run_id]), FACTOR_NAMES.index(row.shift_name), row.grade, row.probe
            cells[place].append((row.reached, row.n_episodes, row.n_proxy, row.capable))

    return tuple(FactorRates(order[condition], FACTOR_NAMES[factor], grade, probe,
                             mean_of_shares(counts[:, 0], counts[:, 1]), mean_of_shares(counts[:, 2], counts[:, 3]))
                 for (condition, factor, grade, probe), rows in sorted(cells.items()) for counts in [np.array(rows)])


def _worth(profile: dict[int, dict[str, Any]], distances: range) -> float | None:
    """Mean over distances of the value with the intended goal minus without."""
    known = [profile[d]["with_goal"] - profile[d]["without_goal"] for d in distances
             if profile[d]["with_goal"] is not None]
    return float(np.mean(known)) if known else None


def _magnitudes(paths: Sequence[tuple[str, Path]], order: list[str]) -> tuple[CellMagnitude, ...]:
    cells: dict[tuple, list[magnitude.Magnitude]] = defaultdict(list)
    for condition, path in paths:
        for row in tables.read_records(path, magnitude.Magnitude):
            cells[order.index(condition), row.shift_type, row.shift_name, row.grade, row.probe].append(row)
    return tuple(CellMagnitude(order[position], *cell, float(np.mean([row.rho for row in rows])),
                               _mean([row.two_sample for row in rows]), _mean([row.feature_distance for row in rows]))
                 for (position, *cell), rows in sorted(cells.items()))


# --- for the terminal -------------------------------------------------------------------------------------------------

def table(measures: Measures) -> str:
    """Causal effects, the critics' view of the intended goal and the factors' own rates as text."""
    lines = []
    wide = max([len(row.condition) + 2 for row in (*measures.effects, *measures.critics, *measures.factors)], default=14)
    wide = max(wide, 14)
    if measures.effects:
        lines.append(f"{'causal effect of the goal':<27}{'condition':<{wide}}{'shift':<20}mean over runs, 95% interval")
    for row in measures.effects:
        lines.append(f"{row.effect:<27}{row.condition:<{wide}}{row.shift_type} {row.shift_name.replace('_', ' '):<18}"
                     f"{show(row.value)}")
    for row in measures.critics:
        lines.append(f"{'value of seeing the goal':<27}{row.condition:<{wide}}before the proxy {show(row.before)}, "
                     f"behind it {show(row.behind)}; goes on past it {show(row.passed)}")
    for row in measures.factors:
        name = f"{row.factor} alone{' (probe)' if row.probe else ''}"
        lines.append(f"{name:<27}{row.condition:<{wide}}capability {_plain(row.capability)}, goal failure "
                     f"{_plain(row.goal_failure)}")
    return "\n".join(lines)


def _plain(rate: Mean) -> str:
    return "-" if rate.mean is None else f"{rate.mean:.2f} [{rate.low:.2f}, {rate.high:.2f}]"


def show(quantity: Mean) -> str:
    """`+0.03 [-0.02, +0.08]`, or a dash if unknown."""
    if quantity.mean is None:
        return "-"
    return f"{quantity.mean:+.2f} [{quantity.low:+.2f}, {quantity.high:+.2f}]"
