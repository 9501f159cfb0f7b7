"""Proximal policy optimisation (Schulman et al. 2017) on the semantic view, readable top to bottom.

Rollouts, advantages and updates are tensors on one device from end to end; on the CPU the environment's arrays are
viewed, never converted. One run uses one generator for everything it samples, so equal seeds give equal runs, and
`PPO.state` / `PPO.restore` carry a run over a break bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from envs.vec import SemanticObservation, VecEnv, to_numpy
from gmexp.agents.cells import CELLS, CellLayer

# What the policy chooses from, as procgen actions 3 * x + y (x: left, stay, right; y: down, level, up).
ACTION_SETS = {
    "full": tuple(range(15)),  # procgen's own, six of which do nothing in CoinRun
    "moves": tuple(range(9)),  # one of each
    "jumps": (1, 2, 4, 5, 7, 8),  # left, stay, right, each level or jumping
}
# trainers of this configuration (see `gmexp.train.TRAINERS`)
NAMES = ("ppo", "sb3_ppo", "cloning_coin_seeker", "cloning_proxy_seeker")
ADVANTAGE_FLOOR = 0.02  # added to the spread that advantages are divided by: without rewards they are noise, and stay small


@dataclass
class PPOConfig:
    """Hyperparameters; their values live in conf/agent/*.yaml."""

    name: str  # of the trainer
    num_envs: int
    rollout: int  # steps per environment and iteration
    epochs: int
    minibatches: int
    width: int  # units of the first layer
    hidden: int  # units of the second
    actions: str  # a key of ACTION_SETS
    action_repeat: int  # game steps that an action lasts
    learning_rate: float
    anneal: bool  # learning rate falls linearly to zero
    gamma: float
    gae_lambda: float
    clip: float
    entropy: float
    value_coefficient: float
    max_gradient: float  # norm to which gradients are clipped
    reward_scale: float

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"agent.name = {self.name!r}: choose one of {', '.join(NAMES)}, which train such networks")
        if self.actions not in ACTION_SETS:
            raise ValueError(f"agent.actions = {self.actions!r}: choose one of {', '.join(ACTION_SETS)}")
        for name in ("num_envs", "rollout", "epochs", "minibatches", "width", "hidden", "action_repeat"):
            if getattr(self, name) < 1:
                raise ValueError(f"agent.{name} = {getattr(self, name)} must be at least 1")
        for name in ("learning_rate", "max_gradient", "reward_scale"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"agent.{name} = {getattr(self, name)} must be above 0")
        for name in ("gamma", "gae_lambda", "clip"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"agent.{name} = {getattr(self, name)} is not within [0, 1]")
        for name in ("entropy", "value_coefficient"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"agent.{name} = {getattr(self, name)} must not be negative")
        samples = self.num_envs * self.rollout
        if samples % self.minibatches or samples < 2 * self.minibatches:
            raise ValueError(f"agent.minibatches = {self.minibatches} must divide num_envs x rollout = {samples} into "
                             "parts of at least 2, whose spread scales the advantages")


class Observation(NamedTuple):
    """Tensors of a semantic observation, batch dimensions first."""

    window: Int[Tensor, "*batch cells"]  # uint8
    state: Float[Tensor, "*batch features"]
    look: Int[Tensor, "*batch looks"]  # uint8

    @staticmethod
    def of(observation: SemanticObservation, device: torch.device) -> Observation:
        """View the environment's arrays (copied only onto another device)."""
        window = torch.as_tensor(observation.window, device=device)
        return Observation(window.view(len(window), CELLS), torch.as_tensor(observation.state, device=device),
                           torch.as_tensor(observation.look, device=device))


class Network(nn.Module):
    """Two hidden layers shared by policy and value."""

    def __init__(self, width: int, hidden: int, num_actions: int, generator: torch.Generator) -> None:
        super().__init__()
        self.cells = CellLayer(width, generator)
        self.hidden = _linear(width, hidden, 2**0.5, generator)
        self.policy = _linear(hidden, num_actions, 0.01, generator)
        self.value = _linear(hidden, 1, 1.0, generator)

    def features(self, observation: Observation, rows: Int[Tensor, " batch"] | None = None) -> Float[Tensor, "batch hidden"]:
        """What policy and value read, of all samples or of those that `rows` names."""
        first = self.cells(observation.window, observation.look, observation.state, rows)
        return torch.relu(self.hidden(first))

    def forward(self, observation: Observation, rows: Int[Tensor, " batch"] | None = None,
                ) -> tuple[Float[Tensor, "batch actions"], Float[Tensor, " batch"]]:
        features = self.features(observation, rows)
        return self.policy(features), self.value(features).squeeze(1)


def _linear(inputs: int, outputs: int, gain: float, generator: torch.Generator) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        nn.init.orthogonal_(layer.weight, gain, generator)
        layer.bias.zero_()
    return layer


def sample_actions(logits: Float[Tensor, "batch actions"], generator: torch.Generator) -> Int[Tensor, " batch"]:
    """Draw from softmax(logits) by the Gumbel-max trick (one uniform per action)."""
    return (logits + gumbel(torch.rand(logits.shape, generator=generator, device=logits.device))).argmax(1)


def gumbel(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise from uniforms in [0, 1)."""
    return -torch.log(-torch.log(uniform.clamp(1e-10, 1 - 1e-7)))


def advantages(reward: Float[Tensor, "steps envs"], value: Float[Tensor, "steps_and_one envs"],
               done: Bool[Tensor, "steps envs"], gamma: float, gae_lambda: float) -> Float[Tensor, "steps envs"]:
    """Generalised advantage estimation (Schulman et al. 2016, eq. 16); `value` has one row more than `reward`."""
    out = torch.empty_like(reward)
    running = torch.zeros_like(reward[0])
    alive = (~done).float()
    for t in reversed(range(len(reward))):
        delta = reward[t] + gamma * value[t + 1] * alive[t] - value[t]
        running = delta + gamma * gae_lambda * alive[t] * running
        out[t] = running
    return out


class Progress(NamedTuple):
    """What one iteration reports; means are over the episodes that ended in it, None without any."""

    episodes: int
    success: float | None  # share of them that touched the coin
    mean_return: float | None
    mean_length: float | None
    policy_entropy: float
    value_loss: float
    explained_variance: float


class PPO:
    """A training run: `iterate` until `steps`, counted in game steps, reaches the budget.

    env: a vector environment with semantic observations, not yet reset. seed: the train seed; it fixes initial
    weights, sampled actions and minibatches (the environment has its own seed).
    """

    def __init__(self, config: PPOConfig, env: VecEnv, total_steps: int, seed: int, device: str = "cpu") -> None:
        self.config, self.env, self.total_steps = config, env, total_steps
        self.device = torch.device(device)
        self.steps = 0
        self.network = Network(config.width, config.hidden, len(ACTION_SETS[config.actions]),
                               torch.Generator().manual_seed(seed)).to(self.device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), config.learning_rate, eps=1e-5, fused=True)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self._actions = torch.tensor(ACTION_SETS[config.actions], dtype=torch.int32, device=self.device)
        steps, envs = config.rollout, env.num_envs
        observation = Observation.of(env.reset(), self.device)

        def storage(dtype, *shape):
            return torch.zeros(steps, envs, *shape, dtype=dtype, device=self.device)

        self._stored = Observation(*(storage(part.dtype, *part.shape[1:]) for part in observation))
        self._action, self._logp = storage(torch.int64), storage(torch.float32)
        self._reward, self._done = storage(torch.float32), storage(torch.bool)
        self._value = torch.zeros(steps + 1, envs, device=self.device)
        self._observation = observation

    @property
    def finished(self) -> bool:
        return self.steps >= self.total_steps

    def iterate(self) -> Progress:
        """One rollout and its updates."""
        with self.network.cells.fixed():
            logs = self._collect()
        entropy, value_loss, explained = self._update()
        self.steps += self._reward.numel() * self.env.action_repeat
        count = sum(len(r) for _, r, _ in logs)
        if not count:
            return Progress(0, None, None, None, entropy, value_loss, explained)
        success, returns, lengths = (np.concatenate(part).mean() for part in zip(*logs, strict=True))
        return Progress(count, float(success), float(returns), float(lengths), entropy, value_loss, explained)

    @torch.no_grad()
    def _collect(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Fill the storage with one rollout -> (coin touched, return, length) of the episodes that ended."""
        logs = []
        for t in range(self.config.rollout):
            for stored, part in zip(self._stored, self._observation, strict=True):
                stored[t] = part
            logits, self._value[t] = self.network(self._observation)
            choice = self._choose(logits)
            self._action[t] = choice
            self._logp[t] = torch.log_softmax(logits, 1).gather(1, choice[:, None]).squeeze(1)
            actions = self._actions[choice]
            step = self.env.step(actions.numpy(force=True) if self.env.device == "cpu" else actions)
            self._observation = Observation.of(step.observation, self.device)
            self._reward[t] = torch.as_tensor(step.reward, device=self.device)
            ended = step.terminated | step.truncated
            self._done[t] = torch.as_tensor(ended, device=self.device)
            if ended.any():
                log = self.env.log
                found = log.coin_step[ended] <= log.length[ended], log.episode_return[ended], log.length[ended]
                logs.append(tuple(map(to_numpy, found)))
        self._value[-1] = self.network(self._observation)[1]
        return logs

    def _choose(self, logits: Float[Tensor, "envs actions"]) -> Int[Tensor, " envs"]:
        """What is done in this step, by its number in the action set."""
        return sample_actions(logits, self.generator)

    def _policy_loss(self, logp: Float[Tensor, " batch"], before: Float[Tensor, " batch"],
                     advantage: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The clipped objective, negated: `logp` of the actions taken, now and `before` the updates."""
        ratio = (logp - before).exp()
        a = (advantage - advantage.mean()) / (advantage.std() + ADVANTAGE_FLOOR)
        return -torch.min(ratio * a, ratio.clamp(1 - self.config.clip, 1 + self.config.clip) * a).mean()

    def _update(self) -> tuple[float, float, float]:
        """Optimise the clipped objective over the stored rollout -> (entropy, value loss, explained variance)."""
        c = self.config
        advantage = advantages(self._reward * c.reward_scale, self._value, self._done, c.gamma, c.gae_lambda)
        target = (advantage + self._value[:-1]).flatten()
        residual = target - self._value[:-1].flatten()
        explained = 1 - residual.var() / target.var().clamp_min(1e-8)
        advantage, action, logp = advantage.flatten(), self._action.flatten(), self._logp.flatten()
        observation = Observation(*(part.flatten(0, 1) for part in self._stored))
        if c.anneal:
            self.optimizer.param_groups[0]["lr"] = c.learning_rate * max(0.0, 1 - self.steps / self.total_steps)
        entropies, losses = [], []
        for _ in range(c.epochs):
            order = torch.randperm(len(target), generator=self.generator, device=self.device)
            for rows in order.chunk(c.minibatches):
                rows = rows.sort().values  # in the order of memory
                logits, value = self.network(observation, rows)
                log_policy = torch.log_softmax(logits, 1)
                entropy = -(log_policy.exp() * log_policy).sum(1).mean()
                policy_loss = self._policy_loss(log_policy.gather(1, action[rows, None]).squeeze(1), logp[rows],
                                                advantage[rows])
                value_loss = (value - target[rows]).square().mean()
                loss = policy_loss + c.value_coefficient * value_loss - c.entropy * entropy
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), c.max_gradient, foreach=True)
                self.optimizer.step()
                entropies.append(entropy.detach())
                losses.append(value_loss.detach())
        return float(torch.stack(entropies).mean()), float(torch.stack(losses).mean()), float(explained)

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to go on exactly from here: weights, optimiser, generator, environment."""
        out = {f"network.{k}": v.numpy(force=True) for k, v in self.network.state_dict().items()}
        for index, entry in self.optimizer.state_dict()["state"].items():
            out |= {f"optimizer.{index}.{k}": v.numpy(force=True) for k, v in entry.items()}
        out["generator"] = self.generator.get_state().numpy()
        out["steps"] = np.array(self.steps)
        return out | {f"env.{k}": v for k, v in self.env.state().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in a run built with the same arguments."""
        self.network.load_state_dict(network_weights(state, self.network))
        entries: dict[int, dict[str, Tensor]] = {}
        for key, array in state.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                entries.setdefault(int(index), {})[name] = torch.from_numpy(array.copy())
        self.optimizer.load_state_dict({"state": entries, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.generator.set_state(torch.from_numpy(state["generator"].copy()))
        self.steps = int(state["steps"])
        self.env.restore({k.removeprefix("env."): v for k, v in state.items() if k.startswith("env.")})


def network_weights(arrays: Mapping[str, np.ndarray], network: nn.Module) -> dict[str, Tensor]:
    """The network's part of saved arrays; ValueError where they belong to another architecture."""
    saved = {k.removeprefix("network."): v for k, v in arrays.items() if k.startswith("network.")}
    expected = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    found = {k: v.shape for k, v in saved.items()}
    if found != expected:
        differing = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))
        raise ValueError(f"the weights are of another architecture: {differing[0]} is {found.get(differing[0])}, this "
                         f"network has {expected.get(differing[0])}")
    return {k: torch.from_numpy(v.copy()) for k, v in saved.items()}


class Policy:
    """A trained network that acts: samples from its policy, or takes the most probable action.

    The noise of a slot's k-th action depends on the seed, the slot, k and the number of slots alone, so two evaluations
    that share seed and levels share their luck, whoever else is still playing. `slots` is that number where an
    environment has only the first of them.
    """

    def __init__(self, network: Network, actions: str, seed: int, greedy: bool = False, slots: int = 0) -> None:
        self.network = network.eval()
        self.greedy = greedy
        self._slots = slots
        self._device = next(network.parameters()).device
        self._generator = torch.Generator(self._device).manual_seed(seed)
        self._actions = torch.tensor(ACTION_SETS[actions], dtype=torch.int32, device=self._device)

    @torch.no_grad()
    def act(self, observation: SemanticObservation, rows: np.ndarray | Tensor) -> np.ndarray | Tensor:
        """int32 [len(rows)] procgen actions for these rows of the observation, a tensor where `rows` is one."""
        chosen = SemanticObservation(*(part[rows] for part in observation))
        logits, _ = self.network(Observation.of(chosen, self._device))
        if not self.greedy:
            slots = max(self._slots, len(observation.window))
            noise = torch.rand(slots, logits.shape[1], generator=self._generator, device=self._device)
            logits = logits + gumbel(noise[torch.as_tensor(rows, device=self._device)])
        actions = self._actions[logits.argmax(1)]
        return actions if torch.is_tensor(rows) else actions.numpy(force=True)
