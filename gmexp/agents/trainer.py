"""Trainers: what trains an agent is a `Trainer`, and `TRAINERS` says which there are. Importing this needs no torch.

Another package's trainer is a `TrainerSpec` of its own, named by an entry point `gmexp.trainers` or by its import path:

    agent=my_trainer                            [project.entry-points."gmexp.trainers"] my_trainer = "mine.trainer:SPEC"
    agent=mine.trainer:SPEC                     or, in a file `agent=./mine.yaml`:   _target_: mine.trainer.SPEC
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from gmexp.agents.config import AgentConfig, CloningConfig, PPOConfig, SB3PPOConfig, ScriptedCloningConfig
from gmexp.artefacts.condition import OLD_TRAINERS
from gmexp.support.extras import require
from gmexp.support.startup import imported

if TYPE_CHECKING:
    from gmexp.agents.networks import Network
    from gmexp_envs import Task, VecEnv


class Progress(NamedTuple):
    """What one iteration reports; means are over the episodes that ended in it, None without any or where unknown."""

    episodes: int
    success: float | None  # share of them that reached the intended goal
    mean_return: float | None
    mean_length: float | None
    policy_entropy: float
    value_loss: float
    explained_variance: float


class Trainer(Protocol):
    """A training run: `iterate` until it is `finished`. Equal arguments give equal runs, bit for bit."""

    steps: int  # game steps so far

    @property
    def network(self) -> Network:
        """The weights as they are now; called with (observation, rows), it returns logits and values."""
        ...

    @property
    def finished(self) -> bool: ...

    def iterate(self) -> Progress:
        """Train on a bit; the state can be saved after it."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to go on exactly from here, the environment's state included."""
        ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in a run built with the same arguments; ValueError where it does not fit."""
        ...


Build = Callable[[Any, "Task", "VecEnv", int, int, str], Trainer]


@dataclass(frozen=True)
class TrainerSpec:
    """How a trainer is called, and what it needs."""

    config: type  # dataclass of conf/agent/<name>.yaml, an `AgentConfig`
    build: Build  # (configuration, task, its environment, total game steps, seed, device) -> the run
    method: str = "standard"  # the alignment method, in the calculator's words
    on_device: bool = False  # takes the environment's tensors from wherever they are
    needs: str | None = None  # a package that must be installed


def _lazily(module: str, name: str) -> Build:
    """Build by a class of this room, imported when it is first used."""
    return lambda *arguments: getattr(imported(f"gmexp.agents.{module}"), name)(*arguments)


_cloning = _lazily("cloning", "Cloning")
TRAINERS: dict[str, TrainerSpec] = {  # by agent.name
    "ppo": TrainerSpec(PPOConfig, _lazily("ppo", "PPO"), on_device=True),
    "sb3_ppo": TrainerSpec(SB3PPOConfig, _lazily("sb3", "SB3PPO"), needs="stable_baselines3"),
    "cloning": TrainerSpec(CloningConfig, _cloning, "behavioral_cloning", on_device=True),
    "cloning_intended": TrainerSpec(ScriptedCloningConfig, _cloning, "behavioral_cloning"),
    "cloning_proxy": TrainerSpec(ScriptedCloningConfig, _cloning, "behavioral_cloning_of_proxy"),
}
_noticed: set[str] = set()


def current_name(name: str) -> str:
    """The name of a trainer in this version; an earlier version's is read, with one line of notice."""
    if name in OLD_TRAINERS and name not in _noticed:
        _noticed.add(name)
        print(f"agent={name} is of an earlier version: it is read as {OLD_TRAINERS[name]}", file=sys.stderr)
    return OLD_TRAINERS.get(name, name)


def trainer_names() -> list[str]:
    """Names of all trainers there are, those of installed plugins included."""
    return [*TRAINERS, *sorted({point.name for point in entry_points(group="gmexp.trainers")} - set(TRAINERS))]


@cache
def find_trainer(name: str) -> TrainerSpec:
    """The trainer of a name: one of `TRAINERS`, a plugin's, or an import path to a `TrainerSpec`.

    ValueError where there is none.
    """
    if spec := TRAINERS.get(current_name(name)):
        return spec
    place = {point.name: point.value for point in entry_points(group="gmexp.trainers")}.get(name, name)
    module, _, attribute = place.partition(":") if ":" in place else place.rpartition(".")
    if not all(part.isidentifier() for part in [*module.split("."), attribute]):
        raise ValueError(f"there is no trainer {name!r}: choose one of {', '.join(trainer_names())}, or give an import path "
                         "such as 'package.module:SPEC'")
    try:
        spec = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the trainer {name!r} cannot be imported from {place}: {error}") from error
    if not isinstance(spec, TrainerSpec):
        raise ValueError(f"{place} is a {type(spec).__name__}: a trainer is a gmexp.agents.trainer.TrainerSpec")
    if not (is_dataclass(spec.config) and issubclass(spec.config, AgentConfig)):
        raise ValueError(f"the configuration of {place} should be a dataclass that extends gmexp.agents.config.AgentConfig")
    return spec


def build_trainer(config: AgentConfig, task: Task, env: VecEnv, total_steps: int, seed: int, device: str) -> Trainer:
    """A training run that has not begun; UserError where a package is missing."""
    spec = find_trainer(config.name)
    if spec.needs:
        require(spec.needs, f"agent={config.name}")
    return spec.build(config, task, env, total_steps, seed, device)
