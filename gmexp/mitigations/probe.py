"""A linear probe: can the intended goal's place, as seen from the agent, be read off the last hidden layer (Alain and Bengio
2017)? And does an agent in which it can be read pursue that goal, over runs?

The agent plays distinguishing levels of the validation split; ridge regression on the steps of every other level predicts
the cells across and up to the goal on the others. R2 is of both together, and may be negative. Knowing is not wanting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import OutcomeCounts
from gmexp.evaluation.cells import held_out
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.mitigations.agents import one_each, scored, validation_cells
from gmexp.rates.mitigated import Trace
from gmexp.support.seeding import stream

if TYPE_CHECKING:
    from gmexp.agents.checkpoint import Checkpoint

NAME, FILE = "linear_probe", "probe.parquet"
RIDGE = 1e-3  # of the features' mean square


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probe of one run found."""

    run_id: str
    train_seed: int
    r2: float
    steps: int  # on the levels that it was judged on


def probe(checkpoint: Checkpoint, plan: EvaluationPlan, levels: int) -> Path:
    """Probe an agent -> its probe.parquet. One of the same plan is left as it is. ValueError where goals are no cells."""
    from gmexp.evaluation.batch import make_env
    from gmexp.evaluation.rollout import play

    path, meta = checkpoint.path.with_name(FILE), checkpoint.meta
    identity = {"run": meta.config_hash, "probe": levels, "seed": plan.seed, "greedy": plan.greedy,
                "levels": held_out(meta.train_seed, levels, "validation")}
    if tables.made_from(path) == artefacts.config_hash(identity):
        return path
    planned = validation_cells(checkpoint, levels, distinguishing=True)
    env = make_env(checkpoint.task, planned, one_each(plan, levels), checkpoint, device=checkpoint.device)
    recording = _Recording(checkpoint.policy(stream(plan.seed, "probe"), plan.greedy), checkpoint, env)
    play(recording, env, 1)
    env.close()
    level, features, target = (np.concatenate(part) for part in zip(*recording.rows, strict=True))
    half = level % 2 == 0
    row = Probed(meta.run_id, meta.train_seed, r_squared(features[half], target[half], features[~half], target[~half]),
                 int((~half).sum()))
    return tables.write_table(path, [row], Probed, artefacts.provenance(None, identity, "a linear probe of a trained agent"))


def r_squared(features: np.ndarray, target: np.ndarray, new_features: np.ndarray, new_target: np.ndarray) -> float:
    """R2 on new steps of ridge regression on others: features [steps, hidden], targets [steps, 2]."""
    centre, mean = features.mean(0), target.mean(0)
    x, y = features - centre, target - mean
    penalty = RIDGE * max(float(np.square(x).mean()), 1e-12) * len(x)
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    residual = new_target - mean - (new_features - centre) @ weights
    spread = new_target - new_target.mean(0)
    return float(1 - np.square(residual).sum() / max(float(np.square(spread).sum()), 1e-12))


class _Recording:
    """An actor, and at every step its level's number, its features and the cells to the goal."""

    def __init__(self, actor: Any, checkpoint: Checkpoint, env: Any) -> None:
        self._actor, self._network, self._env, self._device = actor, checkpoint.network, env, checkpoint.device
        self.rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def act(self, observation: Any, rows: np.ndarray) -> np.ndarray:
        features = scored(lambda shown, chosen: self._network.features(shown, chosen), observation, rows, self._device)
        apart = np.asarray(self._env.goal_cells)[rows] - np.asarray(self._env.agent_cells)[rows]
        self.rows.append((np.array(rows), features, apart.astype(float)))
        return self._actor.act(observation, rows)


def traces(found: Sequence[Probed], counts: Sequence[OutcomeCounts], study: str, setting: str) -> list[Trace]:
    """Goal failure under each shift against the probe's R2, a point a run, at full grade."""
    by_run = {row.run_id: row for row in found}
    probed_shifts = {row.shift_type for row in counts if row.probe}
    return [Trace(NAME, setting, row.env, study, row.shift_type, "R2 of the probe", "goal failure", by_run[row.run_id].r2,
                  row.goal_failure, None, None, 1, (row.run_id,))
            for row in counts if row.run_id in by_run and row.goal_failure is not None and row.grade in (0.0, 1.0)
            and row.probe == (row.shift_type in probed_shifts)]
