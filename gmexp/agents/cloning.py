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
from gmexp.agents.networks import Frames, Observation
from gmexp.agents.ppo import PPO, PPOConfig, Progress, sample_actions
from gmexp.agents.scripted import ScriptedAgent
from gmexp.support.errors import UserError
from gmexp.support.seeding import stream
from gmexp_envs import Task, VecEnv

PREFIX = "cloning_"  # of agent.name; the scripted demonstrator's name follows


class Demonstrator(NamedTuple):
    """A trained agent to imitate, and the SHA-256 of its file, by which a student knows it."""

    checkpoint: Checkpoint
    digest: str


def trained_demonstrator(config: PPOConfig) -> Demonstrator | None:
    """Whom agent=cloning imitates, None for other trainers.

    UserError where it is missing, damaged, or sees or acts otherwise than its student.
    """
    path = config.demonstrator
    if config.name != "cloning":
        if path is not None:
            raise UserError(f"agent.demonstrator={path} is for agent=cloning: agent={config.name} imitates no trained agent")
        return None
    if path is None:
        raise UserError("agent=cloning needs agent.demonstrator=..., the folder of the run to imitate or its checkpoint")
    file = find_checkpoint(path)
    digest = hashlib.sha256(artefacts.read_bytes(file)).hexdigest()
    found = _loaded(file, digest)
    for same, key in (("observation", "network"), ("actions", "actions"), ("action_repeat", "action_repeat")):
        if getattr(found.agent, same) != getattr(config, same):
            raise UserError(f"agent.{key}={getattr(config, key)}, but the demonstrator {found.path} has "
                            f"{getattr(found.agent, key)}: student and demonstrator must see and do alike")
    return Demonstrator(found, digest)


@functools.lru_cache
def _loaded(path: Path, digest: str) -> Checkpoint:
    """Loaded once as long as the file stays the same: a study asks for every run, several times."""
    return load_checkpoint(path)


class TrainedAgent:
    """A trained agent as a demonstrator: its actions are sampled from its policy, by a generator of their own."""

    def __init__(self, checkpoint: Checkpoint, seed: int) -> None:
        self._network = checkpoint.network
        self._generator = torch.Generator(checkpoint.device).manual_seed(seed)
        self._actions = torch.tensor(checkpoint.task.action_sets[checkpoint.agent.actions], device=checkpoint.device)

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

    def __init__(self, config: PPOConfig, task: Task, env: VecEnv, total_steps: int, seed: int, device: str = "cpu") -> None:
        super().__init__(config, task, env, total_steps, seed, device)
        self.demonstrator = self._find_demonstrator(seed, device)
        self._index = torch.zeros(env.num_actions, dtype=torch.int64, device=self.device)
        self._index[self._actions.long()] = torch.arange(len(self._actions), device=self.device)

    def _find_demonstrator(self, seed: int, device: str) -> TrainedAgent | ScriptedAgent:
        if (trained := trained_demonstrator(self.config)) is not None:
            return TrainedAgent(load_checkpoint(trained.checkpoint.path, device), stream(seed, "demonstrator"))
        sets = self.task.action_sets
        if missing := sorted(set(sets["moves"]) - set(sets[self.config.actions])):
            raise UserError(f"agent.actions={self.config.actions} lacks the action {missing[0]}, which the demonstrator "
                            "may take: use agent.actions=moves")
        try:
            return ScriptedAgent(self.config.name.removeprefix(PREFIX), self.task, self.env, seed)
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
