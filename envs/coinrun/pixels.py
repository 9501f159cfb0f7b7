"""64 x 64 frames of CoinRun, equal to procgen's bit for bit.

procgen draws with Qt 5.9's raster engine without antialiasing. Images are scaled to their rectangle by nearest
sampling in 16.16 fixed point, so what matters is which source pixel each pixel takes. A frame is made row by row:
an index table says for every column where its pixel comes from (background or an opaque tile, whichever is drawn
last), one gather fills the row, and what is partly transparent is blended on top in procgen's order.

`render` is the fast way for agents, `render_large` the pretty one for people.
"""

import math
from typing import NamedTuple

import numpy as np

from envs.coinrun import sprites as S
from envs.coinrun.layout import (
    ACTION_X, AGENT_THEME, BACKGROUND, BACKGROUND_SHIFT, COIN_X, COIN_Y, DECOY, END_X, END_Y, FACING_LEFT, FLAGS,
    GOAL, HALF, LAVA_MID, LAVA_TOP, NUM_ENEMIES, NUM_STATICS, RADIUS_X, RADIUS_Y, SIZE, SUPPORTED, TIME, TRAIL_LENGTH,
    TWO, VX, WALL_MID, WALL_THEME, WALL_TOP, X, Y, ZERO, f32,
)
from envs.jit import jit

RESOLUTION = 64
i32, u32, u64, f64 = np.int32, np.uint32, np.uint64, np.float64

UNIT = f32(f32(64) / f32(13))  # pixels per cell
VIEW = f32(64.0 / f64(UNIT))  # cells per frame
MARGIN = f32(7.5)  # cells drawn on each side of the agent
OVERLAP = f32(0.02)  # by which procgen enlarges a tile on every side (RENDER_EPS)
TILE_SIZE = f64(f32(f32(f32(1) + f32(TWO * OVERLAP)) * UNIT))
TILE_STEP = i32(65536.0 / (TILE_SIZE / S.TILE))
MAX_CELLS, MAX_SPAN, MAX_CLEAR = 16, 6, 256  # tiles across a frame; pixels across a tile
START, COUNT, SAMPLES = 0, 1, 2  # columns of a tile table: first pixel, number of pixels, their source pixels
ALL_BITS = u32(0xFFFFFFFF)
NOTHING = i32(-1)  # in place of an image
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


@jit(inline="always")
def _round(d):
    """Qt 5.9's qRound of a double."""
    if d >= 0.0:
        return i32(d + 0.5)
    k = i32(d - 1.0)
    return i32(d - f64(k) + 0.5) + k


@jit(inline="always")
def _scaled(pixel, alpha):
    """Qt's BYTE_MUL: all four channels times alpha / 255."""
    low = u32(u32(pixel & u32(0xFF00FF)) * alpha)
    low = u32(u32(low + u32((low >> u32(8)) & u32(0xFF00FF)) + u32(0x800080)) >> u32(8)) & u32(0xFF00FF)
    high = u32(u32((pixel >> u32(8)) & u32(0xFF00FF)) * alpha)
    high = u32(high + u32((high >> u32(8)) & u32(0xFF00FF)) + u32(0x800080)) & u32(0xFF00FF00)
    return u32(low | high)


@jit(inline="always")
def _over(source, below):
    """Source-over of premultiplied pixels (exact at both ends: opaque hides, transparent leaves)."""
    return u32(source + _scaled(below, u32(u32(~source) >> u32(24))))


@jit(inline="always")
def _first_sample(first, left, step):
    """16.16 source position of pixel `first` of an image whose left (or top) edge is at `left`."""
    return i32(math.ceil((f64(first) + 0.5 - left) * f64(step))) - 1


@jit
def _tile_row(table, edge, place, flat):
    """Fill one row of a tile table for a tile whose left (or top) edge is at `edge` on the screen; `place` says where
    a source column (or row) is stored."""
    first = max(_round(edge), i32(0))
    count = min(_round(edge + TILE_SIZE), i32(RESOLUTION)) - first
    if count > 0:
        sample = _first_sample(first, edge, TILE_STEP)
        if not flat and (sample + TILE_STEP * (count - 1)) >> 16 >= S.TILE:
            count -= 1
        for i in range(count):
            table[SAMPLES + i] = place[min(sample >> 16, S.TILE - 1)]
            sample += TILE_STEP
    table[START] = first
    table[COUNT] = max(count, i32(0))


IMAGE_OF_CELL = np.full(128, NOTHING, np.int32)
IMAGE_OF_CELL[[WALL_MID, WALL_TOP, LAVA_MID, LAVA_TOP, GOAL]] = (
    S.GROUND, S.GROUND_TOP, S.LAVA_IMAGE, S.LAVA_TOP_IMAGE, S.COIN_IMAGE)
HAS_THEMES = np.zeros(128, np.int32)
HAS_THEMES[[WALL_MID, WALL_TOP]] = 1


@jit
def _look_up_tiles(world, e, images, first_x, first_y, across, down, scratch):
    """Images of the cells in view; outside the level there are walls.

    Tiles that are partly transparent go into a list instead, in the order of drawing; returns its length.
    """
    grid, facts, tiles, clear = world.grid[e], world.facts[e], scratch.tiles, scratch.clear
    theme = facts[WALL_THEME]
    decoy_x = i32(-1)
    if facts[DECOY] and (facts[COIN_X] != facts[END_X] or facts[COIN_Y] != facts[END_Y]):
        decoy_x = facts[END_X]
    count = 0
    for i in range(across):
        x = first_x + i
        for j in range(down):
            y = first_y + j
            tile = i32(S.GROUND + theme)
            if 0 <= x < SIZE and 0 <= y < SIZE:
                cell = u64(grid[u64(y), u64(x)])
                tile = IMAGE_OF_CELL[cell] + HAS_THEMES[cell] * theme
                if x == decoy_x and y == facts[END_Y]:
                    tile = i32(S.DECOY_IMAGE)
            if tile != NOTHING and not images.opaque[u64(tile)]:
                clear[count, 0], clear[count, 1], clear[count, 2] = i, j, tile
                count += 1
                tile = NOTHING
            tiles[u64(j), u64(i)] = tile
    return count


@jit
def _background(world, e, images, left, top, scratch):
    """Source column offset of every frame column and source row offset of every frame row."""
    columns, rows = scratch.sky_columns, scratch.sky_rows
    number = S.FIRST_BACKGROUND + world.facts[e, BACKGROUND]
    width, height = images.width[number], images.height[number]
    size = f32(f32(SIZE) * UNIT)
    aspect = f32(f32(width) / f32(height))
    shift = f32(world.body[e, BACKGROUND_SHIFT] * f32(aspect - f32(1)))
    edge = f64(left) + f64(size) * f64(f32(-shift))
    blocks = (width + S.BLOCK - 1) >> S.BLOCK_BITS
    step_x = i32(65536.0 / (f64(size) * f64(aspect) / f64(width)))
    step_y = i32(65536.0 / (f64(size) / f64(height)))
    first_x, first_y = max(_round(edge), i32(0)), max(_round(f64(top)), i32(0))
    sample = _first_sample(first_x, edge, step_x) - step_x * first_x
    for i in range(RESOLUTION):  # beyond its edges, where walls hide it, the image is continued
        x = min(max(sample >> 16, i32(0)), width - 1)
        columns[i] = u32(images.offset[number] + ((x >> S.BLOCK_BITS) << 2 * S.BLOCK_BITS) + (x & (S.BLOCK - 1)))
        sample += step_x
    sample = _first_sample(first_y, f64(top), step_y) - step_y * first_y
    for i in range(RESOLUTION):
        y = min(max(sample >> 16, i32(0)), height - 1)
        rows[i] = u32((((y >> S.BLOCK_BITS) * blocks << S.BLOCK_BITS) + (y & (S.BLOCK - 1))) << S.BLOCK_BITS)
        sample += step_y


@jit
def _lay_out_row(images, across, j, scratch):
    """Where every column of tile row `j` takes its pixels from: `source`, and whether that is the background:
    `is_sky`, all bits or none. Returns the number of columns that tiles cover."""
    tiles, columns, source, is_sky = scratch.tiles[j], scratch.columns, scratch.source, scratch.is_sky
    for c in range(RESOLUTION):
        source[c] = scratch.sky_columns[c]
        is_sky[c] = ALL_BITS
    covered = i32(0)
    end = i32(0)
    for i in range(across):
        count = columns[i, COUNT]
        if tiles[i] == NOTHING or count == 0:
            continue
        start, offset = columns[i, START], images.offset[tiles[i]]
        for k in range(count):
            source[u64(start + k)] = u32(offset + columns[i, SAMPLES + k])
            is_sky[u64(start + k)] = u32(0)
        covered += start + count - max(start, end)
        end = start + count
    return covered


@jit
def _same_row(tiles, j, across):
    """Whether tile row `j` looks like the one before."""
    for i in range(across):
        if tiles[j, i] != tiles[j - 1, i]:
            return False
    return True


@jit
def _draw_ground(images, across, down, scratch):
    """Background and opaque tiles.

    Neighbouring tiles overlap by a pixel now and then. procgen draws columns from left to right and each from the
    bottom, so a tile covers its left neighbours, and in its own column the tile below.
    """
    pixels, rows, sky_rows = images.pixels, scratch.rows, scratch.sky_rows
    sky_columns, source, is_sky = scratch.sky_columns, scratch.source, scratch.is_sky
    covered = i32(0)
    for j in range(down):
        first, last = rows[j, START], rows[j, START] + rows[j, COUNT]
        shared = first  # rows from `first` to here are also covered by the tiles above, and drawn with both
        if j + 1 < down:
            shared = max(first, rows[j + 1, START] + rows[j + 1, COUNT])
        if j > 0:
            last = min(last, rows[j - 1, START])
        if j == 0 or not _same_row(scratch.tiles, j, across):
            covered = _lay_out_row(images, across, j, scratch)
        for r in range(shared, last):  # loops of constant length, which the compiler unrolls
            line, sky, tile_row = scratch.canvas[r], sky_rows[r], u32(rows[j, SAMPLES + r - first])
            if covered == 0:
                for c in range(RESOLUTION):
                    line[c] = pixels[u64(sky + sky_columns[c])]
            elif covered == RESOLUTION:
                for c in range(RESOLUTION):
                    line[c] = pixels[u64(tile_row + source[c])]
            else:
                difference = u32(sky - tile_row)
                for c in range(RESOLUTION):
                    line[c] = pixels[u64(u32(u32(source[c] + tile_row) + u32(is_sky[c] & difference)))]
        for r in range(first, shared):
            _draw_shared_row(images, across, j, r, scratch)


@jit
def _draw_shared_row(images, across, j, r, scratch):
    """A row of pixels that belongs to two rows of tiles, `j` and the one above."""
    line, columns, rows = scratch.canvas[r], scratch.columns, scratch.rows
    for c in range(RESOLUTION):
        line[c] = images.pixels[u64(scratch.sky_rows[r]) + u64(scratch.sky_columns[c])]
    for i in range(across):
        for above in range(2):
            tile, k = scratch.tiles[j + above, i], r - rows[j + above, START]
            if tile != NOTHING and 0 <= k < rows[j + above, COUNT]:
                start = images.offset[tile] + rows[j + above, SAMPLES + k]
                for n in range(columns[i, COUNT]):
                    line[columns[i, START] + n] = images.pixels[u64(start + columns[i, SAMPLES + n])]


@jit
def _draw_clear_tiles(images, across, down, count, scratch):
    """Partly transparent tiles, left out where an opaque tile drawn later overlaps them."""
    canvas, tiles, columns, rows = scratch.canvas, scratch.tiles, scratch.columns, scratch.rows
    for k in range(count):
        i, j, tile = scratch.clear[k, 0], scratch.clear[k, 1], scratch.clear[k, 2]
        is_last, is_top, is_bottom = i + 1 == across, j + 1 == down, j == 0
        next_column = i32(RESOLUTION) if is_last else columns[i + 1, START]
        end_above = i32(0) if is_top else rows[j + 1, START] + rows[j + 1, COUNT]
        start_below = i32(RESOLUTION) if is_bottom else rows[j - 1, START]
        above = not is_top and tiles[j + 1, i] != NOTHING
        right = not is_last and tiles[j, i + 1] != NOTHING
        right_above = not is_last and not is_top and tiles[j + 1, i + 1] != NOTHING
        right_below = not is_last and not is_bottom and tiles[j - 1, i + 1] != NOTHING
        for n in range(rows[j, COUNT]):
            r = rows[j, START] + n
            if above and r < end_above:
                continue
            hidden = right or (right_above and r < end_above) or (right_below and r >= start_below)
            end = columns[i, START] + columns[i, COUNT]
            if hidden:
                end = min(end, next_column)
            start = images.offset[tile] + rows[j, SAMPLES + n]
            for c in range(columns[i, START], end):
                place = start + columns[i, SAMPLES + c - columns[i, START]]
                canvas[r, c] = _over(images.pixels[u64(place)], canvas[r, c])


@jit
def _blit(images, number, left, top, width, height, opacity, canvas):
    """QPainter::drawImage(QRectF, QImage): scaled to the rectangle, blended with `opacity` of 256."""
    first_x, first_y = max(_round(left), i32(0)), max(_round(top), i32(0))
    across = min(_round(left + width), i32(RESOLUTION)) - first_x
    down = min(_round(top + height), i32(RESOLUTION)) - first_y
    if across <= 0 or down <= 0:
        return
    if images.flat[0]:
        colour = images.pixels[images.offset[number]]
        for r in range(first_y, first_y + down):
            for c in range(first_x, first_x + across):
                canvas[r, c] = colour
        return
    source_width, source_height = images.width[number], images.height[number]
    step_x = i32(65536.0 / (width / f64(source_width)))
    step_y = i32(65536.0 / (height / f64(source_height)))
    start_x = _first_sample(first_x, left, step_x)
    sample_y = _first_sample(first_y, top, step_y)
    if (sample_y + step_y * (down - 1)) >> 16 >= source_height:
        down -= 1
    if (start_x + step_x * (across - 1)) >> 16 >= source_width:
        across -= 1
    alpha = u32((opacity * 255) >> 8)
    kind = images.kind[number]
    for r in range(first_y, first_y + down):
        row = images.offset[number] + images.place_y[kind, sample_y >> 16]
        sample_x = start_x
        for c in range(first_x, first_x + across):
            pixel = images.pixels[u64(row + images.place_x[kind, sample_x >> 16])]
            if opacity != 256:
                pixel = _scaled(pixel, alpha)
            canvas[r, c] = _over(pixel, canvas[r, c])
            sample_x += step_x
        sample_y += step_y


@jit
def _blit_entity(images, number, x, y, half_width, half_height, x_offset, y_offset, opacity, canvas):
    """An entity centred at (x, y): its rectangle in float32 as `get_object_rect` computes it."""
    left = f32(f32(f32(x - half_width) * UNIT) - x_offset)
    top = f32(f32(f32(VIEW - f32(y + half_height)) * UNIT) + y_offset)
    width = f32(f32(TWO * half_width) * UNIT)
    height = f32(f32(TWO * half_height) * UNIT)
    _blit(images, number, f64(left), f64(top), f64(width), f64(height), opacity, canvas)


@jit
def _draw_statics(world, e, images, x_offset, y_offset, canvas):
    saw = i32(S.SAW_TURNED_IMAGE if world.clock[e, TIME] % 2 == 1 else S.SAW_IMAGE)
    for i in range(world.facts[e, NUM_STATICS]):
        x = f32(f32(world.statics[e, i, 0]) + HALF)
        y = f32(f32(world.statics[e, i, 1]) + HALF)
        if abs(x - world.body[e, X]) > MARGIN or abs(y - world.body[e, Y]) > MARGIN:
            continue
        kind = i32(world.statics[e, i, 2])
        number = saw if kind == 0 else i32(S.CRATE_IMAGE + kind - 1)
        _blit_entity(images, number, x, y, HALF, HALF, x_offset, y_offset, 256, canvas)


@jit
def _draw_trails(world, e, images, x_offset, y_offset, canvas):
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
                         TRAIL_OPACITY[age], canvas)


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


@jit
def _draw_moving(world, e, images, x_offset, y_offset, canvas):
    """The agent, then the enemies in front of it."""
    body = world.body[e]
    left = f32(f32(f32(body[X] - RADIUS_X) * UNIT) - x_offset)
    top = f32(f32(f32(VIEW - f32(body[Y] + RADIUS_Y)) * UNIT) + y_offset)
    width, height = f64(f32(f32(TWO * RADIUS_X) * UNIT)), f64(f32(f32(TWO * RADIUS_Y) * UNIT))
    if images.flat[0]:
        _blit(images, player_image(world, e), f64(left), f64(top), width, height, 256, canvas)
    else:
        _blit(images, player_image(world, e), f64(left), f64(top) + height * PLAYER_TOP, width,
              height * PLAYER_HEIGHT, 256, canvas)
    for i in range(world.facts[e, NUM_ENEMIES]):
        x, y = world.enemies[e, i, 0], world.enemies[e, i, 1]
        if abs(x - body[X]) <= MARGIN and abs(y - body[Y]) <= MARGIN:
            _blit_entity(images, enemy_image(world, e, i), x, y, HALF, HALF, x_offset, y_offset, 256, canvas)


@jit
def _draw_world(world, e, images, scratch):
    centre_x, centre_y = world.body[e, X], world.body[e, Y]
    half = f32(VIEW / TWO)
    x_offset, y_offset = f32(UNIT * f32(centre_x - half)), f32(UNIT * f32(centre_y - half))
    first_x, first_y = i32(f32(centre_x - MARGIN)), i32(f32(centre_y - MARGIN))
    across = i32(f32(centre_x + MARGIN)) - first_x + 1
    down = i32(f32(centre_y + MARGIN)) - first_y + 1
    flat = images.flat[0]
    for i in range(across):
        left = f32(f32(f32(f32(first_x + i) - OVERLAP) * UNIT) - x_offset)
        _tile_row(scratch.columns[i], f64(left), images.place_x[S.TILES], flat)
    for j in range(down):
        top = f32(f32(f32(f32(VIEW - f32(first_y + j + 1)) - OVERLAP) * UNIT) + y_offset)
        _tile_row(scratch.rows[j], f64(top), images.place_y[S.TILES], flat)
    clear = _look_up_tiles(world, e, images, first_x, first_y, across, down, scratch)
    left = f32(f32(ZERO * UNIT) - x_offset)
    top = f32(f32(f32(VIEW - f32(SIZE)) * UNIT) + y_offset)
    _background(world, e, images, left, top, scratch)
    _draw_ground(images, across, down, scratch)
    _draw_clear_tiles(images, across, down, clear, scratch)
    _draw_statics(world, e, images, x_offset, y_offset, scratch.canvas)
    _draw_trails(world, e, images, x_offset, y_offset, scratch.canvas)
    _draw_moving(world, e, images, x_offset, y_offset, scratch.canvas)


@jit
def _write_frame(canvas, frame, channels_first):
    """Copy 0xAABBGGRR words to bytes; the constant strides let the compiler use vector instructions."""
    words, out = canvas.reshape(-1), frame.reshape(-1)
    size = RESOLUTION * RESOLUTION
    if channels_first:
        for k in range(size):
            out[k] = np.uint8(words[k])
        for k in range(size):
            out[size + k] = np.uint8(words[k] >> u32(8))
        for k in range(size):
            out[2 * size + k] = np.uint8(words[k] >> u32(16))
    else:
        for k in range(size):
            out[3 * k] = np.uint8(words[k])
            out[3 * k + 1] = np.uint8(words[k] >> u32(8))
            out[3 * k + 2] = np.uint8(words[k] >> u32(16))


class _Scratch(NamedTuple):
    """What the drawing of one frame needs besides the world."""

    canvas: np.ndarray  # uint32 [64, 64]
    tiles: np.ndarray  # int32 [16, 16]: opaque images in view
    clear: np.ndarray  # int32 [256, 3]: column, row and image of the others
    columns: np.ndarray  # int32 [16, 8]: tile tables
    rows: np.ndarray
    sky_columns: np.ndarray  # uint32 [64]: where the background's columns are in the pool
    sky_rows: np.ndarray  # uint32 [64]: and its rows
    source: np.ndarray  # uint32 [64]: where the columns of a row of tiles come from
    is_sky: np.ndarray  # uint32 [64]: all bits where a column shows the background


@jit(allocates=True)
def render(world, images, frames, channels_first, rows, first, last):
    """Draw the worlds `rows[first:last]` into their `frames`: uint8 [N, 64, 64, 3], or [N, 3, 64, 64] channels first.

    Their backgrounds must be in memory (`Sprites.require`), and the worlds need enemy trails (`allocate`).
    """
    scratch = _Scratch(
        np.empty((RESOLUTION, RESOLUTION), np.uint32), np.empty((MAX_CELLS, MAX_CELLS), np.int32),
        np.empty((MAX_CLEAR, 3), np.int32), np.zeros((MAX_CELLS, SAMPLES + MAX_SPAN), np.int32),
        np.zeros((MAX_CELLS, SAMPLES + MAX_SPAN), np.int32), np.empty(RESOLUTION, np.uint32),
        np.empty(RESOLUTION, np.uint32), np.empty(RESOLUTION, np.uint32), np.empty(RESOLUTION, np.uint32))
    for k in range(first, last):
        e = rows[k]
        _draw_world(world, e, images, scratch)
        _write_frame(scratch.canvas, frames[e], channels_first)
