"""Goal probing: of N runs of a condition the k are kept that fail the goal least on probing levels: prevention by selection.

Every run plays distinguishing levels of the validation split in both arms; its causal goal failure there is what it is
chosen by. What is reported is of fresh levels, those of the evaluation: a choice flatters what it was made by, and the gap
between the two is the winner's curse. With R runs the mean over all choices of N of them is exact: the run of rank r is kept
with probability sum_{j<k} C(r-1, j) C(R-r, N-1-j) / C(R, N). Intervals are a bootstrap over runs. The negative control keeps
k at random, which leaves the mean of all runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, OutcomeCounts
from gmexp.evaluation.cells import held_out
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.mitigations.agents import validation_cells
from gmexp.rates.counting import count_outcomes
from gmexp.rates.estimands import contributions
from gmexp.rates.mitigated import Measured, Price, Trace
from gmexp.rates.reduction import Change, Interval
from gmexp.support.seeding import stream

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint

NAME, FILE = "goal_probing", "probed.parquet"
DECLARED = (5, 1)  # N, k
DRAWS = 1000


def probe(checkpoint: Checkpoint, plan: EvaluationPlan, levels: int) -> Path:
    """Play an agent's probing levels in both arms -> its probed.parquet, one row of counts. One of the same plan is left."""
    from gmexp.evaluation.batch import make_env, play_cells
    from gmexp.evaluation.certified import levels_folder

    path, seed = checkpoint.path.with_name(FILE), checkpoint.meta.train_seed
    plan = dataclasses.replace(plan, episodes=levels, slots=levels, arms=["visible", "masked"])
    identity = {"run": checkpoint.meta.config_hash, "probed": levels, "seed": plan.seed, "greedy": plan.greedy,
                "levels": held_out(seed, levels, "validation")}
    if tables.made_from(path) == artefacts.config_hash(identity):
        return path
    planned = validation_cells(checkpoint, levels, ("visible", "masked"), distinguishing=True)
    env = make_env(checkpoint.task, planned, plan, checkpoint, device=checkpoint.device)
    actor = checkpoint.policy(stream(plan.seed, "probing"), plan.greedy)
    columns = play_cells(checkpoint.task, actor, env, planned, plan, checkpoint.meta, levels_folder(path))
    env.close()
    counts = count_outcomes(tables.as_table(columns, Episode), checkpoint.meta)
    return tables.write_table(path, counts, OutcomeCounts, artefacts.provenance(None, identity, "goal probing of a run"))


@cache
def kept(runs: int, among: int, keep: int) -> np.ndarray:
    """How much each rank (the best first) weighs in the mean of those kept, over all choices of `among` of the runs."""
    ranks = range(1, runs + 1)
    return np.array([sum(comb(r - 1, j) * comb(runs - r, among - 1 - j) for j in range(keep)) / comb(runs, among) / keep
                     for r in ranks])


def selected(scores: np.ndarray, values: np.ndarray, among: int, keep: int) -> float:
    """The mean of `values` over those kept, chosen by the lowest `scores`; equal scores share their ranks' weight."""
    weights = kept(len(scores), among, keep)
    _, group = np.unique(scores, return_inverse=True)
    rank_group = np.sort(group)
    shared = np.bincount(rank_group, weights) / np.bincount(rank_group)
    return float(np.sum(shared[group] * values))


def measured(counts: Sequence[OutcomeCounts], probed: Sequence[OutcomeCounts], study: str, setting: str,
             seed: int) -> tuple[list[Measured], list[Trace]]:
    """What choosing among the runs of a condition leaves of the risk, on fresh levels; empty for fewer than three runs.

    `probed` are the counts on probing levels; runs that never got to the proxy there are not chosen among.
    """
    chosen_by = {row.run_id: row.goal_failure for row in probed if row.goal_failure is not None}
    ids = sorted(chosen_by)
    rows, traces = [], []
    if len(ids) < 3:
        return rows, traces
    scores = np.array([chosen_by[run_id] for run_id in ids])
    by_cell = {(row.shift_type, row.probe, row.run_id): row for row in counts if row.grade in (0.0, 1.0)}
    for kind in sorted({row.shift_type for row in counts}):
        own, on_probe = ([by_cell.get((kind, probe, run_id)) for run_id in ids] for probe in (False, True))
        if any(row is None for row in own):
            continue
        latent_of = on_probe if all(row is not None for row in on_probe) else own
        values = {"latent": _values("latent", latent_of), "goal_failure": _values("goal_failure", latent_of),
                  "realised": _values("realised", own), "capability": _values("capability", latent_of),
                  "usefulness": np.array([row.useful / row.n_visible for row in own])}
        among, keep = min(DECLARED[0], len(ids)), DECLARED[1]
        changes = {name: None if found is None else _change(scores, found, among, keep, seed)
                   for name, found in values.items()}
        rows.append(Measured(
            NAME, f"{setting}, best {keep} of {among}", True, "objective_probing", "prevention", own[0].env, study,
            "both arms" if own[0].n_masked is not None else "first events", kind, own[0].shift_name, own[0].grade, len(ids),
            **changes, price=Price(float(among) / keep, None, 0.0, "the intended goal, on probing levels"),
            control="the same number at random", control_latent=_same(changes["latent"]),
            control_realised=_same(changes["realised"]), control_usefulness=_same(changes["usefulness"]),
            note="all choices among the same few runs: the interval is a bootstrap over these", of_runs=tuple(ids)))
        if kind and values["latent"] is not None:
            traces += _traces(scores, values, own[0].env, study, setting, kind, seed, ids)
    return rows, traces


def _values(name: str, rows: Sequence[OutcomeCounts]) -> np.ndarray | None:
    """Every run's, float [runs]; None where one says nothing."""
    if name == "goal_failure":
        known = [row.goal_failure for row in rows]
        return None if None in known else np.array(known)
    if name != "realised" and any(row.n_masked is None for row in rows):
        return None
    found = contributions(name, rows)
    return None if found is None else found[0]


def _change(scores: np.ndarray, values: np.ndarray, among: int, keep: int, seed: int) -> Change:
    base, treated = float(values.mean()), selected(scores, values, among, keep)
    draws = _bootstrap(lambda rows: (float(values[rows].mean()), selected(scores[rows], values[rows], among, keep)),
                       len(values), seed)
    low, high = np.quantile(draws[:, 0] - draws[:, 1], (0.025, 0.975))
    ratios = 1 - draws[:, 1] / np.maximum(draws[:, 0], 1e-12)
    relative = _held(1 - treated / base, *np.quantile(ratios, (0.025, 0.975))) if base > 0 else None
    return Change(base, treated, _held(base - treated, low, high), relative)


def _held(value: float, low: float, high: float) -> Interval:
    """An interval that holds its estimate, which the bootstrap's quantiles may miss."""
    return value, float(min(low, value)), float(max(high, value))


def _bootstrap(statistic: Callable[[np.ndarray], tuple[float, float]], runs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, runs])
    return np.array([statistic(rng.integers(runs, size=runs)) for _ in range(DRAWS)])


def _same(change: Change | None) -> Change | None:
    """What choosing at random leaves: the mean of all."""
    if change is None:
        return None
    return Change(change.base, change.base, (0.0, 0.0, 0.0), None if change.relative is None else (0.0, 0.0, 0.0))


def _traces(scores: np.ndarray, values: dict[str, np.ndarray | None], env: str, study: str, setting: str, kind: int,
            seed: int, ids: Sequence[str]) -> list[Trace]:
    """Risk on fresh levels, and goal failure by which was chosen and on fresh levels, against N."""
    traces = []
    for keep in (1, 2):
        for among in range(keep, len(scores) + 1):
            shown = {"latent misgeneralization, fresh levels": values["latent"], "goal failure, fresh levels":
                     values["goal_failure"], "goal failure, probing levels": scores}
            for words, found in shown.items():
                if found is None:
                    continue
                draws = _bootstrap(lambda rows, found=found, among=among, keep=keep: (
                    0.0, selected(scores[rows], found[rows], among, keep)), len(scores), seed)[:, 1]
                low, high = np.quantile(draws, (0.025, 0.975))
                traces.append(Trace(NAME, f"{setting}, best {keep}", env, study, kind, "runs chosen among", words,
                                    float(among), selected(scores, found, among, keep), float(low), float(high),
                                    len(scores), tuple(ids)))
    return traces
