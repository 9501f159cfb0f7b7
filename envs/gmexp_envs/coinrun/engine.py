"""Many CoinRun worlds stepped together on the CPU.

The kernels take a range of worlds and release the GIL; with more than one thread the ranges run in a small pool of the
environment's own, so nothing spins, other threads may use numba as they like, and one thread means no pool at all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gmexp_envs.coinrun.base import Engine
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.draw.pixels import FRAME, render
from gmexp_envs.coinrun.episode import act, next_seed, opened, seed_stream
from gmexp_envs.coinrun.layout import BACKGROUND
from gmexp_envs.coinrun.levels import generate_level
from gmexp_envs.coinrun.semantic import observe_semantic
from gmexp_envs.compiled.jit import jit
from gmexp_envs.vec import FrameStyle


WORLDS_PER_THREAD = 128  # fewer are not worth handing over


@jit
def begin_episodes(table, semantic, rows, first, last):
    """Start the next episode of the worlds rows[first:last]."""
    world, conditions, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        generate_level(world, e, conditions, next_seed(world, e, conditions))
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit
def _step_worlds(table, semantic, actions, repeat, autoreset, rows, first, last):
    """Step the worlds rows[first:last], `repeat` times each or to the end of the episode, and log what ended."""
    world, conditions, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        if act(world, e, conditions, buffers, actions[e], repeat) and autoreset:
            generate_level(world, e, conditions, next_seed(world, e, conditions))
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit
def _seed_worlds(table, seeds, rows, first, last):
    """Seed the level streams of the worlds rows[first:last]."""
    world, _, _ = opened(table)
    for k in range(first, last):
        seed_stream(world, np.uint64(rows[k]), seeds[rows[k]])


class CoinRun(Engine):
    """The engine on the CPU: `Engine` says what it does; arrays are numpy's, stepped by `threads`."""

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None = None,
                 observation: str = "semantic", threads: int = 1, action_repeat: int = 1,
                 style: FrameStyle | None = None, drawable: bool = False) -> None:
        super().__init__(num_envs, distributions, seed, observation, action_repeat, style, drawable)
        if self._drawable:
            self._pixels = np.zeros(FRAME * num_envs + 1, np.uint8)
            self._frames = self._pixels[:-1].reshape(self.style.shape(num_envs))
        self._threads = max(1, min(threads, num_envs // WORLDS_PER_THREAD))
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0  # whose threads are in the pool: a forked child needs its own
        self._seed_streams(self.seed)

    def _zeros(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        return np.zeros(shape, dtype)

    def _placed(self, array: np.ndarray) -> np.ndarray:
        return array

    def _fetched(self, array: np.ndarray) -> np.ndarray:
        return array.copy()

    def _address(self, array: np.ndarray) -> int:
        return array.ctypes.data

    def _run(self, kernel, rows: np.ndarray, *arguments) -> None:
        """Run a kernel over the given worlds, shared out over the threads."""
        if self._threads == 1 or len(rows) < 2 * WORLDS_PER_THREAD:
            kernel(*arguments, rows, 0, len(rows))
            return
        if self._pool is None or self._process != os.getpid():
            self._pool, self._process = ThreadPoolExecutor(self._threads), os.getpid()
        bounds = np.linspace(0, len(rows), self._threads + 1).astype(int).tolist()
        futures = [self._pool.submit(kernel, *arguments, rows, a, b)
                   for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
        for future in futures:
            future.result()

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

    def close(self) -> None:
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown()
        self._pool = None
