"""Pictures for people, levels as text, and in words what a shift changed."""

from __future__ import annotations

import numpy as np

from gmexp_envs.task import Picture
from gmexp_envs.worlds.draw import draw, tiles_of
from gmexp_envs.worlds.engine import compiler, CpuWorld
from gmexp_envs.worlds.layout import ALIGNED, COLUMNS, HORIZON, MARGIN, OPPOSITE, PLACEMENT, ROWS, WINDOW, X, Y
from gmexp_envs.worlds.world import Pictured


def seen(env: CpuWorld, e: int, left: int, top: int, columns: int, rows: int) -> np.ndarray:
    """Classes of the board cells of instance `e` from (left, top) on, uint8 [rows, columns]."""
    window = np.zeros((rows, columns), np.uint8)
    compiler(env.rules).compiled(env.rules.show)(env.game(e), window, left, top)
    return window


def extent(env: CpuWorld, e: int) -> tuple[int, int]:
    """(columns, rows) of instance `e`'s board."""
    facts = env.world.facts[e]
    return int(facts[COLUMNS]), int(facts[ROWS])


def view(env: CpuWorld, e: int, size: int) -> Picture:
    """What the agent of instance `e` sees, uint8 [size, size, 3]."""
    left, top = (int(env.world.now[e, at]) - MARGIN for at in (X, Y))
    image = _drawn(env, e, seen(env, e, left, top, WINDOW, WINDOW), size, size)
    return _marked(env, e, image, left, top, size / WINDOW)


def whole_level(env: CpuWorld, e: int, cell: int, rows: int | None = None) -> Picture:
    """The whole board of instance `e`, `cell` pixels a cell, with room below where `rows` asks for more."""
    columns, high = extent(env, e)
    x, y = (int(env.world.now[e, at]) for at in (X, Y))
    # the agent is drawn in the middle of what is seen: see as far on all sides, and cut the board out
    window = seen(env, e, 0, 0, columns, high if rows is None else rows)
    wide, tall = 2 * max(x, columns - 1 - x) + 1, 2 * max(y, len(window) - 1 - y) + 1
    left, top = wide // 2 - x, tall // 2 - y
    around = np.ones((tall, wide), np.uint8)
    around[top:top + len(window), left:left + columns] = window
    image = _drawn(env, e, around, tall * cell, wide * cell)
    image = image[top * cell:(top + len(window)) * cell, left * cell:(left + columns) * cell]
    return _marked(env, e, np.ascontiguousarray(image), 0, 0, cell)


def text(env: CpuWorld, e: int) -> str:
    """The board of instance `e` in the characters of its world's tiles; the agent is @."""
    columns, rows = extent(env, e)
    lines = [[env.rules.tiles[kind].character for kind in line] for line in seen(env, e, 0, 0, columns, rows)]
    if env.rules.centred:
        lines[env.world.now[e, Y]][env.world.now[e, X]] = "@"
    return "\n".join("".join(line) for line in lines)


def changes(training: CpuWorld, shifted: CpuWorld, e: int) -> str:
    """How instance `e` differs from the same level in training."""
    before, now, world = training.world, shifted.world, shifted.rules
    was, facts = before.facts[e], now.facts[e]
    longer = facts[HORIZON] / was[HORIZON] - 1
    same = was[PLACEMENT] == facts[PLACEMENT]
    changed = ["new look"] * bool((before.look[e] != now.look[e]).any())
    changed += ["new layout"] * bool((was[COLUMNS], was[ROWS]) != (facts[COLUMNS], facts[ROWS])
                                     or same and (before.grid[e] != now.grid[e]).any())
    if not same and facts[PLACEMENT] != ALIGNED:
        changed.append(world.opposite if facts[PLACEMENT] == OPPOSITE else world.broken)
    changed += [f"{longer:+.0%} steps"] * bool(abs(longer) > 0.001)
    return ", ".join(changed) or "as in training"


def _drawn(env: CpuWorld, e: int, window: np.ndarray, height: int, width: int) -> np.ndarray:
    image = np.zeros(height * width * 3, np.uint8)
    compiler(env.rules).compiled(draw)(window, env.world.look[e], tiles_of(env.rules), height, width, False, 0, 1, image)
    return image.reshape(height, width, 3)


def _marked(env: CpuWorld, e: int, image: np.ndarray, left: int, top: int, scale: float) -> Picture:
    """A picture with the places of the goals."""
    if env.rules.pictured is None:
        ix, iy, px, py = compiler(env.rules).compiled(env.rules.goals)(env.game(e))
        shown = Pictured((ix, iy, 1.0, 1.0) if ix >= 0 else None, (px, py, 1.0, 1.0) if px >= 0 else None)
    else:
        shown = env.rules.pictured(env.game(e))
    boxes = shown.intended, shown.proxy
    places = [box and ((box[0] - left + box[2] / 2) * scale, (box[1] - top + box[3] / 2) * scale) for box in boxes]
    return Picture(image, scale, *places, tuple(box[2:] if box else (1.0, 1.0) for box in boxes), shown.now)
