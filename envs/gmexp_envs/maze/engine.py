"""Many Maze worlds stepped together on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmexp_envs.chosen import BY_SEED
from gmexp_envs.compiled.engine import CpuArrays
from gmexp_envs.compiled.jit import jit
from gmexp_envs.maze.base import MazeEngine
from gmexp_envs.maze.chosen import generate_chosen
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.draw.pixels import Kept, render
from gmexp_envs.maze.episode import act, next_seed, opened
from gmexp_envs.maze.levels import generate_level, number_level
from gmexp_envs.maze.paths import new_scratch
from gmexp_envs.maze.semantic import observe_semantic
from gmexp_envs.procgen_family.blit import FRAME
from gmexp_envs.procgen_family.streams import start_stream
from gmexp_envs.vec import FrameStyle


@jit
def _begin_episodes(table, semantic, scratch, rows, first, last):
    world, encoded, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        generate_level(world, e, encoded, next_seed(world, e, encoded), BY_SEED, scratch)
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit(allocates=True)
def begin_episodes(table, semantic, rows, first, last):
    """Start the next episode of the worlds rows[first:last]."""
    _begin_episodes(table, semantic, new_scratch(), rows, first, last)


@jit
def _begin_chosen(table, semantic, seeds, places, scratch, rows, first, last):
    world, encoded, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        generate_chosen(world, e, encoded, seeds[k], places[k, 0], places[k, 1], scratch)
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit(allocates=True)
def begin_chosen(table, semantic, seeds, places, rows, first, last):
    """Start episodes of the worlds rows[first:last] on the levels seeds[k], the goals as places[k] says."""
    _begin_chosen(table, semantic, seeds, places, new_scratch(), rows, first, last)


@jit
def _step_worlds(table, semantic, actions, repeat, autoreset, scratch, rows, first, last):
    world, encoded, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        if act(world, e, encoded, buffers, actions[e], repeat) and autoreset:
            generate_level(world, e, encoded, next_seed(world, e, encoded), BY_SEED, scratch)
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit(allocates=True)
def step_worlds(table, semantic, actions, repeat, autoreset, rows, first, last):
    """Step the worlds rows[first:last], `repeat` times each or to the end of the episode, and log what ended."""
    _step_worlds(table, semantic, actions, repeat, autoreset, new_scratch(), rows, first, last)


@jit
def _seed_worlds(table, seeds, rows, first, last):
    """Seed the level streams of the worlds rows[first:last]."""
    world, _, _ = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        start_stream(world.slots[e], world.level_stream[e], seeds[e])


@jit
def _number_worlds(table, numbers, scratch, rows, first, last):
    world, _, _ = opened(table)
    for k in range(first, last):
        numbers[rows[k]] = number_level(world, np.uint64(rows[k]), scratch.digger.cells)


@jit(allocates=True)
def number_worlds(table, numbers, rows, first, last):
    """Write the numbers of the mazes of the worlds rows[first:last]."""
    _number_worlds(table, numbers, new_scratch(), rows, first, last)


class Maze(CpuArrays, MazeEngine):
    """The engine on the CPU: `Engine` says what it does; arrays are numpy's, stepped by `threads`."""

    _begin_chosen = staticmethod(begin_chosen)

    def __init__(self, num_envs: int, distributions: Sequence[MazeDistribution], seed: int | None = None,
                 observation: str = "semantic", threads: int = 1, action_repeat: int = 1,
                 style: FrameStyle | None = None, drawable: bool = False) -> None:
        self._arguments = num_envs, distributions, seed, observation, threads, action_repeat, style, drawable
        super().__init__(num_envs, distributions, seed, observation, action_repeat, style, drawable)
        if self._drawable:
            self._kept = Kept(self._zeros((FRAME * num_envs + 1,), np.uint8), np.zeros((num_envs, 2), np.int32))
            self._pixels = self._zeros((FRAME * num_envs,), np.uint8)
            self._frames = self._pixels.reshape(self.style.shape(num_envs))
        self._share_out(threads, num_envs)
        self._seed_streams(self.seed)

    def layouts(self) -> np.ndarray:
        """The maze of every instance as a number: uint64 [N] (`compiled.splits`)."""
        numbers = np.zeros(self.num_envs, np.uint64)
        self._run(number_worlds, self.rows, self._table, numbers)
        return numbers

    def _seed_streams(self, seed: int) -> None:
        self._run(_seed_worlds, self.rows, self._table, self._stream_seeds(seed))

    def _begin(self, rows: np.ndarray) -> None:
        self._run(begin_episodes, rows, self._table, self._semantic)

    def _move(self, actions: np.ndarray, rows: np.ndarray, autoreset: bool) -> None:
        self._run(step_worlds, rows, self._table, self._semantic, actions, self.action_repeat, autoreset)

    def _draw(self, rows: np.ndarray) -> np.ndarray:
        self._run(render, rows, self._table, self._boards.table, self._kept, self._pixels, self.style.channels_first)
        return self._frames
