"""What the engines share: the arrays of N worlds, and the interface over whatever runs the kernels on them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.draw.sprites import Sprites, default_style, load_sprites
from gmexp_envs.coinrun.episode import Buffers, allocate_buffers
from gmexp_envs.coinrun.layout import (
    CONDITION, Conditions, LOG_COIN_STEP, LOG_COIN_X, LOG_COIN_Y, LOG_CONDITION, LOG_CORRELATED, LOG_DIED, LOG_END_STEP,
    LOG_END_X, LOG_END_Y, LOG_EPISODE, LOG_LENGTH, LOG_SECTIONS, LOG_SEED, LOG_SEPARATED, NUM_FLOATS, NUM_INTS, OFFSET,
    PLACEMENTS, STRIDE, World, allocate,
)
from gmexp_envs.levels import SeedRange
from gmexp_envs.vec import EpisodeLog, FrameStyle, SemanticObservation, Step, VecEnv

Array = Any  # np.ndarray, or a torch tensor on a device


def encode_conditions(distributions: Sequence[LevelDistribution]) -> Conditions:
    """Level distributions as the rows of numbers that the kernels read."""
    floats, ints, seeds = [], [], []
    for d in distributions:
        p = d.physics
        floats.append([d.rho, d.appearance or 0.0, d.context, d.supervision, d.spec_quality, p.gravity, p.max_jump,
                       p.max_speed, p.mixrate, p.air_control])
        listed = not isinstance(d.levels, SeedRange)
        cell_x, cell_y = d.cell or (-1, -1)
        ints.append([d.mode == "easy", PLACEMENTS.index(d.placement), cell_x, cell_y, d.appearance is not None,
                     d.hide_coin, d.horizon, 0 if listed else d.levels.first, d.num_levels, listed, len(seeds),
                     d.sequential, d.permeable_wall])
        if listed:
            seeds.extend(d.levels)
    found = Conditions(np.array(floats, np.float32), np.array(ints, np.int64), np.array(seeds or [0], np.int64))
    assert found.floats.shape[1] == NUM_FLOATS and found.ints.shape[1] == NUM_INTS  # as `opened` reads them
    return found


class Engine(VecEnv):
    """N worlds of CoinRun (see `gmexp_envs.make_vec` for what the arguments mean).

    With several distributions the worlds are shared out evenly, the first N / D to the first distribution and so on.
    `drawable` makes `frames` possible where the observation is semantic. Memory is about 17 kB per world, 32 kB with
    frames, for which up to 180 MB of images are shared by the process.
    All returned arrays are overwritten by the next call.

    An engine says where arrays live (`_zeros`, `_placed`, `_fetched`, `_address`) and runs the kernels
    (`_seed_streams`, `_begin`, `_move`, `_draw`).
    """

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None, observation: str,
                 action_repeat: int, style: FrameStyle | None, drawable: bool) -> None:
        super().__init__(num_envs, distributions, seed, observation, action_repeat)
        worlds = np.arange(num_envs)
        self.rows = self._placed(worlds)
        self._drawable = drawable or observation == "pixels"
        self._semantic = observation == "semantic"
        self.style = style or default_style()
        self.world: World = allocate(num_envs, self._drawable, self._zeros)
        self.conditions = Conditions(*map(self._placed, encode_conditions(self.distributions)))
        self._buffers: Buffers = allocate_buffers(num_envs, self._zeros)
        share = num_envs // len(self.distributions)
        self.world.facts[:, CONDITION] = self._placed(worlds // share)
        self.world.slots[:, OFFSET] = self._placed(worlds % share)
        self.world.slots[:, STRIDE] = share
        sizes = num_envs, self.world.trails.shape[1], len(self.conditions.floats), len(self.conditions.seeds)
        arrays = *self.world, *self.conditions, *self._buffers
        # what kernels take: handing over the arrays themselves costs about as much as stepping ten worlds
        self._table = self._placed(np.array([*map(self._address, arrays), *sizes], np.uint64))

    @abstractmethod
    def _zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """A zeroed array where the worlds live."""

    @abstractmethod
    def _placed(self, array: np.ndarray) -> Array:
        """An array's values where the worlds live."""

    @abstractmethod
    def _fetched(self, array: Array) -> np.ndarray:
        """A copy of an array's values, in numpy."""

    @abstractmethod
    def _address(self, array: Array) -> int:
        """Where an array's data are."""

    @abstractmethod
    def _seed_streams(self, seed: int) -> None:
        """Level streams as vecgame.cpp seeds them from rand_seed; sequences start over."""

    @abstractmethod
    def _begin(self, rows: Array) -> None:
        """Start the next episodes of the worlds `rows`."""

    @abstractmethod
    def _move(self, actions: Array, rows: Array, autoreset: bool) -> None:
        """Step the worlds `rows`."""

    @abstractmethod
    def _draw(self, rows: Array) -> Array:
        """Draw the worlds `rows`; returns the frames of all."""

    def _stream_seeds(self, seed: int) -> np.ndarray:
        """The seeds of the worlds' level streams, uint32 [N]."""
        generator = np.random.MT19937()
        generator._legacy_seeding(seed & 0xFFFFFFFF)
        return generator.random_raw(self.num_envs).astype(np.uint32)

    @cached_property
    def _sprites(self) -> Sprites:
        return load_sprites(*self.style.options)

    def _observation(self, changed: Array):
        """What the agents see after the worlds `changed` have moved."""
        if not self._semantic:
            return self._draw(changed)
        b = self._buffers
        return SemanticObservation(b.window, b.state, self.world.look)

    def frames(self, rows: Array | None = None) -> Array:
        """What the worlds `rows` (None for all) look like now, whatever the agents observe (copies); needs `drawable`."""
        if not self._drawable:
            raise ValueError("this environment draws no frames: build it with drawable=True")
        rows = self.rows if rows is None else self._checked_rows(rows)
        return self._draw(rows)[rows]

    def reset(self, seed: int | None = None):
        """Start new episodes everywhere; with a seed, begin the level streams anew from it."""
        if seed is not None:
            self.seed = seed
            self._seed_streams(seed)
        self._begin(self.rows)
        return self._observation(self.rows)

    def step(self, actions: Array, rows: Array | None = None, autoreset: bool = True) -> Step:
        """Apply actions as every `VecEnv`. Without autoreset, worlds whose episode ends stay as they are, so that the
        observation is their last; `begin` starts their next episode."""
        rows = self.rows if rows is None else self._checked_rows(rows)
        self._move(self._checked(actions), rows, autoreset)
        b = self._buffers
        return Step(self._observation(rows), b.reward, b.terminated, b.truncated)

    def begin(self, rows: Array):
        """Start the next episode of the worlds `rows`; returns the observation of all."""
        rows = self._checked_rows(rows)
        self._begin(rows)
        return self._observation(rows)

    @property
    def log(self) -> EpisodeLog:
        b = self._buffers
        return EpisodeLog(
            level_seed=b.log[:, LOG_SEED], coin_x=b.log[:, LOG_COIN_X], coin_y=b.log[:, LOG_COIN_Y],
            end_x=b.log[:, LOG_END_X], end_y=b.log[:, LOG_END_Y], num_sections=b.log[:, LOG_SECTIONS],
            separated=b.log[:, LOG_SEPARATED], correlated=b.log[:, LOG_CORRELATED],
            coin_step=b.log[:, LOG_COIN_STEP], end_step=b.log[:, LOG_END_STEP], died=b.log[:, LOG_DIED],
            length=b.log[:, LOG_LENGTH], condition=b.log[:, LOG_CONDITION], index=b.log[:, LOG_EPISODE],
            truncated=b.truncated, episode_return=b.log_return)

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to go on exactly from here, as copies; every engine can take it over."""
        parts = {f"world.{k}": v for k, v in self.world._asdict().items()}
        parts |= {f"buffers.{k}": v for k, v in self._buffers._asdict().items()}
        return {k: self._fetched(v) for k, v in parts.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in an environment built with the same arguments."""
        for prefix, arrays in (("world", self.world), ("buffers", self._buffers)):
            for name, array in arrays._asdict().items():
                saved = state[f"{prefix}.{name}"]
                if saved.shape != tuple(array.shape) or saved.dtype != numpy_type(array):
                    raise ValueError(f"the saved environment has {prefix}.{name} {saved.dtype}{list(saved.shape)}, this "
                                     f"one {numpy_type(array)}{list(array.shape)}: build it with the same arguments")
                array[...] = self._placed(saved)
        self._observation(self.rows)  # frames are drawn anew rather than saved


def numpy_type(array: Array) -> np.dtype:
    """numpy's name for an array's or a tensor's type of element."""
    return np.dtype(str(array.dtype).removeprefix("torch."))
