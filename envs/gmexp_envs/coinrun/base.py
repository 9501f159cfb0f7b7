"""What CoinRun's engines share: the arrays of N worlds, and what their columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.draw.sprites import Sprites, default_style, load_sprites
from gmexp_envs.coinrun.episode import allocate_buffers
from gmexp_envs.coinrun.layout import (
    allocate, CELL, COIN_X, COIN_Y, CORRELATED, DISTINGUISHING, Encoded, END_X, END_Y, INTENDED_STEP, LOG_ALIGNED,
    LOG_CELL, LOG_DIED, LOG_DISTINGUISHING, LOG_EPISODE, LOG_FACTS, LOG_INTENDED_STEP, LOG_LENGTH, LOG_PROXY_STEP,
    LOG_SEED, NUM_ACTIONS, NUM_FLOATS, NUM_INTS, OFFSET, PLACEMENTS, PROXY_STEP, SEED, STRIDE, TIME, X, Y,
)
from gmexp_envs.compiled.engine import Array, Engine, encode_levels
from gmexp_envs.vec import EpisodeLog, FrameStyle, Present


def encode(distributions: Sequence[LevelDistribution]) -> Encoded:
    """Level distributions as the rows of numbers that the kernels read."""
    floats, ints = [], []
    levels, seeds = encode_levels(distributions)
    for d, (first, count, listed, offset) in zip(distributions, levels, strict=True):
        p = d.physics
        floats.append([d.rho, d.appearance or 0.0, d.context, d.supervision, d.spec_quality, p.gravity, p.max_jump,
                       p.max_speed, p.mixrate, p.air_control])
        cell_x, cell_y = d.cell or (-1, -1)
        ints.append([d.mode == "easy", PLACEMENTS.index(d.placement), cell_x, cell_y, d.appearance is not None,
                     d.masked, d.horizon, first, count, listed, offset, d.sequential, d.permeable_wall,
                     d.by_content and not listed])
    encoded = Encoded(np.array(floats, np.float32), np.array(ints, np.int64), seeds)
    assert encoded.floats.shape[1] == NUM_FLOATS and encoded.ints.shape[1] == NUM_INTS  # as `opened` reads them
    return encoded


class CoinRunEngine(Engine):
    """N worlds of CoinRun (see `gmexp_envs.make_vec` for what the arguments mean).

    `drawable` makes `frames` possible where the observation is semantic. Memory is about 17 kB per world, 32 kB with
    frames, for which up to 303 MB of images are shared by the process.
    """

    num_actions = NUM_ACTIONS

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None, observation: str,
                 action_repeat: int, style: FrameStyle | None, drawable: bool) -> None:
        super().__init__(num_envs, distributions, seed, observation, action_repeat)
        self._drawable = drawable or observation == "pixels"
        self._semantic = observation == "semantic"
        self.style = style or default_style()
        world = allocate(num_envs, self._drawable, self._zeros)
        encoded = Encoded(*map(self._placed, encode(self.distributions)))
        cells, share = self._shares()
        world.facts[:, CELL] = self._placed(cells)
        world.slots[:, OFFSET] = self._placed(self.rows % share)
        world.slots[:, STRIDE] = share
        self.rows = self._placed(self.rows)
        self._tabulate(world, encoded, allocate_buffers(num_envs, self._zeros), num_envs, world.trails.shape[1],
                       len(encoded.floats), len(encoded.seeds))

    @cached_property
    def _sprites(self) -> Sprites:
        return load_sprites(*self.style.options)

    @property
    def _appearance(self) -> Array:
        return self.world.appearance

    @property
    def goal_cells(self) -> Array:
        return self.world.facts[:, COIN_X:COIN_Y + 1]

    @property
    def agent_cells(self) -> Array:
        return self.world.body[:, X:Y + 1].astype(np.int32)

    @property
    def log(self) -> EpisodeLog:
        b = self._buffers
        return EpisodeLog(
            level_seed=b.log[:, LOG_SEED], cell=b.log[:, LOG_CELL], index=b.log[:, LOG_EPISODE],
            distinguishing=b.log[:, LOG_DISTINGUISHING], aligned=b.log[:, LOG_ALIGNED],
            intended_step=b.log[:, LOG_INTENDED_STEP], proxy_step=b.log[:, LOG_PROXY_STEP], died=b.log[:, LOG_DIED],
            length=b.log[:, LOG_LENGTH], truncated=b.truncated, episode_return=b.log_return, facts=b.log[:, LOG_FACTS:])

    @property
    def present(self) -> Present:
        facts, clock = self.world.facts, self.world.clock
        aligned = (facts[:, COIN_X] == facts[:, END_X]) & (facts[:, COIN_Y] == facts[:, END_Y])
        opposite = (facts[:, CORRELATED] != 0) & ~aligned
        return Present(level_seed=facts[:, SEED], step=clock[:, TIME], intended_step=clock[:, INTENDED_STEP],
                       proxy_step=clock[:, PROXY_STEP], distinguishing=facts[:, DISTINGUISHING],
                       placement=aligned * 1 - opposite * 1)
