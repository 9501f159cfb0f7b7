"""stable-baselines3's PPO as a second trainer: another implementation of the same algorithm, the same checkpoints.

`SB3VecEnv` shows any of our vector environments to stable-baselines3. `SB3PPO` trains the network of `networks.Semantic` by
SB3's own code, iteration by iteration, behind the interface of `ppo.PPO`; the weights go back and forth, so checkpoints
are evaluated by the same stages. Its global random numbers are the run's own: they are put in place before each
iteration and taken away after it, which also makes its runs resumable bit for bit.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO as TheirPPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv as TheirVecEnv
from torch import Tensor, nn

from gmexp.agents.config import SB3PPOConfig
from gmexp.agents.networks import Observation, Semantic, network_weights
from gmexp.agents.trainer import Progress
from gmexp_envs import Task, find_task
from gmexp_envs.task import Semantics
from gmexp_envs.vec import SemanticObservation, VecEnv

Shown = dict[str, np.ndarray] | np.ndarray


class SB3VecEnv(TheirVecEnv):
    """One of our vector environments as stable-baselines3 wants it.

    Semantic observations are dicts of `window` (uint8, flat), `state` (float32) and `appearance` (uint8); pixels are uint8
    images. Each step copies the observation once, because SB3 keeps the one before. Infos hold what SB3 reads:
    the last observation of an episode cut off by the horizon, and its return and length.

    Arguments:
        env: the environment; this adapter owns it from then on.
        task: the environment's task, or its name.
        actions: the actions to offer, by the environment's numbers (all of them for None).
        reward_scale: what rewards are multiplied by.
    """

    def __init__(self, env: VecEnv, task: Task | str, actions: Sequence[int] | None = None,
                 reward_scale: float = 1.0) -> None:
        self.native = env
        self._table = np.array(range(env.num_actions) if actions is None else actions, np.int32)
        self._reward_scale = reward_scale
        self._chosen = np.zeros(env.num_envs, np.int32)
        if env.observation == "pixels":
            space = spaces.Box(0, 255, env.style.shape(1)[1:], np.uint8)
        else:
            meant = (find_task(task) if isinstance(task, str) else task).on(env.distributions[0]).semantics
            space = spaces.Dict({"window": spaces.Box(0, len(meant.classes) - 1, (math.prod(meant.window),), np.uint8),
                                 "state": spaces.Box(-np.inf, np.inf, (len(meant.state),), np.float32),
                                 "appearance": spaces.Box(0, 1, (meant.appearance,), np.uint8)})
        super().__init__(env.num_envs, space, spaces.Discrete(len(self._table)))

    def reset(self) -> Shown:
        return _shown(self.native.reset())

    def step_async(self, actions: np.ndarray) -> None:
        self._chosen = self._table[actions]

    def step_wait(self) -> tuple[Shown, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        step = self.native.step(self._chosen, autoreset=False)
        done = step.terminated | step.truncated
        reward = step.reward * np.float32(self._reward_scale)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        observation, ended = step.observation, np.flatnonzero(done)
        if len(ended):
            log = self.native.log
            for e in ended:
                infos[e]["episode"] = {"r": float(log.episode_return[e]), "l": int(log.length[e]), "t": 0.0}
                infos[e]["success"] = bool(log.intended_step[e] <= log.length[e])
                if log.truncated[e]:
                    infos[e] |= {"TimeLimit.truncated": True, "terminal_observation": _row(observation, e)}
            observation = self.native.begin(ended)
        return _shown(observation), reward, done, infos

    def close(self) -> None:
        self.native.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        value = None if attr_name == "render_mode" else getattr(self.native, attr_name)
        return [value] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError("the instances share one environment: set its attributes there")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError("the instances share one environment: call its methods there")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        return [False] * len(list(self._get_indices(indices)))


def _shown(observation: SemanticObservation | np.ndarray) -> Shown:
    if isinstance(observation, np.ndarray):
        return observation.copy()
    return {name: part.reshape(len(part), -1).copy() for name, part in observation._asdict().items()}


def _row(observation: SemanticObservation | np.ndarray, e: int) -> Any:
    if isinstance(observation, np.ndarray):
        return observation[e].copy()
    return {name: part[e].ravel().copy() for name, part in observation._asdict().items()}


class Features(BaseFeaturesExtractor):
    """`networks.Semantic` up to its last hidden layer."""

    def __init__(self, space: spaces.Dict, semantics: Semantics, width: int, hidden: int, num_actions: int,
                 seed: int) -> None:
        super().__init__(space, hidden)
        self.network = Semantic(semantics, width, hidden, num_actions, torch.Generator().manual_seed(seed))
        self.network.policy, self.network.value = nn.Identity(), nn.Identity()  # SB3 has its own

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        window, appearance = (observation[name].byte() for name in ("window", "appearance"))  # SB3 makes some floats
        return self.network.features(Observation(window, observation["state"], appearance))


class Policy(ActorCriticPolicy):
    """SB3's policy, but for leaving uint8 observations as they are: the first layer takes them so."""

    def extract_features(self, obs: dict[str, Tensor], features_extractor: BaseFeaturesExtractor | None = None) -> Tensor:
        return (features_extractor or self.features_extractor)(obs)


class SB3PPO:
    """A training run by stable-baselines3, with the interface of `ppo.PPO`.

    env: a vector environment with semantic observations, not yet reset. seed: the train seed. callback: any of SB3's
    callbacks (its W&B callback, say), called as SB3 calls them.
    """

    def __init__(self, config: SB3PPOConfig, task: Task, env: VecEnv, total_steps: int, seed: int, device: str = "cpu",
                 callback: BaseCallback | list[BaseCallback] | None = None) -> None:
        self.config, self.task, self.env, self.total_steps = config, task, env, total_steps
        actions = config.action_set(task)
        self._torch_state = torch.Generator().manual_seed(seed).get_state()
        self._numpy_state = np.random.RandomState(seed % 2**32).get_state()
        with self._own_randomness():
            self.model = TheirPPO(
                Policy, SB3VecEnv(env, task, actions, config.reward_scale), device=device, seed=None, verbose=0,
                n_steps=config.rollout, batch_size=env.num_envs * config.rollout // config.minibatches,
                n_epochs=config.epochs, gamma=config.gamma, gae_lambda=config.gae_lambda, clip_range=config.clip,
                learning_rate=(lambda left: config.learning_rate * left) if config.anneal else config.learning_rate,
                ent_coef=config.entropy, vf_coef=config.value_coefficient, max_grad_norm=config.max_gradient,
                policy_kwargs={"net_arch": [], "ortho_init": False, "features_extractor_class": Features,
                               "optimizer_kwargs": {"eps": 1e-5},
                               "features_extractor_kwargs": {"semantics": task.semantics, "width": config.width,
                                                             "hidden": config.hidden, "num_actions": len(actions),
                                                             "seed": seed}})
            self._write(config.build(task, torch.Generator().manual_seed(seed)))
            iterations = -(-total_steps // (config.rollout * env.num_envs * env.action_repeat))
            self._total, self._callback = self.model._setup_learn(iterations * config.rollout * env.num_envs, callback)
        self._callback.on_training_start({}, {})
        self._episodes: list[dict[str, Any]] = []

    @property
    def network(self) -> Semantic:
        """The weights as they are now."""
        found = self.config.build(self.task, torch.Generator().manual_seed(0))
        inner = self.model.policy.features_extractor.network.state_dict()
        found.load_state_dict(inner | {f"policy.{k}": v for k, v in self.model.policy.action_net.state_dict().items()}
                              | {f"value.{k}": v for k, v in self.model.policy.value_net.state_dict().items()})
        return found

    def _write(self, network: Semantic) -> None:
        """Take over weights."""
        parts = network.state_dict()
        policy = self.model.policy
        policy.features_extractor.network.load_state_dict(
            {k: v for k, v in parts.items() if k.split(".")[0] not in ("policy", "value")})
        for name, target in (("policy", policy.action_net), ("value", policy.value_net)):
            target.load_state_dict({k.removeprefix(f"{name}."): v for k, v in parts.items() if k.startswith(f"{name}.")})

    @property
    def steps(self) -> int:
        """Game steps so far."""
        return self.model.num_timesteps * self.env.action_repeat

    @property
    def finished(self) -> bool:
        return self.steps >= self.total_steps

    def iterate(self) -> Progress:
        """One rollout and its updates, as SB3's `learn` makes them."""
        model = self.model
        self._watch_episodes()
        with self._own_randomness():
            if not model.collect_rollouts(model.env, self._callback, model.rollout_buffer, model.n_steps):
                raise RuntimeError("a callback stopped the rollout: give callbacks that only watch")
            model._update_current_progress_remaining(model.num_timesteps, self._total)
            model.train()
        values = model.logger.name_to_value
        count = len(self._episodes)

        def mean(key: str) -> float | None:
            return float(np.mean([info[key] for info in self._episodes])) if count else None

        return Progress(count, mean("success"), mean("r"), mean("l"), -float(values["train/entropy_loss"]),
                        float(values["train/value_loss"]), float(values["train/explained_variance"]))

    def _watch_episodes(self) -> None:
        """Have SB3's own book-keeping of ended episodes also collect what `Progress` reports."""
        self._episodes = episodes = []

        def update(infos: list[dict[str, Any]], dones: np.ndarray | None = None) -> None:
            for info in infos:
                if "episode" in info:
                    self.model.ep_info_buffer.append(info["episode"])
                    episodes.append(info["episode"] | {"success": info["success"]})

        self.model._update_info_buffer = update

    @contextlib.contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Put the run's own states of torch's and numpy's global generators in place, and take them away again."""
        before = torch.get_rng_state(), np.random.get_state()
        torch.set_rng_state(self._torch_state)
        np.random.set_state(self._numpy_state)
        try:
            yield
        finally:
            self._torch_state, self._numpy_state = torch.get_rng_state(), np.random.get_state()
            torch.set_rng_state(before[0])
            np.random.set_state(before[1])

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to go on exactly from here: weights, optimiser, generators, environment."""
        model = self.model
        out = {f"network.{k}": v.numpy(force=True) for k, v in self.network.state_dict().items()}
        for index, entry in model.policy.optimizer.state_dict()["state"].items():
            out |= {f"optimizer.{index}.{k}": v.numpy(force=True) for k, v in entry.items()}
        kind, keys, position, has_gauss, gauss = self._numpy_state
        out |= {"torch": self._torch_state.numpy(), "numpy": keys, "numpy_rest": np.array([position, has_gauss, gauss]),
                "timesteps": np.array(model.num_timesteps), "updates": np.array(model._n_updates),
                "left": np.array(model._current_progress_remaining), "starts": model._last_episode_starts}
        out |= {f"last.{k}": v for k, v in model._last_obs.items()}
        return out | {f"env.{k}": v for k, v in self.env.state().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in a run built with the same arguments."""
        model = self.model
        network = self.network
        network.load_state_dict(network_weights(state, network))
        self._write(network)
        entries: dict[int, dict[str, Tensor]] = {}
        for key, array in state.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                entries.setdefault(int(index), {})[name] = torch.from_numpy(array.copy())
        optimizer = model.policy.optimizer
        optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
        position, has_gauss, gauss = state["numpy_rest"]
        self._numpy_state = ("MT19937", state["numpy"].copy(), int(position), int(has_gauss), float(gauss))
        self._torch_state = torch.from_numpy(state["torch"].copy())
        model.num_timesteps, model._n_updates = int(state["timesteps"]), int(state["updates"])
        model._current_progress_remaining = float(state["left"])
        model._last_episode_starts = state["starts"].copy()
        model._last_obs = {k.removeprefix("last."): v.copy() for k, v in state.items() if k.startswith("last.")}
        self.env.restore({k.removeprefix("env."): v for k, v in state.items() if k.startswith("env.")})
