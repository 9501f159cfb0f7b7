"""Many CoinRun worlds stepped together on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmexp_envs.coinrun.base import CoinRunEngine
from gmexp_envs.coinrun.chosen import begin_chosen
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.draw.pixels import FRAME, render
from gmexp_envs.coinrun.episode import act, next_seed, opened, seed_stream
from gmexp_envs.coinrun.opening import fetch_numbers
from gmexp_envs.coinrun.layout import BACKGROUND, MARGIN, NUM_ENEMIES, SIZE, X, Y
from gmexp_envs.coinrun.levels import generate_level, number_level
from gmexp_envs.coinrun.semantic import observe_semantic
from gmexp_envs.compiled.engine import CpuArrays
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import FAR, NEAR, prefetch, prefetch_row
from gmexp_envs.vec import FrameStyle


@jit
def begin_episodes(table, semantic, rows, first, last):
    """Start the next episode of the worlds rows[first:last]."""
    world, encoded, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        generate_level(world, e, encoded, next_seed(world, e, encoded))
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit(forceinline=True)
def _fetch_surroundings(world, buffers, e, semantic):
    """Ask for what a step of world e reads around the agent and the enemies, whose places are at hand by now, and writes for
    its reader."""
    x = min(max(np.int64(world.body[e, X]), 0), SIZE - 1)
    y = np.int64(world.body[e, Y])
    for j in range(y - 1, y + 2):
        prefetch(world.grid, e, SIZE * min(max(j, 0), SIZE - 1) + x)
    for k in range(world.facts[e, NUM_ENEMIES]):
        i = np.uint64(k)
        prefetch(world.grid, e, SIZE * np.int64(world.enemies[e, i, 1]) + np.int64(world.enemies[e, i, 0]))
    if semantic:
        for j in range(y - MARGIN, y + MARGIN + 1):
            row = (SIZE + 2 * MARGIN) * min(max(j, 0), SIZE - 1) + x
            prefetch(world.classes, e, row)
            prefetch(world.classes, e, row + 2 * MARGIN)
        prefetch_row(buffers.window, e)
        prefetch_row(buffers.state, e)


@jit
def _step_worlds(table, semantic, actions, repeat, autoreset, rows, first, last):
    """Step the worlds rows[first:last], `repeat` times each or to the end of the episode, and log what ended."""
    world, encoded, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        if k + FAR < last:
            fetch_numbers(world, np.uint64(rows[k + FAR]))
        if k + NEAR < last:
            _fetch_surroundings(world, buffers, np.uint64(rows[k + NEAR]), semantic)
        if act(world, e, encoded, buffers, actions[e], repeat) and autoreset:
            generate_level(world, e, encoded, next_seed(world, e, encoded))
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit
def _seed_worlds(table, seeds, rows, first, last):
    """Seed the level streams of the worlds rows[first:last]."""
    world, _, _ = opened(table)
    for k in range(first, last):
        seed_stream(world, np.uint64(rows[k]), seeds[rows[k]])


@jit
def _number_worlds(table, layouts, rows, first, last):
    """Write the numbers of the layouts of the worlds rows[first:last], as they were before the first step."""
    world, _, _ = opened(table)
    for k in range(first, last):
        layouts[rows[k]] = number_level(world, np.uint64(rows[k]))


class CoinRun(CpuArrays, CoinRunEngine):
    """The engine on the CPU: `Engine` says what it does; arrays are numpy's, stepped by `threads`."""

    _begin_chosen = staticmethod(begin_chosen)

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None = None,
                 observation: str = "semantic", threads: int = 1, action_repeat: int = 1,
                 style: FrameStyle | None = None, drawable: bool = False) -> None:
        self._arguments = num_envs, distributions, seed, observation, threads, action_repeat, style, drawable
        super().__init__(num_envs, distributions, seed, observation, action_repeat, style, drawable)
        if self._drawable:
            self._pixels = self._zeros((FRAME * num_envs + 1,), np.uint8)
            self._frames = self._pixels[:-1].reshape(self.style.shape(num_envs))
        self._share_out(threads, num_envs)
        self._seed_streams(self.seed)

    def layouts(self) -> np.ndarray:
        """What there is to play in every world, before the first step: uint64 [N] (`compiled.splits`)."""
        found = np.zeros(self.num_envs, np.uint64)
        self._run(_number_worlds, self.rows, self._table, found)
        return found

    def _seed_streams(self, seed: int) -> None:
        self._run(_seed_worlds, self.rows, self._table, self._stream_seeds(seed))

    def _begin(self, rows: np.ndarray) -> None:
        self._run(begin_episodes, rows, self._table, self._semantic)

    def _move(self, actions: np.ndarray, rows: np.ndarray, autoreset: bool) -> None:
        self._run(_step_worlds, rows, self._table, self._semantic, actions, self.action_repeat, autoreset)

    def _draw(self, rows: np.ndarray) -> np.ndarray:
        backgrounds = self.world.facts[rows, BACKGROUND]
        self._sprites.require(backgrounds)
        rows = rows[np.argsort(backgrounds, kind="stable")]  # worlds that share a background find it in the cache
        self._run(render, rows, self._table, self.num_envs, self._sprites.images, self._pixels, self.style.channels_first)
        return self._frames
