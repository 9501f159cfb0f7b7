"""Maze's kernels for CUDA: the functions of the CPU engine, shared out over threads.

A thread steps a world; a block begins an episode, whose level one thread makes, and draws a frame, whose board all its
threads draw. Arguments are numbers and addresses, `rows` is that of the worlds' numbers (0 for all worlds in order);
numbers that are no world's are passed over. The functions without @jit are the kernels.
"""

import numpy as np
from numba import cuda

from gmexp_envs.chosen import BY_SEED
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import array_at
from gmexp_envs.maze.draw.boards import BOARD_TABLE
from gmexp_envs.maze.draw.pixels import (
    draw_board, Kept, KINDS, note_what_shows, number_images, show_agent as draw_agent, show_board,
)
from gmexp_envs.maze.episode import act, next_seed, opened, TABLE
from gmexp_envs.maze.layout import GOAL_SHOWN, STALE
from gmexp_envs.maze.levels import generate_level
from gmexp_envs.maze.paths import CELLS, FREE_CELLS, Scratch, Tree
from gmexp_envs.maze.semantic import observe_semantic, show_agent, show_cells
from gmexp_envs.procgen_family.blit import FRAME, RESOLUTION
from gmexp_envs.procgen_family.mazes import Digger, MAX_FREE, MAX_SIZE, MAX_WALLS, ROOM_ROW
from gmexp_envs.procgen_family.streams import start_stream

u64 = np.uint64
WORDS, MOST_CELLS, MOST_ROOMS = 624, MAX_SIZE**2, ROOM_ROW**2


@jit(inline="always")
def _world_table(address):
    return array_at(u64(address), (TABLE,), np.uint64)


@jit
def number_at(table, rows, k):
    """The number of the k-th of the worlds `rows`, -1 where no world has it."""
    world, _, _ = opened(_world_table(table))
    e = np.int64(k)
    if rows != 0:
        e = array_at(u64(rows), (e + 1,), np.int64)[u64(e)]
    return e if 0 <= e < world.clock.shape[0] else np.int64(-1)


@jit
def step_one(table, number, actions, repeat, autoreset, semantic):
    """Step a world; where a next episode begins, its observation is left to that."""
    world, encoded, buffers = opened(_world_table(table))
    e = u64(number)
    action = array_at(u64(actions), (world.clock.shape[0],), np.int32)[e]
    ended = act(world, e, encoded, buffers, action, repeat)
    if semantic != 0 and not (ended and autoreset != 0):
        observe_semantic(world, e, buffers.window[e], buffers.state[e])


def step_worlds(table, rows, count, actions, repeat, autoreset, semantic):
    """Step the first `count` of the worlds `rows`, a thread each."""
    k = cuda.grid(1)
    if k < count:
        number = number_at(table, rows, k)
        if number >= 0:
            step_one(table, number, actions, repeat, autoreset, semantic)


@jit
def has_ended(table, number):
    """Whether a world's last step ended its episode."""
    _, _, buffers = opened(_world_table(table))
    return buffers.terminated[u64(number)] or buffers.truncated[u64(number)]


@jit
def generate_one(table, number, scratch):
    """Make a world's next level."""
    world, encoded, _ = opened(_world_table(table))
    e = u64(number)
    generate_level(world, e, encoded, next_seed(world, e, encoded), BY_SEED, scratch)


@jit
def show_some(table, number, lane, lanes):
    """Write a share of the rows of a world's semantic window."""
    world, _, buffers = opened(_world_table(table))
    show_cells(world, u64(number), buffers.window[u64(number)], lane, lanes)


@jit
def show_one(table, number):
    """Complete a world's semantic observation."""
    world, _, buffers = opened(_world_table(table))
    e = u64(number)
    show_agent(world, e, buffers.window[e], buffers.state[e])


def begin_episodes(table, rows, ended_only, semantic):
    """Begin the next episodes of the worlds `rows`, or of those whose last step ended one: a block each."""
    lane, lanes = cuda.threadIdx.x, cuda.blockDim.x
    words = cuda.shared.array(WORDS, np.uint32)
    cells = cuda.shared.array(MOST_CELLS, np.uint8)
    free = cuda.shared.array(MAX_FREE, np.uint16)
    walls = cuda.shared.array(MAX_WALLS, np.uint16)
    rooms = cuda.shared.array(MOST_ROOMS, np.uint16)
    order = cuda.shared.array(FREE_CELLS, np.uint16)
    parents = cuda.shared.array(CELLS, np.uint16)
    depths = cuda.shared.array(CELLS, np.uint16)
    sides = cuda.shared.array(CELLS, np.uint8)
    scratch = Scratch(Digger(words, cells, free, walls, rooms), Tree(order, parents, depths, sides))
    number = number_at(table, rows, cuda.blockIdx.x)
    if number >= 0 and (ended_only == 0 or has_ended(table, number)):
        if lane == 0:
            generate_one(table, number, scratch)
        if semantic != 0:
            cuda.syncthreads()
            show_some(table, number, lane, lanes)
            cuda.syncthreads()
            if lane == 0:
                show_one(table, number)


@jit
def seed_one(table, number, seeds):
    """Seed a world's level stream."""
    world, _, _ = opened(_world_table(table))
    e = u64(number)
    start_stream(world.slots[e], world.level_stream[e], array_at(u64(seeds), (world.clock.shape[0],), np.uint32)[e])


def seed_worlds(table, seeds):
    """Seed the level streams of all worlds, a thread each."""
    number = number_at(table, 0, cuda.grid(1))
    if number >= 0:
        seed_one(table, number, seeds)


@jit(inline="always")
def _boards(address):
    return array_at(u64(address), (2, BOARD_TABLE), np.uint64)


@jit(inline="always")
def _pictures(address, n):
    """The bytes of n frames, or of n boards and one more."""
    return array_at(u64(address), (n * FRAME + 1,), np.uint8)


@jit
def is_stale(table, number):
    """Whether a world's board must be drawn anew."""
    world, _, _ = opened(_world_table(table))
    return world.clock[u64(number), STALE] != 0


@jit
def number_one(table, number, numbers):
    """Fill the numbers of images for a world's cells."""
    world, _, _ = opened(_world_table(table))
    for k in range(KINDS):
        numbers[u64(k)] = -1
    number_images(world, u64(number), numbers)


@jit
def draw_some(table, boards, canvas, number, numbers, frames, channels_first, lane, lanes):
    """Draw a share of the lines of a world's board, and show it in its frame."""
    world, _, _ = opened(_world_table(table))
    e, n = u64(number), world.clock.shape[0]
    low, high = RESOLUTION * lane // lanes, RESOLUTION * (lane + 1) // lanes
    draw_board(world, e, _boards(boards), numbers, _pictures(canvas, n), low, high)
    show_board(_pictures(canvas, n), e, _pictures(frames, n), channels_first != 0, low, high)


@jit
def finish_one(table, boards, canvas, agents, number, numbers, frames, channels_first, fresh):
    """Note what a board shows, and draw the agent."""
    world, _, _ = opened(_world_table(table))
    e, n = u64(number), world.clock.shape[0]
    if fresh and world.facts[e, GOAL_SHOWN] < 0:
        note_what_shows(world, e, _boards(boards), numbers)
    kept = Kept(_pictures(canvas, n), array_at(u64(agents), (n, 2), np.int32))
    draw_agent(world, e, _boards(boards), kept, _pictures(frames, n), channels_first != 0, fresh)
    world.clock[e, STALE] = 0


def draw_frames(table, boards, canvas, agents, rows, frames, channels_first):
    """Draw the worlds `rows`, a block each, into their frames: bytes of [N, 64, 64, 3], or [N, 3, 64, 64]."""
    lane, lanes = cuda.threadIdx.x, cuda.blockDim.x
    numbers = cuda.shared.array(KINDS, np.int32)
    number = number_at(table, rows, cuda.blockIdx.x)
    if number >= 0:
        fresh = is_stale(table, number)
        if fresh:
            if lane == 0:
                number_one(table, number, numbers)
            cuda.syncthreads()
            draw_some(table, boards, canvas, number, numbers, frames, channels_first, lane, lanes)
            cuda.syncthreads()
        if lane == 0:
            finish_one(table, boards, canvas, agents, number, numbers, frames, channels_first, fresh)


KERNELS = (step_worlds, begin_episodes, seed_worlds, draw_frames)
