"""What a world holds: one row per sub-environment in each array of `World`, and the constants of the game.

Constants are float32 as in the C++ (`games/coinrun.cpp`, `basic-abstract-game.cpp` of procgen 0.10.7). Rows of scalars
are named by column constants, so that one world's scalars share a cache line.
"""

from typing import NamedTuple

import numpy as np

f32 = np.float32

# grid cells (procgen's numbers; two are ours: HIDDEN is an invisible coin, PERMEABLE looks like wall and is none)
GOAL, SAW, ENEMY, WALL_MID, WALL_TOP, LAVA_MID, LAVA_TOP, BARRIER, CRATE = 1, 2, 5, 15, 16, 17, 18, 19, 20
HIDDEN, PERMEABLE, SPACE = 21, 22, 100
SIZE = 64  # cells per side
MAX_ENEMIES, MAX_STATICS = 40, 48  # 25 and 29 were the most in 40,000 levels; `OVERFLOW` is set beyond
TRAIL_LENGTH = 9
NUM_ACTIONS = 15  # 3 x 3 directions, then six that do nothing here

# semantic classes of a cell
(FREE, WALL, LAVA, CRATE_CELL, SAW_CELL, ENEMY_LEFT, ENEMY_RIGHT, COIN, DECOY_CELL) = range(9)
NUM_CLASSES = 9
WINDOW = 13  # cells seen across and down: procgen's visibility
MARGIN = WINDOW // 2  # columns of wall on both sides of World.classes, so that no window leaves it sideways
NUM_STATE = 7  # floats of the semantic state vector

# appearance: how many themes each attribute has, and how many of them training may use (the rest is held out)
WALL_THEMES, AGENT_THEMES, BACKGROUNDS, ENEMY_THEMES, CRATE_THEMES = 6, 5, 62, 9, 4
TRAIN_WALLS, TRAIN_AGENTS, TRAIN_BACKGROUNDS, TRAIN_ENEMIES, TRAIN_CRATES = 4, 3, 46, 6, 2
WALL_FEATURES, AGENT_FEATURES, BACKGROUND_FEATURES, ENEMY_FEATURES, CRATE_FEATURES = 0, 6, 11, 73, 82
NUM_APPEARANCE = 86  # multi-hot appearance features of a level

PREDRAWN = 256  # outputs drawn ahead when a level begins: its layout takes up to about 140 of them
# rows of World.terrain (uint8, per column): height of solid ground, top row of lava, row of a platform, rows of up to
# two barriers; 0 for none
(GROUND, LAVA_DEPTH, PLATFORM, BARRIER_ROW) = range(4)

# columns of World.body (float32)
(X, Y, VX, VY, LAST_Y, GRAVITY, MAX_JUMP, MAX_SPEED, MIXRATE, AIR_CONTROL, BEST_X, BACKGROUND_SHIFT,
 RETURN, BODY_COLUMNS) = range(14)
# columns of World.clock (int32): what changes every step
# (TWISTER: outputs of the level's generator that the game has asked for; DRAWN: those that were drawn from it)
(TIME, FLAGS, ACTION_X, INTENDED_STEP, PROXY_STEP, TWISTER, EVENTS, DRAWN) = range(8)
# columns of World.facts (int32): what holds for the whole episode
(SEED, COIN_X, COIN_Y, END_X, END_Y, NUM_ENEMIES, NUM_STATICS, BACKGROUND, WALL_THEME, AGENT_THEME, DIFFICULTY,
 NUM_SECTIONS, DANGER, OVERFLOW, DECOY, OPEN_ENDED, HORIZON, CORRELATED, DISTINGUISHING, CELL) = range(20)
# columns of World.slots (int32): what survives episodes
(LEVEL_STREAM, EPISODES, OFFSET, STRIDE) = range(4)
# columns of the episode log (int32), written when an episode ends; the last ones are the task's facts
(LOG_SEED, LOG_CELL, LOG_EPISODE, LOG_DISTINGUISHING, LOG_ALIGNED, LOG_INTENDED_STEP, LOG_PROXY_STEP, LOG_DIED, LOG_LENGTH,
 LOG_COIN_X, LOG_COIN_Y, LOG_END_X, LOG_END_Y, LOG_SECTIONS, LOG_CORRELATED) = range(15)
NUM_LOG = 15
LOG_FACTS = LOG_COIN_X

# bits of clock[FLAGS]
SUPPORTED, ON_CRATE, FACING_LEFT = 1, 2, 4
# bits of clock[EVENTS]: what happened in the step
TOUCHED_COIN, DIED, TIMED_OUT, TOUCHED_END = 1, 2, 4, 8

# coin placement rules: where the coin is when its correlation with the end is broken
PLACEMENTS = ("end", "section_start", "langosco", "uniform_ground", "near_end", "off_path", "none", "cell")
(AT_END, SECTION_START, LANGOSCO, UNIFORM_GROUND, NEAR_END, OFF_PATH, NO_COIN, AT_CELL) = range(8)

# columns of Encoded.floats and Encoded.ints
(C_RHO, C_APPEARANCE, C_CONTEXT, C_SUPERVISION, C_SPEC_QUALITY, C_GRAVITY, C_MAX_JUMP, C_MAX_SPEED, C_MIXRATE,
 C_AIR_CONTROL) = range(10)
(C_EASY, C_PLACEMENT, C_CELL_X, C_CELL_Y, C_RESTYLE, C_MASKED, C_HORIZON, C_LOW, C_COUNT, C_LISTED, C_FIRST,
 C_SEQUENTIAL, C_PERMEABLE, C_BY_CONTENT) = range(14)
NUM_FLOATS, NUM_INTS = 10, 14
# lengths of the rows of World.body, clock, facts and slots, some columns to spare
BODY_ROW, CLOCK_ROW, FACTS_ROW, SLOTS_ROW = 16, 8, 24, 4

RADIUS_X, RADIUS_Y, HALF = f32(0.5), f32(0.5787), f32(0.5)  # half sizes of the agent; of everything else
ZERO, ONE, TWO = f32(0), f32(1), f32(2)
START_X, START_Y = f32(1.5), f32(ONE + RADIUS_Y)
OPPOSITE_START_X = f32(3.5)  # where the agent starts when the coin waits at the wall opposite the end


class World(NamedTuple):
    """State of N worlds; row e of every array belongs to world e."""

    body: np.ndarray  # float32 [N, 16]
    clock: np.ndarray  # int32 [N, 8]
    facts: np.ndarray  # int32 [N, 24]
    slots: np.ndarray  # int32 [N, 4]
    grid: np.ndarray  # uint8 [N, 64, 64], [y, x], y upwards
    classes: np.ndarray  # uint8 [N, 64, 6 + 64 + 6], semantic classes of everything that does not move
    terrain: np.ndarray  # uint8 [N, 5, 64]: per column the rows of layout.GROUND ... layout.BARRIER_ROW
    surface: np.ndarray  # uint8 [N, 64]: height of safe ground per column, 0 over pits and walls
    appearance: np.ndarray  # uint8 [N, 86]
    enemies: np.ndarray  # float32 [N, MAX_ENEMIES, 3]: x, y, vx
    enemy_themes: np.ndarray  # uint8 [N, MAX_ENEMIES]
    statics: np.ndarray  # uint8 [N, MAX_STATICS, 3]: x, y, kind (0 saw, 1 + theme crate)
    crate_columns: np.ndarray  # uint64 [N]: bit x is set where column x has crates
    trails: np.ndarray  # float32 [N, MAX_ENEMIES, 9, 2], or one enemy only where frames are not drawn
    draws: np.ndarray  # uint32 [N, PREDRAWN]: first outputs of the level's generator
    twister: np.ndarray  # uint32 [N, 624]: that generator, which goes on after `clock[DRAWN]` outputs
    level_stream: np.ndarray  # uint32 [N, 624]: generator of level seeds


class Encoded(NamedTuple):
    """Level distributions as rows of numbers; world e draws its levels from row `facts[e, CELL]`."""

    floats: np.ndarray  # float32 [D, NUM_FLOATS]
    ints: np.ndarray  # int64 [D, NUM_INTS]
    seeds: np.ndarray  # int64 [S]: explicit level seeds of all distributions, one after the other


def allocate(num_envs: int, trails: bool, zeros=np.zeros) -> World:
    """Zeroed arrays for `num_envs` worlds (about 15 kB each, 18 kB with enemy trails, which only frames need), made by
    `zeros(shape, dtype)`."""
    n = num_envs
    world = World(
        body=zeros((n, BODY_ROW), f32), clock=zeros((n, CLOCK_ROW), np.int32), facts=zeros((n, FACTS_ROW), np.int32),
        slots=zeros((n, SLOTS_ROW), np.int32), grid=zeros((n, SIZE, SIZE), np.uint8),
        classes=zeros((n, SIZE, SIZE + 2 * MARGIN), np.uint8), terrain=zeros((n, 5, SIZE), np.uint8),
        surface=zeros((n, SIZE), np.uint8),
        appearance=zeros((n, NUM_APPEARANCE), np.uint8), enemies=zeros((n, MAX_ENEMIES, 3), f32),
        enemy_themes=zeros((n, MAX_ENEMIES), np.uint8), statics=zeros((n, MAX_STATICS, 3), np.uint8),
        crate_columns=zeros((n,), np.uint64),
        trails=zeros((n, MAX_ENEMIES if trails else 1, TRAIL_LENGTH, 2), f32),
        draws=zeros((n, PREDRAWN), np.uint32), twister=zeros((n, 624), np.uint32),
        level_stream=zeros((n, 624), np.uint32))
    world.classes[...] = WALL
    return world
