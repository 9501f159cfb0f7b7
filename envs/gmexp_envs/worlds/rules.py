"""What the rules of all small worlds share: the board, moving, events, and choices that a level makes.

Every choice within a level is a hash of its seed compared with the distribution's numbers, so that a level changes at
some grade and stays changed. Layouts belong to splits by what they hold, not only by seed (`compiled.splits`): a seed draws
until it has one of its own split's.
"""

from __future__ import annotations

import numpy as np

from gmexp_envs.worlds.layout import (
    ALIGNED, APPEARANCE, ATTRIBUTES, BROKEN, CONTEXT, DX, DY, GRID_COLUMNS, GRID_ROWS, INTENDED_STEP, LOOK, MARGIN,
    OPPOSITE, PLACEMENT, PROXY_STEP, RHO, SUPERVISION, THEMES, TIME, TRAINED, WALL, WINDOW, X, Y, COLUMNS, ROWS,
)
from gmexp_envs.worlds.scalar import copy_bytes, hash_below, hash_bits, hash_unit

u64 = np.uint64  # indices without a sign, which Numba need not check for counting from the end
# salts of a level's choices; layouts use those from ATTEMPT on, so many for every attempt at one
SALT_CORRELATION, SALT_SUPERVISION, SALT_CONTEXT, SALT_LOOK, SALT_EVENTS = 1, 2, 10, 100, 1000
ATTEMPT = 4096
SHARE = np.float32(0.5)  # of the levels that a part of the context has changed at context 1


# --- choices of a level -----------------------------------------------------------------------------------------------

def placement(game, seed):
    """Where the intended goal is on this level: ALIGNED, BROKEN or OPPOSITE."""
    rho, chance = game.knobs[RHO], hash_unit(seed, SALT_CORRELATION)
    if chance < rho:
        return ALIGNED
    return OPPOSITE if chance < -rho else BROKEN


def harder(game, seed, part):
    """Whether the context has changed a part (0, 1, ...) of this level: half of the levels at context 1."""
    return hash_unit(seed, SALT_CONTEXT + part) < SHARE * game.knobs[CONTEXT]


def unsupervised(game, seed):
    """Whether what supervised the agent in training is gone on this level: all levels at supervision 1."""
    return hash_unit(seed, SALT_SUPERVISION) < game.knobs[SUPERVISION]


def dress(game, seed):
    """Choose the level's themes: training's, or with probability `appearance` ones that training never shows."""
    for k in range(LOOK):
        game.look[k] = 0
    for attribute in range(len(ATTRIBUTES)):
        salt = SALT_LOOK + 2 * attribute
        if hash_unit(seed, salt) < game.knobs[APPEARANCE]:
            theme = TRAINED + hash_below(seed, salt + 1, THEMES - TRAINED)
        else:
            theme = hash_below(seed, salt + 1, TRAINED)
        game.look[attribute * THEMES + theme] = 1


def mixed(content, value):
    """The content of a layout, one number further (uint64)."""
    return hash_bits(content, value)


# --- the board --------------------------------------------------------------------------------------------------------

def clear(game, columns, rows):
    """An empty board of this size: all wall."""
    game.facts[COLUMNS] = columns
    game.facts[ROWS] = rows
    for y in range(GRID_ROWS):
        for x in range(GRID_COLUMNS):
            game.grid[y, x] = WALL


def fill(game, x, y, columns, rows, kind):
    """Give all cells of a rectangle a class."""
    for j in range(rows):
        for i in range(columns):
            game.grid[MARGIN + y + j, MARGIN + x + i] = kind


def at(game, x, y):
    """The class of a board cell."""
    return game.grid[u64(MARGIN + y), u64(MARGIN + x)]


def put(game, x, y, kind):
    """Give a board cell a class."""
    game.grid[u64(MARGIN + y), u64(MARGIN + x)] = kind


def stand(game, x, y):
    """Put the agent on a cell."""
    game.now[X] = x
    game.now[Y] = y


def moved(game, action):
    """Move the agent by an action 0..4 unless a wall is in the way; whether it moved."""
    if action == 0 or action > 4:
        return False
    x, y = game.now[X] + DX[action], game.now[Y] + DY[action]
    if at(game, x, y) == WALL:
        return False
    stand(game, x, y)
    return True


def look(game, window, left, top):
    """Copy the classes of the cells from (left, top) on into a window of any size."""
    if window.shape[1] == WINDOW:  # what agents see, in every step
        for j in range(window.shape[0]):
            first = (MARGIN + top + j) * GRID_COLUMNS + MARGIN + left
            copy_bytes(window, WINDOW * j, game.grid, first, WINDOW)
        return
    for j in range(window.shape[0]):
        for i in range(window.shape[1]):
            window[j, i] = game.grid[MARGIN + top + j, MARGIN + left + i]


def paint(window, x, y, kind):
    """Give a cell of a window a class, where it lies within."""
    if 0 <= x < window.shape[1] and 0 <= y < window.shape[0]:
        window[y, x] = kind


# --- events -----------------------------------------------------------------------------------------------------------

def intend(game):
    """The intended goal is reached in this step, if it was not before; on an aligned level the proxy goal with it."""
    game.now[INTENDED_STEP] = min(game.now[INTENDED_STEP], game.now[TIME])
    if game.facts[PLACEMENT] == ALIGNED:
        stray(game)


def stray(game):
    """The proxy goal is reached in this step, if it was not before."""
    game.now[PROXY_STEP] = min(game.now[PROXY_STEP], game.now[TIME])
