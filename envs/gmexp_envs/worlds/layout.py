"""What one instance of a small world holds, and the numbers that all worlds share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

f32 = np.float32

WINDOW = 13  # cells seen across and down, the agent's own in the middle
MARGIN = WINDOW // 2  # cells of wall around the board, so that every window lies within the grid
BOARD = 17  # cells across and down that a board may have at most
GRID_ROWS, GRID_COLUMNS = BOARD + 2 * MARGIN, 32  # a row is a power of two long

# actions; worlds that name more go on from USE
STAY, UP, DOWN, LEFT, RIGHT, USE = range(6)
DX = np.array([0, 0, 0, -1, 1], np.int64)
DY = np.array([0, -1, 1, 0, 0], np.int64)

# classes of cells that every world has; its own go on from there
FREE, WALL = 0, 1

# columns of Game.now (int32): what changes every step; a world's own begin at OWN
(X, Y, TIME, INTENDED_STEP, PROXY_STEP, DIED) = range(6)
OWN = 8
NOW = 32
# columns of Game.facts (int32): what holds for the whole episode; a world's own begin at OWN
(SEED, CELL, HORIZON, DISTINGUISHING, PLACEMENT, COLUMNS, ROWS) = range(7)
FACTS = 64
THINGS = 64  # numbers that a world may use as it likes
# columns of Games.slots (int64): what survives episodes
(STREAM, EPISODES, OFFSET, STRIDE) = range(4)
SLOTS = 4

# where the intended goal is (facts[PLACEMENT])
ALIGNED, BROKEN, OPPOSITE = 1, 0, -1
# how a step ends
ONGOING, TERMINATED, TRUNCATED = 0, 1, 2

# columns of Encoded.knobs (float32) and Encoded.options (int64)
(RHO, APPEARANCE, CONTEXT, SUPERVISION, QUALITY) = range(5)
KNOBS = 8
(MASKED, STEPS, ORIGINAL, LOW, COUNT, LISTED, FIRST, SEQUENTIAL) = range(8)
OPTIONS = 8

# columns of the event log (int32); a world's facts begin at LOG_FACTS
(LOG_SEED, LOG_CELL, LOG_EPISODE, LOG_DISTINGUISHING, LOG_ALIGNED, LOG_INTENDED_STEP, LOG_PROXY_STEP, LOG_DIED,
 LOG_LENGTH, LOG_FACTS) = range(10)
NUM_LOG = 20
LOGGED = NUM_LOG - LOG_FACTS  # facts that a world may log

# appearance: each attribute has THEMES colours, of which training shows the first TRAINED
ATTRIBUTES = ("walls", "floor", "agent", "things")
THEMES, TRAINED = 8, 5
LOOK = len(ATTRIBUTES) * THEMES  # multi-hot appearance features


class Game(NamedTuple):
    """One instance: rows of the arrays of `Games` and of its distribution's `Encoded`."""

    grid: np.ndarray  # uint8 [GRID_ROWS, GRID_COLUMNS] classes of cells; board cell (x, y) is [MARGIN + y, MARGIN + x]
    now: np.ndarray  # int32 [NOW]
    facts: np.ndarray  # int32 [FACTS]
    things: np.ndarray  # int32 [THINGS]
    look: np.ndarray  # uint8 [LOOK] appearance features
    knobs: np.ndarray  # float32 [KNOBS]
    options: np.ndarray  # int64 [OPTIONS]


class Games(NamedTuple):
    """State of N instances; row e of every array belongs to instance e."""

    grid: np.ndarray  # uint8 [N, GRID_ROWS, GRID_COLUMNS]
    now: np.ndarray  # int32 [N, NOW]
    facts: np.ndarray  # int32 [N, FACTS]
    things: np.ndarray  # int32 [N, THINGS]
    look: np.ndarray  # uint8 [N, LOOK]
    slots: np.ndarray  # int64 [N, SLOTS]
    returns: np.ndarray  # float32 [N]: rewards of the episode so far


class Encoded(NamedTuple):
    """Level distributions as rows of numbers; instance e draws its levels from row `facts[e, CELL]`."""

    knobs: np.ndarray  # float32 [D, KNOBS]
    options: np.ndarray  # int64 [D, OPTIONS]
    seeds: np.ndarray  # int64 [S]: explicit level seeds of all distributions, one after the other


class Buffers(NamedTuple):
    """What a step writes for its reader: one row per instance."""

    window: np.ndarray  # uint8 [N, WINDOW, WINDOW]
    state: np.ndarray  # float32 [N, S]
    reward: np.ndarray  # float32 [N]
    terminated: np.ndarray  # bool [N]
    truncated: np.ndarray  # bool [N]
    log: np.ndarray  # int32 [N, NUM_LOG]
    log_return: np.ndarray  # float32 [N]


def allocate_games(n: int, zeros=np.zeros) -> Games:
    """Zeroed arrays for n instances (about 1.7 kB each), made by `zeros(shape, dtype)`."""
    return Games(grid=zeros((n, GRID_ROWS, GRID_COLUMNS), np.uint8), now=zeros((n, NOW), np.int32),
                 facts=zeros((n, FACTS), np.int32), things=zeros((n, THINGS), np.int32), look=zeros((n, LOOK), np.uint8),
                 slots=zeros((n, SLOTS), np.int64), returns=zeros((n,), f32))


def allocate_buffers(n: int, state: int, zeros=np.zeros) -> Buffers:
    """Zeroed buffers for n instances whose state vector has `state` numbers."""
    return Buffers(window=zeros((n, WINDOW, WINDOW), np.uint8), state=zeros((n, state), f32), reward=zeros((n,), f32),
                   terminated=zeros((n,), np.bool_), truncated=zeros((n,), np.bool_), log=zeros((n, NUM_LOG), np.int32),
                   log_return=zeros((n,), f32))
