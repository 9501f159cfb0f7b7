"""Many instances of Keys and Chests stepped together on the CPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmexp_envs.chosen import BY_SEED
from gmexp_envs.compiled.engine import CpuArrays
from gmexp_envs.compiled.jit import jit
from gmexp_envs.keys_and_chests.base import KeysEngine
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.draw.pixels import render, SCENE_KEY
from gmexp_envs.keys_and_chests.episode import act, next_seed, opened
from gmexp_envs.keys_and_chests.layout import MAZE
from gmexp_envs.keys_and_chests.levels import generate_level
from gmexp_envs.keys_and_chests.semantic import observe_semantic
from gmexp_envs.procgen_family.blit import FRAME
from gmexp_envs.procgen_family.mazes import number
from gmexp_envs.procgen_family.streams import start_stream
from gmexp_envs.vec import FrameStyle


@jit
def begin_episodes(table, semantic, rows, first, last):
    """Start the next episode of the instances rows[first:last]."""
    world, encoded, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        generate_level(world, e, encoded, next_seed(world, e, encoded), BY_SEED)
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit
def begin_chosen(table, semantic, seeds, places, rows, first, last):
    """Start episodes of the instances rows[first:last] on the levels seeds[k], with two chests for every key or without, as
    places[k] says; a cell is no place for that."""
    world, encoded, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        generate_level(world, e, encoded, seeds[k], places[k, 0])
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit
def _step_instances(table, semantic, actions, repeat, autoreset, rows, first, last):
    """Step the instances rows[first:last], `repeat` times each or to the end of the episode, and log what ended."""
    world, encoded, buffers = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        if act(world, e, encoded, buffers, actions[e], repeat) and autoreset:
            generate_level(world, e, encoded, next_seed(world, e, encoded), BY_SEED)
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit
def _seed_instances(table, seeds, rows, first, last):
    """Seed the level streams of the instances rows[first:last]."""
    world, _, _ = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        start_stream(world.slots[e], world.level_stream[e], seeds[rows[k]])


@jit
def _number_instances(table, numbers, rows, first, last):
    """Write the numbers of the mazes of the instances rows[first:last]."""
    world, _, _ = opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        numbers[rows[k]] = number(world.maze[e], world.facts[e, MAZE])


class KeysAndChests(CpuArrays, KeysEngine):
    """The engine on the CPU: `Engine` says what it does; arrays are numpy's, stepped by `threads`."""

    _begin_chosen = staticmethod(begin_chosen)

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None = None,
                 observation: str = "semantic", threads: int = 1, action_repeat: int = 1,
                 style: FrameStyle | None = None, drawable: bool = False) -> None:
        self._arguments = num_envs, distributions, seed, observation, threads, action_repeat, style, drawable
        super().__init__(num_envs, distributions, seed, observation, action_repeat, style, drawable)
        if self._drawable:
            self._pixels, self._scenes = (self._zeros((FRAME * num_envs + 1,), np.uint8) for _ in range(2))
            self._scene_keys = np.zeros((num_envs, SCENE_KEY), np.int64)
            self._frames = self._pixels[:-1].reshape(self.style.shape(num_envs))
        self._share_out(threads, num_envs)
        self._seed_streams(self.seed)

    def layouts(self) -> np.ndarray:
        """The maze of every instance as a number: uint64 [N] (`compiled.splits`)."""
        numbers = np.zeros(self.num_envs, np.uint64)
        self._run(_number_instances, self.rows, self._table, numbers)
        return numbers

    def _seed_streams(self, seed: int) -> None:
        self._run(_seed_instances, self.rows, self._table, self._stream_seeds(seed))

    def _begin(self, rows: np.ndarray) -> None:
        self._run(begin_episodes, rows, self._table, self._semantic)

    def _move(self, actions: np.ndarray, rows: np.ndarray, autoreset: bool) -> None:
        self._run(_step_instances, rows, self._table, self._semantic, actions, self.action_repeat, autoreset)

    def _draw(self, rows: np.ndarray) -> np.ndarray:
        self._run(render, rows, self._table, self.num_envs, self._sprites, self._scenes, self._scene_keys, self._pixels,
                  self.style.channels_first)
        return self._frames
