"""One level from its seed: `game_reset` of heist and of the fork's two variants, draw by draw.

The order of draws decides everything that follows, so it is kept as in the C++. What a level distribution changes
(correlation, context, appearance, supervision) is decided by hashes of the level seed; a larger maze and things in dead
ends draw as the game would draw for them.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import draw, hash_unit, seed_twister
from gmexp_envs.compiled.splits import another, belongs
from gmexp_envs.keys_and_chests.arrangement import count_on_ways, place_as_fork, rearrange, tells_apart
from gmexp_envs.keys_and_chests.heist import place_doors
from gmexp_envs.keys_and_chests.layout import (
    AGENT_THING, APART, AS_MANY, BACKGROUND, BACKGROUND_FEATURES, BACKGROUND_SHIFT, BACKGROUNDS, C_APPEARANCE,
    C_BY_CONTENT, C_CONTEXT, C_HEIST, C_HORIZON, C_MASKED, C_MAX_SPEED, C_MIXRATE, C_PLACEMENT, C_RESTYLE, C_RHO, C_SIZE,
    C_SUPERVISION, CELL, CELLS, CHEST, CHEST_CELL, CHEST_FEATURES, CHEST_RADIUS, CHEST_THEME, CHEST_THEMES, CHEST_THING,
    CHESTS, CHESTS_LEFT, CHESTS_ON_WAY, DIFFICULTY, DISTINGUISHING, DOOR_2, DRAWN, EXIT, EXIT_CELL, EXIT_HEIGHT, f32,
    FREE, HALF, HEIST, HORIZON, INTENDED_STEP, KEY, KEY_2, KEY_CELL, KEY_FEATURES, KEY_HEIGHT, KEY_RADIUS, KEY_THEME,
    KEY_THEMES, KEY_THING, KEYS, KEYS_LEFT, KEYS_ON_WAY, KIND, LEAST_MAZE, LIST, MASKED, MAX_OBJECTS, MAX_SPEED,
    MAZE, MIXRATE, MOST_KEYS, NEITHER, NOTHING, NUM_APPEARANCE, NUM_KEYS, NUM_OBJECTS, NUMBER, ONE, OPEN_ENDED, PLENTY,
    PLENTY_CHESTS, PROXY_STEP, QUEUE, REARRANGED, RETURN, RING_LIES, SEED, SIZE, SPACE, THINGS, TRAIN_BACKGROUNDS,
    TRAIN_CHESTS, TRAIN_KEYS, TRAIN_WALLS, TWISTER, VX, VY, WALL, WALL_CELL, WALL_FEATURES, WALL_THEME, WALL_THEMES,
    WHERE, WORDS, X, Y, ZERO,
)
from gmexp_envs.outcome import NEVER
from gmexp_envs.procgen_family.correlation import rho_told
from gmexp_envs.procgen_family.mazes import below, dig, Digger, number
from gmexp_envs.procgen_family.themes import choose_theme

f64, u64 = np.float64, np.uint64
HEIST_MOST = 3  # doors
CORRIDORS = 2  # free neighbours of the cells where the fork puts things
CONTEXT_SHARE = f32(0.5)  # of the levels have the largest maze, and as many have things in dead ends, at context 1
CONTEXT_SLIDE = f32(0.3)  # by how much the agent's grip on its speed falls at context 1
PLACE_TRIES = 100
SALT_CORRELATION, SALT_LARGEST, SALT_DEAD_ENDS, SALT_RING, SALT_OPEN = 31, 32, 33, 34, 35
SALT_BACKGROUND, SALT_WALL, SALT_KEY, SALT_CHEST = 200, 202, 204, 206


@jit(inline="always")
def _unit(words, p):
    """procgen's rand01 from the p-th output: float32 in [0, 1], and p + 1."""
    v, _ = draw(words, p % WORDS)
    return f32(f64(v) / 4294967296.0), p + 1


@jit
def _dress(world, e, seed, restyle, grade):
    """The level's themes: the game's own, or those of the training set (share 1 - grade) and the held-out set."""
    facts, features = world.facts[e], world.appearance[e]
    facts[WALL_THEME], facts[KEY_THEME], facts[CHEST_THEME] = 0, 0, 0
    if restyle:
        facts[BACKGROUND] = choose_theme(seed, SALT_BACKGROUND, TRAIN_BACKGROUNDS, BACKGROUNDS, grade)
        facts[WALL_THEME] = choose_theme(seed, SALT_WALL, TRAIN_WALLS, WALL_THEMES, grade)
        facts[KEY_THEME] = choose_theme(seed, SALT_KEY, TRAIN_KEYS, KEY_THEMES, grade)
        facts[CHEST_THEME] = choose_theme(seed, SALT_CHEST, TRAIN_CHESTS, CHEST_THEMES, grade)
    for i in range(NUM_APPEARANCE):
        features[i] = 0
    features[BACKGROUND_FEATURES + facts[BACKGROUND]] = 1
    features[WALL_FEATURES + facts[WALL_THEME]] = 1
    features[KEY_FEATURES + facts[KEY_THEME]] = 1
    features[CHEST_FEATURES + facts[CHEST_THEME]] = 1


@jit
def _counts(scarce, seed, rho, placement):
    """How many chests and keys there are, and facts[PLENTY]."""
    if hash_unit(seed, SALT_CORRELATION) < abs(rho):
        return (2 * scarce, scarce, PLENTY_CHESTS) if rho > ZERO else (scarce, 3 * scarce, MOST_KEYS)
    return scarce, scarce if placement == AS_MANY else 2 * scarce, NEITHER


@jit
def generate_level(world, e, encoded, seed, told):
    """Instance e's next level: that of `seed` in its distribution. `told`: whether there are two chests for every key
    (`gmexp_envs.chosen`)."""
    facts, clock, body, words = world.facts[e], world.clock[e], world.body[e], world.twister[e]
    things = world.scratch[e, THINGS]
    floats, ints = encoded.floats[facts[CELL]], encoded.ints[facts[CELL]]
    size, heist, context = ints[C_SIZE], ints[C_HEIST] != 0, floats[C_CONTEXT]
    digger = Digger(words, world.maze[e], world.opened[e], world.walls[e], world.parents[e])
    asked, attempt = np.int64(seed), 0
    while True:
        seed_twister(words, np.uint32(seed))
        body[BACKGROUND_SHIFT], p = _unit(words, 0)
        facts[BACKGROUND], p = below(words, p, BACKGROUNDS)
        _, p = below(words, p, 1)  # the random start, twice, which comes to nothing
        _, p = below(words, p, 1)
        difficulty, p = below(words, p, (size - LEAST_MAZE) // 2 + 1)
        if hash_unit(seed, SALT_LARGEST) < context * CONTEXT_SHARE:
            difficulty = np.int32((size - LEAST_MAZE) // 2)
        base, p = below(words, p, 2)
        base += difficulty
        d = 2 * difficulty + LEAST_MAZE
        _, p = dig(digger, p, d)
        if ints[C_BY_CONTENT] == 0 or belongs(number(world.maze[e], d), asked, attempt):
            break
        attempt += 1
        seed = another(asked, attempt)
    least = 1 if hash_unit(seed, SALT_DEAD_ENDS) < context * CONTEXT_SHARE else CORRIDORS
    for cell in range(d * d):
        things[u64(cell)] = SPACE if world.maze[e, u64(cell)] else NOTHING

    facts[SEED], facts[DIFFICULTY], facts[MAZE], facts[CELLS], facts[HEIST] = seed, difficulty, d, size, heist
    facts[REARRANGED], facts[KEYS_ON_WAY], facts[CHESTS_ON_WAY] = 0, 0, 0
    if heist:
        facts[NUM_KEYS] = min(base, HEIST_MOST)
        facts[KEYS], p = place_doors(words, p, things, d, facts[NUM_KEYS], world.scratch[e, LIST], world.scratch[e, QUEUE])
        facts[CHESTS], facts[PLENTY] = facts[KEYS], NEITHER
    else:
        facts[CHESTS], facts[KEYS], facts[PLENTY] = _counts(base + 1, seed, rho_told(floats[C_RHO], told),
                                                                    ints[C_PLACEMENT])
        facts[NUM_KEYS] = facts[KEYS]
        p = _arrange(world, e, p, seed, least, ints[C_PLACEMENT])
    facts[DISTINGUISHING] = not heist and tells_apart(facts[KEYS], facts[CHESTS], facts[KEYS_ON_WAY],
                                                      facts[CHESTS_ON_WAY])

    facts[MASKED] = ints[C_MASKED]
    p = _lay_out(world, e, p)
    _dress(world, e, seed, ints[C_RESTYLE] != 0, floats[C_APPEARANCE])
    facts[RING_LIES] = hash_unit(seed, SALT_RING) < floats[C_SUPERVISION]
    facts[OPEN_ENDED] = hash_unit(seed, SALT_OPEN) < floats[C_SUPERVISION]
    facts[HORIZON] = np.int32(f64(ints[C_HORIZON]) * (1.0 + f64(floats[C_SUPERVISION])) + 0.5)
    for column in range(clock.shape[0]):
        clock[column] = 0
    clock[TWISTER], clock[DRAWN] = p, p
    clock[KEYS_LEFT], clock[CHESTS_LEFT] = facts[KEYS], facts[CHESTS]
    clock[INTENDED_STEP], clock[PROXY_STEP] = NEVER, NEVER
    body[VX], body[VY], body[RETURN] = ZERO, ZERO, ZERO
    body[MAX_SPEED] = floats[C_MAX_SPEED]
    body[MIXRATE] = f32(floats[C_MIXRATE] * f32(ONE - f32(CONTEXT_SLIDE * context)))
    for k in range(MAX_OBJECTS):
        world.touches[e, k] = 0


@jit
def _arrange(world, e, p, seed, least, placement):
    """Put chests, keys and the agent into the maze, and count what lies on the ways; returns the next output."""
    facts, scratch = world.facts[e], world.scratch[e]
    d, chests, keys = facts[MAZE], facts[CHESTS], facts[KEYS]
    start, p = place_as_fork(world.twister[e], p, scratch, d, chests, keys, least)
    keys_on_way, chests_on_way = count_on_ways(scratch, d, start)
    if placement == APART and facts[PLENTY] != PLENTY_CHESTS and not tells_apart(keys, chests, keys_on_way, chests_on_way):
        _, keys_on_way, chests_on_way = rearrange(scratch, d, chests, keys, seed)
        facts[REARRANGED] = 1
    facts[KEYS_ON_WAY], facts[CHESTS_ON_WAY] = keys_on_way, chests_on_way
    return p


@jit
def _lay_out(world, e, p):
    """Put the maze somewhere in the level: grid, agent, objects, classes; returns the next output."""
    facts, body, grid, things = world.facts[e], world.body[e], world.grid[e], world.scratch[e, THINGS]
    size, d = facts[CELLS], facts[MAZE]
    left, p = below(world.twister[e], p, size - d + 1)
    low, p = below(world.twister[e], p, size - d + 1)
    for y in range(size):
        for x in range(size):
            grid[u64(y), u64(x)] = WALL
    for k in range(SIZE * SIZE):
        world.classes[e, u64(k)] = WALL_CELL
    count = 0
    for i in range(d):
        for j in range(d):
            thing = things[u64(d * j + i)]
            if thing == NOTHING:
                continue
            x, y = left + i, low + j
            grid[u64(y), u64(x)] = SPACE
            where = window_cell(size, x, y)
            world.classes[e, u64(where)] = FREE
            if thing == AGENT_THING:
                body[X], body[Y] = f32(f32(x) + HALF), f32(f32(y) + HALF)
            elif thing != SPACE:
                p = _add_object(world, e, p, count, thing, x, y, where)
                count += 1
    facts[NUM_OBJECTS] = count
    return p


@jit(inline="always")
def window_cell(size, x, y):
    """Where cell (x, y) of a level of `size` cells is in the semantic window."""
    margin = (SIZE - size) // 2
    return (SIZE - 1 - (y + margin)) * SIZE + x + margin


@jit
def _add_object(world, e, p, k, thing, x, y, where):
    """The k-th object, with its class; returns the next output."""
    kind, number, shown = EXIT, 0, EXIT_CELL
    if thing > KEY_THING:
        kind, number = KEY, thing - KEY_THING - 1
        shown = KEY_CELL if number == 0 or not world.facts[e, HEIST] else KEY_2 + number - 1
    elif thing > CHEST_THING:
        kind, number = CHEST, thing - CHEST_THING - 1
        shown = CHEST_CELL if number == 0 or not world.facts[e, HEIST] else DOOR_2 + number - 1
        if world.facts[e, MASKED]:
            shown = FREE
    kinds = world.kinds[e, u64(k)]
    kinds[KIND], kinds[NUMBER], kinds[WHERE] = kind, number, where
    world.classes[e, u64(where)] = shown
    if kind == CHEST:
        world.objects[e, u64(k), 0], world.objects[e, u64(k), 1] = f32(f32(x) + HALF), f32(f32(y) + HALF)
        return p
    return _drop(world, e, p, k, x, y)


@jit
def _drop(world, e, p, k, x, y):
    """The k-th object somewhere in cell (x, y), clear of those before it; returns the next output."""
    objects, kinds = world.objects[e], world.kinds[e]
    for _ in range(PLACE_TRIES + 1):
        at_x, p = _place(world.twister[e], p, f32(x))
        at_y, p = _place(world.twister[e], p, f32(y))
        objects[u64(k), 0], objects[u64(k), 1] = at_x, at_y
        clear = True
        for other in range(k):
            i = u64(other)
            if (abs(f32(at_x - objects[i, 0])) < f32(KEY_RADIUS + half_width(kinds[i, KIND]))
                    and abs(f32(at_y - objects[i, 1])) < f32(KEY_RADIUS + half_height(kinds[i, KIND]))):
                clear = False
        if clear:
            break
    return p


@jit
def _place(words, p, low):
    """A random place along one axis for an object within the cell that starts at `low` (`rand_pos`), the next output."""
    u, p = _unit(words, p)
    span = f32(f32(f32(low + ONE) - low) - f32(KEY_RADIUS + KEY_RADIUS))
    return f32(f32(f32(span * u) + KEY_RADIUS) + low), p


@jit(inline="always")
def half_width(kind):
    """Of an object."""
    return CHEST_RADIUS if kind == CHEST else KEY_RADIUS


@jit(inline="always")
def half_height(kind):
    """Of an object."""
    if kind == CHEST:
        return CHEST_RADIUS
    return KEY_HEIGHT if kind == KEY else EXIT_HEIGHT
