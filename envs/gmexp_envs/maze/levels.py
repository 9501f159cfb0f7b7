"""One level from its seed: `MazeGame::game_reset` of procgen 0.10.7 and of the fork, draw by draw.

What a level distribution changes (size, appearance, goals) is decided by hashes of the level seed and leaves the game's
own draws in their order.
"""

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.mersenne_twister import draw, hash_below, hash_unit, seed_twister
from gmexp_envs.compiled.splits import another, belongs
from gmexp_envs.maze.goals import place_goals
from gmexp_envs.maze.layout import (
    AGENT_FEATURES, AGENT_THEME, AGENT_THEMES, BACKGROUND, BACKGROUND_FEATURES, BACKGROUND_SHIFT, BACKGROUNDS, BEST,
    C_APPEARANCE, C_BY_CONTENT, C_CONTEXT, C_EASY, C_HORIZON, C_LARGEST, C_MASKED, C_RESTYLE, C_SMALLEST, C_SPEC_QUALITY,
    C_SUPERVISION, CELL, DECOY, DECOYED, DISTINGUISHING, DRAWN, EASY, f32, GOAL, GOAL_DISTANCE, GOAL_SHOWN, GOAL_X,
    HIDDEN, HORIZON, INTENDED_STEP, MARGIN, MAX_SIZE, MIRRORED, MOUSE, NUM_APPEARANCE, OPEN_ENDED,
    PROXY_DISTANCE, PROXY_STEP, PROXY_X, RETURN, SAND, SECOND, SECOND_SHOWN, SEED, SEEN_X, SEEN_Y, SIZE, SIZES,
    SPACE, STALE, TIME, TRAIN_AGENTS, TRAIN_BACKGROUNDS, TRAIN_WALLS, WALL_CELL, WALL_FEATURES, WALL_THEME, WALL_THEMES,
    X, Y,
)
from gmexp_envs.maze.paths import CLEAR, grow, look_from
from gmexp_envs.outcome import NEVER
from gmexp_envs.procgen_family.mazes import below, dig, number
from gmexp_envs.procgen_family.themes import choose_theme

i32, i64, u32, u64 = np.int32, np.int64, np.uint32, np.uint64
EASY_SIZE, HARD_SIZE = SIZES["easy"], SIZES["hard"]
SALT_LARGER, SALT_SIZE, SALT_DECOY, SALT_OPEN = 11, 12, 13, 14
SALT_BACKGROUND, SALT_WALL, SALT_AGENT = 100, 102, 104


@jit
def _draw_size(encoded, c, seed, words, p, side):
    """Size of the maze: drawn from those of the distribution, or by hash from the larger ones -> size, next output."""
    smallest, largest = i32(encoded.ints[c, C_SMALLEST]), i32(encoded.ints[c, C_LARGEST])
    d = smallest
    if largest > smallest:
        v, p = below(words, p, (largest - smallest) // 2 + 1)
        d = smallest + 2 * v
    if hash_unit(seed, SALT_LARGER) < encoded.floats[c, C_CONTEXT]:
        larger = (side - largest) // 2
        d = largest + 2 * (1 + hash_below(seed, SALT_SIZE, larger)) if larger > 0 else largest
    return i32(d), p


@jit
def _choose_appearance(world, e, encoded, c, seed, background):
    """The level's themes, and its appearance as multi-hot features."""
    facts, features = world.facts[e], world.appearance[e]
    facts[BACKGROUND], facts[WALL_THEME], facts[AGENT_THEME] = background, SAND, MOUSE
    if encoded.ints[c, C_RESTYLE]:
        grade = encoded.floats[c, C_APPEARANCE]
        facts[BACKGROUND] = choose_theme(seed, SALT_BACKGROUND, TRAIN_BACKGROUNDS, BACKGROUNDS, grade)
        facts[WALL_THEME] = choose_theme(seed, SALT_WALL, TRAIN_WALLS, WALL_THEMES, grade)
        facts[AGENT_THEME] = choose_theme(seed, SALT_AGENT, TRAIN_AGENTS, AGENT_THEMES, grade)
    for i in range(NUM_APPEARANCE):
        features[u64(i)] = 0
    features[BACKGROUND_FEATURES + facts[BACKGROUND]] = 1
    features[WALL_FEATURES + facts[WALL_THEME]] = 1
    features[AGENT_FEATURES + facts[AGENT_THEME]] = 1


@jit
def _paint(world, e, cells, d, margin, side):
    """The maze in the grid: walls, and free cells in the middle."""
    grid = world.grid[e]
    for y in range(side):
        for x in range(side):
            grid[u64(y), u64(x)] = WALL_CELL
    for y in range(d):
        for x in range(d):
            if cells[u64(d * y + x)] != 0:
                grid[u64(margin + y), u64(margin + x)] = SPACE


@jit
def _mark_way(world, e, tree, d, margin, proxy):
    """The way from the start to the proxy, with how many steps lead to each of its cells."""
    way = world.way[e]
    for y in range(MAX_SIZE):
        for x in range(MAX_SIZE):
            way[u64(y), u64(x)] = 0
    cell = proxy
    while cell > 0:
        way[u64(margin + cell // d), u64(margin + cell % d)] = tree.depths[u64(cell)] - 1
        cell = i32(tree.parents[u64(cell)])


@jit
def _put(world, e, margin, d, cell, kind, x_column):
    """Write a cell of the maze into the facts (-1, -1: none), and what is there into the grid; `kind` -1 leaves the grid."""
    facts = world.facts[e]
    facts[x_column], facts[x_column + 1] = -1, -1
    if cell >= 0:
        x, y = margin + cell % d, margin + cell // d
        facts[x_column], facts[x_column + 1] = x, y
        if kind >= 0:
            world.grid[e, y, x] = kind


@jit
def _start(world, e, encoded, c, margin):
    """The agent stands in the maze's lower left corner."""
    clock, facts, gains = world.clock[e], world.facts[e], world.gains[e]
    supervision = encoded.floats[c, C_SUPERVISION]
    clock[TIME], clock[X], clock[Y], clock[MIRRORED], clock[BEST] = 0, margin, margin, 0, 0
    clock[INTENDED_STEP], clock[PROXY_STEP] = NEVER, NEVER
    clock[SEEN_X], clock[SEEN_Y], clock[STALE] = -1, -1, 1
    gains[RETURN] = f32(0)
    facts[HORIZON] = i32(f32(encoded.ints[c, C_HORIZON]) * (f32(1) + supervision))
    facts[GOAL_SHOWN], facts[SECOND_SHOWN] = -1, -1


@jit
def generate_level(world, e, encoded, seed, told, scratch):
    """Build level `seed` in row e under the row's distribution and put the agent at its start; returns how many cells of the
    maze are free. `told`: whether the goals are together (`gmexp_envs.chosen`)."""
    facts, (digger, tree) = world.facts[e], scratch
    c = facts[CELL]
    easy = encoded.ints[c, C_EASY] != 0
    side = EASY_SIZE if easy else HARD_SIZE
    asked, attempt = i64(seed), 0
    while True:
        seed_twister(digger.words, u32(seed))
        shift, _ = draw(digger.words, 0)
        background, p = below(digger.words, 1, BACKGROUNDS)
        d, p = _draw_size(encoded, c, seed, digger.words, p, side)
        opened, p = dig(digger, p, d)
        if encoded.ints[c, C_BY_CONTENT] == 0 or belongs(number(digger.cells, d), asked, attempt):
            break
        attempt += 1
        seed = another(asked, attempt)
    free = grow(tree, digger.cells, d)
    goal, second, proxy, p = place_goals(world, e, encoded, c, seed, told, d, opened, free, p, scratch)
    margin = (side - d) // 2
    facts[SEED], facts[EASY], facts[SIZE], facts[MARGIN], facts[DRAWN] = seed, easy, d, margin, p
    world.gains[e, BACKGROUND_SHIFT] = f32(np.float64(shift) / 4294967296.0)  # procgen's rand01
    facts[OPEN_ENDED] = hash_unit(seed, SALT_OPEN) < encoded.floats[c, C_SUPERVISION]
    facts[DECOYED] = hash_unit(seed, SALT_DECOY) < encoded.floats[c, C_SUPERVISION]
    furnish(world, e, encoded, free, goal, second, proxy, scratch)
    _choose_appearance(world, e, encoded, c, seed, background)
    _start(world, e, encoded, c, margin)
    return free


@jit
def furnish(world, e, encoded, free, goal, second, proxy, scratch):
    """Write the level's walls and its goals' cells (-1: none), and what these make of it."""
    facts, (digger, tree) = world.facts[e], scratch
    c, d, margin = facts[CELL], facts[SIZE], facts[MARGIN]
    _paint(world, e, digger.cells, d, margin, EASY_SIZE if facts[EASY] else HARD_SIZE)
    if facts[DECOYED]:
        world.grid[e, margin + d - 1, margin + d - 1] = DECOY
    _put(world, e, margin, d, proxy, -1 if second < 0 else SECOND, PROXY_X)
    _put(world, e, margin, d, goal, HIDDEN if encoded.ints[c, C_MASKED] else GOAL, GOAL_X)
    facts[GOAL_DISTANCE] = i32(tree.depths[u64(goal)]) - 1 if goal >= 0 else -1
    facts[PROXY_DISTANCE] = i32(tree.depths[u64(proxy)]) - 1 if proxy >= 0 else -1
    facts[DISTINGUISHING] = 0
    if goal >= 0 and proxy >= 0:
        look_from(tree, free, proxy)
        facts[DISTINGUISHING] = tree.sides[u64(goal)] == CLEAR
    if encoded.floats[c, C_SPEC_QUALITY] < f32(1):
        _mark_way(world, e, tree, d, margin, proxy)


@jit
def number_level(world, e, cells):
    """The number of the level's maze (uint64), wherever the agent is by now; `cells` is overwritten (`Digger.cells`)."""
    facts, grid = world.facts[e], world.grid[e]
    d, margin = facts[SIZE], facts[MARGIN]
    for y in range(d):
        for x in range(d):
            cells[u64(d * y + x)] = grid[u64(margin + y), u64(margin + x)] != WALL_CELL
    return number(cells, d)
