"""The critic study: what the value function makes of the intended goal, before and behind the proxy.

The agent acts on training-like levels whose intended goal is masked at the proxy, and on which it can go on past the proxy
(`Task.goal_in_view`; in Langosco et al. 2022, the permeable wall). Every state is valued twice: as it is, without the
intended goal, and with it drawn in at the proxy. So both values are of the same state, and their difference is what seeing
the intended goal is worth to the critic. Values are in units of the scaled reward: a critic that is sure of it says 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import gmexp_envs
from gmexp import artefacts
from gmexp.artefacts.upgrades import renamed
from gmexp.evaluation.cells import held_out
from gmexp.measures.context import Context, MeasuredRun, by_condition, mean_over_runs
from gmexp.measures.measure import Measure
from gmexp.rates import text
from gmexp.rates.intervals import Mean
from gmexp.support.seeding import stream
from gmexp_envs.task import Actor, GoalInView
from gmexp_envs.vec import SemanticObservation, VecEnv

if TYPE_CHECKING:
    from gmexp.agents.networks import Semantic

REWARD = 10  # of reaching the intended goal, in procgen's units
STEPS = 400  # game steps that are watched of each level


@dataclass(frozen=True, slots=True)
class CriticRow:
    """What one run's critic makes of the states at one distance to the proxy; None without such states."""

    run_id: str
    watched: int  # levels
    reached_proxy: int  # of these
    passed_proxy: int
    distance: int  # cells, negative behind the proxy
    levels: int  # with states at this distance
    pairs: int  # of these, with states that have the proxy's cell in view
    value: float | None  # in units of reward
    without_goal: float | None  # of the pairs
    with_goal: float | None


class Profile(NamedTuple):
    """Sums over states by level and distance to the proxy: values without and with the intended goal, and how many."""

    without: np.ndarray  # float64 [levels, distances]
    paired: np.ndarray  # the same, of states that have the proxy's cell in view
    with_goal: np.ndarray
    states: np.ndarray  # int64
    pairs: np.ndarray  # states with the proxy's cell in view


def take(context: Context) -> list[CriticRow]:
    """Watch a checkpoint's critic."""
    checkpoint, plan, view = context.checkpoint, context.plan, context.task.goal_in_view
    distribution = dataclasses.replace(view.distribution(context.training), horizon=STEPS, sequential=True,
                                       levels=held_out(context.train_seed, plan.slots))
    env = gmexp_envs.make_vec(context.task, plan.slots, distribution=distribution, seed=stream(plan.seed, "levels"),
                              action_repeat=checkpoint.agent.action_repeat)
    profile, reached, passed = watch(view, checkpoint.network, context.actor(), env, context.on_progress)
    env.close()
    watched = plan.slots, int(reached.sum()), int(passed.sum())
    return [CriticRow(context.run_id, *watched, **row)
            for row in rows(profile, view.nearest, checkpoint.agent.reward_scale * REWARD)]


def size(context: Context) -> int:
    """How many levels `take` plays."""
    return context.plan.slots


def watch(view: GoalInView, network: Semantic, actor: Actor, env: VecEnv,
          on_progress: Callable[[int], None] = lambda levels: None) -> tuple[Profile, np.ndarray, np.ndarray]:
    """Play one episode in every instance -> (profile, proxy reached, proxy passed), the latter two bool [N]."""
    n, distances = env.num_envs, view.farthest - view.nearest + 1
    profile = Profile(*(np.zeros((n, distances), kind) for kind in (float, float, float, np.int64, np.int64)))
    reached, passed = np.zeros(n, bool), np.zeros(n, bool)
    actions = np.zeros(n, np.int32)
    observation, rows = env.reset(), np.arange(n)
    past = view.past(env)
    while len(rows):
        distance = view.distance(env)[rows]
        reached[rows] |= distance <= 0
        passed[rows] |= distance <= -past[rows]
        inside = (distance >= view.nearest) & (distance <= view.farthest)
        _add(view, profile, network, observation, env, rows[inside], distance[inside])
        actions[rows] = actor.act(observation, rows)
        step = env.step(actions, rows, autoreset=False)
        observation = step.observation
        ended = (step.terminated | step.truncated)[rows]
        on_progress(int(ended.sum()))
        rows = rows[~ended]
    return profile, reached, passed


def _add(view: GoalInView, profile: Profile, network: Semantic, observation: SemanticObservation, env: VecEnv,
         rows: np.ndarray, distance: np.ndarray) -> None:
    """Value the states of the instances `rows`, that far from the proxy, and add them up."""
    if len(rows) == 0:
        return
    seen = SemanticObservation(*(part[rows] for part in observation))
    without = _values(network, seen)
    at = (rows, distance - view.nearest)
    np.add.at(profile.without, at, without)
    np.add.at(profile.states, at, 1)
    visible, window = view.drawn(seen.window, env, rows)
    if len(visible) == 0:
        return
    changed = SemanticObservation(window, seen.state[visible], seen.appearance[visible])
    at = (rows[visible], distance[visible] - view.nearest)
    np.add.at(profile.paired, at, without[visible])
    np.add.at(profile.with_goal, at, _values(network, changed))
    np.add.at(profile.pairs, at, 1)


def _values(network: Semantic, seen: SemanticObservation) -> np.ndarray:
    import torch

    from gmexp.agents.networks import Observation

    with torch.no_grad():
        return network(Observation.of(seen, next(network.parameters()).device))[1].numpy(force=True)


def rows(profile: Profile, nearest: int, scale: float) -> list[dict[str, Any]]:
    """The profile by distance: means over levels of each level's own mean, divided by `scale`; None without states."""

    def mean(sums: np.ndarray, counts: np.ndarray) -> float | None:
        known = counts > 0
        return float((sums[known] / counts[known]).mean() / scale) if known.any() else None

    return [{"distance": k + nearest, "levels": int((profile.states[:, k] > 0).sum()),
             "pairs": int((profile.pairs[:, k] > 0).sum()),
             "value": mean(profile.without[:, k], profile.states[:, k]),
             "without_goal": mean(profile.paired[:, k], profile.pairs[:, k]),
             "with_goal": mean(profile.with_goal[:, k], profile.pairs[:, k])} for k in range(profile.states.shape[1])]


def older(folder: Path) -> list[CriticRow] | None:
    """The rows of an earlier version's critic.json; None without one."""
    path = folder / "critic.json"
    if not path.is_file():
        return None
    content = renamed(artefacts.read_json(path, required=("run_id", "levels", "profile")), path)
    watched = content["run_id"], content["levels"], content["reached_proxy"], content["passed_proxy"]
    return [CriticRow(*watched, **row) for row in content["profile"]]


# --- over runs --------------------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class CriticStudy:
    """What the intended goal is worth to the critics of a condition; profiles are means over runs by distance to the
    proxy."""

    condition: str
    n_runs: int
    before: Mean  # value with the goal in view minus without, from one cell before the proxy to where the view ends
    behind: Mean  # the same behind it
    passed: Mean  # share of levels whose proxy was reached on which the agent went on past it
    distance: tuple[int, ...]
    value: tuple[float | None, ...]
    with_goal: tuple[float | None, ...]
    without_goal: tuple[float | None, ...]


def pool(runs: Sequence[MeasuredRun]) -> list[CriticStudy]:
    """Every condition's critics."""
    return [_condition(condition, measured) for condition, measured in by_condition(runs).items()]


def _condition(condition: str, runs: Sequence[MeasuredRun]) -> CriticStudy:
    near = gmexp_envs.task_of(runs[0].meta.env).semantics.window[1] // 2  # cells within which the critic sees the proxy
    profiles = [{row.distance: row for row in run.rows} for run in runs]
    distances = tuple(sorted(profiles[0]))

    def over_runs(name: str) -> tuple[float | None, ...]:
        known = [[getattr(p[d], name) for p in profiles if getattr(p[d], name) is not None] for d in distances]
        return tuple(float(np.mean(values)) if values else None for values in known)

    first = [run.rows[0] for run in runs]
    return CriticStudy(
        condition, len(runs), mean_over_runs([_worth(p, range(1, near + 1)) for p in profiles]),
        mean_over_runs([_worth(p, range(-near, 0)) for p in profiles]),
        mean_over_runs([row.passed_proxy / row.reached_proxy if row.reached_proxy else None for row in first]),
        distances, over_runs("value"), over_runs("with_goal"), over_runs("without_goal"))


def _worth(profile: Mapping[int, CriticRow], distances: range) -> float | None:
    """Mean over distances of the value with the intended goal minus without."""
    known = [profile[d].with_goal - profile[d].without_goal for d in distances
             if d in profile and profile[d].with_goal is not None]
    return float(np.mean(known)) if known else None


def show(pooled: Sequence[CriticStudy]) -> str:
    """A row per condition."""
    rows = [(row.condition, row.n_runs, text.quantity(row.before, signed=True), text.quantity(row.behind, signed=True),
             text.quantity(row.passed)) for row in pooled]
    head = ("value of seeing the goal", "runs", "before the proxy", "behind it", "goes on past it")
    return text.table(head, rows, right=(1,))


MEASURE = Measure("critic", "the critic's value of the same states with and without the intended goal at the proxy",
                  CriticRow, CriticStudy, take, size, pool, show, frozenset({"semantic view", "goal in view"}), older)
