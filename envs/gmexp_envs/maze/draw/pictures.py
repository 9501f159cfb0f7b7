"""Pictures for people: the maze as large as wanted, with smoothly scaled sprites, and in words what a shift changed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from PIL import Image

from gmexp_envs.maze import layout as L
from gmexp_envs.maze.base import MazeEngine
from gmexp_envs.maze.draw.boards import MIRRORED_AGENT, WALL_IMAGE, cell_images, figure_images
from gmexp_envs.procgen_family.images import default_style, topdown_backgrounds
from gmexp_envs.task import Picture


def view(env: MazeEngine, e: int, size: int) -> Picture:
    """The whole world of world `e`, as the agent sees it, uint8 [size, size, 3]."""
    side = world_size(env, e)
    return _picture(env, e, size, size / side, 0, side)


def whole_level(env: MazeEngine, e: int, cell: int, rows: int | None = None) -> Picture:
    """The maze of world `e` with the walls around it, `cell` pixels a cell; `rows` high where given, from the bottom."""
    columns, highest = extent(env, e)
    first = int(env.world.facts[e, L.MARGIN]) - (columns - int(env.world.facts[e, L.SIZE])) // 2
    picture = _picture(env, e, columns * cell, cell, first, columns)
    if rows is None or rows == highest:
        return picture
    missing = (rows - highest) * cell
    image = np.zeros((rows * cell, columns * cell, 3), np.uint8)
    kept = min(len(image), len(picture.image))
    image[len(image) - kept:] = picture.image[len(picture.image) - kept:]
    moved = [None if at is None else (at[0], at[1] + missing) for at in (picture.intended, picture.proxy)]
    return Picture(image, cell, *moved)


def world_size(env: MazeEngine, e: int) -> int:
    """Cells across and down world `e`."""
    return L.SIZES["easy" if env.world.facts[e, L.EASY] else "hard"]


def extent(env: MazeEngine, e: int) -> tuple[int, int]:
    """(columns, rows) of the maze of world `e`, with a wall around it where there is one."""
    size = min(int(env.world.facts[e, L.SIZE]) + 2, world_size(env, e))
    return size, size


def changes(training: MazeEngine, shifted: MazeEngine, e: int) -> str:
    """How world `e` differs from the same level in training."""
    was, facts = training.world.facts[e], shifted.world.facts[e]
    changed = ["new look"] * bool((training.world.appearance[e] != shifted.world.appearance[e]).any())
    if was[L.SIZE] != facts[L.SIZE]:
        changed.append(f"a maze of size {facts[L.SIZE]}")
    apart = _apart(facts)
    if apart and not _apart(was):
        changed.append("red line and yellow gem" if facts[L.GOAL_IMAGE] == L.RED_LINE else
                       "a red gem beside the star" if facts[L.SECOND_IMAGE] >= 0 else "cheese moved")
    changed += ["decoy"] * bool(facts[L.DECOYED] and apart) + ["goes on after the goal"] * bool(facts[L.OPEN_ENDED])
    return ", ".join(changed) or "as in training"


def _apart(facts: np.ndarray) -> bool:
    return tuple(facts[[L.GOAL_X, L.GOAL_Y]]) != tuple(facts[[L.PROXY_X, L.PROXY_Y]])


def _picture(env: MazeEngine, e: int, size: int, scale: float, first: int, count: int) -> Picture:
    """The square of `count` cells whose lower left cell is (first, first), on `size` pixels, `scale` a cell."""
    options = default_style().options
    canvas = Image.new("RGB", (size, size))
    if options[0]:
        side = world_size(env, e)
        ground = _background(int(env.world.facts[e, L.BACKGROUND]), round(side * scale))
        canvas.paste(ground, (-round(first * scale), -round((side - first - count) * scale)))
    for number, figure, x, y in _items(env, e, first, count):
        left, right = round((x - first) * scale), round((x - first + 1) * scale)
        upper, lower = round((count - (y - first) - 1) * scale), round((count - (y - first)) * scale)
        image = _scaled(options, number, figure, right - left, lower - upper)
        canvas.paste(image, (left, upper), image)

    def place(x: int, y: int) -> tuple[float, float] | None:
        return None if x < 0 else ((x - first + 0.5) * scale, (count - (y - first) - 0.5) * scale)

    facts = env.world.facts[e].tolist()
    return Picture(np.asarray(canvas), scale, place(facts[L.GOAL_X], facts[L.GOAL_Y]),
                   place(facts[L.PROXY_X], facts[L.PROXY_Y]))


def _items(env: MazeEngine, e: int, first: int, count: int) -> Iterator[tuple[int, bool, int, int]]:
    """Number of an image, whether it is a figure, and cell, of all in front of the background, in procgen's order."""
    facts, clock, grid = env.world.facts[e], env.world.clock[e], env.world.grid[e]
    images = {L.WALL_CELL: WALL_IMAGE + int(facts[L.WALL_THEME]), L.GOAL: int(facts[L.GOAL_IMAGE]),
              L.SECOND: int(facts[L.SECOND_IMAGE]), L.DECOY: L.DECOY_IMAGE}
    for x in range(first, first + count):
        for y in range(first, first + count):
            if (number := images.get(int(grid[y, x]))) is not None:
                yield number, False, x, y
    agent = int(facts[L.AGENT_THEME]) + MIRRORED_AGENT * bool(clock[L.MIRRORED])
    yield agent, True, int(clock[L.X]), int(clock[L.Y])


@lru_cache(maxsize=64)
def _background(number: int, size: int) -> Image.Image:
    return Image.fromarray(topdown_backgrounds()[number]).resize((size, size), Image.Resampling.BILINEAR)


@lru_cache(maxsize=512)
def _scaled(options: tuple[bool, bool, bool], number: int, figure: bool, width: int, height: int) -> Image.Image:
    words = (figure_images if figure else cell_images)(*options)[number]
    data = np.ascontiguousarray(words.astype("<u4"))
    image = Image.frombytes("RGBa", (words.shape[1], words.shape[0]), data.tobytes()).convert("RGBA")
    return image.resize((width, height), Image.Resampling.BOX)
