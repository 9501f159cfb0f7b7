"""What the engines of Keys and Chests share: the arrays of N instances, and what their columns mean."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from gmexp_envs.chosen import places_by_correlation
from gmexp_envs.compiled.engine import Array, encode_levels, Engine
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.draw.sprites import load_sprites, Sprites
from gmexp_envs.keys_and_chests.episode import allocate_buffers
from gmexp_envs.keys_and_chests.layout import (
    allocate, CELL, DISTINGUISHING, Encoded, INTENDED_STEP, LOG_ALIGNED, LOG_CELL, LOG_DIED, LOG_DISTINGUISHING,
    LOG_EPISODE, LOG_FACTS, LOG_INTENDED_STEP, LOG_LENGTH, LOG_PROXY_STEP, LOG_SEED, MODES, NUM_ACTIONS, NUM_FLOATS,
    NUM_INTS, PLACEMENTS, PLENTY, PLENTY_CHESTS, PROXY_STEP, SEED, TIME,
)
from gmexp_envs.procgen_family.images import default_style
from gmexp_envs.procgen_family.streams import OFFSET, STRIDE
from gmexp_envs.vec import EpisodeLog, FrameStyle, Present


def encode(distributions: Sequence[LevelDistribution]) -> Encoded:
    """Level distributions as the rows of numbers that the kernels read."""
    floats, ints = [], []
    levels, seeds = encode_levels(distributions)
    for d, (first, count, listed, offset) in zip(distributions, levels, strict=True):
        floats.append([d.rho, d.appearance or 0.0, d.context, d.supervision, d.spec_quality, d.physics.max_speed,
                       d.physics.mixrate])
        ints.append([MODES[d.mode], d.game == "heist", PLACEMENTS.index(d.placement), d.appearance is not None, d.masked,
                     d.key_penalty, d.step_penalty, d.horizon, first, count, listed, offset, d.sequential,
                     d.by_content and not listed])
    encoded = Encoded(np.array(floats, np.float32), np.array(ints, np.int64), seeds)
    assert encoded.floats.shape[1] == NUM_FLOATS and encoded.ints.shape[1] == NUM_INTS  # as `opened` reads them
    return encoded


class KeysEngine(Engine):
    """N instances of Keys and Chests (see `gmexp_envs.make_vec` for what the arguments mean).

    `drawable` makes `frames` possible where the observation is semantic. Memory is about 11 kB per instance, 35 kB with
    frames.
    """

    num_actions = NUM_ACTIONS

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None, observation: str,
                 action_repeat: int, style: FrameStyle | None, drawable: bool) -> None:
        super().__init__(num_envs, distributions, seed, observation, action_repeat)
        self._drawable = drawable or observation == "pixels"
        self._semantic = observation == "semantic"
        self.style = style or default_style()
        world = allocate(num_envs, self._zeros)
        encoded = Encoded(*map(self._placed, encode(self.distributions)))
        cells, share = self._shares()
        world.facts[:, CELL] = self._placed(cells)
        world.slots[:, OFFSET] = self._placed(self.rows % share)
        world.slots[:, STRIDE] = share
        self.rows = self._placed(self.rows)
        self._tabulate(world, encoded, allocate_buffers(num_envs, self._zeros), num_envs, len(encoded.floats),
                       len(encoded.seeds))

    @cached_property
    def _sprites(self) -> Sprites:
        return load_sprites(*self.style.options)

    @property
    def _appearance(self) -> Array:
        return self.world.appearance

    @property
    def log(self) -> EpisodeLog:
        b = self._buffers
        return EpisodeLog(
            level_seed=b.log[:, LOG_SEED], cell=b.log[:, LOG_CELL], index=b.log[:, LOG_EPISODE],
            distinguishing=b.log[:, LOG_DISTINGUISHING], aligned=b.log[:, LOG_ALIGNED],
            intended_step=b.log[:, LOG_INTENDED_STEP], proxy_step=b.log[:, LOG_PROXY_STEP], died=b.log[:, LOG_DIED],
            length=b.log[:, LOG_LENGTH], truncated=b.truncated, episode_return=b.log_return, facts=b.log[:, LOG_FACTS:])

    @property
    def goal_places(self) -> np.ndarray:
        return places_by_correlation(self.world.facts[:, PLENTY] == PLENTY_CHESTS)

    @property
    def present(self) -> Present:
        facts, clock = self.world.facts, self.world.clock
        return Present(level_seed=facts[:, SEED], step=clock[:, TIME], intended_step=clock[:, INTENDED_STEP],
                       proxy_step=clock[:, PROXY_STEP], distinguishing=facts[:, DISTINGUISHING],
                       placement=facts[:, PLENTY])
