"""64 x 64 frames of Maze, equal to procgen's bit for bit.

Only the agent moves, and nothing is drawn over it: the board without it is drawn once a level and kept, and a step redraws
the two cells that the agent leaves and enters.
"""

from typing import NamedTuple

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import array_at
from gmexp_envs.maze.draw.boards import Board, MIRRORED_AGENT, NUM_CELL_IMAGES, NUM_FIGURES, WALL_IMAGE
from gmexp_envs.maze.episode import opened
from gmexp_envs.maze.layout import (
    AGENT_THEME, BACKGROUND, BACKGROUNDS, DECOY, DECOY_IMAGE, EASY, GOAL, GOAL_IMAGE, GOAL_SHOWN, GOAL_X, GOAL_Y,
    MIRRORED, PROXY_X, PROXY_Y, SECOND, SECOND_IMAGE, SECOND_SHOWN, SIZES, STALE, WALL_CELL, WALL_THEME, X, Y,
)
from gmexp_envs.procgen_family.blit import FRAME, LINE, OPAQUE, PIXEL, RESOLUTION, scaled
from gmexp_envs.procgen_family.board import Blocks, COUNT, draw_cells, START

i32, u8, u32, u64 = np.int32, np.uint8, np.uint32, np.uint64
EASY_SIZE, HARD_SIZE = SIZES["easy"], SIZES["hard"]
KINDS = 256  # of grid cells


class Kept(NamedTuple):
    """Pictures that are kept between frames."""

    canvas: np.ndarray  # uint8 [N * FRAME + 1]: the boards without agents
    agents: np.ndarray  # int32 [N, 2]: cells in which the agents are drawn in the frames


@jit(inline="always")
def board_at(boards, easy):
    """The `Board` of a mode, from `Boards.table`."""
    k, side = (0, EASY_SIZE) if easy else (1, HARD_SIZE)
    table = boards[k]
    span, figure = np.int64(table[7]), np.int64(table[8])
    cells = Blocks(array_at(table[0], (NUM_CELL_IMAGES, side, side, span, span), np.uint32),
                   array_at(table[1], (side, 2), np.int32), array_at(table[2], (side, 2), np.int32))
    figures = Blocks(array_at(table[3], (NUM_FIGURES, side, side, figure, figure), np.uint32),
                     array_at(table[4], (side, 2), np.int32), array_at(table[5], (side, 2), np.int32))
    return Board(cells, figures, array_at(table[6], (BACKGROUNDS, FRAME), np.uint8))


@jit
def number_images(world, e, numbers):
    """Which image every kind of cell has in world e's level: the entries of `numbers` (int32 [256], else -1) that vary."""
    facts = world.facts[e]
    numbers[WALL_CELL] = WALL_IMAGE + facts[WALL_THEME]
    numbers[GOAL] = facts[GOAL_IMAGE]
    numbers[SECOND] = facts[SECOND_IMAGE]
    numbers[DECOY] = DECOY_IMAGE


@jit(forceinline=True)
def draw_board(world, e, boards, numbers, canvas, low, high):
    """Draw lines low..high-1 of world e's board, background, cells and all but the agent."""
    facts = world.facts[e]
    board = board_at(boards, facts[EASY])
    at, ground = e * u64(FRAME), board.grounds[u64(facts[BACKGROUND])]
    for k in range(LINE * low, LINE * high):
        canvas[at + u64(k)] = ground[u64(k)]
    draw_cells(board.cells, numbers, world.grid[e], EASY_SIZE if facts[EASY] else HARD_SIZE, canvas, at, low, high)


@jit
def _is_covered(blocks, numbers, grid, side, x, y, row, column):
    """Whether an opaque pixel of a cell drawn after (x, y) lies on this one of the frame."""
    for k in range(4):
        i, j = x + (k > 0), y + (1 if k == 0 else k - 2)
        if not (0 <= i < side and 0 <= j < side):
            continue
        image = numbers[u64(grid[u64(j), u64(i)])]
        r, c = row - blocks.rows[u64(j), START], column - blocks.columns[u64(i), START]
        if image >= 0 and 0 <= r < blocks.rows[u64(j), COUNT] and 0 <= c < blocks.columns[u64(i), COUNT]:
            if u32(blocks.words[u64(image), u64(i), u64(j), u64(r), u64(c)] >> u32(24)) == OPAQUE:
                return True
    return False


@jit
def _is_shown(world, e, blocks, numbers, x, y):
    """Whether a pixel of what lies in cell (x, y) can be seen in the frame; -1 where nothing that is drawn lies there."""
    grid, side = world.grid[e], EASY_SIZE if world.facts[e, EASY] else HARD_SIZE
    if x < 0 or numbers[u64(grid[u64(y), u64(x)])] < 0:
        return i32(-1)
    words = blocks.words[u64(numbers[u64(grid[u64(y), u64(x)])]), u64(x), u64(y)]
    top, left = blocks.rows[u64(y), START], blocks.columns[u64(x), START]
    for r in range(blocks.rows[u64(y), COUNT]):
        for c in range(blocks.columns[u64(x), COUNT]):
            if u32(words[u64(r), u64(c)] >> u32(24)) != u32(0) and not _is_covered(
                    blocks, numbers, grid, side, x, y, top + r, left + c):
                return i32(1)
    return i32(0)


@jit
def note_what_shows(world, e, boards, numbers):
    """Write into the facts whether the frame shows the goal, and the second object."""
    facts = world.facts[e]
    blocks = board_at(boards, facts[EASY]).cells
    facts[GOAL_SHOWN] = _is_shown(world, e, blocks, numbers, facts[GOAL_X], facts[GOAL_Y])
    second = facts[SECOND_IMAGE] >= 0
    facts[SECOND_SHOWN] = _is_shown(world, e, blocks, numbers, facts[PROXY_X], facts[PROXY_Y]) if second else -1


@jit(allocates=True)
def note_rows(table, boards, rows):
    """Note what the frames of the worlds `rows` show, without drawing them."""
    world, _, _ = opened(table)
    numbers = np.full(KINDS, -1, np.int32)
    for k in range(len(rows)):
        number_images(world, u64(rows[k]), numbers)
        note_what_shows(world, u64(rows[k]), boards, numbers)


@jit(inline="always")
def _place(at, row, column, channels_first):
    """Where a pixel's red is in a frame, and how far it is to the next colour."""
    if channels_first:
        return at + u64(RESOLUTION * row + column), u64(RESOLUTION * RESOLUTION)
    return at + u64(LINE * row + PIXEL * column), u64(1)


@jit(forceinline=True)
def show_board(canvas, e, frames, channels_first, low, high):
    """Copy lines low..high-1 of the kept board into the frame."""
    at = e * u64(FRAME)
    if not channels_first:
        for k in range(LINE * low, LINE * high):
            frames[at + u64(k)] = canvas[at + u64(k)]
        return
    for row in range(low, high):
        for column in range(RESOLUTION):
            source, step = at + u64(LINE * row + PIXEL * column), u64(RESOLUTION * RESOLUTION)
            place = at + u64(RESOLUTION * row + column)
            frames[place] = canvas[source]
            frames[place + step] = canvas[source + u64(1)]
            frames[place + step + step] = canvas[source + u64(2)]


@jit(forceinline=True)
def show_agent(world, e, boards, kept, frames, channels_first, fresh):
    """Draw the agent into a frame that shows the board; where it is not `fresh`, the cell it was drawn in is mended."""
    canvas, agents = kept
    clock, facts = world.clock[e], world.facts[e]
    figures = board_at(boards, facts[EASY]).figures
    at, agent = e * u64(FRAME), agents[e]
    if not fresh:
        x, y = u64(agent[0]), u64(agent[1])
        top, left = figures.rows[y, START], figures.columns[x, START]
        for row in range(top, top + figures.rows[y, COUNT]):
            for column in range(left, left + figures.columns[x, COUNT]):
                source = at + u64(LINE * row + PIXEL * column)
                place, step = _place(at, row, column, channels_first)
                frames[place] = canvas[source]
                frames[place + step] = canvas[source + u64(1)]
                frames[place + step + step] = canvas[source + u64(2)]
    agent[0], agent[1] = clock[X], clock[Y]
    x, y = u64(clock[X]), u64(clock[Y])
    number = facts[AGENT_THEME] + (MIRRORED_AGENT if clock[MIRRORED] else 0)
    words = figures.words[u64(number), x, y]
    top, left = figures.rows[y, START], figures.columns[x, START]
    for r in range(figures.rows[y, COUNT]):
        for c in range(figures.columns[x, COUNT]):
            word = words[u64(r), u64(c)]
            alpha = u32(word >> u32(24))
            if alpha != u32(0):
                source = at + u64(LINE * (top + r) + PIXEL * (left + c))
                behind = u32(u32(canvas[source]) | u32(u32(canvas[source + u64(1)]) << u32(8))
                             | u32(u32(canvas[source + u64(2)]) << u32(16)))
                word = u32(word + scaled(behind, u32(OPAQUE - alpha)))
                place, step = _place(at, top + r, left + c, channels_first)
                frames[place] = u8(word)
                frames[place + step] = u8(word >> u32(8))
                frames[place + step + step] = u8(word >> u32(16))


@jit
def _render(table, boards, kept, frames, channels_first, numbers, rows, first, last):
    world, _, _ = opened(table)
    for k in range(first, last):
        e = u64(rows[k])
        fresh = world.clock[e, STALE] != 0
        if fresh:
            number_images(world, e, numbers)
            draw_board(world, e, boards, numbers, kept.canvas, 0, RESOLUTION)
            if world.facts[e, GOAL_SHOWN] < 0:
                note_what_shows(world, e, boards, numbers)
            show_board(kept.canvas, e, frames, channels_first, 0, RESOLUTION)
            world.clock[e, STALE] = 0
        show_agent(world, e, boards, kept, frames, channels_first, fresh)


@jit(allocates=True)
def render(table, boards, kept, frames, channels_first, rows, first, last):
    """Draw the worlds `rows[first:last]` into their `frames`: the bytes of [N, 64, 64, 3], or of [N, 3, 64, 64] channels
    first. `boards` is `Boards.table`; `kept` must be the same arrays for the same frames in every call."""
    _render(table, boards, kept, frames, channels_first, np.full(KINDS, -1, np.int32), rows, first, last)
