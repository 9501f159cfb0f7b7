"""64 x 64 frames of Keys and Chests, equal to procgen's bit for bit.

The whole level is in view, so all but the agent and the ring of keys in the corner (the scene) changes only when
something is taken: the CPU engine keeps it (`render`). A frame's lines do not depend on each other: `draw_scene` and
`draw_over` draw some of them.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import copy_bytes
from gmexp_envs.keys_and_chests.draw.sprites import AGENT_IMAGE, CHEST_COLOURS, EXIT_IMAGE, KEY_COLOURS
from gmexp_envs.keys_and_chests.draw.turned import blit_turned, turn
from gmexp_envs.keys_and_chests.layout import (
    AGENT_RADIUS, BACKGROUND, CELLS, CHEST, CHEST_THEME, EXIT, f32, FACING, GONE, HEIST, KEY_RADIUS, KEY_THEME, KIND,
    MASKED, MODES, NUM_KEYS, NUM_OBJECTS, NUMBER, RING_HEIGHT, RING_RADIUS, SEED, SIZE, WALL, WALL_THEME, X, Y,
)
from gmexp_envs.keys_and_chests.levels import half_height
from gmexp_envs.keys_and_chests.opening import world_at
from gmexp_envs.keys_and_chests.rotations import ROTATIONS
from gmexp_envs.keys_and_chests.semantic import ring_shows
from gmexp_envs.procgen_family.blit import blit, f64, FRAME, LINE, PIXEL, RESOLUTION, u64
from gmexp_envs.procgen_family.board import put_block, View

i64 = np.int64
TWO = f32(2)
VIEWS = View(MODES["easy"]), View(MODES["hard"])
(UNIT_EASY, UNIT_HARD), (CELLS_EASY, CELLS_HARD) = (view.unit for view in VIEWS), (view.cells for view in VIEWS)
OFFSET_EASY, OFFSET_HARD = (view.offset for view in VIEWS)
TURNS = np.array([turn(rotation) for rotation in ROTATIONS])  # sine and cosine by clock[FACING]
COLOUR_OF_KEY, COLOUR_OF_CHEST = np.array(KEY_COLOURS, np.int32), np.array(CHEST_COLOURS, np.int32)
QUARTER = turn(f32(f32(np.pi) / TWO))
SCENE_KEY = 2  # int64s that say what a scene shows


@jit(inline="always")
def _view(world, e):
    """Pixels a cell, cells in view, offset in pixels."""
    if world.facts[e, CELLS] == SIZE:
        return UNIT_HARD, CELLS_HARD, OFFSET_HARD
    return UNIT_EASY, CELLS_EASY, OFFSET_EASY


@jit(inline="always")
def _rectangle(world, e, x, y, half_x, half_y):
    """Left, top, width and height in pixels of an entity centred at (x, y), as `get_object_rect` computes them."""
    unit, cells, offset = _view(world, e)
    return (f64(f32(f32(f32(x - half_x) * unit) - offset)),
            f64(f32(f32(f32(cells - f32(y + half_y)) * unit) + offset)),
            f64(f32(f32(TWO * half_x) * unit)), f64(f32(f32(TWO * half_y) * unit)))


@jit(inline="always")
def _key_colour(world, e, number):
    """Colour of a key, or of the door of its number."""
    return i64(number) if world.facts[e, HEIST] else i64(COLOUR_OF_KEY[u64(world.facts[e, KEY_THEME])])


@jit
def _draw_objects(world, e, images, board, frame, at, low, high):
    """Chests, keys and the exit, in the game's order."""
    facts = world.facts[e]
    for k in range(facts[NUM_OBJECTS]):
        i = u64(k)
        kind, number = world.kinds[e, i, KIND], world.kinds[e, i, NUMBER]
        x, y = world.objects[e, i, 0], world.objects[e, i, 1]
        if kind == CHEST:
            if not facts[MASKED]:
                colour = i64(number) if facts[HEIST] else i64(COLOUR_OF_CHEST[u64(facts[CHEST_THEME])])
                put_block(board.chests, colour, i64(x), i64(y), frame, at, low, high)
        elif kind != GONE:
            left, top, width, height = _rectangle(world, e, x, y, KEY_RADIUS, half_height(kind))
            image = i64(EXIT_IMAGE) if kind == EXIT else _key_colour(world, e, number)
            _put(images, image, left, top, width, height, frame, at, low, high)


@jit
def draw_scene(world, e, images, board, frame, at, low, high):
    """Draw all but the agent and the ring in lines low..high-1 of instance e's frame, from byte `at` on."""
    facts, size = world.facts[e], world.facts[e, CELLS]
    background = board.backgrounds[u64(facts[BACKGROUND])]
    for line in range(low, high):
        copy_bytes(frame, at + u64(LINE * line), background, u64(LINE * line), LINE)
    for x in range(size):
        for y in range(size):
            if world.grid[e, u64(y), u64(x)] == WALL:
                put_block(board.walls, i64(facts[WALL_THEME]), x, y, frame, at, low, high)
    _draw_objects(world, e, images, board, frame, at, low, high)


@jit
def _draw_ring(world, e, images, frame, at, low, high):
    """The keys in hand, in the upper right corner: turned by 90 degrees, from right to left."""
    unit, cells, _ = _view(world, e)
    width = f64(f32(f32(f32(TWO * cells) * RING_RADIUS) * unit))
    height = f64(f32(f32(f32(TWO * cells) * RING_HEIGHT) * unit))
    y = f32(f64(RING_RADIUS) * 0.75)
    for i in range(world.facts[e, NUM_KEYS]):
        if ring_shows(world, e, i):
            x = f32(1.0 - f64(RING_RADIUS) * (2 * i + 1.25))
            left = f64(f32(f32(cells * f32(x - RING_RADIUS)) * unit))
            top = f64(f32(f32(cells * f32(y + RING_HEIGHT)) * unit))
            _put_turned(images, _key_colour(world, e, i), left, top, width, height, QUARTER[0], QUARTER[1], frame, at, low,
                        high)


@jit
def _put(images, image, left, top, width, height, frame, at, low, high):
    """An image as it is; one copy of this code for all that is drawn so."""
    blit(images, image, left, top, width, height, 256, frame, at, low, high)


@jit
def _put_turned(images, image, left, top, width, height, sine, cosine, frame, at, low, high):
    """An image turned; flat colours are not."""
    if images.flat[0]:
        _put(images, image, left, top, width, height, frame, at, low, high)
    else:
        blit_turned(images, image, left, top, width, height, sine, cosine, frame, at, low, high)


@jit
def draw_over(world, e, images, frame, at, low, high):
    """Draw the agent and the ring in lines low..high-1 of instance e's frame, over the scene."""
    left, top, width, height = _rectangle(world, e, world.body[e, X], world.body[e, Y], AGENT_RADIUS, AGENT_RADIUS)
    facing = u64(world.clock[e, FACING])
    if TURNS[facing, 0] == 0.0:
        _put(images, i64(AGENT_IMAGE), left, top, width, height, frame, at, low, high)
    else:
        _put_turned(images, i64(AGENT_IMAGE), left, top, width, height, TURNS[facing, 0], TURNS[facing, 1], frame, at, low,
                    high)
    _draw_ring(world, e, images, frame, at, low, high)


@jit(forceinline=True)
def _scene_is(world, e, key):
    """Whether `key` (int64 [2]) is that of instance e's scene; it is made so."""
    facts = world.facts[e]
    present = i64(0)
    for k in range(facts[NUM_OBJECTS]):
        present |= i64(world.kinds[e, u64(k), KIND] != GONE) << k
    look = (i64(facts[SEED]) << 32 | facts[BACKGROUND] << 24 | facts[WALL_THEME] << 16 | facts[KEY_THEME] << 8
            | facts[CHEST_THEME] << 4 | 1)
    same = key[0] == look and key[1] == present
    key[0], key[1] = look, present
    return same


@jit(forceinline=True)
def split_channels(frame, frames, at):
    """Write a frame of pixels as three planes."""
    size = RESOLUTION * RESOLUTION
    for channel in range(PIXEL):
        for k in range(size):
            frames[at + u64(size * channel + k)] = frame[u64(PIXEL * k + channel)]


@jit(allocates=True)
def render(table, num_envs, sprites, scenes, keys, frames, channels_first, rows, first, last):
    """Draw the instances `rows[first:last]` into their `frames`: the bytes of [N, 64, 64, 3], or of [N, 3, 64, 64] channels
    first, and at least one byte more, which may be read.

    `scenes` (uint8 [N * FRAME + 1]) and `keys` (int64 [N, 2], zeros at first) are what it remembers.
    """
    world = world_at(table, i64(num_envs))
    single = np.empty(FRAME + 1, np.uint8)
    for k in range(first, last):
        e = u64(rows[k])
        at = e * u64(FRAME)
        board = sprites.hard if world.facts[e, CELLS] == SIZE else sprites.easy
        if not _scene_is(world, e, keys[e]):
            draw_scene(world, e, sprites.images, board, scenes, at, 0, RESOLUTION)
        if channels_first:
            copy_bytes(single, u64(0), scenes, at, FRAME)
            draw_over(world, e, sprites.images, single, u64(0), 0, RESOLUTION)
            split_channels(single, frames, at)
        else:
            copy_bytes(frames, at, scenes, at, FRAME)
            draw_over(world, e, sprites.images, frames, at, 0, RESOLUTION)
