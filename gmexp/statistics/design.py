"""From counts to the arrays of the model: one binomial per (stage, run, shift).

Stage 0, capability: y = episodes that reached any goal, n = episodes; rows with probe = false only.
Stage 1, goal failure: y = proxy first, n = intended or proxy first; every row, probes included.

Rows of one run under one shift (evaluation seeds, probe and shift) are added up: the training run is the
replicate. The order of rows, runs and experiments, and the names of runs, change nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.special import logit

from gmexp.artefacts.records import OutcomeCounts, RunMeta
from gmexp.published.modifiers import canonical
from gmexp.published.tables import table
from gmexp.support.errors import UserError

__all__ = ["CAPABILITY", "GOAL", "STAGES", "Condition", "Covariates", "Design", "ShiftLevel", "build_design",
           "condition_of_run"]

STAGES = ("capability", "goal_failure")
CAPABILITY, GOAL = range(2)
DIVERSITY_SCALE = 0.02  # diversity acts on a log scale from here on: 2% randomised levels already help much
CAPABILITY_POSITION = {"below_human": -0.5, "human": 0.0, "superhuman": 0.5}
HUMAN_SOLVES = 0.9  # share of in-distribution levels; an assumption: nobody measured people here
CAPABILITY_SCALE = 3.5  # logits of that share from 'below_human' (.61) to 'superhuman' (.98)
SOLVED_RANGE = (0.01, 0.99)
REFERENCE_METHOD = "standard"


@dataclass(frozen=True, order=True)
class ShiftLevel:
    """A shift at a grade. Type 0 is the training distribution."""

    type: int
    name: str
    grade: float


@dataclass(frozen=True, order=True)
class Condition:
    """How a run was trained. Empty text stands for unknown."""

    env: str
    algo: str
    spec_quality: float
    capability_level: str
    train_diversity: float
    align_method: str
    train_steps: int
    width: int = 0  # of the network; 0 stands for unknown

    @property
    def budget(self) -> tuple[str, int, int]:
        """What capability is bought with."""
        return self.env, self.train_steps, self.width


def condition_label(condition: Condition, among: Sequence[Condition]) -> str:
    """One line for a condition, with its budget where theirs differ."""
    c = condition
    level = f" capability={c.capability_level}" if c.capability_level else ""
    level += f" steps={c.train_steps} width={c.width}" if len({k.budget for k in among}) > 1 else ""
    return f"{c.env or 'env'} spec_quality={c.spec_quality:g} diversity={c.train_diversity:g}{level} {c.align_method}"


@dataclass(frozen=True)
class Covariates:
    """Modifiers as columns x, signed so that the published model expects risk to rise with x.

    spec   (0.55 - quality) / 0.7              1 apart between the published 0.9 and 0.2
    cap    -0.5, 0, 0.5                        below human, human, superhuman; of runs without a level, where budgets
                                               (steps, width) vary: logit of the share of in-distribution levels that
                                               agents of the budget solve, 0 at 90%, 1 apart over 3.5 logits
    div    -ln(1 + d/.02) / ln(1 + .3/.02)     1 apart between diversity 0.3 and 0
    steps  log10 of training steps             only where they vary and that share is unknown
    align:METHOD   1 for that method, 0 else; a column for every measured and published method other than the
                   reference, and 'align:other' for any further one
    `centre` is subtracted; it is the mean over the measured conditions.
    """

    names: tuple[str, ...]
    centre: tuple[float, ...]
    reference_method: str

    def columns(self, spec_quality: float | None, capability: str | None, diversity: float | None,
                method: str | None, steps: int | None) -> np.ndarray:
        """Centred x [K]; None leaves a covariate at its centre. An unmeasured method uses the column 'align:other'."""
        raw = dict(zip(self.names, self.centre, strict=True))
        if spec_quality is not None:
            raw["spec"] = spec_position(spec_quality)
        if capability is not None:
            raw["cap"] = CAPABILITY_POSITION[canonical("capability_levels", capability)]
        if diversity is not None:
            raw["div"] = diversity_position(diversity)
        if steps is not None and "steps" in raw:
            raw["steps"] = math.log10(steps)
        if method is not None:
            for name in self.names:
                if name.startswith("align:"):
                    raw[name] = 0.0
            if method != self.reference_method:
                name = f"align:{method}"
                raw[name if name in raw else "align:other"] = 1.0
        return np.array([raw[name] for name in self.names]) - np.array(self.centre)


def spec_position(quality: float) -> float:
    return (0.55 - quality) / 0.7


def diversity_position(diversity: float) -> float:
    return -math.log1p(diversity / DIVERSITY_SCALE) / math.log1p(0.3 / DIVERSITY_SCALE)


@dataclass(frozen=True)
class Design:
    """Arrays of the model: N rows, R runs, S shift levels, C conditions, K covariates."""

    shifts: tuple[ShiftLevel, ...]
    conditions: tuple[Condition, ...]
    covariates: Covariates
    x: np.ndarray  # [C, K] centred covariates of each condition
    run_condition: np.ndarray  # [R]
    run_ids: tuple[str, ...]  # [R], for reports only
    stage: np.ndarray  # [N]
    run: np.ndarray  # [N]
    shift: np.ndarray  # [N]
    y: np.ndarray  # [N]
    n: np.ndarray  # [N]

    @property
    def condition(self) -> np.ndarray:
        """[N] condition of each row."""
        return self.run_condition[self.run]

    @property
    def cell(self) -> np.ndarray:
        """[N, 3] stage, shift and condition of each row."""
        return np.stack([self.stage, self.shift, self.condition], axis=1)

    def select(self, rows: np.ndarray) -> Design:
        """The same design with some rows only (boolean or index); runs and shifts keep their numbers."""
        kept = {name: getattr(self, name)[rows] for name in ("stage", "run", "shift", "y", "n")}
        return Design(**{f.name: kept.get(f.name, getattr(self, f.name)) for f in fields(self)})


def canonical_method(method: str | None) -> str:
    """The table's name where the method is a known alias, else the measured label itself."""
    if not method:
        return REFERENCE_METHOD
    try:
        return canonical("alignment_methods", method)
    except UserError:
        return method.strip().lower()


def build_design(counts: Sequence[OutcomeCounts]) -> Design:
    """Arrays from counts; a UserError where a run is inconsistent or there is nothing to fit."""
    if not counts:
        raise UserError("there are no counts to calibrate from")
    condition_of: dict[tuple[str, str], Condition] = {}
    cells: dict[tuple[str, str], dict[tuple[int, ShiftLevel], list[int]]] = defaultdict(dict)
    for c in counts:
        key = (c.experiment_id, c.run_id)
        condition = condition_of_run(c)
        if condition_of.setdefault(key, condition) != condition:
            raise UserError(f"run {c.run_id} of experiment {c.experiment_id} appears under two training conditions: "
                            f"{condition_of[key]} and {condition}")
        level = ShiftLevel(c.shift_type, c.shift_name, float(c.grade))
        for stage, y, n in ((CAPABILITY, c.reached, 0 if c.probe else c.n_episodes), (GOAL, c.n_proxy, c.capable)):
            cell = cells[key].setdefault((stage, level), [0, 0])
            cell[0] += y if n else 0
            cell[1] += n
    shifts = _shift_levels(cells)
    conditions = tuple(sorted(set(condition_of.values())))
    # Runs in an order that their names do not decide: by condition, then by their own data.
    order = sorted(cells, key=lambda key: (condition_of[key], sorted(
        (stage, level, *yn) for (stage, level), yn in cells[key].items())))
    rows = [(stage, r, shifts.index(level), y, n) for r, key in enumerate(order)
            for (stage, level), (y, n) in sorted(cells[key].items()) if n]
    table_ = np.array(rows, dtype=np.int64).reshape(-1, 5)
    covariates, x = _covariates(conditions, _solved(counts))
    return Design(shifts, conditions, covariates, x,
                  np.array([conditions.index(condition_of[key]) for key in order]),
                  tuple(run_id for _, run_id in order), *table_.T)


def condition_of_run(c: OutcomeCounts | RunMeta) -> Condition:
    """How the run was trained, as the model tells conditions apart."""
    level = canonical("capability_levels", c.capability_level) if c.capability_level else ""
    return Condition(c.env, c.algo, float(c.spec_quality), level, float(c.train_diversity),
                     canonical_method(c.align_method), int(c.train_steps), int(c.width or 0))


def _shift_levels(cells: dict) -> tuple[ShiftLevel, ...]:
    """The measured levels, and any of types 0-4 that was not measured (its posterior is its prior)."""
    measured = {level for by_cell in cells.values() for _, level in by_cell}
    names = {0: "in_distribution", **{r["type"]: r["name"] for r in table("shift_types")}}
    missing = {ShiftLevel(t, name, float(t > 0)) for t, name in names.items()
               if not any(level.type == t for level in measured)}
    return tuple(sorted(measured | missing))


def _solved(counts: Sequence[OutcomeCounts]) -> dict[Condition, float]:
    """In-distribution capability of each condition, the mean over its runs; conditions where it is unknown are left out."""
    runs: dict[Condition, dict[tuple[str, str], float | None]] = defaultdict(dict)
    for c in counts:
        runs[condition_of_run(c)][c.experiment_id, c.run_id] = c.id_capability
    known = {condition: [value for value in by_run.values() if value is not None] for condition, by_run in runs.items()}
    return {condition: float(np.mean(values)) for condition, values in known.items() if values}


def capability_position(solved: float) -> float:
    """Where a share of solved in-distribution levels stands between 'below_human' (-0.5) and 'superhuman' (0.5)."""
    return float(logit(np.clip(solved, *SOLVED_RANGE)) - logit(HUMAN_SOLVES)) / CAPABILITY_SCALE


def _budget_positions(conditions: tuple[Condition, ...], solved: dict[Condition, float],
                      reference: str) -> list[float] | None:
    """The position of each condition's budget; None unless budgets vary and all of them are known.

    A budget is judged by its runs with the reference method and the best specification, so that what the other
    modifiers do to capability stays their own effect.
    """
    positions = {}
    for budget in {c.budget for c in conditions}:
        mine = [c for c in conditions if c.budget == budget and c in solved]
        mine = [c for c in mine if c.align_method == reference] or mine
        shares = [solved[c] for c in mine if c.spec_quality == max(m.spec_quality for m in mine)]
        if not shares:
            return None
        positions[budget] = capability_position(float(np.mean(shares)))
    return [positions[c.budget] for c in conditions] if len(positions) > 1 else None


def _covariates(conditions: tuple[Condition, ...], solved: dict[Condition, float]) -> tuple[Covariates, np.ndarray]:
    methods = [c.align_method for c in conditions]
    reference = REFERENCE_METHOD if REFERENCE_METHOD in methods else max(sorted(set(methods)), key=methods.count)
    named = any(c.capability_level for c in conditions)
    positions = None if named else _budget_positions(conditions, solved, reference)
    columns = {
        "spec": [spec_position(c.spec_quality) for c in conditions],
        "cap": positions or [CAPABILITY_POSITION[c.capability_level or "human"] for c in conditions],
        "div": [diversity_position(c.train_diversity) for c in conditions],
    }
    if positions is None and len({c.train_steps for c in conditions}) > 1 \
            and len({c.capability_level for c in conditions}) == 1:
        columns["steps"] = [math.log10(max(c.train_steps, 1)) for c in conditions]
    published = set(table("alignment_methods").column("name"))
    for method in [*sorted((set(methods) | published) - {reference}), "other"]:
        columns[f"align:{method}"] = [float(m == method) for m in methods]
    raw = np.array(list(columns.values()), dtype=float).T
    centre = raw.mean(axis=0)
    return Covariates(tuple(columns), tuple(float(c) for c in centre), reference), raw - centre
