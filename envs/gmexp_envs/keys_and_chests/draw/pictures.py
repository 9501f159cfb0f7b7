"""Pictures for people: the level as large as wanted, with smoothly scaled sprites, and in words what a shift changed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from PIL import Image

from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.base import KeysEngine
from gmexp_envs.keys_and_chests.draw.sprites import AGENT_IMAGE, CHEST_COLOURS, EXIT_IMAGE, KEY_COLOURS, read_pictures
from gmexp_envs.keys_and_chests.rotations import ROTATIONS
from gmexp_envs.keys_and_chests.semantic import count_shown
from gmexp_envs.procgen_family.images import default_style, topdown_backgrounds
from gmexp_envs.task import Picture

WALLS, CHESTS, OTHERS = range(3)  # fields of `sprites.Pictures`
RING_KEY = 0.6  # cells across a key of the ring, here


def view(env: KeysEngine, e: int, size: int) -> Picture:
    """The whole level of instance `e`, as the agent sees it, uint8 [size, size, 3]."""
    cells = int(env.world.facts[e, L.CELLS])
    return _picture(env, e, (0, 0), (cells, cells), size / cells)


def whole_level(env: KeysEngine, e: int, cell: int, rows: int | None = None) -> Picture:
    """The maze of instance `e` with the walls around it, `cell` pixels a cell; `rows` high where given, from the bottom."""
    left, low = _corner(env, e)
    columns, highest = extent(env, e)
    return _picture(env, e, (left, low), (columns, highest if rows is None else rows), cell)


def extent(env: KeysEngine, e: int) -> tuple[int, int]:
    """(columns, rows) of the maze of instance `e`, with a wall around it where there is one."""
    facts = env.world.facts[e]
    size = int(min(facts[L.MAZE] + 2, facts[L.CELLS]))
    return size, size


def changes(training: KeysEngine, shifted: KeysEngine, e: int) -> str:
    """How instance `e` differs from the same level in training."""
    before, now = training.world, shifted.world
    was, facts = before.facts[e], now.facts[e]
    changed = ["new look"] * bool((before.appearance[e] != now.appearance[e]).any())
    if was[L.MAZE] != facts[L.MAZE]:
        changed.append(f"a maze of {facts[L.MAZE]} x {facts[L.MAZE]}")
    slides = 1 - now.body[e, L.MIXRATE] / before.body[e, L.MIXRATE]
    changed += [f"grip -{slides:.0%}"] * bool(slides > 0.001)
    if (was[L.KEYS] / was[L.CHESTS], was[L.PLENTY]) != (facts[L.KEYS] / facts[L.CHESTS], facts[L.PLENTY]):
        changed.append(f"{_counted(facts[L.KEYS], 'key')} for {_counted(facts[L.CHESTS], 'chest')}")
    changed += ["the ring lies"] * bool(facts[L.RING_LIES]) + ["goes on after the chests"] * bool(facts[L.OPEN_ENDED])
    return ", ".join(changed) or "as in training"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * bool(number != 1)


def _corner(env: KeysEngine, e: int) -> tuple[int, int]:
    """The lower left cell of the maze of instance `e`, with a wall around it where there is one."""
    cells = int(env.world.facts[e, L.CELLS])
    free = env.world.grid[e, :cells, :cells] == L.SPACE
    size, _ = extent(env, e)
    first = (int(np.flatnonzero(free.any(axis=axis))[0]) for axis in (0, 1))
    return tuple(min(max(at - 1, 0), cells - size) for at in first)


def _picture(env: KeysEngine, e: int, corner: tuple[int, int], shape: tuple[int, int], scale: float) -> Picture:
    """The rectangle of `shape` cells whose lower left cell is `corner`, `scale` pixels a cell."""
    options = default_style().options
    left, low = corner
    width, height = (round(part * scale) for part in shape)
    canvas = Image.new("RGB", (width, height))
    cells = int(env.world.facts[e, L.CELLS])
    if options[0]:
        ground = _background(int(env.world.facts[e, L.BACKGROUND]), round(cells * scale))
        canvas.paste(ground, (-round(left * scale), height - round((cells - low) * scale)))
    for kind, number, x, y, half_x, half_y, turned in _items(env, e):
        size = max(round(2 * half_x * scale), 1), max(round(2 * half_y * scale), 1)
        image = _scaled(options[1:], kind, number, size, turned)
        across, down = (x - left) * scale - image.width / 2, height - (y - low) * scale - image.height / 2
        canvas.paste(image, (round(across), round(down)), image)

    def nearest(kind: int) -> tuple[float, float] | None:
        body, objects = env.world.body[e], env.world.objects[e]
        there = np.flatnonzero(_present(env, e) & (env.world.kinds[e, :, L.KIND] == kind))
        if not len(there):
            return None
        distances = np.hypot(objects[there, 0] - body[L.X], objects[there, 1] - body[L.Y])
        x, y = objects[there[distances.argmin()]].tolist()
        return (x - left) * scale, height - (y - low) * scale

    goal = L.EXIT if env.world.facts[e, L.HEIST] else L.CHEST
    return Picture(np.asarray(canvas), scale, nearest(goal), nearest(L.KEY))


def _present(env: KeysEngine, e: int) -> np.ndarray:
    """Which objects of instance `e` are there and can be seen."""
    facts, kinds = env.world.facts[e], env.world.kinds[e, :, L.KIND]
    hidden = (kinds == L.CHEST) & bool(facts[L.MASKED])
    return (np.arange(L.MAX_OBJECTS) < facts[L.NUM_OBJECTS]) & (kinds != L.GONE) & ~hidden


def _items(env: KeysEngine, e: int) -> Iterator[tuple[int, int, float, float, float, float, float]]:
    """Field of `Pictures`, number, place, half sizes and turn in degrees of all in front of the background, in order."""
    world, facts = env.world, env.world.facts[e]
    cells, heist = int(facts[L.CELLS]), bool(facts[L.HEIST])
    for x in range(cells):
        for y in range(cells):
            if world.grid[e, y, x] == L.WALL:
                yield WALLS, int(facts[L.WALL_THEME]), x + 0.5, y + 0.5, 0.5, 0.5, 0.0
    for k in np.flatnonzero(_present(env, e)):
        kind, number, _ = world.kinds[e, k].tolist()
        x, y = world.objects[e, k].tolist()
        if kind == L.CHEST:
            yield CHESTS, number if heist else CHEST_COLOURS[facts[L.CHEST_THEME]], x, y, 0.5, 0.5, 0.0
        elif kind == L.KEY:
            yield OTHERS, _key(facts, number), x, y, L.KEY_RADIUS, L.KEY_HEIGHT, 0.0
        else:
            yield OTHERS, EXIT_IMAGE, x, y, L.KEY_RADIUS, L.EXIT_HEIGHT, 0.0
    x, y = (float(world.body[e, at]) for at in (L.X, L.Y))
    yield OTHERS, AGENT_IMAGE, x, y, L.AGENT_RADIUS, L.AGENT_RADIUS, -math.degrees(ROTATIONS[world.clock[e, L.FACING]])
    held = [k for k in range(int(facts[L.NUM_KEYS])) if world.clock[e, L.HELD] >> k & 1] if heist else range(
        int(count_shown(world, e)))
    for place, number in enumerate(held):
        yield (OTHERS, _key(facts, number), cells - RING_KEY * (place + 0.75), cells - RING_KEY * 0.75, RING_KEY / 2,
               RING_KEY / 2 / float(L.KEY_ASPECT), -90.0)


def _key(facts: np.ndarray, number: int) -> int:
    return number if facts[L.HEIST] else KEY_COLOURS[facts[L.KEY_THEME]]


@lru_cache(maxsize=64)
def _background(number: int, size: int) -> Image.Image:
    return Image.fromarray(topdown_backgrounds()[number]).resize((size, size), Image.Resampling.BILINEAR)


@lru_cache(maxsize=512)
def _scaled(options: tuple[bool, bool], kind: int, number: int, size: tuple[int, int], turned: float) -> Image.Image:
    words = read_pictures(*options)[kind][number]
    image = Image.frombytes("RGBa", (words.shape[1], words.shape[0]), words.astype("<u4").tobytes()).convert("RGBA")
    image = image.resize(size, Image.Resampling.BOX)
    return image.rotate(turned, Image.Resampling.BICUBIC, expand=True) if turned else image
