"""A small world as a task. Importing this needs no compiler; engines and scripted policies are imported when used."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmexp_envs.levels import as_levels, split_levels
from gmexp_envs.own_task import OwnTask
from gmexp_envs.task import Factor, GoalName, ladder
from gmexp_envs.vec import FrameStyle, VecEnv
from gmexp_envs.worlds.distribution import WorldDistribution
from gmexp_envs.worlds.world import World

FIELDS = {"appearance": 1.0, "context": 1.0, "rho": 0.0, "supervision": 1.0}  # of a distribution: target when shifted alone
APPEARANCE = ("The share of themes (colours of walls, floor, agent and the ground of things) drawn from those held out of "
              "training.")


@dataclass
class WorldConfig:
    """The training distribution of a small world's levels (see `WorldDistribution`)."""

    name: str
    diversity: float  # delta = 1 - rho: share of training levels whose correlation is broken
    appearance: float
    context: float
    spec_quality: float
    horizon: int
    train_levels: int | None  # how many levels of the training split; None for all
    original: bool = False  # the published board, where the world has one

    def __post_init__(self) -> None:
        from gmexp_envs import find_task

        if not 0 <= self.diversity <= 1:
            raise ValueError(f"env.diversity = {self.diversity} is not within [0, 1]: it is the share of training "
                             "levels whose correlation is broken")
        find_task(self.name).distribution(self)  # refuses whatever else does not fit


def _factor(name: str, field: str, words: str, **options: Any) -> Factor[WorldDistribution]:
    return Factor(name, words, FIELDS[field], lambda d: getattr(d, field),
                  lambda d, value: d if value == getattr(d, field) else dataclasses.replace(d, **{field: value}),
                  why_not=lambda d: "the published board is one level and has no shifts" if d.original else None, **options)


class SmallWorld(OwnTask[WorldDistribution]):
    """The task of a `World`."""

    family = "small worlds"
    chosen_levels = True
    package, pictures = "gmexp_envs.worlds", "pictures"
    config = WorldConfig

    def __init__(self, world: World) -> None:
        self.world = world
        self.name, self.intended, self.proxy = world.name, world.intended, world.proxy
        self.factors = (
            _factor("appearance", "appearance", APPEARANCE), _factor("context", "context", world.factors["context"]),
            _factor("correlation", "rho", world.factors["correlation"], lowers=True),
            _factor("supervision", "supervision", world.factors["supervision"]))
        self.shifts = ladder(world.shifts)
        self.facts, self.semantics = world.facts, world.semantics
        self.num_actions = world.num_actions
        self.action_sets = {"moves": tuple(range(world.num_actions))}

    def distribution(self, config: WorldConfig) -> WorldDistribution:
        return self._checked(WorldDistribution(
            levels=split_levels("train", config.train_levels), rho=1 - config.diversity, appearance=config.appearance,
            context=config.context, spec_quality=config.spec_quality, horizon=config.horizon, original=config.original))

    def knobs(self, levels: Any, **knobs: Any) -> WorldDistribution:
        return self._checked(WorldDistribution(levels=as_levels(levels), **{"horizon": self.world.horizon, **knobs}))

    def _checked(self, distribution: WorldDistribution) -> WorldDistribution:
        if distribution.original and not self.world.original:
            raise ValueError(f"{self.name} has no published board: original must be False")
        return distribution

    def make(self, num_envs: int, distributions: Sequence[WorldDistribution], *, seed: int | None, observation: str,
             device: str, backend: str, threads: int, action_repeat: int, style: FrameStyle | None,
             drawable: bool) -> VecEnv:
        distributions = [self._checked(d) for d in distributions]
        if device != "cpu":
            from gmexp_envs.worlds.cuda_engine import CudaWorld

            return CudaWorld(self.world, num_envs, distributions, seed, observation, action_repeat, style, drawable, device)
        from gmexp_envs.worlds.engine import CpuWorld

        return CpuWorld(self.world, num_envs, distributions, seed, observation, threads, action_repeat, style, drawable)

    def distinguishing(self, distribution: WorldDistribution) -> WorldDistribution:
        """No level is aligned."""
        return dataclasses.replace(distribution, rho=min(distribution.rho, 0.0))

    def certify(self, distribution: WorldDistribution) -> np.ndarray:
        from gmexp_envs.worlds.scripted import certify

        return certify(self.world, distribution)

    def scripted(self, goal: GoalName, env: VecEnv):
        from gmexp_envs.worlds.scripted import ScriptedPolicy

        return ScriptedPolicy(env, goal)
