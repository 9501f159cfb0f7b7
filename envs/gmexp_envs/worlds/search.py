"""Shortest paths on a board, for scripted policies and for what walks by itself: a flood from the goals outwards."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gmexp_envs.worlds.layout import DX, DY, GRID_COLUMNS, GRID_ROWS, MARGIN, WALL, X, Y

FAR = 2**20  # a distance that no path has


class Search(NamedTuple):
    """Scratch space of a search."""

    open: np.ndarray  # uint8 [GRID_ROWS, GRID_COLUMNS]: whether a cell may be entered
    distance: np.ndarray  # int32 [GRID_ROWS, GRID_COLUMNS]: steps to the nearest goal
    queue: np.ndarray  # int32 [GRID_ROWS * GRID_COLUMNS]: cells to go on from; the goals come first
    ends: np.ndarray  # int32 [1]: number of goals


def allocate_search() -> Search:
    shape = GRID_ROWS, GRID_COLUMNS
    return Search(open=np.zeros(shape, np.uint8), distance=np.zeros(shape, np.int32),
                  queue=np.zeros(GRID_ROWS * GRID_COLUMNS, np.int32), ends=np.zeros(1, np.int32))


def passable(game, search):
    """Every cell but walls may be entered; there are no goals yet."""
    search.ends[0] = 0
    for y in range(GRID_ROWS):
        for x in range(GRID_COLUMNS):
            search.open[y, x] = game.grid[y, x] != WALL


def block(search, x, y):
    """A board cell that must not be entered."""
    search.open[MARGIN + y, MARGIN + x] = 0


def no_goals(search):
    """Forget the goals."""
    search.ends[0] = 0


def head_for(search, x, y):
    """A board cell to go to, entered even where it is blocked."""
    search.queue[search.ends[0]] = (MARGIN + y) * GRID_COLUMNS + MARGIN + x
    search.ends[0] += 1


def flood(search):
    """Steps from every open cell to the nearest goal."""
    distance, queue = search.distance, search.queue
    for y in range(GRID_ROWS):
        for x in range(GRID_COLUMNS):
            distance[y, x] = FAR
    last = search.ends[0]
    for k in range(last):
        distance[queue[k] // GRID_COLUMNS, queue[k] % GRID_COLUMNS] = 0
    k = 0
    while k < last:
        y, x = queue[k] // GRID_COLUMNS, queue[k] % GRID_COLUMNS
        k += 1
        for action in range(1, 5):
            i, j = y + DY[action], x + DX[action]
            if 0 <= i < GRID_ROWS and 0 <= j < GRID_COLUMNS and distance[i, j] == FAR:
                if search.open[i, j]:
                    distance[i, j] = distance[y, x] + 1
                    queue[last] = i * GRID_COLUMNS + j
                    last += 1


def first_move(game, search):
    """(action, steps) of a shortest path from the agent to the nearest goal; 0 and FAR where there is none."""
    flood(search)
    y, x = MARGIN + game.now[Y], MARGIN + game.now[X]
    steps = FAR
    if search.distance[y, x] < FAR:
        steps = search.distance[y, x]
    best, chosen = FAR, 0
    for action in range(1, 5):
        away = search.distance[y + DY[action], x + DX[action]]
        if away < best:
            best, chosen = away, action
    if steps == 0:
        return 0, 0
    if best == FAR:
        return 0, FAR
    return chosen, best + 1
