"""How far a shift moves what the agent sees: measured, where the grade only declares.

In every cell the agent plays one episode per level, and one state of each, at a random time, is kept, so that states
are independent. They are compared with states from other levels of the training distribution:

    rho                measured correlation of the goals: share of levels with the intended goal at the proxy, less the
                       share with it as far away as the level allows
    two_sample         how well a classifier tells the cell's observations from training's: 2 x accuracy - 1 on states
                       it was not fitted to, a lower bound of their total variation distance in [0, 1] up to noise
                       (classifier two-sample test, Lopez-Paz and Oquab 2017)
    feature_distance   energy coefficient of the policy's last hidden layer (Szekely and Rizzo 2013): 0 for equal
                       distributions, 1 at most

In distribution all of them are near zero but rho; how far from zero is their noise.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import gmexp_envs
from gmexp.evaluation.cells import held_out
from gmexp.measures.context import Context, MeasuredRun, mean_over_runs
from gmexp.measures.measure import Measure
from gmexp.rates import text
from gmexp.rates.intervals import Mean
from gmexp.support.seeding import stream
from gmexp_envs.task import Actor, Task
from gmexp_envs.vec import SemanticObservation

if TYPE_CHECKING:
    from scipy import sparse

    from gmexp.agents.networks import Semantic

LEVELS = 400  # of each cell and of the training distribution
DECISIONS = 64  # the kept state is one of the first so many
FOLDS = 5
PENALTY = 0.1  # inverse strength of the classifier's L2 penalty


@dataclass(frozen=True, slots=True)
class Magnitude:
    """How far one run's cell is from its training distribution. `feature_distance` may be slightly below 0 by noise."""

    run_id: str
    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    levels: int
    rho: float
    two_sample: float
    feature_distance: float


class States(NamedTuple):
    """One state of every level."""

    window: np.ndarray  # uint8 [N, rows, columns]
    appearance: np.ndarray  # uint8 [N, features]
    features: np.ndarray  # float32 [N, hidden]
    place: np.ndarray  # int [N]: as `Present.placement`


def take(context: Context) -> list[Magnitude]:
    """Measure the magnitude of every cell of a plan."""
    checkpoint, seed, plan_seed = context.checkpoint, context.train_seed, context.plan.seed
    planned = context.cells()
    reference = dataclasses.replace(context.training, levels=held_out(seed, LEVELS, "validation"), sequential=True)
    distributions = [reference, *(dataclasses.replace(cell.distribution, levels=held_out(seed, LEVELS))
                                  for cell in planned)]
    states = visit(context.task, checkpoint.network, context.actor(), distributions, checkpoint.agent.action_repeat,
                   np.random.default_rng(stream(plan_seed, "states")), stream(plan_seed, "levels"), context.on_progress)
    classes = len(context.task.semantics.classes)
    return [Magnitude(context.run_id, cell.shift_type, cell.shift_name, cell.grade, cell.probe, LEVELS,
                      float(shifted.place.mean()), two_sample(states[0], shifted, classes, plan_seed),
                      energy_coefficient(states[0].features, shifted.features))
            for cell, shifted in zip(planned, states[1:], strict=True)]


def size(context: Context) -> int:
    """How many episodes `take` plays."""
    return (1 + len(context.cells())) * LEVELS


def visit(task: Task, network: Semantic, actor: Actor, distributions: Sequence[Any], action_repeat: int,
          rng: np.random.Generator, seed: int, on_progress: Callable[[int], None] = lambda states: None) -> list[States]:
    """Play every level of the distributions (equally many each) and keep a state -> one `States` per distribution.

    The state is that after 0 to DECISIONS - 1 decisions, chosen at random; or the last one of a shorter episode.
    """
    import torch

    from gmexp.agents.networks import Observation

    levels = distributions[0].num_levels
    env = gmexp_envs.make_vec(task, levels * len(distributions), distribution=distributions, seed=seed,
                              action_repeat=action_repeat)
    when = np.tile(rng.integers(DECISIONS, size=levels), len(distributions))  # the same for the same level
    observation, rows = env.reset(), np.arange(env.num_envs)
    kept = SemanticObservation(*(np.empty_like(part) for part in observation))
    place = env.present.placement
    actions = np.zeros(env.num_envs, np.int32)
    for decision in range(DECISIONS):
        for target, part in zip(kept, observation, strict=True):
            target[rows] = part[rows]
        on_progress(int((when[rows] == decision).sum()))
        rows = rows[when[rows] > decision]
        if len(rows) == 0:
            break
        actions[rows] = actor.act(observation, rows)
        step = env.step(actions, rows, autoreset=False)
        observation = step.observation
        ended = (step.terminated | step.truncated)[rows]
        for target, part in zip(kept, observation, strict=True):
            target[rows[ended]] = part[rows[ended]]
        on_progress(int(ended.sum()))
        rows = rows[~ended]
    env.close()
    with torch.no_grad():
        features = network.features(Observation.of(kept, next(network.parameters()).device)).numpy(force=True)
    return [States(kept.window[part], kept.appearance[part], features[part], place[part])
            for part in (slice(k, k + levels) for k in range(0, env.num_envs, levels))]


def two_sample(first: States, second: States, classes: int, seed: int) -> float:
    """2 x accuracy - 1 of a penalised logistic regression on one-hot cells and appearance, cross-validated."""
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x = sparse.vstack([_one_hot(first, classes), _one_hot(second, classes)]).tocsr()
    y = np.repeat([0, 1], [len(first.window), len(second.window)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=np.random.RandomState(seed % 2**32))
    classifier = LogisticRegression(C=PENALTY, solver="liblinear", random_state=0)
    predicted = cross_val_predict(classifier, x, y, cv=folds)
    return float(2 * (predicted == y).mean() - 1)


def _one_hot(states: States, classes: int) -> sparse.csr_matrix:
    """Tile classes of the window and appearance as sparse indicator columns."""
    from scipy import sparse

    n = len(states.window)
    flat = states.window.reshape(n, -1)
    cells = sparse.csr_matrix((np.ones(flat.size), (np.repeat(np.arange(n), flat.shape[1]),
                                                    (np.arange(flat.shape[1]) * classes + flat).ravel())),
                              shape=(n, flat.shape[1] * classes))
    return sparse.hstack([cells, sparse.csr_matrix(states.appearance.astype(float))]).tocsr()


def energy_coefficient(first: np.ndarray, second: np.ndarray) -> float:
    """Szekely and Rizzo's H = (2 E|X - Y| - E|X - X'| - E|Y - Y'|) / 2 E|X - Y| of two samples [N, D], unbiased sums."""
    from scipy.spatial.distance import cdist, pdist

    between = cdist(first, second).mean()
    within = pdist(first).mean() + pdist(second).mean()
    return float((2 * between - within) / (2 * between)) if between > 0 else 0.0


# --- over runs --------------------------------------------------------------------------------------------------------

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


def pool(runs: Sequence[MeasuredRun]) -> list[CellMagnitude]:
    """Every cell, in the order of conditions and shifts."""
    order = list(dict.fromkeys(run.condition for run in runs))
    cells: dict[tuple, list[Magnitude]] = defaultdict(list)
    for run in runs:
        for row in run.rows:
            cells[order.index(run.condition), row.shift_type, row.shift_name, row.grade, row.probe].append(row)
    return [CellMagnitude(order[position], *cell, float(np.mean([row.rho for row in rows])),
                          mean_over_runs([row.two_sample for row in rows]),
                          mean_over_runs([row.feature_distance for row in rows]))
            for (position, *cell), rows in sorted(cells.items())]


def show(pooled: Sequence[CellMagnitude]) -> str:
    """A row per condition and cell."""
    rows = [(row.condition, text.shift_label(row), f"{row.rho:+.2f}", text.quantity(row.two_sample),
             text.quantity(row.feature_distance)) for row in pooled]
    return text.table(("condition", "shift", "rho", "distance of observations", "of policy features"), rows, right=(2,))


MEASURE = Measure("magnitude", "measured distance of each cell from training", Magnitude, CellMagnitude, take, size, pool,
                  show, frozenset({"semantic view"}))
