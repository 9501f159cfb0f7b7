"""What the shifts do to levels, as pictures: the same levels in whole, from grade to grade."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

import gmexp_envs
from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.cli.schema import EnvConfig
from gmexp.evaluation.evaluate import held_out
from gmexp.pages import animation
from gmexp.pages.ladder import FACTORS, published, read_ladder
from gmexp.pages.overlay import COIN, END, INK, LINE, PAPER, SOFT, font, frame_cell
from gmexp.support.errors import UserError
from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.draw.large import render_large
from gmexp_envs.coinrun.draw.pixels import PLAYER_HEIGHT
from gmexp_envs.coinrun.draw.sprites import Sprites, default_style, load_sprites
from gmexp_envs.coinrun.engine import CoinRun
from gmexp_envs.coinrun.layout import (
    COIN_X, COIN_Y, CRATE_FEATURES, DECOY, END_X, END_Y, ENEMY_FEATURES, GRAVITY, NUM_ENEMIES, NUM_STATICS, OPEN_ENDED,
    RADIUS_Y, SIZE, WINDOW, X, Y,
)
from gmexp_envs.levels import SeedRange
from gmexp_envs.shifts import shift, shift_factor

MARGIN, GAP, TEXT, CAPTION = 24, 16, 14, 50  # pixels
HEADROOM = 2  # cells shown above the highest thing, and beyond the end


# --- a whole level ----------------------------------------------------------------------------------------------------

def whole_level(env: CoinRun, e: int, sprites: Sprites, cell: int, columns: int, rows: int) -> Image.Image:
    """The lower left `columns` x `rows` cells of world `e`'s level, `cell` pixels each.

    Put together from views as large as the agent's. The agent is in the middle of each view, so that column is taken
    from a second view; then the agent itself from the view it really has.
    """
    def view(x: float, y: float) -> Image.Image:
        body = env.world.body.copy()
        body[e, X], body[e, Y] = x, y
        return Image.fromarray(render_large(env.world._replace(body=body), e, sprites, WINDOW * cell))

    middle, aside = WINDOW // 2, 3
    canvas = Image.new("RGB", (columns * cell, rows * cell))
    for left in range(0, columns, WINDOW):
        for bottom in range(0, rows, WINDOW):
            x, y = left + WINDOW / 2, bottom + WINDOW / 2
            top = (rows - bottom - WINDOW) * cell
            canvas.paste(view(x, y), (left * cell, top))
            column = (middle - aside) * cell
            beside = view(x + aside, y).crop((column, 0, column + cell, WINDOW * cell))
            canvas.paste(beside, ((left + middle) * cell, top))
    x, y = (float(env.world.body[e, at]) for at in (X, Y))
    tall = 2 * float(RADIUS_Y) * PLAYER_HEIGHT
    offset = (-0.5, float(RADIUS_Y) - tall)  # of the agent's upper left corner, right and down of its centre
    corner = [round((WINDOW / 2 + part) * cell) for part in offset]
    size = cell, round(tall * cell)
    agent = view(x, y).crop((corner[0], corner[1], corner[0] + size[0], corner[1] + size[1]))
    canvas.paste(agent, (round((x + offset[0]) * cell), round((rows - y + offset[1]) * cell)))
    return canvas


def extent(env: CoinRun, e: int) -> tuple[int, int]:
    """(columns, rows) of world `e`'s level that hold all there is, and some room."""
    facts, world = env.world.facts[e], env.world
    last = int(facts[END_X])
    tops = [int(facts[END_Y]), int(facts[COIN_Y]), int(world.surface[e, :last + 1].max()),
            *world.statics[e, :facts[NUM_STATICS], 1].tolist(), *map(int, world.enemies[e, :facts[NUM_ENEMIES], 1])]
    return min(last + 1 + HEADROOM, SIZE), min(max(tops) + 1 + HEADROOM, SIZE)


def marked(env: CoinRun, e: int, sprites: Sprites, cell: int, rows: int) -> Image.Image:
    """A whole level with coin and end named."""
    facts = env.world.facts[e]
    image = whole_level(env, e, sprites, cell, extent(env, e)[0], rows)
    coin, end = (int(facts[COIN_X]), int(facts[COIN_Y])), (int(facts[END_X]), int(facts[END_Y]))
    goals = [("coin = end", COIN, coin)] if coin == end else [("end", END, end), ("coin", COIN, coin)]
    for name, colour, (x, y) in goals:
        frame_cell(image, name, colour, (x + 0.5) * cell, (rows - y - 0.5) * cell, cell, TEXT - 2)
    return image


def changes(training: CoinRun, shifted: CoinRun, e: int) -> str:
    """How world `e` differs from the same level in training."""
    before, now = training.world, shifted.world
    was, facts = before.facts[e], now.facts[e]
    look = slice(0, ENEMY_FEATURES), slice(ENEMY_FEATURES, CRATE_FEATURES), slice(CRATE_FEATURES, None)
    new_layout = (before.surface[e] != now.surface[e]).any() or was[NUM_STATICS] != facts[NUM_STATICS]
    new_look = any((before.appearance[e, part] != now.appearance[e, part]).any() for part in look[:1 if new_layout else None])
    coin_away = tuple(facts[[COIN_X, COIN_Y]]) != tuple(facts[[END_X, END_Y]])
    coin_was_away = tuple(was[[COIN_X, COIN_Y]]) != tuple(was[[END_X, END_Y]])
    gravity = now.body[e, GRAVITY] / before.body[e, GRAVITY] - 1
    found = ["new look"] * bool(new_look) + ["new layout"] * bool(new_layout)
    found += [f"{facts[NUM_ENEMIES]} enemies"] * bool(facts[NUM_ENEMIES] != was[NUM_ENEMIES])
    found += [f"gravity +{gravity:.0%}"] * bool(gravity > 0.001)
    found += ["coin moved"] * (coin_away and not coin_was_away) + ["decoy"] * bool(facts[DECOY] and coin_away)
    found += ["goes on after the coin"] * bool(facts[OPEN_ENDED])
    return ", ".join(found) or "as in training"


# --- a page -----------------------------------------------------------------------------------------------------------

def page(training: LevelDistribution, kind: int | None, factor: str | None, grades: Sequence[float], seeds: SeedRange,
         cell: int) -> Image.Image:
    """A row per level of `seeds`, a column per grade, of one shift type or of one factor alone."""
    levels = seeds.count
    sprites = load_sprites(*default_style().options)
    try:
        distributions = [shift(training, kind, grade) if factor is None else shift_factor(training, factor, grade)
                         for grade in (0.0, *grades)]
    except ValueError as error:
        raise UserError(f"the training distribution cannot be shifted so: {error}") from error
    plain, *worlds = [_begin(distribution, seeds, levels) for distribution in distributions]
    rows = [max(extent(env, e)[1] for env in worlds) for e in range(levels)]
    wide = max(max(extent(env, e)[0] for env in worlds for e in range(levels)) * cell, 24 * TEXT)
    width = 2 * MARGIN + len(grades) * wide + (len(grades) - 1) * GAP
    lines = _heading(kind, factor, width - 2 * MARGIN)
    head = MARGIN + sum(round(1.6 * size) for _, size, _, _ in lines) + round(4.4 * TEXT)
    canvas = Image.new("RGB", (width, head + sum(row * cell + CAPTION for row in rows) + MARGIN // 2), PAPER)
    draw = ImageDraw.Draw(canvas)
    top = MARGIN
    for text, size, bold, colour in lines:
        draw.text((MARGIN, top), text, colour, font(size, bold))
        top += round(1.6 * size)
    for column, (grade, distribution) in enumerate(zip(grades, distributions[1:], strict=True)):
        left = MARGIN + column * (wide + GAP)
        name = f"grade {grade:g}" + ": the training distribution" * (grade == 0)
        draw.text((left, top + 0.4 * TEXT), name, INK, font(TEXT, True))
        draw.text((left, top + 1.9 * TEXT), _values(distribution), SOFT, font(TEXT - 2))
    top += round(4.4 * TEXT)
    for e in range(levels):
        for column, env in enumerate(worlds):
            left = MARGIN + column * (wide + GAP)
            canvas.paste(marked(env, e, sprites, cell, rows[e]), (left, top))
            told = changes(plain, env, e)
            for line, part in enumerate(_wrapped(f"level {seeds.first + e}: {told}", wide, TEXT - 2)):
                below = top + rows[e] * cell + (0.3 + 1.1 * line) * TEXT
                draw.text((left, below), part, SOFT, font(TEXT - 2))
        top += rows[e] * cell + CAPTION
    for env in (plain, *worlds):
        env.close()
    return canvas


def _begin(distribution: LevelDistribution, seeds: SeedRange, levels: int) -> CoinRun:
    drawn = dataclasses.replace(distribution, levels=seeds, sequential=True)
    env = gmexp_envs.make_vec("coinrun", levels, distribution=drawn, seed=0, drawable=True)
    env.reset()
    return env


def _values(distribution: LevelDistribution) -> str:
    """Where the factors are."""
    return (f"appearance {distribution.appearance or 0:g}, context {distribution.context:g}, "
            f"ρ {distribution.rho:g}, supervision {distribution.supervision:g}")


def _heading(kind: int | None, factor: str | None, width: int) -> list[tuple[str, int, bool, str]]:
    """(text, size, bold, colour) of each line."""
    if factor is not None:
        return [(f"Factor {factor}, alone", 2 * TEXT, True, INK),
                *((line, TEXT, False, INK) for line in _wrapped(FACTORS[factor], width))]
    text = read_ladder()[kind]
    return [(f"{text.title} ({text.key_factor})", 2 * TEXT, True, INK),
            *((line, TEXT, False, INK) for line in _wrapped(text.here, width)),
            *((line, TEXT, False, SOFT) for line in _wrapped(published(text), width))]


def _wrapped(text: str, width: int, size: int = TEXT) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(size).getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def of_study(study: Study, levels: int) -> tuple[LevelDistribution, SeedRange]:
    """What a study's agents were trained on, and held-out levels of its first train seed."""
    config = study.read_index()["config"]
    try:
        return (EnvConfig(**config["env"]).distribution(),
                SeedRange(held_out(config["seeds"][0], config["evaluation"]["episodes"]).first, levels))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"{study.index} does not say what its agents were trained on: {error!r}") from error


def write(training: LevelDistribution, kinds: Sequence[int], factor: str | None, grades: Sequence[float],
          seeds: SeedRange, cell: int, out: Path) -> Path:
    """Write the pages of several types, or of a factor, as one PNG."""
    pages = [page(training, kind, factor, grades, seeds, cell) for kind in (kinds if factor is None else (None,))]
    whole = Image.new("RGB", (max(p.width for p in pages), sum(p.height for p in pages) + len(pages) - 1), LINE)
    top = 0
    for one in pages:
        whole.paste(Image.new("RGB", (whole.width, one.height), PAPER), (0, top))
        whole.paste(one, (0, top))
        top += one.height + 1
    return artefacts.write_bytes(out, animation.png(whole))
