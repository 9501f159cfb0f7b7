"""What Maze's engines share: the arrays of N worlds, and what their columns mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from gmexp_envs.chosen import places_by_correlation
from gmexp_envs.compiled.engine import Array, Engine, encode_levels
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.draw.boards import Boards, load_boards
from gmexp_envs.maze.layout import (
    ALIGNED, allocate, allocate_buffers, CELL, DISTINGUISHING, Encoded, GAMES, GOAL_X, GOAL_Y, INTENDED_STEP, LOG_ALIGNED,
    LOG_CELL, LOG_DISTINGUISHING, LOG_EPISODE, LOG_FACTS, LOG_INTENDED_STEP, LOG_LENGTH, LOG_PROXY_STEP, LOG_SEED,
    NUM_ACTIONS, NUM_FLOATS, NUM_INTS, OPPOSITE, PLACED, PLACEMENTS, PROXY_STEP, PROXY_X, PROXY_Y, SEED, SIZES, STALE,
    TIME, X, Y,
)
from gmexp_envs.procgen_family.images import default_style
from gmexp_envs.procgen_family.streams import OFFSET, STRIDE
from gmexp_envs.vec import EpisodeLog, FrameStyle, Present


def encode(distributions: Sequence[MazeDistribution]) -> Encoded:
    """Level distributions as the rows of numbers that the kernels read."""
    floats, ints = [], []
    levels, seeds = encode_levels(distributions)
    for d, (first, count, listed, offset) in zip(distributions, levels, strict=True):
        floats.append([d.rho, d.appearance or 0.0, d.context, d.supervision, d.spec_quality])
        ints.append([d.mode == "easy", GAMES.index(d.game), PLACEMENTS.index(d.placement), d.region, *d.size_range,
                     d.appearance is not None, d.masked, d.horizon, first, count, listed, offset, d.sequential,
                     d.by_content and not listed])
    encoded = Encoded(np.array(floats, np.float32), np.array(ints, np.int64), seeds)
    assert encoded.floats.shape[1] == NUM_FLOATS and encoded.ints.shape[1] == NUM_INTS  # as `opened` reads them
    return encoded


def window_side(distributions: Sequence[MazeDistribution]) -> int:
    """Cells across and down the semantic window: those of the largest world."""
    return max(SIZES[d.mode] for d in distributions)


class MazeEngine(Engine):
    """N worlds of Maze (see `gmexp_envs.make_vec` for what the arguments mean).

    `drawable` makes `frames` possible where the observation is semantic. Memory is about 5 kB per world, 30 kB with frames,
    for which 1 MB of images is shared by the process.
    """

    num_actions = NUM_ACTIONS

    def __init__(self, num_envs: int, distributions: Sequence[MazeDistribution], seed: int | None, observation: str,
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
        side = window_side(self.distributions)
        self._tabulate(world, encoded, allocate_buffers(num_envs, side, self._zeros), num_envs, side,
                       len(encoded.floats), len(encoded.seeds))

    @cached_property
    def _boards(self) -> Boards:
        return load_boards(*self.style.options)

    @property
    def _appearance(self) -> Array:
        return self.world.appearance

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        clock = state["world.clock"].copy()
        clock[:, STALE] = 1  # pictures are drawn anew rather than saved
        super().restore({**state, "world.clock": clock})

    @property
    def log(self) -> EpisodeLog:
        b = self._buffers
        return EpisodeLog(
            level_seed=b.log[:, LOG_SEED], cell=b.log[:, LOG_CELL], index=b.log[:, LOG_EPISODE],
            distinguishing=b.log[:, LOG_DISTINGUISHING], aligned=b.log[:, LOG_ALIGNED],
            intended_step=b.log[:, LOG_INTENDED_STEP], proxy_step=b.log[:, LOG_PROXY_STEP],
            died=0 * b.log[:, LOG_SEED], length=b.log[:, LOG_LENGTH], truncated=b.truncated, episode_return=b.log_return,
            facts=b.log[:, LOG_FACTS:])

    @property
    def goal_places(self) -> np.ndarray:
        if any(d.game != "cheese" for d in self.distributions):
            return places_by_correlation(self.world.facts[:, PLACED] == ALIGNED)
        return self.goal_cells

    @property
    def goal_cells(self) -> np.ndarray:
        return self.world.facts[:, [GOAL_X, GOAL_Y]]

    @property
    def agent_cells(self) -> np.ndarray:
        return self.world.clock[:, [X, Y]]

    @property
    def present(self) -> Present:
        facts, clock = self.world.facts, self.world.clock
        aligned = (facts[:, GOAL_X] == facts[:, PROXY_X]) & (facts[:, GOAL_Y] == facts[:, PROXY_Y])
        opposite = (facts[:, PLACED] == OPPOSITE) & ~aligned
        return Present(level_seed=facts[:, SEED], step=clock[:, TIME], intended_step=clock[:, INTENDED_STEP],
                       proxy_step=clock[:, PROXY_STEP], distinguishing=facts[:, DISTINGUISHING],
                       placement=aligned * 1 - opposite * 1)
