"""The vector environment that both engines implement, and what passes through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.layout import NUM_ACTIONS

OBSERVATIONS = ("semantic", "pixels")


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
        """procgen's options, in the order of `gmexp_envs.coinrun.draw.sprites.load_sprites`."""
        return self.use_backgrounds, self.restrict_themes, self.use_monochrome_assets

    def shape(self, num_envs: int) -> tuple[int, int, int, int]:
        """Shape of the frames of `num_envs` worlds."""
        return (num_envs, 3, 64, 64) if self.channels_first else (num_envs, 64, 64, 3)


class SemanticObservation(NamedTuple):
    """Semantic view of N worlds (classes and features: `gmexp_envs.coinrun.semantic`, `gmexp_envs.coinrun.layout`)."""

    window: np.ndarray  # uint8 [N, 13, 13] tile classes
    state: np.ndarray  # float32 [N, 7] how the agent moves
    look: np.ndarray  # uint8 [N, 86] appearance of the level, multi-hot


class Step(NamedTuple):
    """Result of a step. Where an episode ended, `observation` is already the first of the next one, as in procgen."""

    observation: SemanticObservation | np.ndarray
    reward: np.ndarray  # float32 [N]
    terminated: np.ndarray  # bool [N]: coin or death
    truncated: np.ndarray  # bool [N]: horizon


class EpisodeLog(NamedTuple):
    """Event logs, one row per world: a row is that of the world's last finished episode.

    Steps count from 1; `gmexp_envs.outcome.NEVER` means that it did not happen; coin cells are -1 where there is no coin.
    """

    level_seed: np.ndarray
    coin_x: np.ndarray
    coin_y: np.ndarray
    end_x: np.ndarray
    end_y: np.ndarray
    num_sections: np.ndarray
    separated: np.ndarray
    correlated: np.ndarray
    coin_step: np.ndarray
    end_step: np.ndarray
    died: np.ndarray
    length: np.ndarray
    condition: np.ndarray  # which of the environment's level distributions
    index: np.ndarray  # 0 for the world's first episode
    truncated: np.ndarray
    episode_return: np.ndarray

    def take(self, rows: np.ndarray) -> EpisodeLog:
        """Copies of the given rows (boolean mask or indices)."""
        return EpisodeLog(*(column[rows] for column in self))


def to_numpy(array) -> np.ndarray:
    """A numpy array as it is; the values of a tensor, wherever it lives."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


class VecEnv(ABC):
    """N sub-environments stepped together, each starting its next episode in the step that ends one (autoreset).

    Attributes: num_envs, num_actions, distributions, observation ("semantic" or "pixels"), seed (what it was seeded
    with, drawn from the system where None was given), action_repeat (game steps per action; logs count game steps),
    rows (the worlds' numbers 0..N-1), device (where its arrays live: numpy's on "cpu", torch's on a CUDA device).
    """

    num_actions = NUM_ACTIONS
    device = "cpu"

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None,
                 observation: str, action_repeat: int) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs = {num_envs} must be at least 1")
        if not distributions or num_envs % len(distributions):
            raise ValueError(f"{num_envs} environments cannot be shared out evenly over {len(distributions)} level "
                             "distributions")
        if observation not in OBSERVATIONS:
            raise ValueError(f"there is no observation {observation!r}: choose one of {', '.join(OBSERVATIONS)}")
        if action_repeat < 1:
            raise ValueError(f"action_repeat = {action_repeat} must be at least 1")
        self.num_envs = num_envs
        self.rows = np.arange(num_envs)
        self.action_repeat = action_repeat
        self.distributions = tuple(distributions)
        self.observation = observation
        self.seed = int(np.random.SeedSequence(seed).generate_state(1)[0]) if seed is None else seed

    @abstractmethod
    def reset(self, seed: int | None = None) -> SemanticObservation | np.ndarray:
        """Start new episodes everywhere; with a seed, begin the level streams anew from it."""

    @abstractmethod
    def step(self, actions: np.ndarray, rows: np.ndarray | None = None) -> Step:
        """Apply one action per world (int [N], 0..14: 3 x direction_x + direction_y, both counted from -1).

        With `rows`, only these worlds move; what is returned for the others is what it was.
        """

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

    def close(self) -> None:
        """Release what the environment holds."""

    def _checked(self, actions: np.ndarray) -> np.ndarray:
        """Actions as contiguous int32, or a ValueError that names what is wrong."""
        actions = np.ascontiguousarray(actions, np.int32)
        if actions.shape != (self.num_envs,):
            raise ValueError(f"actions have shape {actions.shape}, expected ({self.num_envs},)")
        if actions.view(np.uint32).max() >= self.num_actions:
            raise ValueError(f"actions must be within 0..{self.num_actions - 1}, got "
                             f"{int(actions.min())}..{int(actions.max())}")
        return actions

    def _checked_rows(self, rows: np.ndarray) -> np.ndarray:
        """Row numbers as contiguous int64, or an IndexError."""
        rows = np.ascontiguousarray(rows, np.int64)
        if len(rows) and (rows.min() < 0 or rows.max() >= self.num_envs):
            raise IndexError(f"rows must be within 0..{self.num_envs - 1}, got {rows.min()}..{rows.max()}")
        return rows
