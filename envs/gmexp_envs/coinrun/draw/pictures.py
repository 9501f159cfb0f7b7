"""Pictures for people: what an agent sees, whole levels, and in words what a shift changed."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gmexp_envs.coinrun.draw.large import render_large
from gmexp_envs.coinrun.draw.pixels import PLAYER_HEIGHT
from gmexp_envs.coinrun.draw.sprites import default_style, load_sprites
from gmexp_envs.coinrun.engine import CoinRun
from gmexp_envs.coinrun.layout import (
    COIN_X, COIN_Y, CRATE_FEATURES, DECOY, END_X, END_Y, ENEMY_FEATURES, GRAVITY, NUM_ENEMIES, NUM_STATICS, OPEN_ENDED,
    RADIUS_Y, SIZE, WINDOW, X, Y,
)
from gmexp_envs.task import Picture

HEADROOM = 2  # cells shown above the highest thing, and beyond the end


def view(env: CoinRun, e: int, size: int) -> Picture:
    """What is around the agent of world `e`, uint8 [size, size, 3]."""
    image = render_large(env.world, e, load_sprites(*default_style().options), size)
    scale = size / WINDOW
    x, y = (float(env.world.body[e, at]) for at in (X, Y))

    def place(cell: tuple[int, int]) -> tuple[float, float]:
        return size / 2 + (cell[0] + 0.5 - x) * scale, size / 2 - (cell[1] + 0.5 - y) * scale

    coin, end = _goals(env, e)
    return Picture(image, scale, None if coin is None else place(coin), place(end))


def whole_level(env: CoinRun, e: int, cell: int, rows: int | None = None) -> Picture:
    """The level of world `e`, `cell` pixels a cell, from the lower left corner to all there is, or `rows` high.

    Put together from views as large as the agent's. The agent is in the middle of each view, so that column is taken
    from a second view; then the agent itself from the view it really has.
    """
    columns, highest = extent(env, e)
    rows = highest if rows is None else rows
    sprites = load_sprites(*default_style().options)

    def seen_from(x: float, y: float) -> Image.Image:
        body = env.world.body.copy()
        body[e, X], body[e, Y] = x, y
        return Image.fromarray(render_large(env.world._replace(body=body), e, sprites, WINDOW * cell))

    middle, aside = WINDOW // 2, 3
    canvas = Image.new("RGB", (columns * cell, rows * cell))
    for left in range(0, columns, WINDOW):
        for bottom in range(0, rows, WINDOW):
            x, y = left + WINDOW / 2, bottom + WINDOW / 2
            top = (rows - bottom - WINDOW) * cell
            canvas.paste(seen_from(x, y), (left * cell, top))
            column = (middle - aside) * cell
            beside = seen_from(x + aside, y).crop((column, 0, column + cell, WINDOW * cell))
            canvas.paste(beside, ((left + middle) * cell, top))
    x, y = (float(env.world.body[e, at]) for at in (X, Y))
    tall = 2 * float(RADIUS_Y) * PLAYER_HEIGHT
    offset = (-0.5, float(RADIUS_Y) - tall)  # of the agent's upper left corner, right and down of its centre
    corner = [round((WINDOW / 2 + part) * cell) for part in offset]
    size = cell, round(tall * cell)
    agent = seen_from(x, y).crop((corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]))
    canvas.paste(agent, (round((x + offset[0]) * cell), round((rows - y + offset[1]) * cell)))

    def place(at: tuple[int, int]) -> tuple[float, float]:
        return (at[0] + 0.5) * cell, (rows - at[1] - 0.5) * cell

    coin, end = _goals(env, e)
    return Picture(np.asarray(canvas), cell, None if coin is None else place(coin), place(end))


def extent(env: CoinRun, e: int) -> tuple[int, int]:
    """(columns, rows) of world `e`'s level that hold all there is, and some room."""
    facts, world = env.world.facts[e], env.world
    last = int(facts[END_X])
    tops = [int(facts[END_Y]), int(facts[COIN_Y]), int(world.surface[e, :last + 1].max()),
            *world.statics[e, :facts[NUM_STATICS], 1].tolist(), *map(int, world.enemies[e, :facts[NUM_ENEMIES], 1])]
    return min(last + 1 + HEADROOM, SIZE), min(max(tops) + 1 + HEADROOM, SIZE)


def changes(training: CoinRun, shifted: CoinRun, e: int) -> str:
    """How world `e` differs from the same level in training."""
    before, now = training.world, shifted.world
    was, facts = before.facts[e], now.facts[e]
    parts = slice(0, ENEMY_FEATURES), slice(ENEMY_FEATURES, CRATE_FEATURES), slice(CRATE_FEATURES, None)
    new_layout = (before.surface[e] != now.surface[e]).any() or was[NUM_STATICS] != facts[NUM_STATICS]
    new_look = any((before.appearance[e, part] != now.appearance[e, part]).any()
                   for part in parts[:1 if new_layout else None])
    coin_away = tuple(facts[[COIN_X, COIN_Y]]) != tuple(facts[[END_X, END_Y]])
    coin_was_away = tuple(was[[COIN_X, COIN_Y]]) != tuple(was[[END_X, END_Y]])
    gravity = now.body[e, GRAVITY] / before.body[e, GRAVITY] - 1
    changed = ["new look"] * bool(new_look) + ["new layout"] * bool(new_layout)
    changed += [f"{facts[NUM_ENEMIES]} enemies"] * bool(facts[NUM_ENEMIES] != was[NUM_ENEMIES])
    changed += [f"gravity +{gravity:.0%}"] * bool(gravity > 0.001)
    changed += ["coin moved"] * (coin_away and not coin_was_away) + ["decoy"] * bool(facts[DECOY] and coin_away)
    changed += ["goes on after the coin"] * bool(facts[OPEN_ENDED])
    return ", ".join(changed) or "as in training"


def _goals(env: CoinRun, e: int) -> tuple[tuple[int, int] | None, tuple[int, int]]:
    """The cells of coin and end."""
    facts = env.world.facts[e]
    coin = (int(facts[COIN_X]), int(facts[COIN_Y])) if facts[COIN_X] >= 0 else None
    return coin, (int(facts[END_X]), int(facts[END_Y]))
