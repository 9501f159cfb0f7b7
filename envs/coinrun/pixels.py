"""64 x 64 frames of CoinRun, equal to procgen's bit for bit.

procgen draws with Qt 5.9's raster engine without antialiasing. Images are scaled to their rectangle by nearest
sampling in 16.16 fixed point, so what matters is which source pixel each pixel takes. A frame is made row by row:
an index table says for every column where its pixel comes from (background or an opaque tile, whichever is drawn
last), one gather fills the row, and what is partly transparent is blended on top in procgen's order.

`render` is the fast way for agents, `render_large` the pretty one for people.
"""

import math

import numpy as np

from envs.coinrun import sprites as S
from envs.coinrun.layout import (
    ACTION_X, AGENT_THEME, BACKGROUND, BACKGROUND_SHIFT, COIN_X, COIN_Y, DECOY, END_X, END_Y, FACING_LEFT, FLAGS, GOAL,
    HALF, LAVA_MID, LAVA_TOP, NUM_ENEMIES, NUM_STATICS, RADIUS_X, RADIUS_Y, SIZE, SUPPORTED, TIME, TRAIL_LENGTH, TWO, VX,
    WALL_MID, WALL_THEME, WALL_TOP, X, Y, ZERO, f32,
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
MAX_CELLS, MAX_SPAN = 16, 6  # tiles across a frame; pixels across a tile
START, COUNT, SAMPLES = 0, 1, 2  # columns of a tile table: first pixel, number of pixels, their source pixels
BLACK = u32(S.BLACK)
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
    """Source-over of premultiplied pixels."""
    if source >= BLACK:
        return source
    if source == u32(0):
        return below
    return u32(source + _scaled(below, u32(u32(~source) >> u32(24))))


@jit(inline="always")
def _first_sample(first, left, step):
    """16.16 source position of pixel `first` of an image whose left (or top) edge is at `left`."""
    return i32(math.ceil((f64(first) + 0.5 - left) * f64(step))) - 1


@jit
def _tile_row(table, edge, flat):
    """Fill one row of a tile table for a tile whose left (or top) edge is at `edge` on the screen."""
    first = max(_round(edge), i32(0))
    count = min(_round(edge + TILE_SIZE), i32(RESOLUTION)) - first
    if count > 0:
        sample = _first_sample(first, edge, TILE_STEP)
        if not flat and (sample + TILE_STEP * (count - 1)) >> 16 >= S.TILE:
            count -= 1
        for i in range(count):
            table[SAMPLES + i] = min(sample >> 16, S.TILE - 1)
            sample += TILE_STEP
    table[START] = first
    table[COUNT] = max(count, i32(0))


@jit
def _tile_image(cell, wall_theme):
    """Number of the image of a grid cell, -1 for cells that show nothing."""
    if cell == WALL_MID:
        return i32(S.GROUND + wall_theme)
    if cell == WALL_TOP:
        return i32(S.GROUND_TOP + wall_theme)
    if cell == LAVA_MID:
        return i32(S.LAVA_IMAGE)
    if cell == LAVA_TOP:
        return i32(S.LAVA_TOP_IMAGE)
    if cell == GOAL:
        return i32(S.COIN_IMAGE)
    return i32(-1)


@jit
def _look_up_tiles(world, e, first_x, first_y, across, down, tiles):
    """Image numbers of the cells in view; outside the level there are walls."""
    grid, facts = world.grid[e], world.facts[e]
    theme = facts[WALL_THEME]
    for j in range(down):
        y = first_y + j
        for i in range(across):
            x = first_x + i
            if 0 <= x < SIZE and 0 <= y < SIZE:
                tiles[j, i] = _tile_image(i32(grid[y, x]), theme)
            else:
                tiles[j, i] = S.GROUND + theme
    if facts[DECOY] and (facts[COIN_X] != facts[END_X] or facts[COIN_Y] != facts[END_Y]):
        i, j = facts[END_X] - first_x, facts[END_Y] - first_y
        if 0 <= i < across and 0 <= j < down:
            tiles[j, i] = S.DECOY_IMAGE


@jit
def _background(world, e, images, left, top, columns, rows):
    """Source column offset of every frame column and source row offset of every frame row."""
    number = S.FIRST_BACKGROUND + world.facts[e, BACKGROUND]
    width, height = images.width[number], images.height[number]
    size = f32(f32(SIZE) * UNIT)
    aspect = f32(f32(width) / f32(height))
    shift = f32(world.body[e, BACKGROUND_SHIFT] * f32(aspect - f32(1)))
    x = f64(left) + f64(size) * f64(f32(-shift))
    step_x = i32(65536.0 / (f64(size) * f64(aspect) / f64(width)))
    step_y = i32(65536.0 / (f64(size) / f64(height)))
    first_x, first_y = max(_round(x), i32(0)), max(_round(f64(top)), i32(0))
    sample = _first_sample(first_x, x, step_x) - step_x * first_x
    for i in range(RESOLUTION):  # beyond its edges, where walls hide it, the image is continued
        columns[i] = images.offset[number] + min(max(sample >> 16, i32(0)), width - 1)
        sample += step_x
    sample = _first_sample(first_y, f64(top), step_y) - step_y * first_y
    for i in range(RESOLUTION):
        rows[i] = min(max(sample >> 16, i32(0)), height - 1) * width
        sample += step_y


@jit
def _draw_ground(images, tiles, across, down, columns, rows, sky_columns, sky_rows, canvas):
    """Background and opaque tiles. A tile covers those left of it and below it where they overlap, and one to the
    left and above as well, because procgen draws columns from left to right and each from the bottom."""
    pixels = images.pixels
    origin = np.empty(RESOLUTION, np.uint64)
    is_sky = np.empty(RESOLUTION, np.uint64)
    for j in range(down):
        first, count = rows[j, START], rows[j, COUNT]
        if count == 0:
            continue
        shared = first  # rows from `first` to here are also covered by the tiles above, and drawn with both
        if j + 1 < down:
            shared = max(first, rows[j + 1, START] + rows[j + 1, COUNT])
        last = min(first + count, rows[j - 1, START]) if j > 0 else first + count
        for c in range(RESOLUTION):
            origin[c] = u64(sky_columns[c])
            is_sky[c] = u64(0xFFFFFFFFFFFFFFFF)
        for i in range(across):
            tile = tiles[j, i]
            if tile >= 0 and images.opaque[tile]:
                start = images.offset[tile]
                for k in range(columns[i, COUNT]):
                    origin[columns[i, START] + k] = u64(start + columns[i, SAMPLES + k])
                    is_sky[columns[i, START] + k] = u64(0)
        for r in range(shared, last):
            sky, tile_row = u64(sky_rows[r]), u64(rows[j, SAMPLES + r - first] * S.TILE)
            line = canvas[r]
            for c in range(RESOLUTION):
                line[c] = pixels[origin[c] + ((sky & is_sky[c]) | (tile_row & ~is_sky[c]))]
        for r in range(first, shared):
            line = canvas[r]
            for c in range(RESOLUTION):
                line[c] = pixels[u64(sky_columns[c] + sky_rows[r])]
            for i in range(across):
                for above in range(2):
                    tile = tiles[j + above, i]
                    k = r - rows[j + above, START]
                    if tile >= 0 and images.opaque[tile] and 0 <= k < rows[j + above, COUNT]:
                        start = images.offset[tile] + rows[j + above, SAMPLES + k] * S.TILE
                        for n in range(columns[i, COUNT]):
                            line[columns[i, START] + n] = pixels[u64(start + columns[i, SAMPLES + n])]


@jit
def _hides(images, tiles, across, down, i, j):
    """Whether an opaque tile stands at (i, j) of the view."""
    return i < across and 0 <= j < down and tiles[j, i] >= 0 and images.opaque[tiles[j, i]]


@jit
def _draw_clear_tiles(images, tiles, across, down, columns, rows, canvas):
    """Partly transparent tiles, left out where an opaque tile drawn later overlaps them."""
    for i in range(across):
        for j in range(down):
            tile = tiles[j, i]
            if tile < 0 or images.opaque[tile]:
                continue
            next_column = columns[i + 1, START] if i + 1 < across else i32(RESOLUTION)
            row_end_above = rows[j + 1, START] + rows[j + 1, COUNT] if j + 1 < down else i32(0)
            row_below = rows[j - 1, START] if j > 0 else i32(RESOLUTION)
            above = _hides(images, tiles, across, down, i, j + 1)
            right = _hides(images, tiles, across, down, i + 1, j)
            right_above = _hides(images, tiles, across, down, i + 1, j + 1)
            right_below = _hides(images, tiles, across, down, i + 1, j - 1)
            for n in range(rows[j, COUNT]):
                r = rows[j, START] + n
                in_above, in_below = r < row_end_above, r >= row_below
                if above and in_above:
                    continue
                hidden_right = right or (right_above and in_above) or (right_below and in_below)
                row = images.offset[tile] + rows[j, SAMPLES + n] * S.TILE
                for m in range(columns[i, COUNT]):
                    c = columns[i, START] + m
                    if hidden_right and c >= next_column:
                        break
                    canvas[r, c] = _over(images.pixels[u64(row + columns[i, SAMPLES + m])], canvas[r, c])


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
    for r in range(first_y, first_y + down):
        row = images.offset[number] + (sample_y >> 16) * source_width
        sample_x = start_x
        for c in range(first_x, first_x + across):
            pixel = images.pixels[u64(row + (sample_x >> 16))]
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
def _draw_world(world, e, images, tiles, columns, rows, sky_columns, sky_rows, canvas):
    centre_x, centre_y = world.body[e, X], world.body[e, Y]
    half = f32(VIEW / TWO)
    x_offset, y_offset = f32(UNIT * f32(centre_x - half)), f32(UNIT * f32(centre_y - half))
    first_x, first_y = i32(f32(centre_x - MARGIN)), i32(f32(centre_y - MARGIN))
    across = i32(f32(centre_x + MARGIN)) - first_x + 1
    down = i32(f32(centre_y + MARGIN)) - first_y + 1
    flat = images.flat[0]
    for i in range(across):
        _tile_row(columns[i], f64(f32(f32(f32(f32(first_x + i) - OVERLAP) * UNIT) - x_offset)), flat)
    for j in range(down):
        above = f32(VIEW - f32(first_y + j + 1))
        _tile_row(rows[j], f64(f32(f32(f32(above - OVERLAP) * UNIT) + y_offset)), flat)
    _look_up_tiles(world, e, first_x, first_y, across, down, tiles)
    left = f32(f32(ZERO * UNIT) - x_offset)
    top = f32(f32(f32(VIEW - f32(SIZE)) * UNIT) + y_offset)
    _background(world, e, images, left, top, sky_columns, sky_rows)
    _draw_ground(images, tiles, across, down, columns, rows, sky_columns, sky_rows, canvas)
    _draw_clear_tiles(images, tiles, across, down, columns, rows, canvas)
    _draw_statics(world, e, images, x_offset, y_offset, canvas)
    _draw_trails(world, e, images, x_offset, y_offset, canvas)
    _draw_moving(world, e, images, x_offset, y_offset, canvas)


@jit
def _write_frame(canvas, frame, channels_first):
    for r in range(RESOLUTION):
        line = canvas[r]
        if channels_first:
            for channel in range(3):
                out = frame[channel, r]
                shift = u32(16 - 8 * channel)
                for c in range(RESOLUTION):
                    out[c] = np.uint8(line[c] >> shift)
        else:
            out = frame[r]
            for c in range(RESOLUTION):
                out[c, 0] = np.uint8(line[c] >> u32(16))
                out[c, 1] = np.uint8(line[c] >> u32(8))
                out[c, 2] = np.uint8(line[c])


@jit
def render(world, images, frames, channels_first, rows, first, last):
    """Draw the worlds `rows[first:last]` into their `frames`: uint8 [N, 64, 64, 3], or [N, 3, 64, 64] channels first.

    Their backgrounds must be in memory (`Sprites.require`), and the worlds need enemy trails (`allocate`).
    """
    canvas = np.empty((RESOLUTION, RESOLUTION), np.uint32)
    tiles = np.empty((MAX_CELLS, MAX_CELLS), np.int32)
    across = np.zeros((MAX_CELLS, SAMPLES + MAX_SPAN), np.int32)
    down = np.zeros((MAX_CELLS, SAMPLES + MAX_SPAN), np.int32)
    sky_columns = np.empty(RESOLUTION, np.int64)
    sky_rows = np.empty(RESOLUTION, np.int64)
    for k in range(first, last):
        e = rows[k]
        _draw_world(world, e, images, tiles, across, down, sky_columns, sky_rows, canvas)
        _write_frame(canvas, frames[e], channels_first)
