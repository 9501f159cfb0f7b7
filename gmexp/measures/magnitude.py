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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import sparse
from scipy.spatial.distance import cdist, pdist

import gmexp_envs
from gmexp import artefacts
from gmexp.agents.checkpoint import Checkpoint
from gmexp.agents.networks import Observation, Semantic
from gmexp.artefacts import tables
from gmexp.evaluation.config import EvaluationPlan
from gmexp.evaluation.evaluate import cells, held_out
from gmexp.evaluation.rollout import Actor
from gmexp.measures.origin import identity
from gmexp.support.seeding import stream
from gmexp_envs.task import Task
from gmexp_envs.vec import SemanticObservation

FILE = "magnitude.parquet"
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

    window: np.ndarray  # uint8 [N, 13, 13]
    look: np.ndarray  # uint8 [N, 86]
    features: np.ndarray  # float32 [N, hidden]
    place: np.ndarray  # int [N]: as `Present.placement`


def measure(checkpoint: Checkpoint, plan: EvaluationPlan, on_progress: Callable[[int], None]) -> Path:
    """Measure the magnitude of every cell of a plan -> magnitude.parquet in the run's folder."""
    training = checkpoint.training
    seed = checkpoint.meta.train_seed
    planned = cells(checkpoint.task, training, plan, seed)
    reference = dataclasses.replace(training, levels=held_out(seed, LEVELS, "validation"), sequential=True)
    distributions = [reference, *(dataclasses.replace(cell.distribution, levels=held_out(seed, LEVELS))
                                  for cell in planned)]
    actor = checkpoint.policy(stream(plan.seed, "policy"), plan.greedy)
    states = visit(checkpoint.task, checkpoint.network, actor, distributions, checkpoint.agent.action_repeat,
                   np.random.default_rng(stream(plan.seed, "states")), stream(plan.seed, "levels"), on_progress)
    classes = len(checkpoint.task.semantics.classes)
    found = [Magnitude(checkpoint.meta.run_id, cell.shift_type, cell.shift_name, cell.grade, cell.probe, LEVELS,
                       float(there.place.mean()), two_sample(states[0], there, classes, plan.seed),
                       energy_coefficient(states[0].features, there.features))
             for cell, there in zip(planned, states[1:], strict=True)]
    origin = artefacts.provenance(None, identity(checkpoint, plan, "magnitude"),
                                  "measured distance of each cell from training")
    return tables.write_table(checkpoint.path.with_name(FILE), found, Magnitude, origin)


def size(checkpoint: Checkpoint, plan: EvaluationPlan) -> int:
    """How many episodes `measure` plays."""
    return (1 + len(cells(checkpoint.task, checkpoint.training, plan))) * LEVELS


def visit(task: Task, network: Semantic, actor: Actor, distributions: Sequence[Any], action_repeat: int,
          rng: np.random.Generator, seed: int, on_progress: Callable[[int], None] = lambda states: None) -> list[States]:
    """Play every level of the distributions (equally many each) and keep a state -> one `States` per distribution.

    The state is that after 0 to DECISIONS - 1 decisions, chosen at random; or the last one of a shorter episode.
    """
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
    from sklearn.linear_model import LogisticRegression  # a second that others need not wait for
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    x = sparse.vstack([_one_hot(first, classes), _one_hot(second, classes)]).tocsr()
    y = np.repeat([0, 1], [len(first.window), len(second.window)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=np.random.RandomState(seed % 2**32))
    classifier = LogisticRegression(C=PENALTY, solver="liblinear", random_state=0)
    predicted = cross_val_predict(classifier, x, y, cv=folds)
    return float(2 * (predicted == y).mean() - 1)


def _one_hot(states: States, classes: int) -> sparse.csr_matrix:
    """Tile classes of the window and appearance as sparse indicator columns."""
    n = len(states.window)
    flat = states.window.reshape(n, -1)
    cells = sparse.csr_matrix((np.ones(flat.size), (np.repeat(np.arange(n), flat.shape[1]),
                                                    (np.arange(flat.shape[1]) * classes + flat).ravel())),
                              shape=(n, flat.shape[1] * classes))
    return sparse.hstack([cells, sparse.csr_matrix(states.appearance.astype(float))]).tocsr()


def energy_coefficient(first: np.ndarray, second: np.ndarray) -> float:
    """Szekely and Rizzo's H = (2 E|X - Y| - E|X - X'| - E|Y - Y'|) / 2 E|X - Y| of two samples [N, D], unbiased sums."""
    between = cdist(first, second).mean()
    within = pdist(first).mean() + pdist(second).mean()
    return float((2 * between - within) / (2 * between)) if between > 0 else 0.0
