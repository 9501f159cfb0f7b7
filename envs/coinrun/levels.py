"""One level from its seed: `CoinRun::game_reset` and `generate_coin_to_the_right` of procgen 0.10.7, draw by draw.

The order of draws and the short-circuits decide everything that follows, so they are kept as in the C++. What a level
distribution changes (context, appearance, coin) is decided by hashes of the level seed and leaves the draws in place,
except where a harder context adds enemies, which draw as procgen's hard mode does.
"""

import numpy as np

from envs.coinrun.coins import place_coin
from envs.coinrun.layout import (
    AGENT_THEME, AGENT_THEMES, AIR_CONTROL, BACKGROUND, BACKGROUND_SHIFT, BACKGROUNDS, BARRIER, BEST_X, BODY_COLUMNS,
    C_AIR_CONTROL, C_APPEARANCE, C_CONTEXT, C_EASY, C_GRAVITY, C_HORIZON, C_MAX_JUMP, C_MAX_SPEED, C_MIXRATE,
    C_PLACEMENT, C_RESTYLE, C_RHO, C_SUPERVISION, COIN_STEP, CONDITION, CRATE_CELL, CRATE_THEMES, DANGER, DECOY,
    DECOY_CELL, DIFFICULTY, END_STEP, END_X, END_Y, ENEMY_THEMES, EVENTS, FLAGS, FREE, ACTION_X, COIN, GOAL,
    GRAVITY, HORIZON, LANGOSCO, LAST_Y, LAVA, LAVA_MID, LAVA_TOP, LOOK_AGENT, LOOK_BACKGROUND, LOOK_CRATE,
    LOOK_ENEMY, LOOK_WALL, MAX_ENEMIES, MAX_JUMP, MAX_SPEED, MAX_STATICS, MIXRATE, NUM_ENEMIES, NUM_LOOK,
    NUM_SECTIONS, NUM_STATICS, OPEN_ENDED, OVERFLOW, RETURN, SAW_CELL, SEED, SIZE, SPACE, START_X, START_Y, TIME,
    TRAIN_AGENTS, TRAIN_BACKGROUNDS, TRAIN_CRATES, TRAIN_ENEMIES, TRAIN_WALLS, TWISTER, VX, VY, WALL, WALL_MID,
    WALL_THEME, WALL_THEMES, WALL_TOP, X, Y, ZERO, f32,
)
from envs.coinrun.twister import draw, draw_below, draw_unit, hash_below, hash_unit, seed_twister
from envs.jit import jit
from envs.outcome import NEVER

MAX_STEP_UP, MAX_GAP = 5, 7  # procgen's max_dy and max_dx under its own gravity and jump
CONTEXT_GRAVITY = f32(0.15)  # how much stronger gravity is at context 1: every step up stays jumpable
SALT_HARDEST, SALT_WALKERS, SALT_DECOY, SALT_OPEN = 11, 12, 13, 14
SALT_WALL, SALT_AGENT, SALT_BACKGROUND, SALT_CRATE, SALT_ENEMY = 100, 102, 104, 1000, 2000

CLASS_OF_CELL = np.full(128, FREE, np.uint8)
CLASS_OF_CELL[[WALL_MID, WALL_TOP]] = WALL
CLASS_OF_CELL[[LAVA_MID, LAVA_TOP]] = LAVA
CLASS_OF_CELL[GOAL] = COIN


@jit
def _fill(grid, x, y, width, height, cell):
    for j in range(y, y + height):
        for i in range(x, x + width):
            grid[j, i] = cell


@jit
def _fill_topped(grid, x, y, width, height, cell, top):
    _fill(grid, x, y, width, height - 1, cell)
    _fill(grid, x, y + height - 1, width, 1, top)


@jit
def _add_enemy(world, e, count, x, y, direction, theme):
    """Append a walker heading left (direction 0) or right (1); returns the new count."""
    if count == MAX_ENEMIES:
        world.facts[e, OVERFLOW] = 1
        return count
    world.enemies[e, count, 0] = f32(x + 0.5)
    world.enemies[e, count, 1] = f32(y + 0.5)
    world.enemies[e, count, 2] = f32(0.15 * (direction * 2 - 1))
    world.enemy_themes[e, count] = theme
    return count + 1


@jit
def _add_static(world, e, count, x, y, kind):
    """Append a saw (kind 0) or a crate (kind 1 + theme); returns the new count."""
    if count == MAX_STATICS:
        world.facts[e, OVERFLOW] = 1
        return count
    world.statics[e, count, 0] = x
    world.statics[e, count, 1] = y
    world.statics[e, count, 2] = kind
    return count + 1


@jit
def _theme(seed, salt, trainable, total, grade):
    """A theme of the training set, or with probability `grade` one that training never shows."""
    if hash_unit(seed, salt) < grade:
        return np.int32(trainable + hash_below(seed, salt + 1, total - trainable))
    return hash_below(seed, salt + 1, trainable)


@jit
def _restyle(world, e, seed, grade):
    """Replace every theme of the level by one of the training set (share 1 - grade) or the held-out set."""
    facts = world.facts[e]
    facts[WALL_THEME] = _theme(seed, SALT_WALL, TRAIN_WALLS, WALL_THEMES, grade)
    facts[AGENT_THEME] = _theme(seed, SALT_AGENT, TRAIN_AGENTS, AGENT_THEMES, grade)
    facts[BACKGROUND] = _theme(seed, SALT_BACKGROUND, TRAIN_BACKGROUNDS, BACKGROUNDS, grade)
    for i in range(facts[NUM_ENEMIES]):
        world.enemy_themes[e, i] = _theme(seed, SALT_ENEMY + 2 * i, TRAIN_ENEMIES, ENEMY_THEMES, grade)
    for i in range(facts[NUM_STATICS]):
        if world.statics[e, i, 2] > 0:
            world.statics[e, i, 2] = 1 + _theme(seed, SALT_CRATE + 2 * i, TRAIN_CRATES, CRATE_THEMES, grade)


@jit
def _write_look(world, e):
    """The level's appearance as multi-hot features."""
    facts, look = world.facts[e], world.look[e]
    for i in range(NUM_LOOK):
        look[i] = 0
    look[LOOK_WALL + facts[WALL_THEME]] = 1
    look[LOOK_AGENT + facts[AGENT_THEME]] = 1
    look[LOOK_BACKGROUND + facts[BACKGROUND]] = 1
    for i in range(facts[NUM_ENEMIES]):
        look[LOOK_ENEMY + world.enemy_themes[e, i]] = 1
    for i in range(facts[NUM_STATICS]):
        if world.statics[e, i, 2] > 0:
            look[LOOK_CRATE + world.statics[e, i, 2] - 1] = 1


@jit
def _write_classes(world, e):
    """The semantic class of every cell that does not move."""
    grid, classes, facts = world.grid[e], world.classes[e], world.facts[e]
    for y in range(SIZE):
        for x in range(SIZE):
            classes[y, x] = CLASS_OF_CELL[grid[y, x]]
    for i in range(facts[NUM_STATICS]):
        x, y = world.statics[e, i, 0], world.statics[e, i, 1]
        if classes[y, x] != COIN:
            classes[y, x] = SAW_CELL if world.statics[e, i, 2] == 0 else CRATE_CELL
    if facts[DECOY] and classes[facts[END_Y], facts[END_X]] != COIN:
        classes[facts[END_Y], facts[END_X]] = DECOY_CELL


@jit
def _pit(world, e, p, x, y, width, danger, enemies, statics):
    """A pit of `width` cells between two ledges, with lava, saws or walkers, and a platform over a wide one."""
    grid, words = world.grid[e], world.twister[e]
    left, p = draw_below(words, p, 3)
    left += 1
    right, p = draw_below(words, p, 3)
    right += 1
    gap = width - left - right
    if gap > MAX_GAP:
        gap = MAX_GAP
        right = width - left - gap
    _fill_topped(grid, x, 0, left, y, WALL_MID, WALL_TOP)
    _fill_topped(grid, x + width - right, 0, right, y, WALL_MID, WALL_TOP)
    for i in range(left):
        world.surface[e, x + i] = y
    for i in range(right):
        world.surface[e, x + width - 1 - i] = y
    height, p = draw_below(words, p, y - 3)
    height += 1
    if danger == 0:
        _fill_topped(grid, x + left, 1, gap, height, LAVA_MID, LAVA_TOP)
    elif danger == 1:
        for i in range(gap):
            statics = _add_static(world, e, statics, x + left + i, 1, 0)
    else:
        for i in range(gap):
            direction, p = draw_below(words, p, 2)
            theme, p = draw_below(words, p, ENEMY_THEMES)
            enemies = _add_enemy(world, e, enemies, x + left + i, 1, direction, theme)
    if gap > 4:
        inset, p = draw_below(words, p, 2)
        inset += 1 if gap == 5 else 2
        span, p = draw_below(words, p, 2)
        if gap <= 6:
            span += 1
        else:
            span = gap - inset - (span + 2)
        _fill_topped(grid, x + left + inset, y - 1, span, 1, WALL_MID, WALL_TOP)
    return p, enemies, statics


@jit
def _ground(world, e, p, x, y, width, difficulty, walkers, enemies, statics):
    """Solid ground with perhaps a saw, a walker and up to two piles of crates."""
    words = world.twister[e]
    _fill_topped(world.grid[e], x, 0, width, y, WALL_MID, WALL_TOP)
    for i in range(width):
        world.surface[e, x + i] = y
    saw_x = np.int32(-1)
    walker_x = np.int32(-1)
    v, p = draw_below(words, p, 10)
    if v < 2 * difficulty and width > 3:
        v, p = draw_below(words, p, width - 2)
        saw_x = np.int32(x + v + 1)
        statics = _add_static(world, e, statics, saw_x, y, 0)
    v, p = draw_below(words, p, 10)
    if v < difficulty and width > 3 and walkers:
        v, p = draw_below(words, p, width - 2)
        walker_x = np.int32(x + v + 1)
        direction, p = draw_below(words, p, 2)
        theme, p = draw_below(words, p, ENEMY_THEMES)
        enemies = _add_enemy(world, e, enemies, walker_x, y, direction, theme)
    for _ in range(2):
        v, p = draw_below(words, p, width - 2)
        crate_x = np.int32(x + v + 1)
        v, p = draw_below(words, p, 2)
        if v == 1 and saw_x != crate_x and walker_x != crate_x:
            height, p = draw_below(words, p, 3)
            for j in range(height + 1):
                theme, p = draw_below(words, p, CRATE_THEMES)
                statics = _add_static(world, e, statics, crate_x, y + j, 1 + theme)
            world.crate_columns[e] |= np.uint64(1) << np.uint64(crate_x)
    return p, enemies, statics


@jit
def generate_level(world, e, conditions, seed):
    """Build level `seed` in row e under the row's condition and put the agent at its start."""
    facts, grid, words = world.facts[e], world.grid[e], world.twister[e]
    c = facts[CONDITION]
    easy = conditions.ints[c, C_EASY] != 0
    context = conditions.floats[c, C_CONTEXT]
    supervision = conditions.floats[c, C_SUPERVISION]
    langosco = conditions.ints[c, C_PLACEMENT] == LANGOSCO

    seed_twister(words, seed)
    p = 0
    shift, p = draw_unit(words, p)
    background, p = draw_below(words, p, BACKGROUNDS)
    _, p = draw(words, p)  # a random agent start, which CoinRun overwrites
    _, p = draw(words, p)
    agent_theme = np.int32(0)
    wall_theme = np.int32(0)
    if easy:
        background = np.int32(0)
    else:
        agent_theme, p = draw_below(words, p, AGENT_THEMES)
        wall_theme, p = draw_below(words, p, WALL_THEMES)
    _fill(grid, 0, 0, SIZE, SIZE, SPACE)
    _fill(grid, 0, 0, SIZE, 1, WALL_TOP)
    _fill(grid, 0, 0, 1, SIZE, WALL_MID)
    _fill(grid, SIZE - 1, 0, 1, SIZE, WALL_MID)
    _fill(grid, 0, SIZE - 1, SIZE, 1, WALL_MID)
    surface = world.surface[e]
    for i in range(SIZE):
        surface[i] = 1 if 1 <= i < 5 else 0
    world.crate_columns[e] = np.uint64(0)
    facts[OVERFLOW] = 0

    broken = False
    if langosco:  # the fork decides by a draw of its own: randn(100) < random_percent
        v, p = draw_below(words, p, 100)
        broken = v < np.int32(f32(100) * (f32(1) - conditions.floats[c, C_RHO]) + f32(0.5))
    difficulty, p = draw_below(words, p, 3)
    difficulty += 1
    if hash_unit(seed, SALT_HARDEST) < context:
        difficulty = np.int32(3)
    sections, p = draw_below(words, p, difficulty)
    sections += difficulty
    danger, p = draw_below(words, p, 3)
    coin_section = np.int32(0)
    if langosco:
        coin_section, p = draw_below(words, p, sections)
    walkers = not easy or hash_unit(seed, SALT_WALKERS) < context

    x = np.int32(5)
    y = np.int32(1)
    enemies = 0
    statics = 0
    built = 0
    section_columns = np.uint64(0)
    for _ in range(sections):
        if x + 15 >= SIZE:
            break
        rise, p = draw_below(words, p, 4)
        rise = min(rise + 1 + difficulty // 3, MAX_STEP_UP)
        if y >= 20:
            rise = -rise
        elif y >= 5:
            v, p = draw_below(words, p, 2)
            if v == 1:
                rise = -rise
        width, p = draw_below(words, p, 2 * difficulty)
        width += 3 + difficulty // 3
        y = max(y + rise, 1)
        section_columns |= np.uint64(1) << np.uint64(x)
        built += 1
        pit = False
        if width > 7 and y > 3:
            v, p = draw_below(words, p, 20)
            pit = v >= difficulty
        if pit:
            p, enemies, statics = _pit(world, e, p, x, y, width, danger, enemies, statics)
        else:
            p, enemies, statics = _ground(world, e, p, x, y, width, difficulty, walkers, enemies, statics)
        before = grid[y, x - 1]
        if not (before == WALL_MID or before == WALL_TOP):
            grid[y, x - 1] = BARRIER
        x += width
        grid[y, x] = BARRIER
    grid[y, x] = SPACE
    _fill_topped(grid, x, 0, 1, y, WALL_MID, WALL_TOP)
    _fill(grid, x + 1, 0, SIZE - x - 1, SIZE, WALL_MID)
    surface[x] = y

    facts[SEED] = seed
    facts[END_X] = x
    facts[END_Y] = y
    facts[NUM_ENEMIES] = enemies
    facts[NUM_STATICS] = statics
    facts[BACKGROUND] = background
    facts[WALL_THEME] = wall_theme
    facts[AGENT_THEME] = agent_theme
    facts[DIFFICULTY] = difficulty
    facts[NUM_SECTIONS] = built
    facts[DANGER] = danger
    facts[DECOY] = hash_unit(seed, SALT_DECOY) < supervision
    facts[OPEN_ENDED] = hash_unit(seed, SALT_OPEN) < supervision
    facts[HORIZON] = np.int32(f32(conditions.ints[c, C_HORIZON]) * (f32(1) + supervision))
    world.clock[e, TWISTER] = p
    _start(world, e, conditions, c, shift, context)
    place_coin(world, e, conditions, c, seed, section_columns, built, coin_section, broken)
    if conditions.ints[c, C_RESTYLE]:
        _restyle(world, e, seed, conditions.floats[c, C_APPEARANCE])
    _write_look(world, e)
    _write_classes(world, e)


@jit
def _start(world, e, conditions, c, shift, context):
    """The agent stands at the left; physics are the condition's, with gravity raised by the context."""
    body, clock, numbers = world.body[e], world.clock[e], conditions.floats[c]
    for i in range(BODY_COLUMNS):
        body[i] = ZERO
    body[X] = START_X
    body[Y] = START_Y
    body[LAST_Y] = START_Y
    body[BEST_X] = START_X
    body[GRAVITY] = f32(numbers[C_GRAVITY] * f32(f32(1) + f32(CONTEXT_GRAVITY * context)))
    body[MAX_JUMP] = numbers[C_MAX_JUMP]
    body[MAX_SPEED] = numbers[C_MAX_SPEED]
    body[MIXRATE] = numbers[C_MIXRATE]
    body[AIR_CONTROL] = numbers[C_AIR_CONTROL]
    body[BACKGROUND_SHIFT] = shift
    clock[TIME] = 0
    clock[FLAGS] = 0
    clock[ACTION_X] = 0
    clock[EVENTS] = 0
    clock[COIN_STEP] = NEVER
    clock[END_STEP] = NEVER
