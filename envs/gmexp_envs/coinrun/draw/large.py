"""Frames for people: as large as wanted, with smoothly scaled sprites. Not what agents see, and not fast."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from gmexp_envs.coinrun.draw import sprites as S
from gmexp_envs.coinrun.draw.pixels import (
    enemy_image, PLAYER_HEIGHT, player_image, TRAIL_DROP, TRAIL_HEIGHT, TRAIL_OPACITY, TRAIL_RISE, TRAIL_WIDTH,
)
from gmexp_envs.coinrun.layout import (
    BACKGROUND, BACKGROUND_SHIFT, COIN_X, COIN_Y, DECOY, END_X, END_Y, NUM_ENEMIES, NUM_STATICS, RADIUS_X, RADIUS_Y,
    SIZE, TIME, TRAIL_LENGTH, WALL_MID, WALL_THEME, WINDOW, World, X, Y,
)


class _Item(NamedTuple):
    """An image and where it goes: left, bottom, width and height in cells."""

    image: int
    x: float
    y: float
    width: float
    height: float
    opacity: float = 1.0


def render_large(world: World, e: int, sprites: S.Sprites, size: int = 512) -> np.ndarray:
    """World `e` as uint8 [size, size, 3], showing what `render` shows."""
    canvas = Image.new("RGB", (size, size))
    scale = size / WINDOW
    left, top = world.body[e, X] - WINDOW / 2, world.body[e, Y] + WINDOW / 2
    _paste_background(canvas, world, e, sprites, left, top, scale)
    for item in _items(world, e, sprites):
        x0, x1 = (round(float((x - left) * scale)) for x in (item.x, item.x + item.width))
        y0, y1 = (round(float((top - y) * scale)) for y in (item.y + item.height, item.y))
        if x1 > x0 and y1 > y0 and x0 < size and y0 < size and x1 > 0 and y1 > 0:
            image = _scaled(sprites, item.image, x1 - x0, y1 - y0, item.opacity)
            canvas.paste(image, (x0, y0), image)
    return np.asarray(canvas)


def _paste_background(canvas: Image.Image, world: World, e: int, sprites: S.Sprites, left: float, top: float,
                      scale: float) -> None:
    number = int(world.facts[e, BACKGROUND])
    sprites.require(np.array([number]))
    image = _picture(sprites, S.FIRST_BACKGROUND + number)
    aspect = image.width / image.height
    x = -float(world.body[e, BACKGROUND_SHIFT]) * (aspect - 1) * SIZE  # where the image begins, in cells
    per_cell = image.height / SIZE
    first, last = max(left, x), min(left + WINDOW, x + aspect * SIZE)
    highest, lowest = min(top, SIZE), max(top - WINDOW, 0)
    box = ((first - x) * per_cell, (SIZE - highest) * per_cell, (last - x) * per_cell, (SIZE - lowest) * per_cell)
    shape = max(round((last - first) * scale), 1), max(round((highest - lowest) * scale), 1)
    resized = image.convert("RGB").resize(shape, Image.Resampling.BILINEAR, box=[float(v) for v in box])
    canvas.paste(resized, (round((first - left) * scale), round((top - highest) * scale)))


def _items(world: World, e: int, sprites: S.Sprites) -> Iterator[_Item]:
    """Everything in front of the background, in procgen's order."""
    yield from _tiles(world, e)
    facts, time = world.facts[e], int(world.clock[e, TIME])
    for x, y, kind in world.statics[e, :facts[NUM_STATICS]].tolist():
        saw = S.SAW_TURNED_IMAGE if time % 2 else S.SAW_IMAGE
        yield _Item(S.CRATE_IMAGE + kind - 1 if kind else saw, x, y, 1, 1)
    enemies = int(facts[NUM_ENEMIES])
    for age in range(min(TRAIL_LENGTH, time) - 1, -1, -1) if world.trails.shape[1] > 1 else ():
        width, height, opacity = TRAIL_WIDTH[age], TRAIL_HEIGHT[age], TRAIL_OPACITY[age] / 256
        for i in range(enemies - 1, -1, -1):
            x, y = world.trails[e, i, (time - age) % TRAIL_LENGTH]
            y += age * TRAIL_RISE - TRAIL_DROP
            yield _Item(S.TRAIL_IMAGE, x - width, y - height, 2 * width, 2 * height,
                        1.0 if sprites.images.flat[0] else opacity)
    x, y = world.body[e, X] - RADIUS_X, world.body[e, Y] - RADIUS_Y
    tall = 1 if sprites.images.flat[0] else PLAYER_HEIGHT
    yield _Item(player_image(world, e), x, y, 2 * RADIUS_X, 2 * RADIUS_Y * tall)
    for i in range(enemies):
        x, y = world.enemies[e, i, :2]
        yield _Item(enemy_image(world, e, i), x - 0.5, y - 0.5, 1, 1)


def _tiles(world: World, e: int) -> Iterator[_Item]:
    facts = world.facts[e]
    centre_x, centre_y = int(world.body[e, X]), int(world.body[e, Y])
    decoy = facts[DECOY] and (facts[COIN_X], facts[COIN_Y]) != (facts[END_X], facts[END_Y])
    for x in range(centre_x - WINDOW // 2 - 1, centre_x + WINDOW // 2 + 2):
        for y in range(centre_y - WINDOW // 2 - 1, centre_y + WINDOW // 2 + 2):
            cell = world.grid[e, y, x] if 0 <= x < SIZE and 0 <= y < SIZE else WALL_MID
            if decoy and (x, y) == (facts[END_X], facts[END_Y]):
                cell = S.DECOY
            if cell in S.TILE_IMAGES:
                yield _Item(S.TILE_IMAGES[cell] + int(facts[WALL_THEME]) * (cell in S.THEMED_CELLS), x, y, 1, 1)


@lru_cache(maxsize=64)
def _picture(sprites: S.Sprites, number: int) -> Image.Image:
    words = sprites.image(number)
    return Image.frombytes("RGBa", (words.shape[1], words.shape[0]), words.tobytes()).convert("RGBA")


@lru_cache(maxsize=512)
def _scaled(sprites: S.Sprites, number: int, width: int, height: int, opacity: float) -> Image.Image:
    image = _picture(sprites, number).resize((width, height), Image.Resampling.BOX)
    if opacity < 1:
        image.putalpha(image.getchannel("A").point(lambda alpha: int(alpha * opacity)))
    return image
