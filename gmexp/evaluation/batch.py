"""All cells of a plan as one batch: the environment they are played in, who acts in it, and their episodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import gmexp_envs
from gmexp.artefacts.records import RunMeta
from gmexp.evaluation.cells import Cell
from gmexp.evaluation.certified import distinguishing_episodes
from gmexp.evaluation.columns import episode_columns
from gmexp.evaluation.plan import EvaluationPlan
from gmexp.evaluation.rollout import play
from gmexp.support.errors import UserError
from gmexp.support.seeding import stream
from gmexp_envs.procgen_family.binary import ProcgenUnavailable
from gmexp_envs.task import Actor, Task
from gmexp_envs.vec import DeviceUnavailable, SemanticObservation, VecEnv


def make_env(task: Task, planned: Sequence[Cell], plan: EvaluationPlan, agent: Any = None, drawable: bool = False,
             backend: str = "native", device: str = "cpu") -> VecEnv:
    """One environment for all cells, `plan.slots` instances each; UserError where procgen or a device is wanted in vain.

    Arguments:
        agent: how it is seen and acted in (`observation`, `action_repeat`, `style` of frames), such as a checkpoint; None
            for semantic and step by step.
        device: the agent's.
    """
    observation, action_repeat, style = (agent.observation, agent.action_repeat, agent.style) if agent else (
        "semantic", 1, None)
    if device != "cpu":
        from gmexp.training.train import env_device

        device = env_device(device, backend)
    try:
        return gmexp_envs.make_vec(task, len(planned) * plan.slots, distribution=[c.distribution for c in planned],
                                   seed=stream(plan.seed, "levels"), observation=observation, action_repeat=action_repeat,
                                   drawable=drawable, backend=backend, device=device, style=style)
    except (ProcgenUnavailable, DeviceUnavailable) as error:
        raise UserError(str(error)) from error


def play_cells(task: Task, actor: Actor, env: VecEnv, planned: Sequence[Cell], plan: EvaluationPlan, meta: RunMeta,
               cache: Path | None = None,
               on_progress: Callable[[int], None] = lambda episodes: None) -> dict[str, np.ndarray]:
    """Play every cell as one batch, in the environment that `make_env` made -> columns of `records.Episode`.

    An episode counts as distinguishing only if its level is certified (`certified.certified_levels`, which uses `cache`).
    """
    log, slot = play(actor, env, plan.episodes // plan.slots, lambda steps, episodes: on_progress(episodes))
    slot = slot % plan.slots
    log = log._replace(distinguishing=distinguishing_episodes(task, log, slot, plan.slots, planned, cache))
    return episode_columns(task, log, slot, planned, plan.seed, meta)


class InTurn:
    """Several actors side by side in one environment: each acts in the next `size` instances, and sees only these.

    So what an actor does is what it would do without the others.
    """

    def __init__(self, actors: Sequence[Actor], size: int) -> None:
        self._actors, self._size = actors, size

    def act(self, observation: SemanticObservation | Any, rows: Any) -> Any:
        """int32 [len(rows)] actions; `rows` in ascending order."""
        actions = []
        for number, actor in enumerate(self._actors):
            first = number * self._size
            own = rows[(rows >= first) & (rows < first + self._size)]
            if len(own):
                actions.append(actor.act(_part(observation, slice(first, first + self._size)), own - first))
        if isinstance(rows, np.ndarray):
            return np.concatenate(actions)
        import torch

        return torch.cat(actions)


def _part(observation: SemanticObservation | Any, chosen: slice) -> SemanticObservation | Any:
    if isinstance(observation, SemanticObservation):
        return SemanticObservation(*(part[chosen] for part in observation))
    return observation[chosen]
