"""Many instances of a small world stepped together: what its engines share, and the engine on the CPU."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from gmexp_envs.chosen import places_by_correlation
from gmexp_envs.compiled.engine import Array, CpuArrays, Engine, encode_levels
from gmexp_envs.compiled.memory import NEAR
from gmexp_envs.vec import EpisodeLog, FrameStyle, Present
from gmexp_envs.worlds.distribution import WorldDistribution
from gmexp_envs.worlds.draw import draw, FRAME, SIDE, Tiles, tiles_of
from gmexp_envs.worlds.episode import act, begin_chosen, begin_instance, buffers_at, fetch, game_at, observe, seed_stream
from gmexp_envs.worlds.layout import (
    ALIGNED, allocate_buffers, allocate_games, CELL, DISTINGUISHING, Encoded, INTENDED_STEP, KNOBS, LOG_ALIGNED, LOG_CELL,
    LOG_DIED, LOG_DISTINGUISHING, LOG_EPISODE, LOG_FACTS, LOG_INTENDED_STEP, LOG_LENGTH, LOG_PROXY_STEP, LOG_SEED, OFFSET,
    PLACEMENT, PROXY_STEP, SEED, STRIDE, TIME,
)
from gmexp_envs.worlds.scalar import Compiler
from gmexp_envs.worlds.world import World


def encode(distributions: Sequence[WorldDistribution]) -> Encoded:
    """Level distributions as the rows of numbers that the kernels read."""
    knobs, options = np.zeros((len(distributions), KNOBS), np.float32), []
    levels, seeds = encode_levels(distributions)
    for k, (d, (first, count, listed, offset)) in enumerate(zip(distributions, levels, strict=True)):
        knobs[k, :5] = d.rho, d.appearance, d.context, d.supervision, d.spec_quality
        options.append([d.masked, d.horizon, d.original, first, count, listed, offset, d.sequential])
    return Encoded(knobs, np.array(options, np.int64), seeds)


@cache
def compiler(world: World) -> Compiler:
    """What compiles functions for a world; compiled code on disk goes by the world's name and its source."""
    bindings = world.bindings
    source = Path(world.plan.__code__.co_filename).read_bytes()
    version = hashlib.sha256(source + repr((bindings["STATE"], bindings["STRETCH"])).encode()).hexdigest()[:8]
    return Compiler(bindings, f"{world.name}_{version}")


def begin_instances(table, semantic, rows, first, last):
    """Start the next episodes of the instances rows[first:last]."""
    for k in range(first, last):
        begin_instance(table, rows[k])
        if semantic:
            observe(table, rows[k])


def begin_chosen_instances(table, semantic, seeds, places, rows, first, last):
    """Start episodes of the instances rows[first:last] on the levels seeds[k], the intended goal as places[k] says."""
    for k in range(first, last):
        begin_chosen(table, rows[k], seeds[k], places[k, 0])
        if semantic:
            observe(table, rows[k])


def step_instances(table, semantic, actions, repeat, autoreset, rows, first, last):
    """Step the instances rows[first:last], `repeat` times each or to the end of the episode, and log what ended."""
    for k in range(first, last):
        e = rows[k]
        if k + NEAR < last:
            fetch(table, rows[k + NEAR])
        if act(table, e, actions[e], repeat) and autoreset:
            begin_instance(table, e)
        if semantic:
            observe(table, e)


def seed_instances(table, seeds, rows, first, last):
    """Seed the level streams of the instances rows[first:last]."""
    for k in range(first, last):
        seed_stream(table, rows[k], seeds[rows[k]])


def draw_instances(table, tiles, frames, channels_first, rows, first, last):
    """Draw the instances rows[first:last] into frames, uint8 [N, FRAME]; their windows are written on the way."""
    for k in range(first, last):
        e = rows[k]
        observe(table, e)
        window, _, _, _, _, _, _ = buffers_at(table, e)
        draw(window, game_at(table, e).look, tiles, SIDE, SIDE, channels_first, 0, 1, frames[e])


class WorldEngine(Engine):
    """N instances of a small world (see `gmexp_envs.make_vec` for what the arguments mean); about 2 kB each, 14 kB with
    frames."""

    def __init__(self, world: World, num_envs: int, distributions: Sequence[WorldDistribution], seed: int | None,
                 observation: str, action_repeat: int, style: FrameStyle | None, drawable: bool) -> None:
        self.num_actions = world.num_actions
        super().__init__(num_envs, distributions, seed, observation, action_repeat)
        self.rules = world
        self._drawable = drawable or observation == "pixels"
        self._semantic = observation == "semantic"
        self.style = style or FrameStyle(use_backgrounds=False, use_monochrome_assets=True)
        games = allocate_games(num_envs, self._zeros)
        encoded = Encoded(*map(self._placed, encode(self.distributions)))
        cells, share = self._shares()
        games.facts[:, CELL] = self._placed(cells)
        games.slots[:, OFFSET] = self._placed(self.rows % share)
        games.slots[:, STRIDE] = share
        self.rows = self._placed(self.rows)
        self._tabulate(games, encoded, allocate_buffers(num_envs, len(world.semantics.state), self._zeros), num_envs,
                       len(encoded.knobs), len(encoded.seeds))
        if self._drawable:
            self._tiles = Tiles(*map(self._placed, tiles_of(world)))
            self._frames = self._zeros((num_envs, FRAME), np.uint8)

    @property
    def _appearance(self) -> Array:
        return self.world.look

    def _shaped(self) -> Array:
        """The frames in the style's order of axes."""
        return self._frames.reshape(self.style.shape(self.num_envs))

    @property
    def log(self) -> EpisodeLog:
        b, facts = self._buffers, len(self.rules.facts)
        return EpisodeLog(
            level_seed=b.log[:, LOG_SEED], cell=b.log[:, LOG_CELL], index=b.log[:, LOG_EPISODE],
            distinguishing=b.log[:, LOG_DISTINGUISHING], aligned=b.log[:, LOG_ALIGNED],
            intended_step=b.log[:, LOG_INTENDED_STEP], proxy_step=b.log[:, LOG_PROXY_STEP], died=b.log[:, LOG_DIED],
            length=b.log[:, LOG_LENGTH], truncated=b.truncated, episode_return=b.log_return,
            facts=b.log[:, LOG_FACTS:LOG_FACTS + facts])

    @property
    def goal_places(self) -> np.ndarray:
        return places_by_correlation(self.world.facts[:, PLACEMENT] == ALIGNED)

    @property
    def present(self) -> Present:
        facts, now = self.world.facts, self.world.now
        return Present(level_seed=facts[:, SEED], step=now[:, TIME], intended_step=now[:, INTENDED_STEP],
                       proxy_step=now[:, PROXY_STEP], distinguishing=facts[:, DISTINGUISHING], placement=facts[:, PLACEMENT])


class CpuWorld(CpuArrays, WorldEngine):
    """The engine on the CPU: arrays are numpy's, stepped by `threads`."""

    def __init__(self, world: World, num_envs: int, distributions: Sequence[WorldDistribution], seed: int | None = None,
                 observation: str = "semantic", threads: int = 1, action_repeat: int = 1, style: FrameStyle | None = None,
                 drawable: bool = False) -> None:
        self._arguments = world, num_envs, distributions, seed, observation, threads, action_repeat, style, drawable
        super().__init__(world, num_envs, distributions, seed, observation, action_repeat, style, drawable)
        self._share_out(threads, num_envs)
        compiled = compiler(world).compiled
        self._step_instances, self._begin_instances = compiled(step_instances), compiled(begin_instances)
        self._seed_instances, self._draw_instances = compiled(seed_instances), compiled(draw_instances)
        self._begin_chosen = compiled(begin_chosen_instances)
        self._seed_streams(self.seed)

    def _seed_streams(self, seed: int) -> None:
        self._run(self._seed_instances, self.rows, self._table, self._stream_seeds(seed))

    def _begin(self, rows: np.ndarray) -> None:
        self._run(self._begin_instances, rows, self._table, self._semantic)

    def _move(self, actions: np.ndarray, rows: np.ndarray, autoreset: bool) -> None:
        self._run(self._step_instances, rows, self._table, self._semantic, actions, self.action_repeat, autoreset)

    def _draw(self, rows: np.ndarray) -> np.ndarray:
        self._run(self._draw_instances, rows, self._table, self._tiles, self._frames, self.style.channels_first)
        return self._shaped()

    def game(self, row: int) -> Any:
        """Instance `row`'s arrays as compiled functions of the rules take them."""
        from gmexp_envs.worlds.layout import Game

        w, e = self.world, self.encoded
        cell = w.facts[row, CELL]
        return Game(w.grid[row], w.now[row], w.facts[row], w.things[row], w.look[row], e.knobs[cell], e.options[cell])
