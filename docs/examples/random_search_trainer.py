"""A trainer of one's own, in one file: random search, which keeps a change of the weights that earns more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from gmexp.agents.config import AgentConfig
from gmexp.agents.networks import network_weights, seen
from gmexp.agents.trainer import Progress, TrainerSpec


@dataclass
class RandomSearchConfig(AgentConfig):
    """What `agent.KEY=VALUE` sets."""

    name: str = "random_search_trainer:SPEC"
    network: str = "semantic"
    num_envs: int = 8
    width: int = 8
    hidden: int = 4
    actions: str = "usual"
    action_repeat: int = 2
    spread: float = 0.1  # of a change
    rollout: int = 16  # steps that judge one


class RandomSearch:
    """The run."""

    def __init__(self, config, task, env, total_steps, seed, device):
        self.config, self.env, self.total_steps, self.steps = config, env, total_steps, 0
        self.generator = torch.Generator().manual_seed(seed)
        self.network = config.build(task, torch.Generator().manual_seed(seed))
        self.actions = np.array(config.action_set(task), np.int32)
        self.observation, self.best = env.reset(), -np.inf

    @property
    def finished(self):
        return self.steps >= self.total_steps

    @torch.no_grad()
    def iterate(self):
        before = {name: weights.clone() for name, weights in self.network.state_dict().items()}
        for weights in self.network.parameters():
            weights.add_(self.config.spread * torch.randn(weights.shape, generator=self.generator))
        earned, lengths = 0.0, []
        for _ in range(self.config.rollout):
            logits, _ = self.network(seen(self.observation, torch.device("cpu")))
            step = self.env.step(self.actions[logits.argmax(1).numpy()])
            self.observation, earned = step.observation, earned + float(step.reward.sum())
            lengths += self.env.log.length[step.terminated | step.truncated].tolist()
        if earned < self.best:
            self.network.load_state_dict(before)
        self.best = max(self.best, earned)
        self.steps += self.config.rollout * self.env.num_envs * self.env.action_repeat
        return Progress(len(lengths), None, None, float(np.mean(lengths)) if lengths else None, None, None, None)

    def state(self):
        return ({f"network.{name}": weights.numpy().copy() for name, weights in self.network.state_dict().items()}
                | {f"env.{name}": array for name, array in self.env.state().items()}
                | {f"seen.{name}": array for name, array in self.observation._asdict().items()}
                | {"generator": self.generator.get_state().numpy(), "best": np.array(self.best),
                   "steps": np.array(self.steps)})

    def restore(self, state):
        def part(prefix):
            return {name.removeprefix(prefix): array.copy() for name, array in state.items() if name.startswith(prefix)}

        self.network.load_state_dict(network_weights(state, self.network))
        self.env.restore(part("env."))
        self.observation = self.observation._make(part("seen.").values())
        self.generator.set_state(torch.from_numpy(state["generator"].copy()))
        self.best, self.steps = float(state["best"]), int(state["steps"])


SPEC = TrainerSpec(RandomSearchConfig, RandomSearch, method="random_search")
