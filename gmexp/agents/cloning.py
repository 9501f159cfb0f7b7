"""Behavioural cloning: PPO's network, storage and loop, but another acts and is imitated.

The demonstrator, scripted or trained, plays the training levels; the policy is fitted to its actions by their
log-likelihood, the value to its returns. The imitating agent never acts itself, so its own success is unknown until it
is evaluated.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from gmexp import artefacts
from gmexp.agents.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from gmexp.agents.config import CloningConfig, ScriptedCloningConfig
from gmexp.agents.networks import Frames, Observation
from gmexp.agents.ppo import PPO, sample_actions
from gmexp.agents.scripted import ScriptedAgent
from gmexp.agents.trainer import Progress
from gmexp.support.errors import UserError
from gmexp.support.seeding import stream
from gmexp_envs import Task, VecEnv


class Demonstrator(NamedTuple):
    """A trained agent to imitate, and the SHA-256 of its file, by which a student knows it."""

    checkpoint: Checkpoint
    digest: str


def trained_demonstrator(config: CloningConfig, task: Task) -> Demonstrator:
    """Whom agent=cloning imitates in an environment.

    UserError where it is missing, damaged, or sees or acts otherwise than its student.
    """
    if config.demonstrator is None:
        raise UserError("agent=cloning needs agent.demonstrator=..., the folder of the run to imitate or its checkpoint")
    file = find_checkpoint(config.demonstrator)
    digest = hashlib.sha256(artefacts.read_bytes(file)).hexdigest()
    whom = _loaded(file, digest)
    if config.observation == "semantic" and whom.task.semantics != task.semantics:
        raise UserError(f"the demonstrator {whom.path} was trained in {whom.task.name}, which does not show what "
                        f"{task.name} shows: student and demonstrator must see and do alike")
    student, demonstrator = ((agent.observation, agent.action_set(where), agent.action_repeat)
                             for agent, where in ((config, task), (whom.agent, whom.task)))
    for key, ours, its in zip(("network", "actions", "action_repeat"), student, demonstrator, strict=True):
        if ours != its:
            raise UserError(f"agent.{key}={getattr(config, key)}, but the demonstrator {whom.path} has "
                            f"{getattr(whom.agent, key)}: student and demonstrator must see and do alike")
    return Demonstrator(whom, digest)


@functools.lru_cache
def _loaded(path: Path, digest: str) -> Checkpoint:
    """Loaded once as long as the file stays the same: a study asks for every run, several times."""
    return load_checkpoint(path)


class TrainedAgent:
    """A trained agent as a demonstrator: its actions are sampled from its policy, by a generator of their own."""

    def __init__(self, checkpoint: Checkpoint, seed: int) -> None:
        self._network = checkpoint.network
        self._generator = torch.Generator(checkpoint.device).manual_seed(seed)
        self._actions = torch.tensor(checkpoint.agent.action_set(checkpoint.task), device=checkpoint.device)

    def act(self, observation: Observation | Frames) -> Tensor:
        """procgen actions, int64 [envs]."""
        logits, _ = self._network(observation)
        return self._actions[sample_actions(logits, self._generator)]

    def state(self) -> dict[str, np.ndarray]:
        """What it needs to go on exactly from here."""
        return {"generator": self._generator.get_state().numpy()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned."""
        self._generator.set_state(torch.from_numpy(state["generator"].copy()))


class Cloning(PPO):
    """A training run with the interface of `ppo.PPO`; `clip` of its configuration means nothing here."""

    config: CloningConfig | ScriptedCloningConfig

    def __init__(self, config: CloningConfig | ScriptedCloningConfig, task: Task, env: VecEnv, total_steps: int, seed: int,
                 device: str = "cpu") -> None:
        super().__init__(config, task, env, total_steps, seed, device)
        self.demonstrator = self._find_demonstrator(seed, device)
        self._index = torch.zeros(env.num_actions, dtype=torch.int64, device=self.device)
        self._index[self._actions.long()] = torch.arange(len(self._actions), device=self.device)

    def _find_demonstrator(self, seed: int, device: str) -> TrainedAgent | ScriptedAgent:
        if isinstance(self.config, CloningConfig):
            file = trained_demonstrator(self.config, self.task).checkpoint.path
            return TrainedAgent(load_checkpoint(file, device), stream(seed, "demonstrator"))
        moves = self.task.action_sets.get("moves", range(self.task.num_actions))
        if missing := sorted(set(moves) - set(self.config.action_set(self.task))):
            raise UserError(f"agent.actions={self.config.actions} lacks the action {missing[0]}, which the demonstrator "
                            "may take: use agent.actions=moves")
        try:
            return ScriptedAgent(self.config.goal, self.task, self.env, seed)
        except ValueError as error:
            raise UserError(str(error)) from error

    def iterate(self) -> Progress:
        """As PPO's; success and return would be the demonstrator's, and stay unknown."""
        return super().iterate()._replace(success=None, mean_return=None)

    def _choose(self, logits: Float[Tensor, "envs actions"]) -> Int[Tensor, " envs"]:
        """What the demonstrator does, whatever the policy thinks of it."""
        actions = self.demonstrator.act(self._observation)
        return self._index[torch.as_tensor(actions, dtype=torch.int64, device=self.device)]

    def _policy_loss(self, logp: Float[Tensor, " batch"], before: Float[Tensor, " batch"],
                     advantage: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Negative log-likelihood of the demonstrator's actions."""
        return -logp.mean()

    def state(self) -> dict[str, np.ndarray]:
        return super().state() | {f"demonstrator.{k}": v for k, v in self.demonstrator.state().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        super().restore(state)
        self.demonstrator.restore({k.removeprefix("demonstrator."): v for k, v in state.items()
                                   if k.startswith("demonstrator.")})
