"""64 x 64 frames of CoinRun, equal to procgen's bit for bit.

procgen draws with Qt 5.9's raster engine without antialiasing, so what matters is which source pixel each pixel takes
(`blit`). A frame is drawn in procgen's order, but of the background only what no opaque tile covers. Tiles are 25 times
as large as on the screen, exactly: the pixels that one drawing samples lie side by side and are copied.

A frame's lines do not depend on each other: `draw_lines` draws some of them from the tables that `measure` fills.
Both can be shared out: of a table, lane k of K fills the rows k, k + K, ...

`render` is the fast way for agents, `render_large` the pretty one for people.
"""

from typing import NamedTuple

import numpy as np

from gmexp_envs.coinrun.draw import sprites as S
from gmexp_envs.coinrun.layout import (
    ACTION_X, AGENT_THEME, BACKGROUND, BACKGROUND_SHIFT, COIN_X, COIN_Y, DECOY, END_X, END_Y, f32, FACING_LEFT, FLAGS,
    HALF, MAX_ENEMIES, NUM_ENEMIES, NUM_STATICS, RADIUS_X, RADIUS_Y, SIZE, SUPPORTED, TIME, TRAIL_LENGTH, TWO, VX,
    WALL_MID, WALL_THEME, X, Y, ZERO,
)
from gmexp_envs.coinrun.opening import fetch_numbers, world_at
from gmexp_envs.compiled import memory
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import copy_bytes, mix_bytes, prefetch, prefetch_row
from gmexp_envs.procgen_family.blit import (
    FRAME, LINE, PIXEL, RESOLUTION, blend, blit, covered, f64, first_sample, i32, rounded, u64,
)

UNIT = S.UNIT
VIEW = f32(64.0 / f64(UNIT))  # cells per frame
MARGIN = f32(7.5)  # cells drawn on each side of the agent
OVERLAP = f32(0.02)  # by which procgen enlarges a tile on every side (RENDER_EPS)
TILE_SIZE = f64(f32(f32(f32(1) + f32(TWO * OVERLAP)) * UNIT))
TILE_STEP = i32(65536.0 / (TILE_SIZE / S.TILE))
assert TILE_STEP == S.TILE_PERIOD << 16
MAX_CELLS = 17  # tiles across or down a frame, at most: 16, and one more where a sum is rounded up
# columns of a tile table: first pixel, number of pixels, first source pixel, where that is in a stored tile
START, COUNT, SOURCE, PLACE = range(4)
TILE_ROW = PIXEL * S.TILE_SPAN  # bytes of a row of a stored tile
TILE_BLOCK = S.TILE_SPAN * TILE_ROW  # and of a tile for one first sample
PLAYER_TOP, PLAYER_HEIGHT = -0.7415, 1.7415  # the player's image is taller than its body


def _trail_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half width, half height and opacity (of 256) of a trail by its age: `Entity::step` in float32."""
    width, height, alpha = f32(0.3), f32(0.2), f32(0.5)
    rows = []
    for _ in range(TRAIL_LENGTH):
        rows.append((width, height, int(float(alpha) * 256)))
        width, height, alpha = f32(width * f32(1.05)), f32(height * f32(1.05)), f32(f32(0.8) * alpha)
    widths, heights, opacities = zip(*rows, strict=True)
    return np.array(widths, f32), np.array(heights, f32), np.array(opacities, np.int32)


TRAIL_WIDTH, TRAIL_HEIGHT, TRAIL_OPACITY = _trail_tables()
TRAIL_DROP, TRAIL_RISE = 0.25, f32(0.01)  # below the enemy's centre at first; rising every step


class Scratch(NamedTuple):
    """What the drawing of one frame needs besides the world."""

    columns: np.ndarray  # int32 [17, 4]: tile tables
    rows: np.ndarray
    tiles: np.ndarray  # int32 [17, 17]: column, row -> as `Images.tile_of_cell`
    sky_mask: np.ndarray  # uint8 [192]: 255 where a byte of the frame's lines is of the background's next plane
    sky_rows: np.ndarray  # int64 [64]: where every line of the frame begins in the background
    places: np.ndarray  # int32 [64]: where every line of the frame is in a stored tile, of tiles that overlap the upper one


@jit(forceinline=True)
def _measure_tile(table, i, edge, row_size, place_size, flat):
    """Fill row i of a tile table for a tile whose left (or top) edge is at `edge` on the screen; a stored tile takes
    `row_size` bytes per first sample, and `place_size` to the next one."""
    first, count = covered(edge, TILE_SIZE)
    count = max(count, i32(0))
    source = first_sample(first, edge, TILE_STEP) >> 16
    if not flat and count > 0 and source + S.TILE_PERIOD * (count - 1) >= S.TILE:
        count -= 1
    table[i, START], table[i, COUNT], table[i, SOURCE] = first, count, source
    table[i, PLACE] = source % S.TILE_PERIOD * row_size + source // S.TILE_PERIOD * place_size


@jit(forceinline=True)
def _look_up_tiles(world, e, images, first_x, first_y, across, down, scratch, lane, lanes):
    """Tiles of the cells in view; outside the level there are walls."""
    grid, facts, tiles = world.grid[e], world.facts[e], scratch.tiles
    tile_of_cell = images.tile_of_cell[u64(facts[WALL_THEME])]
    wall = tile_of_cell[u64(WALL_MID)]
    decoy = facts[DECOY] and (facts[COIN_X] != facts[END_X] or facts[COIN_Y] != facts[END_Y])
    for j in range(lane, down, lanes):
        y = first_y + j
        if y < 0 or y >= SIZE:
            for i in range(across):
                tiles[u64(i), u64(j)] = wall
            continue
        row = grid[u64(y)]
        for i in range(across):
            x = first_x + i
            tiles[u64(i), u64(j)] = tile_of_cell[u64(row[u64(x)])] if 0 <= x < SIZE else wall
        if decoy and y == facts[END_Y] and 0 <= facts[END_X] - first_x < across:
            tiles[u64(facts[END_X] - first_x), u64(j)] = tile_of_cell[u64(S.DECOY)]


@jit(forceinline=True)
def _measure_sky(world, e, images, left, top, scratch, lane, lanes):
    """Where the background's pixels are for every column and row of the frame."""
    mask, rows = scratch.sky_mask, scratch.sky_rows
    number = u64(S.FIRST_BACKGROUND + world.facts[e, BACKGROUND])
    width, height = images.width[number], images.height[number]
    aspect = f32(f32(width) / f32(height))
    shift = f32(world.body[e, BACKGROUND_SHIFT] * f32(aspect - f32(1)))
    edge = f64(left) + f64(S.LEVEL) * f64(f32(-shift))
    step_x = S.sky_step(height, width)
    step_y = i32(65536.0 / (f64(S.LEVEL) / f64(height)))
    first_x, first_y = max(rounded(edge), i32(0)), max(rounded(f64(top)), i32(0))
    start_x = first_sample(first_x, edge, step_x) - step_x * first_x
    start_y = first_sample(first_y, f64(top), step_y) - step_y * first_y
    skipped = start_x // step_x  # columns of the screen from the background's own first one
    rest = start_x - step_x * skipped
    for i in range(lane, RESOLUTION, lanes):
        carried = np.uint8(-(((rest & 0xFFFF) + (step_x * (skipped + i) & 0xFFFF)) >> 16))
        for colour in range(PIXEL):
            mask[u64(PIXEL * i + colour)] = carried
    span = np.int64(images.span[number])
    place = images.offset[number] + span * (rest >> 16) + images.first[number] + S.SKY_PIXEL * skipped
    for i in range(lane, RESOLUTION, lanes):
        row = min(max((start_y + step_y * i32(i)) >> 16, i32(0)), height - 1)
        rows[u64(i)] = place + span * images.planes[number] * row


@jit(forceinline=True)
def _is_covered(across, j, scratch):
    """Whether opaque tiles hide all of row j."""
    hidden = True
    for k in range(across):
        hidden &= (scratch.tiles[u64(k), j] >= 0) | (scratch.columns[u64(k), COUNT] == 0)
    return hidden


@jit(forceinline=True)
def _draw_sky(world, e, images, across, down, scratch, frame, at, low, high):
    """The background behind rows of tiles that do not hide it, line by line from the top."""
    rows, sky_rows = scratch.rows, scratch.sky_rows
    span = u64(images.span[u64(S.FIRST_BACKGROUND + world.facts[e, BACKGROUND])])
    drawn = i32(0)
    for k in range(down):
        j = u64(down - 1 - k)
        first, last = max(rows[j, START], drawn), rows[j, START] + rows[j, COUNT]
        if last <= first:
            continue
        drawn = last
        first, last = max(first, low), min(last, high)
        if last <= first or _is_covered(across, j, scratch):
            continue
        for r in range(first, last):
            row = u64(sky_rows[u64(r)])
            mix_bytes(frame, at + u64(LINE * r), images.sky, row, row + span, scratch.sky_mask, LINE)


@jit(inline="always")
def _copy_lines(stored, source, top, height, below, frame, to, places, low, high, count):
    """`count` bytes, a constant, of an opaque tile's lines, or of a run of equal tiles': those low..high-1 of the frame.

    Of the run's uppermost tile, whose first line is `top` of the frame and at `source` in `stored`, `height` lines show;
    those of the tiles `below` it begin there and at `places`. `to` is where the column begins in the frame.
    """
    for r in range(max(top, low), min(top + height, high)):
        copy_bytes(frame, to + u64(LINE * r), stored, source + u64(TILE_ROW * (r - top)), count)
    for r in range(max(top + height, low), high):
        copy_bytes(frame, to + u64(LINE * r), stored, below + u64(places[u64(r)]), count)


@jit(forceinline=True)
def _draw_tiles(images, across, down, scratch, frame, at, low, high):
    """Tiles in procgen's order: columns from left to right, each from the bottom, equal ones at once. Neighbours overlap by
    a pixel now and then."""
    tiles, columns, rows, stored, places = scratch.tiles, scratch.columns, scratch.rows, images.tiles, scratch.places
    for k in range(across):
        i = u64(k)
        width = columns[i, COUNT]
        if width == 0:
            continue
        beside = u64(min(k + 1, across - 1))
        end = columns[i, START] + width
        # whether what is drawn beside a tile mends the byte after its five pixels
        mends = width == 5 and columns[beside, START] <= end < columns[beside, START] + columns[beside, COUNT]
        to = at + u64(PIXEL * columns[i, START])
        m = 0
        while m < down:
            j = u64(m)
            m += 1
            tile = tiles[i, j]
            if tile == S.NO_TILE or rows[j, COUNT] <= 0:
                continue
            if tile < 0:
                skipped = max(low - rows[j, START], 0)
                _draw_clear_tile(images, S.NO_TILE - 1 - tile, columns[i, SOURCE],
                                 rows[j, SOURCE] + S.TILE_PERIOD * skipped, width,
                                 min(high - rows[j, START], rows[j, COUNT]) - skipped,
                                 frame, to + u64(LINE * (rows[j, START] + skipped)))
                continue
            mended = mends and tiles[beside, j] >= 0
            while (m < down and tiles[i, u64(m)] == tile and rows[u64(m), COUNT] > 0
                   and (mends and tiles[beside, u64(m)] >= 0) == mended):
                m += 1
            top = u64(m - 1)
            first, height, last = rows[top, START], rows[top, COUNT], min(rows[j, START] + rows[j, COUNT], high)
            below = u64(tile + columns[i, PLACE])
            source = below + u64(rows[top, PLACE])
            if mended:
                _copy_lines(stored, source, first, height, below, frame, to, places, low, last, 16)
            elif width == 5:
                _copy_lines(stored, source, first, height, below, frame, to, places, low, last, 15)
            elif width == 6:
                _copy_lines(stored, source, first, height, below, frame, to, places, low, last, 18)
            else:  # at the frame's edges
                for c in range(width):
                    skipped = u64(PIXEL * c)
                    _copy_lines(stored, source + skipped, first, height, below + skipped, frame, to + skipped, places, low,
                                last, PIXEL)


@jit(forceinline=True)
def _draw_clear_tile(images, number, source_x, source_y, width, height, frame, to):
    """A partly transparent tile."""
    offset = images.offset[u64(number)]
    for r in range(height):
        row = offset + images.place_y[S.TILES, u64(min(source_y + S.TILE_PERIOD * r, S.TILE - 1))]
        for c in range(width):
            column = images.place_x[S.TILES, u64(min(source_x + S.TILE_PERIOD * c, S.TILE - 1))]
            blend(frame, to + u64(LINE * r + PIXEL * c), images.pixels[u64(row + column)])


@jit(forceinline=True)
def _blit_entity(images, number, x, y, half_width, half_height, x_offset, y_offset, opacity, frame, at, low, high):
    """An entity centred at (x, y): its rectangle in float32 as `get_object_rect` computes it."""
    left = f32(f32(f32(x - half_width) * UNIT) - x_offset)
    top = f32(f32(f32(VIEW - f32(y + half_height)) * UNIT) + y_offset)
    width = f32(f32(TWO * half_width) * UNIT)
    height = f32(f32(TWO * half_height) * UNIT)
    blit(images, number, f64(left), f64(top), f64(width), f64(height), opacity, frame, at, low, high)


@jit(forceinline=True)
def _draw_statics(world, e, images, x_offset, y_offset, frame, at, low, high):
    saw = i32(S.SAW_TURNED_IMAGE if world.clock[e, TIME] % 2 == 1 else S.SAW_IMAGE)
    for i in range(world.facts[e, NUM_STATICS]):
        x = f32(f32(world.statics[e, i, 0]) + HALF)
        y = f32(f32(world.statics[e, i, 1]) + HALF)
        if abs(x - world.body[e, X]) > MARGIN or abs(y - world.body[e, Y]) > MARGIN:
            continue
        kind = i32(world.statics[e, i, 2])
        number = saw if kind == 0 else i32(S.CRATE_IMAGE + kind - 1)
        _blit_entity(images, number, x, y, HALF, HALF, x_offset, y_offset, 256, frame, at, low, high)


@jit(forceinline=True)
def _draw_trails(world, e, images, x_offset, y_offset, frame, at, low, high):
    """Puffs of the last nine steps behind every enemy, oldest first."""
    enemies, time = world.facts[e, NUM_ENEMIES], world.clock[e, TIME]
    if enemies == 0:
        return
    for age in range(min(TRAIL_LENGTH, time) - 1, -1, -1):
        slot = (time - age) % TRAIL_LENGTH
        for i in range(enemies - 1, -1, -1):
            x, y = world.trails[e, i, slot, 0], world.trails[e, i, slot, 1]
            if abs(x - world.body[e, X]) > MARGIN or abs(y - world.body[e, Y]) > MARGIN:
                continue
            y = f32(f64(y) - TRAIL_DROP)
            for _ in range(age):
                y = f32(y + TRAIL_RISE)
            _blit_entity(images, i32(S.TRAIL_IMAGE), x, y, TRAIL_WIDTH[age], TRAIL_HEIGHT[age], x_offset, y_offset,
                         TRAIL_OPACITY[age], frame, at, low, high)


@jit
def player_image(world, e):
    """Number of the agent's image: standing, or one of two steps; mirrored when it faces left."""
    clock, facts = world.clock[e], world.facts[e]
    supported = (clock[FLAGS] & SUPPORTED) != 0
    number = S.STAND
    if not (abs(f64(world.body[e, VX])) < 0.01 and clock[ACTION_X] == 0 and supported):
        number = S.WALK_1 if (clock[TIME] // 5) % 2 == 0 or not supported else S.WALK_2
    if clock[FLAGS] & FACING_LEFT:
        number += S.MIRRORED_PLAYER
    return i32(number + facts[AGENT_THEME])


@jit
def enemy_image(world, e, i):
    """Number of an enemy's image: one of two steps; mirrored when it walks right."""
    time = world.clock[e, TIME]
    number = S.ENEMY_STEP_2 if (time // 5) % 2 == 1 else S.ENEMY_STEP_1
    if time > 0 and world.enemies[e, i, 2] > ZERO:
        number += S.MIRRORED_ENEMY
    return i32(number + world.enemy_themes[e, i])


@jit(forceinline=True)
def _draw_moving(world, e, images, x_offset, y_offset, frame, at, low, high):
    """The agent, then the enemies in front of it."""
    body = world.body[e]
    left = f32(f32(f32(body[X] - RADIUS_X) * UNIT) - x_offset)
    top = f32(f32(f32(VIEW - f32(body[Y] + RADIUS_Y)) * UNIT) + y_offset)
    width, height = f64(f32(f32(TWO * RADIUS_X) * UNIT)), f64(f32(f32(TWO * RADIUS_Y) * UNIT))
    if images.flat[0]:
        blit(images, player_image(world, e), f64(left), f64(top), width, height, 256, frame, at, low, high)
    else:
        blit(images, player_image(world, e), f64(left), f64(top) + height * PLAYER_TOP, width,
              height * PLAYER_HEIGHT, 256, frame, at, low, high)
    for i in range(world.facts[e, NUM_ENEMIES]):
        x, y = world.enemies[e, i, 0], world.enemies[e, i, 1]
        if abs(x - body[X]) <= MARGIN and abs(y - body[Y]) <= MARGIN:
            _blit_entity(images, enemy_image(world, e, i), x, y, HALF, HALF, x_offset, y_offset, 256, frame, at, low,
                         high)


@jit(forceinline=True)
def _view(world, e):
    """The part of the level that is drawn: its offset on the screen, first cell, and numbers of cells across and down."""
    centre_x, centre_y = world.body[e, X], world.body[e, Y]
    half = f32(VIEW / TWO)
    first_x, first_y = i32(f32(centre_x - MARGIN)), i32(f32(centre_y - MARGIN))
    across = i32(f32(centre_x + MARGIN)) - first_x + 1
    down = i32(f32(centre_y + MARGIN)) - first_y + 1
    return f32(UNIT * f32(centre_x - half)), f32(UNIT * f32(centre_y - half)), first_x, first_y, across, down


@jit(forceinline=True)
def measure(world, e, images, scratch, rows_too, lane, lanes):
    """Fill the tables for world e's frame, `scratch.rows` only where it is asked for."""
    x_offset, y_offset, first_x, first_y, across, down = _view(world, e)
    flat = images.flat[0]
    for i in range(lane, across, lanes):
        left = f32(f32(f32(f32(first_x + i) - OVERLAP) * UNIT) - x_offset)
        _measure_tile(scratch.columns, u64(i), f64(left), TILE_BLOCK, PIXEL, flat)
    if rows_too:
        for j in range(lane, down, lanes):
            top = f32(f32(f32(f32(VIEW - f32(first_y + j + 1)) - OVERLAP) * UNIT) + y_offset)
            _measure_tile(scratch.rows, u64(j), f64(top), S.TILE_PERIOD * TILE_BLOCK, TILE_ROW, flat)
    _look_up_tiles(world, e, images, first_x, first_y, across, down, scratch, lane, lanes)
    left = f32(f32(ZERO * UNIT) - x_offset)
    top = f32(f32(f32(VIEW - f32(SIZE)) * UNIT) + y_offset)
    _measure_sky(world, e, images, left, top, scratch, lane, lanes)


@jit(forceinline=True)
def place_lines(world, e, scratch, low, high):
    """Fill `scratch.places` for the lines low..high-1 of world e's frame, once `scratch.rows` is filled."""
    _, _, _, _, _, down = _view(world, e)
    rows, places = scratch.rows, scratch.places
    for j in range(down):
        first = rows[u64(j), START]
        for r in range(max(first, low), min(first + rows[u64(j), COUNT], high)):
            places[u64(r)] = rows[u64(j), PLACE] + TILE_ROW * (r - first)


@jit(forceinline=True)
def draw_lines(world, e, images, scratch, frame, at, low, high):
    """Draw lines low..high-1 of world e's frame, whose tables are filled, into the bytes of `frame` from `at` on."""
    x_offset, y_offset, _, _, across, down = _view(world, e)
    _draw_sky(world, e, images, across, down, scratch, frame, at, low, high)
    _draw_tiles(images, across, down, scratch, frame, at, low, high)
    _draw_statics(world, e, images, x_offset, y_offset, frame, at, low, high)
    _draw_trails(world, e, images, x_offset, y_offset, frame, at, low, high)
    _draw_moving(world, e, images, x_offset, y_offset, frame, at, low, high)


@jit(forceinline=True)
def _split_channels(frame, frames, at):
    """Write a frame of pixels as three planes."""
    size = RESOLUTION * RESOLUTION
    for channel in range(PIXEL):
        for k in range(size):
            frames[at + u64(size * channel + k)] = frame[u64(PIXEL * k + channel)]


@jit(forceinline=True)
def _fetch_surroundings(world, e):
    """Ask for the cells in world e's view, and for the trails of its enemies."""
    _, _, _, first_y, _, down = _view(world, e)
    for y in range(max(first_y, 0), min(first_y + down, SIZE)):
        prefetch(world.grid, e, SIZE * y)
    for i in range(world.facts[e, NUM_ENEMIES]):
        prefetch(world.trails, e, 8 * TRAIL_LENGTH * i)


@jit(allocates=True)
def render(table, num_worlds, images, frames, channels_first, rows, first, last):
    """Draw the worlds `rows[first:last]` into their `frames`: the bytes of [N, 64, 64, 3], or of [N, 3, 64, 64] channels
    first, and at least one byte more, which may be read.

    `table` has the addresses of the `num_worlds` worlds' arrays, which need enemy trails (`allocate`). Their backgrounds
    must be in memory (`Sprites.require`).
    """
    world = world_at(table, np.int64(num_worlds), MAX_ENEMIES)
    scratch = Scratch(
        np.zeros((MAX_CELLS, 4), np.int32), np.zeros((MAX_CELLS, 4), np.int32),
        np.empty((MAX_CELLS, MAX_CELLS), np.int32), np.empty(LINE, np.uint8), np.empty(RESOLUTION, np.int64),
        np.empty(RESOLUTION, np.int32))
    single = np.empty(FRAME + 1, np.uint8)
    height = f32(np.nan)
    for k in range(first, last):
        e = u64(rows[k])
        if k + 2 < last:
            fetch_numbers(world, u64(rows[k + 2]))
            prefetch_row(world.enemy_themes, u64(rows[k + 2]))
        if k + 1 < last:
            _fetch_surroundings(world, u64(rows[k + 1]))
            if not channels_first:
                for place in range(0, FRAME, memory.LINE):
                    prefetch(frames, u64(rows[k + 1]) * u64(FRAME), place)
        raised = height != world.body[e, Y]
        measure(world, e, images, scratch, raised, 0, 1)
        if raised:  # many agents stand equally high
            height = world.body[e, Y]
            place_lines(world, e, scratch, 0, RESOLUTION)
        if channels_first:
            draw_lines(world, e, images, scratch, single, u64(0), 0, RESOLUTION)
            _split_channels(single, frames, e * u64(FRAME))
        else:
            draw_lines(world, e, images, scratch, frames, e * u64(FRAME), 0, RESOLUTION)
