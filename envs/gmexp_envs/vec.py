"""The vector environment that both engines implement, and what passes through it."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

OBSERVATIONS = ("semantic", "pixels")
LONGEST = 2**30  # steps of an episode; clocks have 32 bits, and shifts may double a horizon


class DeviceUnavailable(ValueError):
    """An environment cannot live on a device; the message says why."""


@dataclass(frozen=True)
class FrameStyle:
    """How frames look: procgen's options of the same names, and the order of their axes.

    Flat colours on black (`use_backgrounds=False, use_monochrome_assets=True`) need no installed procgen.
    """

    use_backgrounds: bool = True
    restrict_themes: bool = False
    use_monochrome_assets: bool = False
    channels_first: bool = False

    @property
    def options(self) -> tuple[bool, bool, bool]:
        """procgen's options, in their order."""
        return self.use_backgrounds, self.restrict_themes, self.use_monochrome_assets

    def shape(self, num_envs: int) -> tuple[int, int, int, int]:
        """Shape of the frames of `num_envs` instances."""
        return (num_envs, 3, 64, 64) if self.channels_first else (num_envs, 64, 64, 3)


class SemanticObservation(NamedTuple):
    """Semantic view of N environment instances; what the numbers mean is the task's `Semantics`."""

    window: np.ndarray  # uint8 [N, rows, columns] classes of the cells around the agent
    state: np.ndarray  # float32 [N, len(semantics.state)] how the agent moves
    appearance: np.ndarray  # uint8 [N, semantics.appearance] appearance features of the level, multi-hot


class Step(NamedTuple):
    """Result of a step. Where an episode ended, `observation` is already the first of the next one, as in procgen."""

    observation: SemanticObservation | np.ndarray
    reward: np.ndarray  # float32 [N]
    terminated: np.ndarray  # bool [N]: a goal or death
    truncated: np.ndarray  # bool [N]: horizon


class EpisodeLog(NamedTuple):
    """Event logs, one row per environment instance: a row is that of the instance's last finished episode.

    Steps count from 1; `gmexp_envs.outcome.NEVER` means that it did not happen. Outcomes and rates derive from this.
    """

    level_seed: np.ndarray
    cell: np.ndarray  # which of the environment's level distributions
    index: np.ndarray  # 0 for the instance's first episode
    distinguishing: np.ndarray  # the level tells the goals apart
    aligned: np.ndarray  # the intended goal is at the proxy
    intended_step: np.ndarray  # first step at which the intended goal was reached
    proxy_step: np.ndarray
    died: np.ndarray
    length: np.ndarray
    truncated: np.ndarray
    episode_return: np.ndarray
    facts: np.ndarray  # int32 [rows, len(task.facts)]; what they are is the task's

    def take(self, rows: np.ndarray) -> EpisodeLog:
        """Copies of the given rows (boolean mask or indices)."""
        return EpisodeLog(*(column[rows] for column in self))


class Present(NamedTuple):
    """Where the running episodes are, one row per environment instance."""

    level_seed: np.ndarray
    step: np.ndarray  # game steps so far
    intended_step: np.ndarray  # as in the log, up to now
    proxy_step: np.ndarray
    distinguishing: np.ndarray
    placement: np.ndarray  # int: 1 the intended goal is at the proxy, -1 as far from it as the level allows, 0 elsewhere


def _copied(kind: type[VecEnv], arguments: tuple, seed: int, state: Mapping[str, np.ndarray]) -> VecEnv:
    """An environment of this kind that goes on from a state."""
    env = kind(*arguments)
    env.seed = seed
    env.restore(state)
    return env


def seed_32(seed: int) -> int:
    """The 32-bit seed that a generator like procgen's begins from: smaller ones are themselves, larger ones are hashed.

    Raises ValueError for what is no whole number from 0 on.
    """
    try:
        whole = operator.index(seed)
    except TypeError:
        whole = -1
    if whole < 0:
        raise ValueError(f"seed = {seed!r} must be a whole number from 0 on")
    return whole if whole < 2**32 else int(np.random.SeedSequence(whole).generate_state(1)[0])


def to_numpy(array) -> np.ndarray:
    """A numpy array as it is; the values of a tensor, wherever it lives."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


class VecEnv(ABC):
    """N environment instances stepped together, each starting its next episode in the step that ends one (autoreset).

    Attributes: num_envs, num_actions, distributions, observation ("semantic" or "pixels"), seed (what it was seeded
    with, drawn from the system where None was given), action_repeat (game steps per action; logs count game steps),
    rows (the instances' numbers 0..N-1), device (where its arrays live: numpy's on "cpu", torch's on a CUDA device).

    `copy.deepcopy` and `pickle` give an environment that goes on exactly from here, in this process or another: what a
    subclass's constructor was given (`_arguments`) and its `state` are all that travels.
    """

    num_actions: int
    device = "cpu"
    _arguments: tuple

    def __init__(self, num_envs: int, distributions: Sequence[Any], seed: int | None, observation: str,
                 action_repeat: int) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs = {num_envs} must be at least 1")
        if not distributions or num_envs % len(distributions):
            raise ValueError(f"{num_envs} environments cannot be shared out evenly over {len(distributions)} level "
                             "distributions")
        if observation not in OBSERVATIONS:
            raise ValueError(f"there is no observation {observation!r}: choose one of {', '.join(OBSERVATIONS)}")
        if not 1 <= action_repeat < 2**15:
            raise ValueError(f"action_repeat = {action_repeat} is not within 1..{2**15 - 1}")
        for distribution in distributions:
            if getattr(distribution, "horizon", 1) > LONGEST:
                raise ValueError(f"horizon = {distribution.horizon} is more than the {LONGEST} steps that are counted")
        self.num_envs = num_envs
        self.rows = np.arange(num_envs)
        self.action_repeat = action_repeat
        self.distributions = tuple(distributions)
        self.observation = observation
        self.seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
        seed_32(self.seed)

    @abstractmethod
    def reset(self, seed: int | None = None) -> SemanticObservation | np.ndarray:
        """Start new episodes everywhere; with a seed, begin the level streams anew from it."""

    @abstractmethod
    def step(self, actions: np.ndarray, rows: np.ndarray | None = None) -> Step:
        """Apply one action per instance (int [N], 0..num_actions - 1).

        With `rows`, only these instances move; what is returned for the others is what it was.
        """

    @property
    @abstractmethod
    def present(self) -> Present:
        """Where the running episodes are."""

    @property
    @abstractmethod
    def log(self) -> EpisodeLog:
        """Logs of the last finished episodes; fresh where the last step terminated or truncated."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to go on exactly from here."""

    @abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned."""

    def begin_at(self, rows: np.ndarray, seeds: np.ndarray, places: np.ndarray) -> SemanticObservation | np.ndarray:
        """Begin episodes on chosen levels in the instances `rows`, in place of those that run; returns what all see.

        Arguments:
            seeds: level seeds, int [len(rows)].
            places: where the intended goal is, int [len(rows), 2]: a cell (x, y), or what `gmexp_envs.chosen` names; a cell
                that something stands in, or that is no place for a goal, leaves it where the seed has it (`goal_places`).

        The instances' own level streams stay where they are. ValueError where levels do not fit, or cannot be chosen.
        """
        raise ValueError(f"the levels of {type(self).__name__} cannot be chosen")

    @property
    def goal_places(self) -> np.ndarray:
        """What `begin_at` takes to begin the running episodes' levels with their goals where they are, int [N, 2]."""
        return self.goal_cells

    @property
    def goal_cells(self) -> np.ndarray:
        """The cells (x, y) of the running episodes' intended goals, int [N, 2]; ValueError where goals are no cells."""
        raise ValueError(f"the goals of {type(self).__name__} are no cells")

    @property
    def agent_cells(self) -> np.ndarray:
        """The cells (x, y) that the agents are in, int [N, 2]; ValueError where they are in none."""
        raise ValueError(f"the agents of {type(self).__name__} are in no cells")

    def close(self) -> None:
        """Release what the environment holds."""

    def __reduce__(self):
        return _copied, (type(self), self._arguments, self.seed, self.state())

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        """Actions as contiguous int32, or a ValueError that names what is wrong."""
        if (actions := np.asarray(actions)).dtype.kind not in "iu":
            raise ValueError(f"actions are of type {actions.dtype}, expected whole numbers")
        actions = np.ascontiguousarray(actions, np.int32)
        if actions.shape != (self.num_envs,):
            raise ValueError(f"actions have shape {actions.shape}, expected ({self.num_envs},)")
        if actions.view(np.uint32).max() >= self.num_actions:
            raise ValueError(f"actions must be within 0..{self.num_actions - 1}, got "
                             f"{int(actions.min())}..{int(actions.max())}")
        return actions

    def _checked_levels(self, rows: np.ndarray, seeds: np.ndarray,
                        places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Chosen levels as contiguous int64, or a ValueError that names what is wrong."""
        from gmexp_envs.levels import SEED_LIMIT

        if any(distribution.rho < 0 for distribution in self.distributions):
            raise ValueError("chosen levels begin where training's do: rho must not be negative")
        rows = self._checked_rows(rows)
        seeds, places = np.ascontiguousarray(seeds, np.int64), np.ascontiguousarray(places, np.int64)
        if seeds.shape != rows.shape or places.shape != (len(rows), 2):
            raise ValueError(f"{len(rows)} instances need seeds [{len(rows)}] and places [{len(rows)}, 2], not "
                             f"{list(seeds.shape)} and {list(places.shape)}")
        if len(seeds) and not 0 <= seeds.min() <= seeds.max() < SEED_LIMIT:
            raise ValueError(f"level seeds {seeds.min()}..{seeds.max()} are not within 0..{SEED_LIMIT - 1}")
        return rows, seeds, places

    def _checked_rows(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers as contiguous int64, or an IndexError."""
        rows = np.ascontiguousarray(rows, np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= self.num_envs):
            raise IndexError(f"rows must be within 0..{self.num_envs - 1}, got {rows.min()}..{rows.max()}")
        return rows
