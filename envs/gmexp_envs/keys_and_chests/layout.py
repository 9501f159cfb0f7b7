"""What a instance holds: one row of each array of `World`, and the constants of the game.

Constants are float32 as in the C++ (`games/heist.cpp`, `basic-abstract-game.cpp` of procgen 0.10.7, and procgenAISC's
`heist_aisc_many_chests.cpp` and `heist_aisc_many_keys.cpp`). Rows of scalars are named by column constants, so that one
instance's scalars share a cache line.
"""

from typing import NamedTuple

import numpy as np

f32 = np.float32

WALL, SPACE = 51, 100  # grid cells, procgen's numbers
GONE, CHEST, KEY, EXIT, RING = 0, 1, 2, 9, 11  # entity types; procgen's doors are the fork's chests, GONE is ours
MODES = {"easy": 9, "hard": 13}  # cells across and down
SIZE = 13  # of the largest of them: rows of arrays are as long
MAX_OBJECTS = 24  # keys, chests and exit: three keys for each of six chests are the most
LEAST_MAZE = 5  # cells across a maze of difficulty 0; each further one adds two
NUM_ACTIONS = 15  # 3 x 3 directions, then six that do nothing here
STILL = 4

# semantic classes of a cell; what is numbered shows its number in heist, where a key opens the door of its number
(FREE, WALL_CELL, CHEST_CELL, KEY_CELL, AGENT, AGENT_ON_CHEST, EXIT_CELL, DOOR_2, DOOR_3, KEY_2, KEY_3) = range(11)
NUM_CLASSES = 11
NUM_STATE = 7  # floats of the semantic state vector

# appearance: how many themes each attribute has, and how many of them training may use (the rest is held out)
BACKGROUNDS, WALL_THEMES, KEY_THEMES, CHEST_THEMES = 9, 6, 3, 3
TRAIN_BACKGROUNDS, TRAIN_WALLS, TRAIN_KEYS, TRAIN_CHESTS = 6, 4, 1, 1
BACKGROUND_FEATURES, WALL_FEATURES, KEY_FEATURES, CHEST_FEATURES = 0, 9, 15, 18
NUM_APPEARANCE = 21  # multi-hot appearance features of a level

# columns of World.body (float32)
X, Y, VX, VY, MAX_SPEED, MIXRATE, BACKGROUND_SHIFT, RETURN = range(8)
# columns of World.clock (int32): what changes every step
# (TWISTER: outputs of the level's generator that the game has asked for; DRAWN: those that were drawn from it; HELD: a bit
# for every key of heist; TOUCHED: keys taken and chests opened)
(TIME, FACING, IN_HAND, HELD, KEYS_LEFT, CHESTS_LEFT, INTENDED_STEP, PROXY_STEP, EVENTS, TWISTER, DRAWN, TOUCHED,
 SURPLUS) = range(13)
# columns of World.facts (int32): what holds for the whole episode
# (NUM_KEYS: keys that there should be, KEYS: those that are; CELLS: cells across the level)
(SEED, CELL, DIFFICULTY, MAZE, CELLS, NUM_KEYS, KEYS, CHESTS, NUM_OBJECTS, BACKGROUND, WALL_THEME, KEY_THEME,
 CHEST_THEME, HORIZON, PLENTY, DISTINGUISHING, OPEN_ENDED, RING_LIES, HEIST, KEYS_ON_WAY, CHESTS_ON_WAY, MASKED,
 REARRANGED) = range(23)
# what facts[PLENTY] says: two chests a key; three keys a chest; or what the placement has instead
PLENTY_CHESTS, MOST_KEYS, NEITHER = 1, -1, 0
# columns of the episode log (int32), written when an episode ends: those of every environment, then the task's facts
(LOG_SEED, LOG_CELL, LOG_EPISODE, LOG_DISTINGUISHING, LOG_ALIGNED, LOG_INTENDED_STEP, LOG_PROXY_STEP, LOG_DIED,
 LOG_LENGTH, LOG_KEYS, LOG_CHESTS, LOG_KEYS_ON_WAY, LOG_CHESTS_ON_WAY, LOG_KEYS_TAKEN, LOG_CHESTS_OPENED, LOG_SURPLUS,
 LOG_TOUCHES) = range(17)
LOG_FACTS, NUM_LOG = 9, LOG_TOUCHES + MAX_OBJECTS
# columns of World.kinds (uint8): entity type, number among its kind, cell of the semantic window
KIND, NUMBER, WHERE = range(3)

# bits of clock[EVENTS]: what happened in the step
TOOK_KEY, OPENED_CHEST, LEFT_BY_EXIT, TIMED_OUT = 1, 2, 4, 8

GAMES = ("keys_and_chests", "heist")
# rules for levels whose correlation is broken
PLACEMENTS = ("many_keys", "apart", "as_many")
MANY_KEYS, APART, AS_MANY = range(3)

# columns of Encoded.floats and Encoded.ints
(C_RHO, C_APPEARANCE, C_CONTEXT, C_SUPERVISION, C_SPEC_QUALITY, C_MAX_SPEED, C_MIXRATE) = range(7)
(C_SIZE, C_HEIST, C_PLACEMENT, C_RESTYLE, C_MASKED, C_KEY_PENALTY, C_STEP_PENALTY, C_HORIZON, C_LOW, C_COUNT,
 C_LISTED, C_FIRST, C_SEQUENTIAL, C_BY_CONTENT) = range(14)
NUM_FLOATS, NUM_INTS = 7, 14
# lengths of the rows of World.body, clock, facts and slots
BODY_ROW, CLOCK_ROW, FACTS_ROW, SLOTS_ROW = 8, 16, 24, 4
# rows of World.scratch (int16, by number of the maze's cell): what is there, lists of cells, the way back, a queue
THINGS, LIST, BACK, QUEUE = range(4)
SCRATCH_ROWS = 4
# in row THINGS, besides SPACE: numbered ones start after these
NOTHING, EXIT_THING, AGENT_THING, CHEST_THING, KEY_THING = 0, 52, 53, 200, 300
WORDS, MAX_MAZE, MAX_FREE, MAX_WALLS, MAX_ROOMS = 624, 961, 511, 480, 256  # as `procgen_family.mazes` wants them

ZERO, ONE, HALF = f32(0), f32(1), f32(0.5)
AGENT_RADIUS, KEY_RADIUS, CHEST_RADIUS, RING_RADIUS = f32(0.375), f32(0.375), f32(0.5), f32(0.03)
KEY_ASPECT, EXIT_ASPECT = f32(84 * 1.0 / 52), f32(70 * 1.0 / 48)  # widths of their images over the heights
KEY_HEIGHT, EXIT_HEIGHT = f32(KEY_RADIUS / KEY_ASPECT), f32(KEY_RADIUS / EXIT_ASPECT)  # half of it, as all radii
RING_HEIGHT = f32(RING_RADIUS / KEY_ASPECT)


class World(NamedTuple):
    """State of N instances; row e of every array belongs to number e."""

    body: np.ndarray  # float32 [N, 8]
    clock: np.ndarray  # int32 [N, 16]
    facts: np.ndarray  # int32 [N, 24]
    slots: np.ndarray  # int32 [N, 4]: columns of `procgen_family.streams`
    grid: np.ndarray  # uint8 [N, 13, 13], [y, x], y upwards; easy levels fill the first 9 x 9
    classes: np.ndarray  # uint8 [N, 169]: semantic classes of all but the agent, as rows of the window, the top one first
    objects: np.ndarray  # float32 [N, 24, 2]: x, y of keys, chests and exit, in the game's order
    kinds: np.ndarray  # uint8 [N, 24, 3]: columns KIND, NUMBER, WHERE
    touches: np.ndarray  # int32 [N, 24]: step of the n-th key taken (positive) or chest opened (negative), 0 for none
    appearance: np.ndarray  # uint8 [N, 21]
    twister: np.ndarray  # uint32 [N, 624]: the level's generator, `clock[DRAWN]` outputs on
    level_stream: np.ndarray  # uint32 [N, 624]: generator of level seeds
    maze: np.ndarray  # uint8 [N, 961]: 1 where a cell of the maze is free, by its number (`procgen_family.mazes`)
    opened: np.ndarray  # uint16 [N, 511]: these and the following are for the making of levels
    walls: np.ndarray  # uint16 [N, 480]
    parents: np.ndarray  # uint16 [N, 256]
    scratch: np.ndarray  # int16 [N, 4, 169]


class Encoded(NamedTuple):
    """Level distributions as rows of numbers; instance e draws its levels from row `facts[e, CELL]`."""

    floats: np.ndarray  # float32 [D, NUM_FLOATS]
    ints: np.ndarray  # int64 [D, NUM_INTS]
    seeds: np.ndarray  # int64 [S]: explicit level seeds of all distributions, one after the other


def allocate(num_envs: int, zeros=np.zeros) -> World:
    """Zeroed arrays for `num_envs` instances (about 11 kB each), made by `zeros(shape, dtype)`."""
    n = num_envs
    return World(
        body=zeros((n, BODY_ROW), f32), clock=zeros((n, CLOCK_ROW), np.int32), facts=zeros((n, FACTS_ROW), np.int32),
        slots=zeros((n, SLOTS_ROW), np.int32), grid=zeros((n, SIZE, SIZE), np.uint8),
        classes=zeros((n, SIZE * SIZE), np.uint8), objects=zeros((n, MAX_OBJECTS, 2), f32),
        kinds=zeros((n, MAX_OBJECTS, 3), np.uint8), touches=zeros((n, MAX_OBJECTS), np.int32),
        appearance=zeros((n, NUM_APPEARANCE), np.uint8), twister=zeros((n, WORDS), np.uint32),
        level_stream=zeros((n, WORDS), np.uint32), maze=zeros((n, MAX_MAZE), np.uint8),
        opened=zeros((n, MAX_FREE), np.uint16), walls=zeros((n, MAX_WALLS), np.uint16),
        parents=zeros((n, MAX_ROOMS), np.uint16), scratch=zeros((n, SCRATCH_ROWS, SIZE * SIZE), np.int16))
