"""Many CoinRun worlds stepped together on the CPU.

The kernels take a range of worlds and release the GIL; with more than one thread the ranges run in a small pool of the
environment's own, so nothing spins, other threads may use numba as they like, and one thread means no pool at all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple

import numpy as np

from envs.coinrun.layout import (
    BACKGROUND, COIN_STEP, COIN_X, COIN_Y, CONDITION, CORRELATED, C_COUNT, C_FIRST, C_LISTED, C_LOW, C_SEQUENTIAL,
    Conditions, DIED, END_STEP, END_X, END_Y, EPISODES, EVENTS, LEVEL_STREAM, LOG_COIN_STEP, LOG_COIN_X, LOG_COIN_Y,
    LOG_CONDITION, LOG_CORRELATED, LOG_DIED, LOG_END_STEP, LOG_END_X, LOG_END_Y, LOG_EPISODE, LOG_LENGTH, LOG_SECTIONS,
    LOG_SEED, LOG_SEPARATED, NUM_FLOATS, NUM_INTS, NUM_LOG, NUM_SECTIONS, NUM_STATE, OFFSET, PLACEMENTS, RETURN, SEED,
    SEPARATED, STRIDE, TIME, WINDOW, World, addresses, allocate, f32,
)
from envs.coinrun.levels import generate_level
from envs.coinrun.opening import world_at
from envs.coinrun.pixels import FRAME, render
from envs.coinrun.rules import ONGOING, TERMINATED, TRUNCATED, step_world
from envs.coinrun.semantic import observe_semantic
from envs.coinrun.sprites import Sprites, default_style, load_sprites
from envs.coinrun.twister import draw
from envs.distribution import LevelDistribution, SeedRange
from envs.jit import jit
from envs.memory import array_at
from envs.vec import EpisodeLog, FrameStyle, SemanticObservation, Step, VecEnv

WORLDS_PER_THREAD = 128  # fewer are not worth handing over


class _Buffers(NamedTuple):
    """What a step writes for its reader: one row per world."""

    window: np.ndarray  # uint8 [N, 13, 13]
    state: np.ndarray  # float32 [N, 7]
    reward: np.ndarray  # float32 [N]
    terminated: np.ndarray  # bool [N]
    truncated: np.ndarray  # bool [N]
    log: np.ndarray  # int32 [N, NUM_LOG]
    log_return: np.ndarray  # float32 [N]


NUM_WORLD, NUM_CONDITIONS, NUM_BUFFERS = len(World._fields), len(Conditions._fields), len(_Buffers._fields)


@jit
def _next_seed(world, e, conditions):
    """Level seed of world e's next episode: the next of its sequence, or a draw from its own stream as in vecgame.cpp."""
    c, slot = world.facts[e, CONDITION], world.slots[e]
    count = conditions.ints[c, C_COUNT]
    if conditions.ints[c, C_SEQUENTIAL]:
        index = (np.int64(slot[OFFSET]) + np.int64(slot[EPISODES]) * np.int64(slot[STRIDE])) % count
    else:
        v, following = draw(world.level_stream[e], slot[LEVEL_STREAM])
        slot[LEVEL_STREAM] = following
        index = np.int64(v % np.uint32(count))
    if conditions.ints[c, C_LISTED]:
        return conditions.seeds[conditions.ints[c, C_FIRST] + index]
    return conditions.ints[c, C_LOW] + index


@jit
def write_log(world, e, log):
    facts, clock = world.facts[e], world.clock[e]
    log[LOG_SEED] = facts[SEED]
    log[LOG_COIN_X] = facts[COIN_X]
    log[LOG_COIN_Y] = facts[COIN_Y]
    log[LOG_END_X] = facts[END_X]
    log[LOG_END_Y] = facts[END_Y]
    log[LOG_SECTIONS] = facts[NUM_SECTIONS]
    log[LOG_SEPARATED] = facts[SEPARATED]
    log[LOG_COIN_STEP] = clock[COIN_STEP]
    log[LOG_END_STEP] = clock[END_STEP]
    log[LOG_DIED] = (clock[EVENTS] & DIED) != 0
    log[LOG_LENGTH] = clock[TIME]
    log[LOG_CONDITION] = facts[CONDITION]
    log[LOG_CORRELATED] = facts[CORRELATED]
    log[LOG_EPISODE] = world.slots[e, EPISODES]


@jit(inline="always")
def _opened(table):
    """World, conditions and buffers from the table of `CoinRun`."""
    w, c, b = 0, NUM_WORLD, NUM_WORLD + NUM_CONDITIONS
    sizes = b + NUM_BUFFERS
    n, trails = np.int64(table[sizes]), np.int64(table[sizes + 1])
    d, seeds = np.int64(table[sizes + 2]), np.int64(table[sizes + 3])
    conditions = Conditions(
        array_at(table[c], (d, NUM_FLOATS), np.float32), array_at(table[c + 1], (d, NUM_INTS), np.int64),
        array_at(table[c + 2], (seeds,), np.int64))
    buffers = _Buffers(
        array_at(table[b], (n, WINDOW, WINDOW), np.uint8), array_at(table[b + 1], (n, NUM_STATE), np.float32),
        array_at(table[b + 2], (n,), np.float32), array_at(table[b + 3], (n,), np.bool_),
        array_at(table[b + 4], (n,), np.bool_), array_at(table[b + 5], (n, NUM_LOG), np.int32),
        array_at(table[b + 6], (n,), np.float32))
    return world_at(table[w:], n, trails), conditions, buffers


@jit
def begin_episodes(table, semantic, rows, first, last):
    """Start the next episode of the worlds rows[first:last]."""
    world, conditions, buffers = _opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        generate_level(world, e, conditions, _next_seed(world, e, conditions))
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


@jit
def _step_worlds(table, semantic, actions, repeat, autoreset, rows, first, last):
    """Step the worlds rows[first:last], `repeat` times each or to the end of the episode, and log what ended."""
    world, conditions, buffers = _opened(table)
    for k in range(first, last):
        e = np.uint64(rows[k])
        reward, ending = f32(0), ONGOING
        for _ in range(repeat):
            more, ending = step_world(world, e, conditions, actions[e])
            reward = f32(reward + more)
            if ending != ONGOING:
                break
        buffers.reward[e] = reward
        buffers.terminated[e] = ending == TERMINATED
        buffers.truncated[e] = ending == TRUNCATED
        if ending != ONGOING:
            write_log(world, e, buffers.log[e])
            buffers.log_return[e] = world.body[e, RETURN]
            world.slots[e, EPISODES] += 1
            if autoreset:
                generate_level(world, e, conditions, _next_seed(world, e, conditions))
        if semantic:
            observe_semantic(world, e, buffers.window[e], buffers.state[e])


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
    assert found.floats.shape[1] == NUM_FLOATS and found.ints.shape[1] == NUM_INTS  # as `_opened` reads them
    return found


class CoinRun(VecEnv):
    """N worlds of CoinRun on the CPU (see `envs.make_vec` for what the arguments mean).

    With several distributions the worlds are shared out evenly, the first N / D to the first distribution and so on.
    `drawable` makes `frames` possible where the observation is semantic. Memory is about 17 kB per world, 32 kB with
    frames, for which up to 180 MB of images are shared by the process.
    All returned arrays are overwritten by the next call.
    """

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None = None,
                 observation: str = "semantic", threads: int = 1, action_repeat: int = 1,
                 style: FrameStyle | None = None, drawable: bool = False) -> None:
        super().__init__(num_envs, distributions, seed, observation, action_repeat)
        self._all_rows = np.arange(num_envs)
        self._drawable = drawable or observation == "pixels"
        self.world = allocate(num_envs, trails=self._drawable)
        self.conditions = encode_conditions(self.distributions)
        share = num_envs // len(self.distributions)
        worlds = self._all_rows
        self.world.facts[:, CONDITION] = worlds // share
        self.world.slots[:, OFFSET] = worlds % share
        self.world.slots[:, STRIDE] = share
        n = num_envs
        self._buffers = _Buffers(
            window=np.zeros((n, WINDOW, WINDOW), np.uint8), state=np.zeros((n, NUM_STATE), np.float32),
            reward=np.zeros(n, np.float32), terminated=np.zeros(n, np.bool_),
            truncated=np.zeros(n, np.bool_), log=np.zeros((n, NUM_LOG), np.int32), log_return=np.zeros(n, np.float32))
        self.style = style or default_style()
        if self._drawable:
            self._pixels = np.zeros(FRAME * n + 1, np.uint8)
            self._frames = self._pixels[:-1].reshape(self.style.shape(n))
        sizes = n, self.world.trails.shape[1], len(self.conditions.floats), len(self.conditions.seeds)
        self._table = np.append(addresses(self.world, self.conditions, self._buffers), np.array(sizes, np.uint64))
        self._semantic = observation == "semantic"
        threads = max(1, min(threads, num_envs // WORLDS_PER_THREAD))
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0  # whose threads are in the pool: a forked child needs its own
        self._seed_streams(self.seed)

    def _seed_streams(self, seed: int) -> None:
        """Level streams as vecgame.cpp seeds them from rand_seed; sequences start over."""
        generator = np.random.MT19937()
        generator._legacy_seeding(seed & 0xFFFFFFFF)
        raw = generator.random_raw(self.num_envs).astype(np.uint32)
        for words, value in zip(self.world.level_stream, raw, strict=True):
            generator._legacy_seeding(int(value))
            words[:] = generator.state["state"]["key"]
        self.world.slots[:, LEVEL_STREAM] = 0
        self.world.slots[:, EPISODES] = 0

    @cached_property
    def _sprites(self) -> Sprites:
        return load_sprites(*self.style.options)

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

    def _observation(self, changed: np.ndarray):
        """What the agents see after the worlds `changed` have moved."""
        if self.observation == "pixels":
            return self._draw(changed)
        b = self._buffers
        return SemanticObservation(b.window, b.state, self.world.look)

    def _draw(self, rows: np.ndarray) -> np.ndarray:
        backgrounds = self.world.facts[rows, BACKGROUND]
        self._sprites.require(backgrounds)
        rows = rows[np.argsort(backgrounds, kind="stable")]  # worlds that share a background find it in the cache
        self._run(render, rows, self._table, self.num_envs, self._sprites.images, self._pixels, self.style.channels_first)
        return self._frames

    def frames(self, rows: np.ndarray | None = None) -> np.ndarray:
        """What the worlds `rows` (None for all) look like now, whatever the agents observe (copies); needs `drawable`."""
        if not self._drawable:
            raise ValueError("this environment draws no frames: build it with drawable=True")
        rows = self._all_rows if rows is None else self._checked_rows(rows)
        return self._draw(rows)[rows]

    def reset(self, seed: int | None = None):
        """Start new episodes everywhere; with a seed, begin the level streams anew from it."""
        if seed is not None:
            self.seed = seed
            self._seed_streams(seed)
        self._run(begin_episodes, self._all_rows, self._table, self._semantic)
        return self._observation(self._all_rows)

    def step(self, actions: np.ndarray, rows: np.ndarray | None = None, autoreset: bool = True) -> Step:
        """Apply actions as every `VecEnv`. Without autoreset, worlds whose episode ends stay as they are, so that the
        observation is their last; `begin` starts their next episode."""
        rows = self._all_rows if rows is None else self._checked_rows(rows)
        self._run(_step_worlds, rows, self._table, self._semantic, self._checked(actions), self.action_repeat, autoreset)
        b = self._buffers
        return Step(self._observation(rows), b.reward, b.terminated, b.truncated)

    def begin(self, rows: np.ndarray):
        """Start the next episode of the worlds `rows`; returns the observation of all."""
        rows = self._checked_rows(rows)
        self._run(begin_episodes, rows, self._table, self._semantic)
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
        """Everything needed to go on exactly from here, as copies."""
        parts = {f"world.{k}": v for k, v in self.world._asdict().items()}
        parts |= {f"buffers.{k}": v for k, v in self._buffers._asdict().items()}
        return {k: v.copy() for k, v in parts.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in an environment built with the same arguments."""
        for prefix, arrays in (("world", self.world), ("buffers", self._buffers)):
            for name, array in arrays._asdict().items():
                saved = state[f"{prefix}.{name}"]
                if saved.shape != array.shape or saved.dtype != array.dtype:
                    raise ValueError(f"the saved environment has {prefix}.{name} {saved.dtype}{list(saved.shape)}, this "
                                     f"one {array.dtype}{list(array.shape)}: build it with the same arguments")
                array[...] = saved
        self._observation(self._all_rows)  # frames are drawn anew rather than saved

    def close(self) -> None:
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown()
        self._pool = None
