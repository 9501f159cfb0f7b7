"""CoinRun's kernels for CUDA: the functions of the CPU engine, shared out over threads.

A thread steps a world; a block begins an episode, whose level one thread plans and all paint; a block draws a frame,
of which every thread draws some lines. Arguments are numbers and addresses, `rows` is that of the worlds' numbers (0 for
all worlds in order); numbers that are no world's are passed over. The functions without @jit are the kernels.
"""

import numpy as np
from numba import cuda

from gmexp_envs.coinrun.cells import classify, mark, mark_classes, paint
from gmexp_envs.coinrun.draw.pixels import FRAME, MAX_CELLS, Scratch, draw_lines, measure, place_lines
from gmexp_envs.coinrun.draw.sprites import Images, NUM_IMAGES
from gmexp_envs.coinrun.episode import TABLE, act, next_seed, opened, seed_stream
from gmexp_envs.coinrun.layout import WALL_THEMES
from gmexp_envs.coinrun.levels import plan_level
from gmexp_envs.coinrun.semantic import observe_semantic
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import array_at
from gmexp_envs.procgen_family.blit import LINE, PIXEL, RESOLUTION

IMAGE_TABLE = len(Images._fields) + 3  # length of the table that `_images_at` reads
SPARE_FRAME = FRAME + 1  # a byte beyond the frame may be read
u64 = np.uint64


@jit(inline="always")
def _world_table(address):
    return array_at(u64(address), (TABLE,), np.uint64)


@jit(inline="always")
def _images_at(address):
    """`Images` from a table (uint64 [IMAGE_TABLE]): the addresses of its arrays, in order, then the numbers of pixels, of
    bytes of tiles and of bytes of backgrounds."""
    t = array_at(u64(address), (IMAGE_TABLE,), np.uint64)
    return Images(
        array_at(t[0], (np.int64(t[14]),), np.uint32), array_at(t[1], (4, 256), np.int32),
        array_at(t[2], (4, 256), np.int32), array_at(t[3], (NUM_IMAGES,), np.int32),
        array_at(t[4], (NUM_IMAGES,), np.int64), array_at(t[5], (NUM_IMAGES,), np.int32),
        array_at(t[6], (NUM_IMAGES,), np.int32), array_at(t[7], (NUM_IMAGES,), np.int32),
        array_at(t[8], (NUM_IMAGES,), np.int32), array_at(t[9], (NUM_IMAGES,), np.int32),
        array_at(t[10], (1,), np.bool_), array_at(t[11], (np.int64(t[15]),), np.uint8),
        array_at(t[12], (WALL_THEMES, 128), np.int32), array_at(t[13], (np.int64(t[16]),), np.uint8))


@jit
def number_at(table, rows, k):
    """The number of the k-th of the worlds `rows`, -1 where no world has it."""
    world, _, _ = opened(_world_table(table))
    e = np.int64(k)
    if rows != 0:
        e = array_at(u64(rows), (e + 1,), np.int64)[u64(e)]
    return e if 0 <= e < world.body.shape[0] else np.int64(-1)


@jit
def step_one(table, number, actions, repeat, autoreset, semantic):
    """Step a world; where a next episode begins, its observation is left to that."""
    world, encoded, buffers = opened(_world_table(table))
    e = u64(number)
    action = array_at(u64(actions), (world.body.shape[0],), np.int32)[e]
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
def plan_one(table, number):
    """Plan a world's next level."""
    world, encoded, _ = opened(_world_table(table))
    e = u64(number)
    plan_level(world, e, encoded, next_seed(world, e, encoded))


@jit
def paint_some(table, number, lane, lanes):
    """Paint a share of the rows of a world's planned level."""
    world, _, _ = opened(_world_table(table))
    paint(world, u64(number), lane, lanes)


@jit
def mark_one(table, number):
    """Add what stands in single cells of a world's painted level."""
    world, encoded, _ = opened(_world_table(table))
    mark(world, u64(number), encoded)


@jit
def classify_some(table, number, lane, lanes):
    """Write the classes of a share of the rows of a world's level."""
    world, _, _ = opened(_world_table(table))
    classify(world, u64(number), lane, lanes)


@jit
def finish_one(table, number, semantic):
    """Complete a world's new level, and write the semantic observation of it."""
    world, _, buffers = opened(_world_table(table))
    e = u64(number)
    mark_classes(world, e)
    if semantic != 0:
        observe_semantic(world, e, buffers.window[e], buffers.state[e])


def begin_episodes(table, rows, ended_only, semantic):
    """Begin the next episodes of the worlds `rows`, or of those whose last step ended one: a block each."""
    lane, lanes = cuda.threadIdx.x, cuda.blockDim.x
    number = number_at(table, rows, cuda.blockIdx.x)
    if number >= 0 and (ended_only == 0 or has_ended(table, number)):
        if lane == 0:
            plan_one(table, number)
        cuda.syncthreads()
        paint_some(table, number, lane, lanes)
        cuda.syncthreads()
        if lane == 0:
            mark_one(table, number)
        cuda.syncthreads()
        classify_some(table, number, lane, lanes)
        cuda.syncthreads()
        if lane == 0:
            finish_one(table, number, semantic)


@jit
def seed_one(table, number, seeds):
    """Seed a world's level stream."""
    world, _, _ = opened(_world_table(table))
    seed_stream(world, u64(number), array_at(u64(seeds), (world.body.shape[0],), np.uint32)[u64(number)])


def seed_worlds(table, seeds):
    """Seed the level streams of all worlds, a thread each."""
    number = number_at(table, 0, cuda.grid(1))
    if number >= 0:
        seed_one(table, number, seeds)


@jit
def measure_one(table, images, number, scratch, lane, lanes):
    """Fill a share of the tables for a world's frame."""
    world, _, _ = opened(_world_table(table))
    measure(world, u64(number), _images_at(images), scratch, True, lane, lanes)


@jit
def draw_some(table, images, number, scratch, frame, lane, lanes):
    """Draw a share of the lines of a world's frame."""
    world, _, _ = opened(_world_table(table))
    low, high = RESOLUTION * lane // lanes, RESOLUTION * (lane + 1) // lanes
    place_lines(world, u64(number), scratch, low, high)
    draw_lines(world, u64(number), _images_at(images), scratch, frame, u64(0), low, high)


@jit
def deliver_some(frames, number, frame, channels_first, lane, lanes):
    """Copy a share of a drawn frame to its place among the frames."""
    out = array_at(u64(frames) + u64(number) * u64(FRAME), (FRAME,), np.uint8)
    size = RESOLUTION * RESOLUTION
    for k in range(lane, FRAME, lanes):
        out[u64(k)] = frame[u64(PIXEL * (k % size) + k // size) if channels_first != 0 else u64(k)]


def draw_frames(table, images, rows, frames, channels_first):
    """Draw the worlds `rows`, a block each, into their frames: bytes of [N, 64, 64, 3], or [N, 3, 64, 64]."""
    lane, lanes = cuda.threadIdx.x, cuda.blockDim.x
    columns = cuda.shared.array((MAX_CELLS, 4), np.int32)
    lines = cuda.shared.array((MAX_CELLS, 4), np.int32)
    tiles = cuda.shared.array((MAX_CELLS, MAX_CELLS), np.int32)
    sky_mask = cuda.shared.array(LINE, np.uint8)
    sky_rows = cuda.shared.array(RESOLUTION, np.int64)
    frame = cuda.shared.array(SPARE_FRAME, np.uint8)
    places = cuda.local.array(RESOLUTION, np.int32)
    scratch = Scratch(columns, lines, tiles, sky_mask, sky_rows, places)
    number = number_at(table, rows, cuda.blockIdx.x)
    if number >= 0:
        measure_one(table, images, number, scratch, lane, lanes)
        cuda.syncthreads()
        draw_some(table, images, number, scratch, frame, lane, lanes)
        cuda.syncthreads()
        deliver_some(frames, number, frame, channels_first, lane, lanes)


KERNELS = (step_worlds, begin_episodes, seed_worlds, draw_frames)
