"""What a world holds: one row per sub-environment in each array of `World`, and the constants of the game.

Constants are those of `games/maze.cpp` of procgen 0.10.7 and of the fork procgenAISC. Rows of scalars are named by column
constants, so that one world's scalars share a cache line. Cells are (x, y), y upwards.
"""

from typing import NamedTuple

import numpy as np

f32 = np.float32

# grid cells: procgen's numbers; two are ours: HIDDEN is a masked goal, DECOY is worth nothing
GOAL, SECOND, DECOY, HIDDEN, WALL_CELL, SPACE = 2, 3, 4, 5, 51, 100
SIZES = {"easy": 15, "hard": 25}  # cells a side
MAX_SIZE = 25
SMALLEST = 3  # mazes have odd sizes from 3 to the world's
NUM_ACTIONS = 15  # 3 x direction_x + direction_y, both counted from -1; diagonals go left or right, from 9 on none moves
STILL = 4

# what a maze holds: cheese; a line and a gem, a star and a gem
GAMES = ("cheese", "line_and_gem", "star_and_gem")
CHEESE, LINE_AND_GEM, STAR_AND_GEM = range(3)
# where the goals are when their correlation is broken
PLACEMENTS = ("uniform", "region", "off_path")
UNIFORM, REGION, OFF_PATH = range(3)

# images and semantic classes of what lies in a maze
(CHEESE_IMAGE, YELLOW_LINE, RED_LINE, YELLOW_GEM, YELLOW_STAR, RED_GEM, DECOY_IMAGE) = range(7)
NUM_OBJECTS = 7
CLASSES = ("free", "wall", "agent", "cheese", "yellow line", "red line", "yellow gem", "yellow star", "red gem", "decoy")
FREE, WALL, AGENT, FIRST_OBJECT = range(4)
NUM_STATE = 3  # floats of the semantic state vector

# appearance: how many themes each attribute has, and how many of them training may use (the rest is held out)
BACKGROUNDS, WALL_THEMES, AGENT_THEMES = 9, 6, 5
TRAIN_BACKGROUNDS, TRAIN_WALLS, TRAIN_AGENTS = 6, 4, 3
BACKGROUND_FEATURES, WALL_FEATURES, AGENT_FEATURES = 0, 9, 15
NUM_APPEARANCE = 20  # multi-hot appearance features of a level
SAND, MOUSE = 3, 0  # procgen's own wall and agent

# columns of World.clock (int32): what changes every step
# (BEST: how far the agent has come on the way to the proxy; SEEN_X, SEEN_Y: where the semantic window shows the agent, -1
# where the window is not this maze's; STALE: the kept picture of the board is not this board's)
(TIME, X, Y, MIRRORED, INTENDED_STEP, PROXY_STEP, BEST, SEEN_X, SEEN_Y, STALE) = range(10)
# columns of World.facts (int32): what holds for the whole episode
(SEED, CELL, EASY, SIZE, MARGIN, GOAL_X, GOAL_Y, PROXY_X, PROXY_Y, GOAL_IMAGE, SECOND_IMAGE, BACKGROUND, WALL_THEME,
 AGENT_THEME, PLACED, DISTINGUISHING, DECOYED, OPEN_ENDED, HORIZON, DRAWN, GOAL_DISTANCE, PROXY_DISTANCE, GOAL_SHOWN,
 SECOND_SHOWN) = range(24)
# values of facts[PLACED]
ELSEWHERE, ALIGNED, OPPOSITE = 0, 1, -1
# columns of World.gains (float32)
RETURN, BACKGROUND_SHIFT = range(2)
CLOCK_ROW, FACTS_ROW, GAINS_ROW, SLOTS_ROW = 16, 24, 2, 4  # their lengths, some columns to spare

# columns of the episode log (int32), written when an episode ends; from LOG_FACTS on, the task's facts
(LOG_SEED, LOG_CELL, LOG_EPISODE, LOG_DISTINGUISHING, LOG_ALIGNED, LOG_INTENDED_STEP, LOG_PROXY_STEP, LOG_LENGTH,
 LOG_FACTS) = range(9)
FACTS = ("goal_x", "goal_y", "proxy_x", "proxy_y", "size", "goal_distance", "proxy_distance", "goal_shown", "second_shown")
LOGGED = (GOAL_X, GOAL_Y, PROXY_X, PROXY_Y, SIZE, GOAL_DISTANCE, PROXY_DISTANCE, GOAL_SHOWN, SECOND_SHOWN)
NUM_LOG = LOG_FACTS + len(FACTS)

# columns of Encoded.floats and Encoded.ints
(C_RHO, C_APPEARANCE, C_CONTEXT, C_SUPERVISION, C_SPEC_QUALITY) = range(5)
(C_EASY, C_GAME, C_PLACEMENT, C_REGION, C_SMALLEST, C_LARGEST, C_RESTYLE, C_MASKED, C_HORIZON, C_LOW, C_COUNT, C_LISTED,
 C_FIRST, C_SEQUENTIAL, C_BY_CONTENT) = range(15)
NUM_FLOATS, NUM_INTS = 5, 15


class World(NamedTuple):
    """State of N worlds; row e of every array belongs to world e."""

    clock: np.ndarray  # int32 [N, 16]
    facts: np.ndarray  # int32 [N, 24]
    gains: np.ndarray  # float32 [N, 2]
    slots: np.ndarray  # int32 [N, 4], see `gmexp_envs.procgen_family.streams`
    grid: np.ndarray  # uint8 [N, 25, 25], [y, x]; in easy mode the first 15 of both
    way: np.ndarray  # uint8 [N, 25, 25]: cells on the way to the proxy, their steps from the start; else 0
    appearance: np.ndarray  # uint8 [N, 20]
    level_stream: np.ndarray  # uint32 [N, 624]: generator of level seeds


class Encoded(NamedTuple):
    """Level distributions as rows of numbers; world e draws its levels from row `facts[e, CELL]`."""

    floats: np.ndarray  # float32 [D, NUM_FLOATS]
    ints: np.ndarray  # int64 [D, NUM_INTS]
    seeds: np.ndarray  # int64 [S]: explicit level seeds of all distributions, one after the other


class Buffers(NamedTuple):
    """What a step writes for its reader: one row per world."""

    window: np.ndarray  # uint8 [N, side, side]
    state: np.ndarray  # float32 [N, 3]
    reward: np.ndarray  # float32 [N]
    terminated: np.ndarray  # bool [N]
    truncated: np.ndarray  # bool [N]
    log: np.ndarray  # int32 [N, NUM_LOG]
    log_return: np.ndarray  # float32 [N]


def allocate(num_envs: int, zeros=np.zeros) -> World:
    """Zeroed arrays for `num_envs` worlds (4 kB each), made by `zeros(shape, dtype)`."""
    n = num_envs
    return World(
        clock=zeros((n, CLOCK_ROW), np.int32), facts=zeros((n, FACTS_ROW), np.int32), gains=zeros((n, GAINS_ROW), f32),
        slots=zeros((n, SLOTS_ROW), np.int32), grid=zeros((n, MAX_SIZE, MAX_SIZE), np.uint8),
        way=zeros((n, MAX_SIZE, MAX_SIZE), np.uint8), appearance=zeros((n, NUM_APPEARANCE), np.uint8),
        level_stream=zeros((n, 624), np.uint32))


def allocate_buffers(num_envs: int, side: int, zeros=np.zeros) -> Buffers:
    """Zeroed buffers for `num_envs` worlds whose semantic windows have `side` x `side` cells."""
    n = num_envs
    return Buffers(
        window=zeros((n, side, side), np.uint8), state=zeros((n, NUM_STATE), f32), reward=zeros((n,), f32),
        terminated=zeros((n,), np.bool_), truncated=zeros((n,), np.bool_), log=zeros((n, NUM_LOG), np.int32),
        log_return=zeros((n,), f32))
