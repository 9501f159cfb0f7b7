"""One level from its seed: `CoinRun::game_reset` and `generate_coin_to_the_right` of procgen 0.10.7, draw by draw.

The order of draws and the short-circuits decide everything that follows, so they are kept as in the C++. What a level
distribution changes (context, appearance, coin) is decided by hashes of the level seed and leaves the draws in place,
except where a harder context adds enemies, which draw as procgen's hard mode does.
"""

import numpy as np

from gmexp_envs.coinrun.cells import classify, mark, mark_classes, paint
from gmexp_envs.coinrun.coins import place_coin
from gmexp_envs.coinrun.layout import (
    ACTION_X, AGENT_FEATURES, AGENT_THEME, AGENT_THEMES, AIR_CONTROL, BACKGROUND, BACKGROUND_FEATURES, BACKGROUND_SHIFT,
    BACKGROUNDS, BARRIER_ROW, BEST_X, BODY_COLUMNS, C_AIR_CONTROL, C_APPEARANCE, C_BY_CONTENT, C_CONTEXT, C_EASY, C_GRAVITY,
    C_HORIZON, C_MAX_JUMP, C_MAX_SPEED, C_MIXRATE, C_PLACEMENT, C_RESTYLE, C_RHO, C_SUPERVISION, CELL, CRATE_FEATURES,
    CRATE_THEMES, DANGER, DECOY, DIFFICULTY, DRAWN, END_X, END_Y, ENEMY_FEATURES, ENEMY_THEMES, EVENTS, f32, FLAGS,
    GRAVITY, GROUND, HORIZON, INTENDED_STEP, LANGOSCO, LAST_Y, LAVA_DEPTH, MAX_ENEMIES, MAX_JUMP, MAX_SPEED,
    MAX_STATICS, MIXRATE, NUM_APPEARANCE, NUM_ENEMIES, NUM_SECTIONS, NUM_STATICS, OPEN_ENDED, OVERFLOW, PLATFORM,
    PROXY_STEP, SEED, SIZE, START_X, START_Y, TIME, TRAIN_AGENTS, TRAIN_BACKGROUNDS, TRAIN_CRATES, TRAIN_ENEMIES,
    TRAIN_WALLS, TWISTER, WALL_FEATURES, WALL_THEME, WALL_THEMES, X, Y, ZERO,
)
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import hash_unit, start_generator
from gmexp_envs.compiled.splits import another, belongs, mixed, settled
from gmexp_envs.outcome import NEVER
from gmexp_envs.procgen_family.themes import choose_theme

MAX_STEP_UP, MAX_GAP = 5, 7  # procgen's max_dy and max_dx under its own gravity and jump
CONTEXT_GRAVITY = f32(0.15)  # how much stronger gravity is at context 1: every step up stays jumpable
CONTEXT_SHARE = f32(0.5)  # of the levels are the hardest, and as many have walkers, at context 1
SOLID = SIZE + 1  # ground height of a column that is wall all the way up
SALT_HARDEST, SALT_WALKERS, SALT_DECOY, SALT_OPEN = 11, 12, 13, 14
SALT_WALL, SALT_AGENT, SALT_BACKGROUND, SALT_CRATE, SALT_ENEMY = 100, 102, 104, 1000, 2000


@jit
def _below(draws, p, n):
    """procgen's randn(n) from the p-th output: int32 in [0, n), and p + 1."""
    return np.int32(draws[p] % np.uint32(n)), p + 1


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
def _restyle(world, e, seed, grade):
    """Replace every theme of the level by one of the training set (share 1 - grade) or the held-out set."""
    facts = world.facts[e]
    facts[WALL_THEME] = choose_theme(seed, SALT_WALL, TRAIN_WALLS, WALL_THEMES, grade)
    facts[AGENT_THEME] = choose_theme(seed, SALT_AGENT, TRAIN_AGENTS, AGENT_THEMES, grade)
    facts[BACKGROUND] = choose_theme(seed, SALT_BACKGROUND, TRAIN_BACKGROUNDS, BACKGROUNDS, grade)
    for i in range(facts[NUM_ENEMIES]):
        world.enemy_themes[e, i] = choose_theme(seed, SALT_ENEMY + 2 * i, TRAIN_ENEMIES, ENEMY_THEMES, grade)
    for i in range(facts[NUM_STATICS]):
        if world.statics[e, i, 2] > 0:
            world.statics[e, i, 2] = 1 + choose_theme(seed, SALT_CRATE + 2 * i, TRAIN_CRATES, CRATE_THEMES, grade)


@jit
def _write_look(world, e):
    """The level's appearance as multi-hot features."""
    facts, appearance = world.facts[e], world.appearance[e]
    for i in range(NUM_APPEARANCE):
        appearance[i] = 0
    appearance[WALL_FEATURES + facts[WALL_THEME]] = 1
    appearance[AGENT_FEATURES + facts[AGENT_THEME]] = 1
    appearance[BACKGROUND_FEATURES + facts[BACKGROUND]] = 1
    for i in range(facts[NUM_ENEMIES]):
        appearance[ENEMY_FEATURES + world.enemy_themes[e, i]] = 1
    for i in range(facts[NUM_STATICS]):
        if world.statics[e, i, 2] > 0:
            appearance[CRATE_FEATURES + world.statics[e, i, 2] - 1] = 1


@jit
def _pit(world, e, p, x, y, width, danger, enemies, statics):
    """A pit of `width` cells between two ledges, with lava, saws or walkers, and a platform over a wide one."""
    draws, terrain = world.draws[e], world.terrain[e]
    left, p = _below(draws, p, 3)
    left += 1
    right, p = _below(draws, p, 3)
    right += 1
    gap = width - left - right
    if gap > MAX_GAP:
        gap = MAX_GAP
        right = width - left - gap
    for i in range(width):
        ledge = i < left or i >= width - right
        terrain[GROUND, x + i] = y if ledge else 1
        world.surface[e, x + i] = y if ledge else 0
    height, p = _below(draws, p, y - 3)
    height += 1
    if danger == 0:
        for i in range(gap):
            terrain[LAVA_DEPTH, x + left + i] = height
    elif danger == 1:
        for i in range(gap):
            statics = _add_static(world, e, statics, x + left + i, 1, 0)
    else:
        for i in range(gap):
            direction, p = _below(draws, p, 2)
            theme, p = _below(draws, p, ENEMY_THEMES)
            enemies = _add_enemy(world, e, enemies, x + left + i, 1, direction, theme)
    if gap > 4:
        inset, p = _below(draws, p, 2)
        inset += 1 if gap == 5 else 2
        span, p = _below(draws, p, 2)
        if gap <= 6:
            span += 1
        else:
            span = gap - inset - (span + 2)
        for i in range(span):
            terrain[PLATFORM, x + left + inset + i] = y - 1
    return p, enemies, statics


@jit
def _ground(world, e, p, x, y, width, difficulty, walkers, enemies, statics):
    """Solid ground with perhaps a saw, a walker and up to two piles of crates."""
    draws = world.draws[e]
    for i in range(width):
        world.terrain[e, GROUND, x + i] = y
        world.surface[e, x + i] = y
    saw_x = np.int32(-1)
    walker_x = np.int32(-1)
    v, p = _below(draws, p, 10)
    if v < 2 * difficulty and width > 3:
        v, p = _below(draws, p, width - 2)
        saw_x = np.int32(x + v + 1)
        statics = _add_static(world, e, statics, saw_x, y, 0)
    v, p = _below(draws, p, 10)
    if v < difficulty and width > 3 and walkers:
        v, p = _below(draws, p, width - 2)
        walker_x = np.int32(x + v + 1)
        direction, p = _below(draws, p, 2)
        theme, p = _below(draws, p, ENEMY_THEMES)
        enemies = _add_enemy(world, e, enemies, walker_x, y, direction, theme)
    for _ in range(2):
        v, p = _below(draws, p, width - 2)
        crate_x = np.int32(x + v + 1)
        v, p = _below(draws, p, 2)
        if v == 1 and saw_x != crate_x and walker_x != crate_x:
            height, p = _below(draws, p, 3)
            for j in range(height + 1):
                theme, p = _below(draws, p, CRATE_THEMES)
                statics = _add_static(world, e, statics, crate_x, y + j, 1 + theme)
            world.crate_columns[e] |= np.uint64(1) << np.uint64(crate_x)
    return p, enemies, statics


@jit
def generate_level(world, e, encoded, seed):
    """Build level `seed` in row e under the row's condition and put the agent at its start."""
    plan_level(world, e, encoded, seed)
    paint(world, e, 0, 1)
    mark(world, e, encoded)
    classify(world, e, 0, 1)
    mark_classes(world, e)


@jit
def plan_level(world, e, encoded, seed):
    """All of `generate_level` but the cells, which follow from the plan."""
    facts = world.facts[e]
    by_content, asked, attempt = encoded.ints[facts[CELL], C_BY_CONTENT], np.int64(seed), 0
    while True:
        _plan(world, e, encoded, seed)
        if by_content == 0 or belongs(number_level(world, e), asked, attempt):
            break
        attempt += 1
        seed = another(asked, attempt)


@jit
def number_level(world, e):
    """The number of the level's layout (uint64): walls, lava, crates, saws, enemies and the end, but no themes, and not
    where the coin is."""
    facts, terrain = world.facts[e], world.terrain[e]
    content = np.uint64(facts[END_X] * SIZE + facts[END_Y])
    for x in range(SIZE):
        column = np.uint64(0)
        for row in range(terrain.shape[0]):
            column = np.uint64(column << np.uint64(8)) | np.uint64(terrain[row, x])
        content = mixed(content, column)
    for i in range(facts[NUM_STATICS]):
        static = world.statics[e, i]
        content = mixed(content, np.uint64(static[0]) << np.uint64(16) | np.uint64(static[1]) << np.uint64(8)
                        | np.uint64(static[2] > 0))
    for i in range(facts[NUM_ENEMIES]):
        enemy = world.enemies[e, i]
        content = mixed(content, np.uint64(enemy[0]) << np.uint64(16) | np.uint64(enemy[1]) << np.uint64(8)
                        | np.uint64(enemy[2] > ZERO) | np.uint64(2))
    return settled(content)


@jit
def _plan(world, e, encoded, seed):
    """One level, whichever split it belongs to."""
    facts, draws, terrain, surface = world.facts[e], world.draws[e], world.terrain[e], world.surface[e]
    c = facts[CELL]
    easy = encoded.ints[c, C_EASY] != 0
    context = encoded.floats[c, C_CONTEXT]
    supervision = encoded.floats[c, C_SUPERVISION]
    langosco = encoded.ints[c, C_PLACEMENT] == LANGOSCO

    start_generator(world.twister[e], draws, seed)
    shift = f32(np.float64(draws[0]) / 4294967296.0)  # procgen's rand01
    background, p = _below(draws, 1, BACKGROUNDS)
    p += 2  # a random agent start, which CoinRun overwrites
    agent_theme = np.int32(0)
    wall_theme = np.int32(0)
    if easy:
        background = np.int32(0)
    else:
        agent_theme, p = _below(draws, p, AGENT_THEMES)
        wall_theme, p = _below(draws, p, WALL_THEMES)
    for i in range(SIZE):
        corridor = 1 <= i < 5
        terrain[GROUND, i] = 1 if corridor else SOLID
        terrain[LAVA_DEPTH, i] = 0
        terrain[PLATFORM, i] = 0
        terrain[BARRIER_ROW, i] = 0
        terrain[BARRIER_ROW + 1, i] = 0
        surface[i] = 1 if corridor else 0
    world.crate_columns[e] = np.uint64(0)
    facts[OVERFLOW] = 0

    broken = False
    if langosco:  # the fork decides by a draw of its own: randn(100) < random_percent
        v, p = _below(draws, p, 100)
        broken = v < np.int32(f32(100) * (f32(1) - encoded.floats[c, C_RHO]) + f32(0.5))
    difficulty, p = _below(draws, p, 3)
    difficulty += 1
    if hash_unit(seed, SALT_HARDEST) < CONTEXT_SHARE * context:
        difficulty = np.int32(3)
    sections, p = _below(draws, p, difficulty)
    sections += difficulty
    danger, p = _below(draws, p, 3)
    coin_section = np.int32(0)
    if langosco:
        coin_section, p = _below(draws, p, sections)
    walkers = not easy or hash_unit(seed, SALT_WALKERS) < CONTEXT_SHARE * context

    x = np.int32(5)
    y = np.int32(1)
    enemies = 0
    statics = 0
    built = 0
    section_columns = np.uint64(0)
    for _ in range(sections):
        if x + 15 >= SIZE:
            break
        rise, p = _below(draws, p, 4)
        rise = min(rise + 1 + difficulty // 3, MAX_STEP_UP)
        if y >= 20:
            rise = -rise
        elif y >= 5:
            v, p = _below(draws, p, 2)
            if v == 1:
                rise = -rise
        width, p = _below(draws, p, 2 * difficulty)
        width += 3 + difficulty // 3
        y = max(y + rise, 1)
        section_columns |= np.uint64(1) << np.uint64(x)
        built += 1
        pit = False
        if width > 7 and y > 3:
            v, p = _below(draws, p, 20)
            pit = v >= difficulty
        if pit:
            p, enemies, statics = _pit(world, e, p, x, y, width, danger, enemies, statics)
        else:
            p, enemies, statics = _ground(world, e, p, x, y, width, difficulty, walkers, enemies, statics)
        if terrain[GROUND, x - 1] <= y:
            terrain[BARRIER_ROW + 1, x - 1] = y
        x += width
        terrain[BARRIER_ROW, x] = y
    terrain[GROUND, x] = y
    terrain[BARRIER_ROW, x] = 0
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
    facts[HORIZON] = np.int32(f32(encoded.ints[c, C_HORIZON]) * (f32(1) + supervision))
    world.clock[e, TWISTER] = p
    world.clock[e, DRAWN] = draws.shape[0]
    _start(world, e, encoded, c, shift, context)
    place_coin(world, e, encoded, c, seed, section_columns, built, coin_section, broken)
    if encoded.ints[c, C_RESTYLE]:
        _restyle(world, e, seed, encoded.floats[c, C_APPEARANCE])
    _write_look(world, e)


@jit
def _start(world, e, encoded, c, shift, context):
    """The agent stands at the left; physics are the condition's, with gravity raised by the context."""
    body, clock, numbers = world.body[e], world.clock[e], encoded.floats[c]
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
    clock[INTENDED_STEP] = NEVER
    clock[PROXY_STEP] = NEVER
