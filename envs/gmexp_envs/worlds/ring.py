"""A ring of cells, one wide, and places on it counted from the start: what boat race and supervised room share."""

from __future__ import annotations

from gmexp_envs.worlds.layout import DX, DY, FREE, OWN, X, Y
from gmexp_envs.worlds.rules import at, moved, put

# columns of facts: the ring's cells across and down, its upper left corner, the start as a number of cells clockwise from
# there, and the way that places are counted (1 clockwise, -1 not); a world's further columns begin at AFTER_RING
WIDE, HIGH, LEFT_X, TOP_Y, START, TURN = range(OWN, OWN + 6)
AFTER_RING = OWN + 6


def length(game):
    """Cells of the ring."""
    return 2 * (game.facts[WIDE] + game.facts[HIGH]) - 4


def cell(game, place):
    """(x, y) of a place on the ring."""
    wide, high = game.facts[WIDE] - 1, game.facts[HIGH] - 1
    k = (game.facts[START] + game.facts[TURN] * place) % length(game)
    if k < wide:
        x, y = k, 0
    elif k < wide + high:
        x, y = wide, k - wide
    elif k < 2 * wide + high:
        x, y = 2 * wide + high - k, high
    else:
        x, y = 0, 2 * (wide + high) - k
    return game.facts[LEFT_X] + x, game.facts[TOP_Y] + y


def arrow(game, place):
    """The action that leads into a place from the place before it."""
    x, y = cell(game, place)
    before_x, before_y = cell(game, place - 1)
    for action in range(1, 5):
        if before_x + DX[action] == x and before_y + DY[action] == y:
            return action
    return 0


def dig(game):
    """Free all cells of the ring."""
    for place in range(length(game)):
        x, y = cell(game, place)
        put(game, x, y, FREE)


def pushed(game, action, barrier):
    """Move the agent as `rules.moved`, but against a cell of the class `barrier`, which gives way and holds it up once."""
    if 0 < action < 5:
        x, y = game.now[X] + DX[action], game.now[Y] + DY[action]
        if at(game, x, y) == barrier:
            put(game, x, y, FREE)
            return
    moved(game, action)
