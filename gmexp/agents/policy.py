"""A trained network that acts, in any environment that shows what it reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gmexp.agents.networks import seen
from gmexp.agents.ppo import gumbel
from gmexp_envs.vec import SemanticObservation


class Policy:
    """A trained network that acts: samples from its policy, or takes the most probable action.

    The noise of a slot's k-th action depends on the seed, the slot, k and the number of slots alone, so two evaluations
    that share seed and levels share their luck, whoever else is still playing. `slots` is that number where an
    environment has only the first of them.
    """

    def __init__(self, network: nn.Module, actions: Sequence[int], seed: int, greedy: bool = False, slots: int = 0) -> None:
        self.network = network.eval()
        self.greedy = greedy
        self._slots = slots
        self._device = next(network.parameters()).device
        self._generator = torch.Generator(self._device).manual_seed(seed)
        self._actions = torch.tensor(actions, dtype=torch.int32, device=self._device)

    @torch.no_grad()
    def act(self, observation: SemanticObservation | np.ndarray | Tensor,
            rows: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """int32 [len(rows)] actions of the environment for these rows of the observation, a tensor where `rows` is one."""
        shown, chosen = seen(observation, self._device), torch.as_tensor(rows, device=self._device)
        logits, _ = self.network(shown, chosen)
        if not self.greedy:
            slots = max(self._slots, len(shown[0]))
            noise = torch.rand(slots, logits.shape[1], generator=self._generator, device=self._device)
            logits = logits + gumbel(noise[chosen])
        actions = self._actions[logits.argmax(1)]
        return actions if torch.is_tensor(rows) else actions.numpy(force=True)
