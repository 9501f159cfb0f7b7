"""Proximal policy optimisation (Schulman et al. 2017), readable top to bottom but for its settings and the networks.

Rollouts, advantages and updates are tensors on one device from end to end; on the CPU the environment's arrays are
viewed, never converted. One run uses one generator for everything it samples, so equal seeds give equal runs, and
`PPO.state` / `PPO.restore` carry a run over a break bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from gmexp.agents.adam import Adam
from gmexp.agents.config import PPOConfig
from gmexp.agents.fused import ADVANTAGE_FLOOR, FusedGradient, Samples, fusible
from gmexp.agents.networks import Frames, Observation, check_seen, network_weights, seen
from gmexp.agents.trainer import Progress
from gmexp_envs import Task
from gmexp_envs.vec import VecEnv

REWARD_LIMIT = 10.0  # of normalised rewards


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


def _ascending(rows: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Numbers in order; numpy's way of it is several times as fast as torch's."""
    return torch.from_numpy(np.sort(rows.numpy())) if rows.device.type == "cpu" else rows.sort().values


class RewardNormalizer:
    """Divides rewards by the running spread of the discounted returns they add up to, as OpenAI's baselines do.

    The variance runs over all steps of all environments so far (Chan et al. 1979 merge the batches).
    """

    def __init__(self, discount: float, num_envs: int, device: torch.device) -> None:
        self.discount = discount
        self.state = {"returns": torch.zeros(num_envs, device=device)} | {
            name: torch.zeros((), dtype=torch.float64, device=device) for name in ("count", "mean", "squares")}

    def __call__(self, reward: Float[Tensor, " envs"], done: Bool[Tensor, " envs"]) -> Float[Tensor, " envs"]:
        """The step's rewards, normalised."""
        s = self.state
        s["returns"] = self.discount * s["returns"] + reward
        batch, n = s["returns"].double(), len(reward)
        count, surprise = s["count"] + n, batch.mean() - s["mean"]
        s["squares"] = s["squares"] + (batch - batch.mean()).square().sum() + surprise**2 * s["count"] * n / count
        s["mean"], s["count"] = s["mean"] + surprise * n / count, count
        s["returns"] = s["returns"] * ~done
        spread = (s["squares"] / count).sqrt().float() + 1e-4
        return (reward / spread).clamp(-REWARD_LIMIT, REWARD_LIMIT)


class Rollout(NamedTuple):
    """What the last rollout met, and thought of it; overwritten by the next."""

    reward: Float[Tensor, "steps envs"]
    value: Float[Tensor, "steps_and_one envs"]
    done: Bool[Tensor, "steps envs"]


class PPO:
    """A training run: `iterate` until `steps`, counted in game steps, reaches the budget.

    task: what is trained in. env: its vector environment, which shows what the network reads, not yet reset. seed: the
    train seed; it fixes initial weights, sampled actions and minibatches (the environment has its own seed).
    """

    def __init__(self, config: PPOConfig, task: Task, env: VecEnv, total_steps: int, seed: int, device: str = "cpu") -> None:
        self.config, self.task, self.env, self.total_steps = config, task, env, total_steps
        self.device = torch.device(device)
        self.steps = 0
        self.network = config.build(task, torch.Generator().manual_seed(seed)).to(self.device)
        self._called = torch.compile(self.network) if config.compile else self.network
        self.optimizer = Adam(self.network.parameters(), config.learning_rate, eps=1e-5)
        self._gradient: Callable[[Samples, Tensor], tuple[Tensor, Tensor]] = self._autograd
        if config.fused and self._plain_loss and fusible(self.network):
            self._gradient = FusedGradient(self.network, config, config.num_envs * config.rollout // config.minibatches)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self._actions = torch.tensor(config.action_set(task), dtype=torch.int32, device=self.device)
        steps, envs = config.rollout, env.num_envs
        observation = seen(env.reset(), self.device)
        check_seen(observation, task)

        def storage(dtype, *shape):
            return torch.zeros(steps, envs, *shape, dtype=dtype, device=self.device)

        self._stored = observation._make(storage(part.dtype, *part.shape[1:]) for part in observation)
        self._action, self._logp = storage(torch.int64), storage(torch.float32)
        self._reward, self._done = storage(torch.float32), storage(torch.bool)
        # of the episodes that end: whether the intended goal was reached, return, length
        self._success, self._return, self._length = storage(torch.bool), storage(torch.float32), storage(torch.int32)
        self._value = torch.zeros(steps + 1, envs, device=self.device)
        self._observation = observation
        self._normalizer = None
        if config.reward_normalization is not None:
            self._normalizer = RewardNormalizer(config.reward_normalization, envs, self.device)

    @property
    def finished(self) -> bool:
        return self.steps >= self.total_steps

    @property
    def _plain_loss(self) -> bool:
        """Whether the loss is this class's, and no subclass's own."""
        parts = ("_autograd", "_predict", "_policy_loss", "_value_loss")
        return all(getattr(type(self), name) is getattr(PPO, name) for name in parts)

    def iterate(self) -> Progress:
        """One rollout and its updates."""
        self.collect()
        return self.learn()

    def begin(self, observation: Any) -> None:
        """Go on from an observation: the environment was set to other episodes."""
        self._observation = seen(observation, self.device)

    def collect(self) -> Rollout:
        """One rollout."""
        with self.network.fixed():
            self._collect()
        return Rollout(self._reward, self._value, self._done)

    def learn(self) -> Progress:
        """The updates that follow a rollout."""
        entropy, value_loss, explained = self._update()
        self.steps += self._reward.numel() * self.env.action_repeat
        if not (count := int(self._done.sum())):
            return Progress(0, None, None, None, entropy, value_loss, explained)
        success, returns, lengths = (float(part[self._done].numpy(force=True).mean())
                                     for part in (self._success, self._return, self._length))
        return Progress(count, success, returns, lengths, entropy, value_loss, explained)

    @torch.no_grad()
    def _collect(self) -> None:
        """Fill the storage with one rollout."""
        for t in range(self.config.rollout):
            for stored, part in zip(self._stored, self._observation, strict=True):
                stored[t] = part
            logits, self._value[t] = self._predict(self._observation)
            choice = self._choose(logits)
            self._action[t] = choice
            self._logp[t] = torch.log_softmax(logits, 1).gather(1, choice[:, None]).squeeze(1)
            actions = self._actions[choice]
            step = self.env.step(actions.numpy(force=True) if self.env.device == "cpu" else actions)
            self._observation = seen(step.observation, self.device)
            self._reward[t] = torch.as_tensor(step.reward, device=self.device)
            ended = step.terminated | step.truncated
            self._done[t] = torch.as_tensor(ended, device=self.device)
            log = self.env.log  # of earlier episodes where none has ended; nothing waits for a device to tell
            self._return[t] = torch.as_tensor(log.episode_return, device=self.device)
            self._length[t] = torch.as_tensor(log.length, device=self.device)
            self._success[t] = torch.as_tensor(log.intended_step, device=self.device) <= self._length[t]
            if self._normalizer:
                self._reward[t] = self._normalizer(self._reward[t], self._done[t])
        self._value[-1] = self._predict(self._observation)[1]

    def _predict(self, observation: Observation | Frames, rows: Int[Tensor, " batch"] | None = None,
                 ) -> tuple[Float[Tensor, "batch actions"], Float[Tensor, " batch"]]:
        """Logits and values in float32, whatever the network computes in."""
        if self.config.precision == "float32":
            return self._called(observation, rows)
        with torch.autocast(self.device.type, getattr(torch, self.config.precision)):
            logits, value = self._called(observation, rows)
        return logits.float(), value.float()

    def _choose(self, logits: Float[Tensor, "envs actions"]) -> Int[Tensor, " envs"]:
        """What is done in this step, by its number in the action set."""
        return sample_actions(logits, self.generator)

    def _policy_loss(self, logp: Float[Tensor, " batch"], before: Float[Tensor, " batch"],
                     advantage: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
        """The clipped objective, negated: `logp` of the actions taken, now and `before` the updates."""
        ratio = (logp - before).exp()
        a = (advantage - advantage.mean()) / (advantage.std() + ADVANTAGE_FLOOR)
        return -torch.min(ratio * a, ratio.clamp(1 - self.config.clip, 1 + self.config.clip) * a).mean()

    def _value_loss(self, value: Float[Tensor, " batch"], before: Float[Tensor, " batch"],
                    target: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Mean squared error; with `value_clip` of whichever is worse, the value or what it may move to."""
        error = (value - target).square()
        if self.config.value_clip:
            moved = before + (value - before).clamp(-self.config.clip, self.config.clip)
            error = torch.max(error, (moved - target).square())
        return error.mean()

    def _update(self) -> tuple[float, float, float]:
        """Optimise the clipped objective over the stored rollout -> (entropy, value loss, explained variance)."""
        c = self.config
        advantage = advantages(self._reward * c.reward_scale, self._value, self._done, c.gamma, c.gae_lambda)
        target = (advantage + self._value[:-1]).flatten()
        residual = target - self._value[:-1].flatten()
        explained = 1 - residual.var() / target.var().clamp_min(1e-8)
        samples = Samples(self._stored._make(part.flatten(0, 1) for part in self._stored), self._action.flatten(),
                          self._logp.flatten(), advantage.flatten(), self._value[:-1].flatten(), target)
        if isinstance(self._gradient, FusedGradient):
            samples = self._gradient.noted(samples)
        if c.anneal:
            self.optimizer.learning_rate = c.learning_rate * max(0.0, 1 - self.steps / self.total_steps)
        entropies, losses = [], []
        for _ in range(c.epochs):
            order = torch.randperm(len(target), generator=self.generator, device=self.device)
            for rows in order.chunk(c.minibatches):
                rows = _ascending(rows)  # in the order of memory
                entropy, value_loss = self._gradient(samples, rows)
                nn.utils.clip_grad_norm_(self.network.parameters(), c.max_gradient, foreach=True)
                self.optimizer.step()
                entropies.append(entropy)
                losses.append(value_loss)
        return float(torch.stack(entropies).mean()), float(torch.stack(losses).mean()), float(explained)

    def _autograd(self, samples: Samples, rows: Int[Tensor, " batch"]) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The gradient of a minibatch goes to the weights' `.grad` -> (entropy, value loss); by autograd."""
        logits, value = self._predict(samples.observation, rows)
        log_policy = torch.log_softmax(logits, 1)
        entropy = -(log_policy.exp() * log_policy).sum(1).mean()
        policy_loss = self._policy_loss(log_policy.gather(1, samples.action[rows, None]).squeeze(1), samples.logp[rows],
                                        samples.advantage[rows])
        value_loss = self._value_loss(value, samples.value[rows], samples.target[rows])
        loss = policy_loss + self.config.value_coefficient * value_loss - self.config.entropy * entropy
        self.optimizer.zero_grad()
        loss.backward()
        return entropy.detach(), value_loss.detach()

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to go on exactly from here: weights, optimiser, generator, environment."""
        out = {f"network.{k}": v.numpy(force=True) for k, v in self.network.state_dict().items()}
        out |= self.optimizer.state()
        out["generator"] = self.generator.get_state().numpy()
        out["steps"] = np.array(self.steps)
        if self._normalizer:
            out |= {f"normalizer.{k}": v.numpy(force=True) for k, v in self._normalizer.state.items()}
        return out | {f"env.{k}": v for k, v in self.env.state().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in a run built with the same arguments."""
        self.network.load_state_dict(network_weights(state, self.network))
        self.optimizer.restore(state)
        self.generator.set_state(torch.from_numpy(state["generator"].copy()))
        self.steps = int(state["steps"])
        if self._normalizer:
            self._normalizer.state = {k: torch.from_numpy(state[f"normalizer.{k}"].copy()).to(self.device)
                                      for k in self._normalizer.state}
        self.env.restore({k.removeprefix("env."): v for k, v in state.items() if k.startswith("env.")})
