"""The stage `evaluate` as a plain function: any policy in, records out; it prints nothing and writes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, OutcomeCounts, RunMeta
from gmexp.evaluation.batch import make_env, play_cells
from gmexp.evaluation.cells import cells, in_arms
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.evaluation.policies import as_actor
from gmexp.rates.counting import count_outcomes
from gmexp.rates.estimands import CellEstimands, estimands
from gmexp.support.conf import choices
from gmexp.support.seeding import stream
from gmexp_envs import Task, find_task
from gmexp_envs.shifts import find_factor

if TYPE_CHECKING:
    from gmexp.artefacts.table import Table

    from gmexp.agents.mitigation import Mitigation


@dataclass(frozen=True)
class Evaluation:
    """What a policy did under the shifts."""

    meta: RunMeta  # as far as it is known
    table: Table  # its episodes, with the columns of `records.Episode`
    counts: tuple[OutcomeCounts, ...]  # a row per shift and grade

    @cached_property
    def episodes(self) -> tuple[Episode, ...]:
        return tuple(Episode(**row) for row in self.table.to_pylist())

    @cached_property
    def estimands(self) -> tuple[CellEstimands, ...]:
        """Capability, goal failure and misgeneralization by shift and grade; of one run, nothing is known of the next."""
        return tuple(estimands(self.counts, {self.meta.run_id: self.meta.run_id}))


def evaluate(policy: Any, env: str | Task = "coinrun", *, training: Mapping[str, Any] | Any = None,
             shifts: Sequence[int] = (0, 1, 2, 3, 4), grades: Sequence[float] = (1.0,), probes: Sequence[int] = (0, 1),
             arms: Sequence[str] = ("visible", "masked"), episodes: int = 200, slots: int | None = None, seed: int = 0,
             greedy: bool = False, observation: str = "semantic", action_repeat: int = 1,
             actions: Sequence[int] | None = None, mitigation: Mitigation | None = None, name: str = "policy",
             train_seed: int = 0, levels_cache: Path | str | None = None,
             on_progress: Callable[[int], None] = lambda episodes: None) -> Evaluation:
    """Play any policy under the graded shifts.

    Arguments:
        policy: a callable, a torch module, a stable-baselines3 model, an actor, "intended" or "proxy"
            (`evaluation.policies.as_actor`).
        env: the environment's name, or its task.
        training: what the policy was trained on: keys of the environment's configuration (`{"diversity": 0.3}`), or one of
            the task's level distributions; None for the environment's defaults.
        shifts, grades, probes, arms, episodes, slots, seed, greedy: as `evaluation.plan.EvaluationPlan`; slots is as many
            as episodes for None.
        observation, action_repeat: how the policy sees and acts: "semantic" or "pixels"; game steps that an action lasts.
        actions: those it chooses from.
        mitigation: acts with the policy or in its place.
        name: of the run in the records.
        train_seed: decides which held-out levels are played.
        levels_cache: a folder where what is known of levels is kept for the next time.

    UserError or ValueError for what does not fit.
    """
    task = find_task(env) if isinstance(env, str) else env
    plan = EvaluationPlan(shifts=list(shifts), grades=list(grades), probes=[kind for kind in probes if kind in shifts],
                          attributed=[0], episodes=episodes, slots=episodes if slots is None else slots, seed=seed,
                          greedy=greedy, clips=0, arms=list(arms))
    trained = _training(task, training)
    planned = in_arms(task, cells(task, trained, plan, train_seed), plan.arms)
    made = make_env(task, planned, plan, _Seen(observation, action_repeat))
    try:
        actor = as_actor(policy, task, made, actions, stream(seed, "policy"), greedy)
        actor = mitigation.wrap(actor, made) if mitigation else actor
        meta = _meta(task, trained, name, train_seed)
        cache = None if levels_cache is None else Path(levels_cache)
        table = tables.as_table(play_cells(task, actor, made, planned, plan, meta, cache, on_progress), Episode)
    finally:
        made.close()
    return Evaluation(meta, table, tuple(count_outcomes(table, meta)))


@dataclass(frozen=True)
class _Seen:
    """How a policy sees and acts, as an agent's configuration says it."""

    observation: str
    action_repeat: int
    style: None = None  # frames look as they do where nobody says how


def _training(task: Task, training: Any) -> Any:
    """The level distribution that a policy was trained on."""
    if training is not None and not isinstance(training, Mapping):
        return training
    if task.name not in choices("env"):
        return task.distribution(task.config(**(training or {})))
    from gmexp.support.composition import load
    from gmexp.training.config import TrainConfig

    overrides = [f"env={task.name}", *(f"env.{key}={value}" for key, value in (training or {}).items())]
    return task.distribution(load("train", TrainConfig, overrides).env)


def _meta(task: Task, trained: Any, name: str, train_seed: int) -> RunMeta:
    rho = find_factor(task, "correlation").get(trained)
    unknown = {field.name: None for field in dataclasses.fields(RunMeta)}
    return RunMeta(**unknown | {
        "run_id": name, "experiment_id": "evaluate", "train_seed": train_seed, "env": task.name, "algo": name,
        "train_diversity": 1 - rho, "spurious_corr": rho, "spec_quality": getattr(trained, "spec_quality", None),
        "horizon": trained.horizon, "config_hash": "", "created_utc": ""})
