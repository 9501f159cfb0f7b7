"""What mitigations need of an agent before it plays: its peers, and what it does on levels of the validation split."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from gmexp.artefacts.study import Study
from gmexp.evaluation.cells import Cell, arms_of, held_out
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.support.errors import UserError
from gmexp_envs.task import SHIFT_NAMES, Actor, ArmName

if TYPE_CHECKING:
    from torch import Tensor

    from gmexp.agents.checkpoint import Checkpoint

Scores = Callable[[Any, Any], Any]  # (what is seen, rows) -> a tensor, float [len(rows)]: higher where it looks worse


def peers(checkpoint: Checkpoint, count: int) -> list[Checkpoint]:
    """`count` runs of the checkpoint's condition in its study, itself first, then those of the next train seeds in turn.

    UserError where there are fewer.
    """
    from gmexp.agents.checkpoint import load_checkpoint

    study = Study(checkpoint.path.parents[2])
    alike = sorted((run for run in study.gather() if run.condition_hash == checkpoint.meta.condition_hash),
                   key=lambda run: run.train_seed)
    first = next((k for k, run in enumerate(alike) if run.run_id == checkpoint.meta.run_id), None)
    if first is None or len(alike) < count:
        raise UserError(f"{study.root} has {len(alike)} runs like {checkpoint.meta.run_id}, of which {count} are needed: "
                        "train more seeds of its condition")
    others = [alike[(first + k) % len(alike)] for k in range(1, count)]
    return [checkpoint, *(load_checkpoint(study.run(run.run_id), checkpoint.device) for run in others)]


def validation_cells(checkpoint: Checkpoint, levels: int, arms: tuple[ArmName, ...] = ("visible",),
                     distinguishing: bool = False) -> list[Cell]:
    """In-distribution levels of the validation split that are the run's own, or their distinguishing set, in some arms."""
    unseen = dataclasses.replace(checkpoint.training, sequential=True,
                                 levels=held_out(checkpoint.meta.train_seed, levels, "validation"))
    task = checkpoint.task
    cell = Cell(0, SHIFT_NAMES[0], 0.0, distinguishing, task.distinguishing(unseen) if distinguishing else unseen)
    return arms_of(task, cell, arms)


def one_each(plan: EvaluationPlan, levels: int) -> EvaluationPlan:
    """A plan's seed and way of acting, for as many levels, each played once in the visible arm."""
    return dataclasses.replace(plan, episodes=levels, slots=levels, arms=["visible"])


def scored(scores: Scores, observation: Any, rows: Any, device: str) -> np.ndarray:
    """The scores of what the instances `rows` see: float64 [len(rows)]."""
    import torch

    from gmexp.agents.networks import seen

    place = torch.device(device)
    with torch.no_grad():
        return scores(seen(observation, place), torch.as_tensor(rows, device=place)).double().numpy(force=True)


class Watching:
    """An actor, and the scores of everything it sees.

    `steps` holds every score in the order in which instances acted (with `keep`), `highest` each instance's highest, `alarm`
    which of its decisions (from 1) first exceeded `threshold`, 0 where none did: an instance plays one episode.
    """

    def __init__(self, actor: Actor, scores: Scores, num_envs: int, device: str = "cpu", keep: bool = True,
                 threshold: float = np.inf) -> None:
        self._actor, self._scores, self._device, self._keep, self._threshold = actor, scores, device, keep, threshold
        self.steps: list[np.ndarray] = []
        self.highest = np.full(num_envs, -np.inf)
        self.alarm = np.zeros(num_envs, np.int64)
        self._decisions = np.zeros(num_envs, np.int64)

    def act(self, observation: Any, rows: Any) -> Any:
        values = scored(self._scores, observation, rows, self._device)
        where = np.asarray(rows if isinstance(rows, np.ndarray) else rows.cpu())
        if self._keep:
            self.steps.append(values)
        self._decisions[where] += 1
        self.highest[where] = np.maximum(self.highest[where], values)
        new = where[(values > self._threshold) & (self.alarm[where] == 0)]
        self.alarm[new] = self._decisions[new]
        return self._actor.act(observation, rows)


def watched(checkpoint: Checkpoint, plan: EvaluationPlan, planned: list[Cell], scores: Scores) -> Watching:
    """The agent plays cells once a level, watched."""
    from gmexp.evaluation.batch import make_env
    from gmexp.evaluation.rollout import play
    from gmexp.support.seeding import stream

    env = make_env(checkpoint.task, planned, plan, checkpoint, device=checkpoint.device)
    watching = Watching(checkpoint.policy(stream(plan.seed, "validation"), plan.greedy), scores, env.num_envs,
                        checkpoint.device)
    play(watching, env, 1)
    env.close()
    return watching


def hidden_steps(checkpoint: Checkpoint, plan: EvaluationPlan, levels: int, planned: list[Cell]) -> Tensor:
    """The agent's last hidden layer at every step on cells of so many levels, each played once: float [steps, hidden]."""
    import torch

    steps: list[Tensor] = []

    def collect(shown: Any, rows: Any) -> Tensor:
        steps.append(checkpoint.network.features(shown, rows).float())
        return steps[-1].new_zeros(len(rows))

    watched(checkpoint, one_each(plan, levels), planned, collect)
    return torch.cat(steps)
