"""From counts to the arrays of the model: one row per run and shift level, both arms.

Rows of one run under one shift (evaluation seeds) are added up: the training run is the replicate. A distinguishing set
speaks for a run's latent goal only where the shift's own levels cannot tell the goals apart. The order of rows, runs,
environments and experiments, and their names, change nothing.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from gmexp.artefacts.records import OutcomeCounts, RunMeta
from gmexp.published.modifiers import canonical
from gmexp.support.errors import UserError

__all__ = ["FIRST_EVENT", "STAGES", "TWO_ARMS", "Condition", "Covariates", "Design", "ShiftLevel", "build_design",
           "condition_label", "condition_of_run"]

TWO_ARMS, FIRST_EVENT = "two_arms", "first_event"
STAGES = {TWO_ARMS: ("capability", "proxy_share", "pursuit"), FIRST_EVENT: ("capability", "pursuit")}
DIVERSITY_SCALE = 0.02  # diversity acts on a log scale from here on: 2% randomised levels already help much
REFERENCE_METHOD = "standard"
REFERENCE_SPEC = 1.0


@dataclass(frozen=True, order=True)
class ShiftLevel:
    """A shift at a grade. Type 0 is the training distribution."""

    type: int
    name: str
    grade: float


@dataclass(frozen=True)
class Condition:
    """How a run was trained: everything that was chosen but the seed. None is unknown."""

    env: str
    learner: str | None
    spec_quality: float | None
    train_diversity: float | None
    align_method: str  # with whose demonstrations, where it imitates
    train_steps: int | None
    width: int | None

    @property
    def settings(self) -> tuple:
        """What may be compared across environments."""
        return self.spec_quality, self.train_diversity, self.align_method, self.train_steps, self.width

    @property
    def order(self) -> tuple:
        """A key to sort by, the unknown first."""
        return tuple((v is not None, v if v is not None else 0) for v in self.settings) + (self.learner or "",)


def condition_label(condition: Condition, among: Sequence[Condition] = ()) -> str:
    """One line for a condition: its environment and what it does not share with all the others."""
    words = {"learner": "learner", "spec_quality": "quality", "train_diversity": "delta", "align_method": "",
             "train_steps": "steps", "width": "width"}
    parts = [condition.env or "environment"]
    for name, word in words.items():
        value = getattr(condition, name)
        if name == "train_diversity" or len({getattr(c, name) for c in among}) > 1:
            shown = "unknown" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
            parts.append(f"{word} {shown}".strip())
    return ", ".join(parts)


@dataclass(frozen=True)
class Covariates:
    """Settings as columns x, 0 at the reference: specification 1, delta 0, the standard method, the usual budget.

    spec   (1 - quality) / 0.7                 1 apart between the published 0.9 and 0.2
    div    -ln(1 + d/.02) / ln(1 + .3/.02)     -1 at diversity 0.3
    steps  log10 of training steps over the environment's usual ones;   width   log2 of the network's
    align:METHOD   1 for that method, 0 else
    `names` are the columns that vary; `held` says at which setting every other one was held (None: unknown).
    """

    names: tuple[str, ...]
    held: dict[str, float | None]
    steps: dict[str, int]  # the usual ones of every environment where they are known: budgets of two games do not compare
    width: dict[str, int]

    def position(self, condition: Condition) -> dict[str, float | None]:
        """Every column of a condition, None where it is unknown."""
        place = {
            "spec": None if condition.spec_quality is None else spec_position(condition.spec_quality),
            "div": None if condition.train_diversity is None else diversity_position(condition.train_diversity),
            "steps": _log_ratio(condition.train_steps, self.steps.get(condition.env), 10),
            "width": _log_ratio(condition.width, self.width.get(condition.env), 2),
        }
        for name in self.names:
            if name.startswith("align:"):
                place[name] = float(name == f"align:{condition.align_method}")
        if condition.align_method != REFERENCE_METHOD:
            place[f"align:{condition.align_method}"] = 1.0
        return place


def _log_ratio(value: int | None, reference: int | None, base: int) -> float | None:
    return None if value is None or reference is None else math.log(value / reference, base)


def spec_position(quality: float) -> float:
    return (REFERENCE_SPEC - quality) / 0.7


def diversity_position(diversity: float) -> float:
    return -math.log1p(diversity / DIVERSITY_SCALE) / math.log1p(0.3 / DIVERSITY_SCALE)


@dataclass(frozen=True)
class Design:
    """Arrays of the model: N rows (run x level), R runs, S levels, E environments, C conditions, K columns."""

    estimand: str  # TWO_ARMS or FIRST_EVENT
    shifts: tuple[ShiftLevel, ...]
    envs: tuple[str, ...]
    learners: tuple[str | None, ...]
    conditions: tuple[Condition, ...]
    covariates: Covariates
    x: np.ndarray  # [C, K], NaN where unknown
    condition_env: np.ndarray  # [C]
    condition_learner: np.ndarray  # [C]
    run_condition: np.ndarray  # [R]
    run_seed: np.ndarray  # [R] index of a train seed shared with another condition of the environment, -1 for none
    run_ids: tuple[str, ...]  # [R], for reports only
    run: np.ndarray  # [N]
    shift: np.ndarray  # [N]
    masked: np.ndarray  # [N, 3] intended place first, proxy first, neither
    visible: np.ndarray  # [N, 3] on distinguishing levels
    reached: np.ndarray  # [N, 2] reached a goal on any level, did not: what FIRST_EVENT takes for capability
    revealed: np.ndarray  # [S, C] share of distinguishing levels, NaN where unknown

    @property
    def condition(self) -> np.ndarray:
        """[N] condition of each row."""
        return self.run_condition[self.run]

    @property
    def env(self) -> np.ndarray:
        """[N] environment of each row."""
        return self.condition_env[self.condition]

    @property
    def stages(self) -> tuple[str, ...]:
        return STAGES[self.estimand]

    def select(self, rows: np.ndarray) -> Design:
        """The same design with some rows only (boolean or index); runs and shifts keep their numbers."""
        kept = {name: getattr(self, name)[rows] for name in ("run", "shift", "masked", "visible", "reached")}
        return Design(**{f.name: kept.get(f.name, getattr(self, f.name)) for f in fields(self)})


def canonical_method(method: str | None, demonstrator: str | None = None) -> str:
    """The table's name where the method is a known alias, else the label itself; cloning with whose demonstrations."""
    if not method:
        return REFERENCE_METHOD
    try:
        name = canonical("alignment_methods", method)
    except UserError:
        name = method.strip().lower()
    return f"{name}:{demonstrator}" if demonstrator else name


def condition_of_run(c: OutcomeCounts | RunMeta) -> Condition:
    """How the run was trained, as the model tells conditions apart."""
    return Condition(
        c.env,
        getattr(c, "learner", None),
        _float(c.spec_quality),
        _float(c.train_diversity),
        canonical_method(c.align_method, getattr(c, "demonstrator", None)),
        c.train_steps or None,
        c.width or None,
    )


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def build_design(counts: Sequence[OutcomeCounts]) -> Design:
    """Arrays from counts; a UserError where a run is inconsistent or there is nothing to fit."""
    if not counts:
        raise UserError("there are no counts to calibrate from")
    condition_of: dict[tuple, Condition] = {}
    seeds: dict[tuple, int] = {}
    rows_of: dict[tuple, list[OutcomeCounts]] = defaultdict(list)
    for c in counts:
        key = (c.experiment_id, c.env, c.run_id)
        condition = condition_of_run(c)
        if condition_of.setdefault(key, condition) != condition:
            raise UserError(f"run {c.run_id} of experiment {c.experiment_id} appears under two training conditions: "
                            f"{condition_label(condition_of[key])} and {condition_label(condition)}")
        seeds[key] = c.train_seed
        rows_of[key].append(c)
    estimand = TWO_ARMS if any(c.n_masked for c in counts) else FIRST_EVENT
    cells = {key: _cells(rows, estimand) for key, rows in rows_of.items()}
    if any(cells.values()):
        cells = {key: by_level for key, by_level in cells.items() if by_level}
    else:  # nothing was measured: every rate is the prior's
        cells = {key: {ShiftLevel(c.shift_type, c.shift_name, float(c.grade)): (0,) * 8 for c in rows}
                 for key, rows in rows_of.items()}
    levels = tuple(sorted({level for by_level in cells.values() for level in by_level}))
    signature = {key: (condition_of[key].order, sorted((level, *cell) for level, cell in by_level.items()))
                 for key, by_level in cells.items()}
    envs = sorted({key[1] for key in cells}, key=lambda e: sorted(signature[k] for k in cells if k[1] == e))
    order = sorted(cells, key=lambda key: (envs.index(key[1]), signature[key]))
    conditions = list(dict.fromkeys(condition_of[key] for key in order))
    learners = list(dict.fromkeys(c.learner for c in conditions))
    rows = [(r, levels.index(level), *cell) for r, key in enumerate(order) for level, cell in sorted(cells[key].items())]
    table = np.array(rows, dtype=np.int64)
    covariates, x = _covariates(conditions, [conditions.index(condition_of[key]) for key in order])
    return Design(
        estimand, levels, tuple(envs), tuple(learners), tuple(conditions), covariates, x,
        np.array([envs.index(c.env) for c in conditions]), np.array([learners.index(c.learner) for c in conditions]),
        np.array([conditions.index(condition_of[key]) for key in order]),
        _shared_seeds(order, condition_of, seeds), tuple(key[2] for key in order), table[:, 0], table[:, 1],
        table[:, 2:5], table[:, 5:8], table[:, 8:10], _revealed(rows_of, condition_of, conditions, levels))


def _cells(rows: Sequence[OutcomeCounts], estimand: str) -> dict[ShiftLevel, tuple[int, ...]]:
    """One run's counts per level, eight numbers: masked, visible, reached; without rows that say nothing."""
    by_level: dict[ShiftLevel, dict[bool, np.ndarray]] = defaultdict(
        lambda: {False: np.zeros(8, int), True: np.zeros(8, int)}
    )
    for c in rows:
        masked = [0, 0, 0]
        if c.n_masked:
            masked = [c.masked_intended, c.masked_proxy, c.n_masked - c.masked_intended - c.masked_proxy]
        n = c.capable if c.distinguishing is None else c.distinguishing
        if c.distinguishing is None and estimand == TWO_ARMS:
            masked = [0, 0, 0]  # of unknown levels, the arms cannot be compared
        by_level[ShiftLevel(c.shift_type, c.shift_name, float(c.grade))][c.probe] += np.array(
            [*masked, c.n_intended, c.n_proxy, n - c.capable, c.reached, c.n_visible - c.reached])
    cells = {}
    for level, arms in by_level.items():
        cell = arms[False].copy()
        if not cell[:6].sum():  # its own levels tell nothing apart
            cell[:6] = arms[True][:6]
        if cell[:6].sum() or (estimand == FIRST_EVENT and cell[6:].sum()):
            cells[level] = tuple(cell.tolist())
    return cells


def _shared_seeds(order: Sequence[tuple], condition_of: dict, seeds: dict) -> np.ndarray:
    """[R] a number for every (environment, train seed) that two conditions share, -1 elsewhere.

    Seeds that repeat within a condition are no seeds: a file without them says 0 throughout.
    """
    repeated = Counter((condition_of[key], seeds[key]) for key in order)
    unreliable = {condition.env for (condition, _), n in repeated.items() if n > 1}
    used = Counter((key[1], seeds[key]) for key in order if key[1] not in unreliable)
    shared = {pair: i for i, pair in enumerate(pair for pair in dict.fromkeys((key[1], seeds[key]) for key in order)
                                               if used[pair] > 1)}
    return np.array([shared.get((key[1], seeds[key]), -1) for key in order])


def _covariates(conditions: Sequence[Condition], run_condition: Sequence[int]) -> tuple[Covariates, np.ndarray]:
    runs = Counter(run_condition)

    def usual(name: str) -> dict[str, int]:
        """Per environment the budget of most runs of the standard method, the larger of equals."""
        votes: dict[str, Counter] = defaultdict(Counter)
        for i, c in enumerate(conditions):
            if getattr(c, name) is not None and (c.align_method == REFERENCE_METHOD or all(
                    k.align_method != REFERENCE_METHOD for k in conditions if k.env == c.env)):
                votes[c.env][getattr(c, name)] += runs[i]
        return {env: max(each, key=lambda value: (each[value], value)) for env, each in votes.items()}

    bare = Covariates((), {}, usual("train_steps"), usual("width"))
    methods = sorted({f"align:{c.align_method}" for c in conditions} - {f"align:{REFERENCE_METHOD}"})
    columns = {name: [bare.position(c).get(name, 0.0) for c in conditions] for name in ("spec", "div", "steps", "width")}
    columns |= {name: [float(name == f"align:{c.align_method}") for c in conditions] for name in methods}
    known = {name: {v for v in column if v is not None} for name, column in columns.items()}
    varied = [name for name in columns if len(known[name]) > 1]
    held = {name: next(iter(known[name]), None) for name in columns if name not in varied}
    x = np.array([[np.nan if columns[name][i] is None else columns[name][i] for name in varied]
                  for i in range(len(conditions))], dtype=float).reshape(len(conditions), len(varied))
    return Covariates(tuple(varied), held, bare.steps, bare.width), x


def _revealed(rows_of: dict, condition_of: dict, conditions: Sequence[Condition],
              levels: Sequence[ShiftLevel]) -> np.ndarray:
    told, played = np.zeros((2, len(levels), len(conditions)))
    for key, rows in rows_of.items():
        for c in rows:
            level = ShiftLevel(c.shift_type, c.shift_name, float(c.grade))
            if not c.probe and c.distinguishing is not None and level in levels and condition_of[key] in conditions:
                at = levels.index(level), conditions.index(condition_of[key])
                told[at] += c.distinguishing
                played[at] += c.n_visible
    return np.divide(told, played, out=np.full(told.shape, np.nan), where=played > 0)
