"""Configurations of the trainers; their values live in conf/agent/*.yaml. Importing this needs no torch."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import torch

    from gmexp.agents.networks import Network
    from gmexp_envs import Task

NETWORKS = {"semantic": "semantic", "ways": "semantic", "impala": "pixels"}  # and what each reads
PRECISIONS = ("float32", "bfloat16")
UPDATES = ("fused", "autograd")
SIZES = {"num_envs": 2**20, "rollout": 2**16, "epochs": 2**16, "minibatches": 2**20, "width": 2**14, "hidden": 2**14,
         "action_repeat": 2**10}  # and the most that each may be


@dataclass
class AgentConfig:
    """What every trainer is told, and the other stages rely on. Another trainer's configuration extends it."""

    name: str  # of the trainer
    network: str  # a key of NETWORKS, which also says what the agent sees
    num_envs: int
    width: int  # units of the first layer; channels of the first block of impala, half those of its others
    hidden: int  # units of the last hidden layer
    actions: str  # a key of the task's action sets, or usual: its first one
    action_repeat: int  # game steps that an action lasts

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f"agent.network = {self.network!r}: choose one of {', '.join(NETWORKS)}")
        for name, most in SIZES.items():
            if not 1 <= getattr(self, name, 1) <= most:
                raise ValueError(f"agent.{name} = {getattr(self, name)} is not within 1..{most}")

    @property
    def observation(self) -> str:
        """What the environment is to show."""
        return NETWORKS[self.network]

    def actions_in(self, task: Task) -> str:
        """The name of the task's action set that the policy chooses from; ValueError where it has no such set."""
        name = next(iter(task.action_sets)) if self.actions == "usual" else self.actions
        if name not in task.action_sets:
            raise ValueError(f"agent.actions = {name!r}: {task.name} has usual, {', '.join(task.action_sets)}")
        return name

    def action_set(self, task: Task) -> tuple[int, ...]:
        """The task's actions that the policy chooses from."""
        return tuple(task.action_sets[self.actions_in(task)])

    def build(self, task: Task, generator: torch.Generator) -> Network:
        """The network with fresh weights, for what a task shows and takes."""
        from gmexp.agents.networks import build_network

        return build_network(self.network, task, self.width, self.hidden, len(self.action_set(task)), generator)

    def identity(self, task: Task) -> dict[str, Any]:
        """What decides what is learned in a task, wherever and whenever: here every field."""
        return dataclasses.asdict(self) | {"actions": self.actions_in(task)}

    def imitated(self, task: Task) -> str | None:
        """Whom it imitates, for labels; None for agents that learn by themselves."""
        return None

    def algo(self, task: Task) -> str:
        """The trainer and what its network sees, for labels."""
        return self.name if self.network == "semantic" else f"{self.name}_{self.network}"


@dataclass
class PPOConfig(AgentConfig):
    """Hyperparameters of PPO."""

    rollout: int  # steps per environment and iteration
    epochs: int
    minibatches: int
    learning_rate: float
    anneal: bool  # learning rate falls linearly to zero
    gamma: float
    gae_lambda: float
    clip: float
    entropy: float
    value_coefficient: float
    max_gradient: float  # norm to which gradients are clipped
    reward_scale: float
    reward_normalization: float | None  # discount of the returns whose running spread divides rewards; None: no division
    value_clip: bool  # the value, too, moves by no more than `clip` in an iteration
    precision: str  # of the network's products: float32 or bfloat16
    compile: bool  # the network by torch.compile
    # What computes gradients; they differ in the last digits. Runs that do not say so are of the time before there were two
    update: str = field(default="autograd", kw_only=True)

    own_loss: ClassVar[bool] = False  # its objective is another than PPO's, which is all that fused updates know

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision not in PRECISIONS:
            raise ValueError(f"agent.precision = {self.precision!r}: choose one of {', '.join(PRECISIONS)}")
        if self.update not in UPDATES:
            raise ValueError(f"agent.update = {self.update!r}: choose one of {', '.join(UPDATES)}")
        for name in ("learning_rate", "max_gradient", "reward_scale"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"agent.{name} = {getattr(self, name)} must be above 0")
        for name in ("gamma", "gae_lambda", "clip", "reward_normalization"):
            if not 0 <= (getattr(self, name) or 0) <= 1:
                raise ValueError(f"agent.{name} = {getattr(self, name)} is not within [0, 1]")
        for name in ("entropy", "value_coefficient"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"agent.{name} = {getattr(self, name)} must not be negative")
        samples = self.num_envs * self.rollout
        if samples % self.minibatches or samples < 2 * self.minibatches:
            raise ValueError(f"agent.minibatches = {self.minibatches} must divide num_envs x rollout = {samples} into "
                             "parts of at least 2, whose spread scales the advantages")

    @property
    def fused(self) -> bool:
        """Whether updates are fused, on a CPU: the semantic networks' are, in float32."""
        return (self.update == "fused" and self.observation == "semantic" and self.precision == "float32"
                and not self.compile and not self.own_loss)

    def identity(self, task: Task) -> dict[str, Any]:
        """Updates are told where they are fused: by autograd, runs are those of earlier versions."""
        plain = super().identity(task)
        return plain if self.fused else {key: value for key, value in plain.items() if key != "update"}


@dataclass
class SB3PPOConfig(PPOConfig):
    """PPO's hyperparameters, as far as stable-baselines3 knows them."""

    own_loss = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, only in (("network", "semantic"), ("reward_normalization", None), ("value_clip", False),
                           ("precision", "float32"), ("compile", False)):
            if (value := getattr(self, name)) != only:
                known = "null" if only is None else str(only).lower()
                raise ValueError(f"agent.{name} = {value}: agent=sb3_ppo trains with agent.{name}={known}")


@dataclass
class ScriptedCloningConfig(PPOConfig):
    """Cloning of a task's scripted policy; `clip` means nothing here."""

    own_loss = True

    @property
    def goal(self) -> str:
        """The goal of whoever is imitated: intended or proxy."""
        return self.name.removeprefix("cloning_")

    def imitated(self, task: Task) -> str:
        return f"scripted_{self.goal}"


@dataclass
class CloningConfig(PPOConfig):
    """Cloning of a trained agent; `clip` means nothing here."""

    own_loss = True
    demonstrator: str | None = None  # a run's folder or checkpoint; in a checkpoint, the SHA-256 of that file

    def identity(self, task: Task) -> dict[str, Any]:
        """A demonstrator is known by the SHA-256 of its checkpoint, wherever that lies."""
        from gmexp.agents.cloning import trained_demonstrator

        return super().identity(task) | {"demonstrator": trained_demonstrator(self, task).digest}

    def imitated(self, task: Task) -> str:
        from gmexp.agents.cloning import trained_demonstrator

        whom = trained_demonstrator(self, task).checkpoint.meta
        return f"{whom.algo}_d{whom.train_diversity:g}"

    def algo(self, task: Task) -> str:
        """With whom it imitates: students of other demonstrators are other conditions."""
        return f"{super().algo(task)}_of_{self.imitated(task)}"
