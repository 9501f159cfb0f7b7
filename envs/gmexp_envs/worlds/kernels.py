"""The small worlds' kernels for CUDA: the functions of the CPU engine, a thread for each instance; frames, a block each.

Arguments are numbers and addresses, `rows` is that of the instances' numbers (0 for all in order); numbers that are no
instance's are passed over. A world's kernels are copies of these that call its own rules (`scalar.Compiler.kernel`).
"""

import numpy as np
from numba import cuda

from gmexp_envs.compiled.memory import array_at
from gmexp_envs.worlds.draw import draw, FRAME, GLYPH, SIDE, Tiles
from gmexp_envs.worlds.episode import act, begin_instance, buffers_at, game_at, observe, seed_stream, TABLE
from gmexp_envs.worlds.layout import ATTRIBUTES, THEMES

u64 = np.uint64


def number_at(table, rows, k):
    """The number of the k-th of the instances `rows`, -1 where no instance has it."""
    e = np.int64(k)
    if rows != 0:
        e = array_at(u64(rows), (e + 1,), np.int64)[e]
    n = np.int64(array_at(u64(table), (TABLE,), np.uint64)[TABLE - 3])
    return e if 0 <= e < n else np.int64(-1)


def begin_one(table, number, semantic):
    """Start an instance's next episode."""
    t = array_at(u64(table), (TABLE,), np.uint64)
    begin_instance(t, number)
    if semantic != 0:
        observe(t, number)


def step_one(table, number, actions, repeat, autoreset, semantic):
    """Step an instance, and begin its next episode where this one ended."""
    t = array_at(u64(table), (TABLE,), np.uint64)
    action = array_at(u64(actions), (number + 1,), np.int32)[number]
    ended = act(t, number, action, repeat)
    if ended and autoreset != 0:
        begin_instance(t, number)
    if semantic != 0:
        observe(t, number)


def seed_one(table, number, seeds):
    """Seed an instance's level stream."""
    t = array_at(u64(table), (TABLE,), np.uint64)
    seed_stream(t, number, array_at(u64(seeds), (number + 1,), np.uint32)[number])


def look_around(table, number):
    """Write an instance's window, which its frame is drawn from."""
    observe(array_at(u64(table), (TABLE,), np.uint64), number)


def draw_some(table, number, tiles, classes, frames, channels_first, lane, lanes):
    """Draw a share of the lines of an instance's frame."""
    t, a = array_at(u64(table), (TABLE,), np.uint64), array_at(u64(tiles), (3,), np.uint64)
    images = Tiles(array_at(a[0], (classes, GLYPH, GLYPH), np.uint8), array_at(a[1], (classes, 3), np.uint8),
                   array_at(a[2], (len(ATTRIBUTES), THEMES, 3), np.uint8))
    window, _, _, _, _, _, _ = buffers_at(t, number)
    image = array_at(u64(frames) + u64(number) * u64(FRAME), (FRAME,), np.uint8)
    draw(window, game_at(t, number).look, images, SIDE, SIDE, channels_first != 0, lane, lanes, image)


def begin_games(table, rows, count, semantic):
    """Start the next episodes of the first `count` of the instances `rows`, a thread each."""
    k = cuda.grid(1)
    if k < count:
        number = number_at(table, rows, k)
        if number >= 0:
            begin_one(table, number, semantic)


def step_games(table, rows, count, actions, repeat, autoreset, semantic):
    """Step the first `count` of the instances `rows`, a thread each."""
    k = cuda.grid(1)
    if k < count:
        number = number_at(table, rows, k)
        if number >= 0:
            step_one(table, number, actions, repeat, autoreset, semantic)


def seed_games(table, seeds):
    """Seed the level streams of all instances, a thread each."""
    number = number_at(table, 0, cuda.grid(1))
    if number >= 0:
        seed_one(table, number, seeds)


def draw_games(table, rows, tiles, classes, frames, channels_first):
    """Draw the instances `rows`, a block each, into their frames."""
    lane, lanes = cuda.threadIdx.x, cuda.blockDim.x
    number = number_at(table, rows, cuda.blockIdx.x)
    if number >= 0:
        if lane == 0:
            look_around(table, number)
        cuda.syncthreads()
        draw_some(table, number, tiles, classes, frames, channels_first, lane, lanes)


KERNELS = (step_games, begin_games, seed_games, draw_games)
