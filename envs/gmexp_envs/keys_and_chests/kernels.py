"""Kernels of Keys and Chests for CUDA: the functions of the CPU engine, shared out over threads.

A thread steps an instance or begins its episode; a block draws a frame, of which every thread draws some lines.
Arguments are numbers and addresses, `rows` is that of the instances' numbers (0 for all in order); numbers that are no
instance's are passed over. The functions without @jit are the kernels.
"""

import numpy as np
from numba import cuda

from gmexp_envs.chosen import BY_SEED
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import array_at
from gmexp_envs.keys_and_chests.draw.pixels import draw_over, draw_scene
from gmexp_envs.keys_and_chests.draw.sprites import Board, NUM_IMAGES, Sprites
from gmexp_envs.keys_and_chests.episode import act, next_seed, opened, TABLE
from gmexp_envs.keys_and_chests.layout import BACKGROUNDS, CELLS, CHEST_THEMES, MODES, SIZE, WALL_THEMES
from gmexp_envs.keys_and_chests.levels import generate_level
from gmexp_envs.keys_and_chests.semantic import observe_semantic
from gmexp_envs.procgen_family.blit import FRAME, PIXEL, RESOLUTION
from gmexp_envs.procgen_family.board import Blocks
from gmexp_envs.procgen_family.images import Images
from gmexp_envs.procgen_family.streams import start_stream

BOARD_ARRAYS = 7  # walls and chests, three each, backgrounds
BOARD_TABLE = BOARD_ARRAYS + 2
SPRITE_TABLE = len(Images._fields) + 3 + 2 * BOARD_TABLE  # length of the table that `_sprites_at` reads
SPARE_FRAME = FRAME + 1  # a byte beyond the frame may be read
EASY = MODES["easy"]
u64, i64 = np.uint64, np.int64


@jit(inline="always")
def _table_at(address):
    return array_at(u64(address), (TABLE,), np.uint64)


@jit(inline="always")
def _blocks_at(t, at, images, size, span):
    return Blocks(array_at(t[at], (images, size, size, i64(span), i64(span)), np.uint32),
                  array_at(t[at + 1], (size, 2), np.int32), array_at(t[at + 2], (size, 2), np.int32))


@jit(inline="always")
def _board_at(t, at, size):
    return Board(_blocks_at(t, at, WALL_THEMES, size, t[at + BOARD_ARRAYS]),
                 _blocks_at(t, at + 3, CHEST_THEMES, size, t[at + BOARD_ARRAYS + 1]),
                 array_at(t[at + 6], (BACKGROUNDS, FRAME), np.uint8))


@jit(inline="always")
def _sprites_at(address):
    """`Sprites` from a table (uint64 [SPRITE_TABLE]): the addresses of the images' arrays, the numbers of pixels, of kinds
    and of the longest side, then for both boards the addresses of their arrays and the spans of walls and chests."""
    t = array_at(u64(address), (SPRITE_TABLE,), np.uint64)
    kinds, side = i64(t[9]), i64(t[10])
    images = Images(
        array_at(t[0], (i64(t[8]),), np.uint32), array_at(t[1], (kinds, side), np.int32),
        array_at(t[2], (kinds, side), np.int32), array_at(t[3], (NUM_IMAGES,), np.int32),
        array_at(t[4], (NUM_IMAGES,), np.int64), array_at(t[5], (NUM_IMAGES,), np.int32),
        array_at(t[6], (NUM_IMAGES,), np.int32), array_at(t[7], (1,), np.bool_))
    return Sprites(images, _board_at(t, 11, EASY), _board_at(t, 11 + BOARD_TABLE, SIZE))


@jit
def number_at(table, rows, k):
    """The number of the k-th of the instances `rows`, -1 where no instance has it."""
    world, _, _ = opened(_table_at(table))
    e = i64(k)
    if rows != 0:
        e = array_at(u64(rows), (e + 1,), np.int64)[u64(e)]
    return e if 0 <= e < world.body.shape[0] else i64(-1)


@jit
def step_one(table, number, actions, repeat, autoreset, semantic):
    """Step an instance; where a next episode begins, its observation is left to that."""
    world, encoded, buffers = opened(_table_at(table))
    e = u64(number)
    action = array_at(u64(actions), (world.body.shape[0],), np.int32)[e]
    ended = act(world, e, encoded, buffers, action, repeat)
    if semantic != 0 and not (ended and autoreset != 0):
        observe_semantic(world, e, buffers.window[e], buffers.state[e])


def step_instances(table, rows, count, actions, repeat, autoreset, semantic):
    """Step the first `count` of the instances `rows`, a thread each."""
    k = cuda.grid(1)
    if k < count:
        number = number_at(table, rows, k)
        if number >= 0:
            step_one(table, number, actions, repeat, autoreset, semantic)


@jit
def begin_one(table, number, ended_only, semantic):
    """Begin an instance's next episode, or only where its last step ended one."""
    world, encoded, buffers = opened(_table_at(table))
    e = u64(number)
    if ended_only != 0 and not (buffers.terminated[e] or buffers.truncated[e]):
        return
    generate_level(world, e, encoded, next_seed(world, e, encoded), BY_SEED)
    if semantic != 0:
        observe_semantic(world, e, buffers.window[e], buffers.state[e])


def begin_episodes(table, rows, count, ended_only, semantic):
    """Begin the next episodes of the first `count` of the instances `rows`, a thread each."""
    k = cuda.grid(1)
    if k < count:
        number = number_at(table, rows, k)
        if number >= 0:
            begin_one(table, number, ended_only, semantic)


@jit
def seed_one(table, number, seeds):
    """Seed an instance's level stream."""
    world, _, _ = opened(_table_at(table))
    e = u64(number)
    start_stream(world.slots[e], world.level_stream[e], array_at(u64(seeds), (world.body.shape[0],), np.uint32)[e])


def seed_instances(table, seeds):
    """Seed the level streams of all instances, a thread each."""
    number = number_at(table, 0, cuda.grid(1))
    if number >= 0:
        seed_one(table, number, seeds)


@jit
def draw_some(table, sprites, number, frame, lane, lanes):
    """Draw a share of the lines of an instance's frame."""
    world, _, _ = opened(_table_at(table))
    e, images = u64(number), _sprites_at(sprites)
    board = images.hard if world.facts[e, CELLS] == SIZE else images.easy
    low, high = RESOLUTION * lane // lanes, RESOLUTION * (lane + 1) // lanes
    draw_scene(world, e, images.images, board, frame, u64(0), low, high)
    draw_over(world, e, images.images, frame, u64(0), low, high)


@jit
def deliver_some(frames, number, frame, channels_first, lane, lanes):
    """Copy a share of a drawn frame to its place among the frames."""
    out = array_at(u64(frames) + u64(number) * u64(FRAME), (FRAME,), np.uint8)
    size = RESOLUTION * RESOLUTION
    for k in range(lane, FRAME, lanes):
        out[u64(k)] = frame[u64(PIXEL * (k % size) + k // size) if channels_first != 0 else u64(k)]


def draw_frames(table, sprites, rows, frames, channels_first):
    """Draw the instances `rows`, a block each, into their frames: bytes of [N, 64, 64, 3], or [N, 3, 64, 64]."""
    lane, lanes = cuda.threadIdx.x, cuda.blockDim.x
    frame = cuda.shared.array(SPARE_FRAME, np.uint8)
    number = number_at(table, rows, cuda.blockIdx.x)
    if number >= 0:
        draw_some(table, sprites, number, frame, lane, lanes)
        cuda.syncthreads()
        deliver_some(frames, number, frame, channels_first, lane, lanes)


KERNELS = (step_instances, begin_episodes, seed_instances, draw_frames)
