"""Behavioural cloning from scripted demonstrators: PPO's network, storage and loop, but another acts and is imitated.

The demonstrator plays the training levels; the policy is fitted to its actions by their log-likelihood, the value to
its returns. The imitating agent never acts itself, so its own success is unknown until it is evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from envs.vec import VecEnv
from gmexp.agents.ppo import ACTION_SETS, PPO, PPOConfig, Progress
from gmexp.agents.scripted import ScriptedAgent
from gmexp.errors import UserError

PREFIX = "cloning_"  # of agent.name; the demonstrator's name follows


class Cloning(PPO):
    """A training run with the interface of `ppo.PPO`; `clip` of its configuration means nothing here."""

    def __init__(self, config: PPOConfig, env: VecEnv, total_steps: int, seed: int, device: str = "cpu") -> None:
        if missing := sorted(set(ACTION_SETS["moves"]) - set(ACTION_SETS[config.actions])):
            raise UserError(f"agent.actions={config.actions} lacks the action {missing[0]}, which the demonstrator may "
                            "take: use agent.actions=moves")
        super().__init__(config, env, total_steps, seed, device)
        try:
            self.demonstrator = ScriptedAgent(config.name.removeprefix(PREFIX), env, seed)
        except ValueError as error:
            raise UserError(str(error)) from error
        self._index = torch.zeros(env.num_actions, dtype=torch.int64)
        self._index[list(ACTION_SETS[config.actions])] = torch.arange(len(ACTION_SETS[config.actions]))

    def iterate(self) -> Progress:
        """As PPO's; success and return would be the demonstrator's, and stay unknown."""
        return super().iterate()._replace(success=None, mean_return=None)

    def _choose(self, logits: Float[Tensor, "envs actions"]) -> Int[Tensor, " envs"]:
        """What the demonstrator does, whatever the policy thinks of it."""
        return self._index[torch.from_numpy(self.demonstrator.act()).long()].to(self.device)

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
