"""What Maze is drawn with: images cut to the cells of both modes' worlds, from an installed wheel, or flat colours.

The fork's lines are in no wheel: they are drawn here as they are described (corner to corner, about as wide), as are
gems and a star where colours are flat, so that Maze II can be told in any style.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gmexp_envs.maze import layout as L
from gmexp_envs.procgen_family.blit import FRAME
from gmexp_envs.procgen_family.board import Blocks, cover, cut, NO_OVERLAP, OVERLAP, View
from gmexp_envs.procgen_family.images import (
    assets_folder, BLACK, flat_colour, GROUNDS, read_image, TILE, topdown_backgrounds,
)

# numbers of the images of grid cells; the objects are the first, in the order of `layout`
WALL_IMAGE = L.NUM_OBJECTS
NUM_CELL_IMAGES = WALL_IMAGE + L.WALL_THEMES
MIRRORED_AGENT = L.AGENT_THEMES  # of the images of figures: agents, then mirrored agents
NUM_FIGURES = 2 * L.AGENT_THEMES
AGENTS = ("mouse", "ladybug", "frog", "snail", "bee")
YELLOW, RED, BLUE = (255, 216, 0), (255, 0, 0), (0, 160, 255)
WALL_TYPE, GOAL_TYPE, AGENT_TYPE = 51, 2, 0  # procgen's image types, for their flat colours
LINE_FROM, LINE_TO = -11, 13  # pixels right of the diagonal that belong to a line: as many cells hide it as the fork's
BOARD_TABLE = 9  # length of a row of `Boards.table`


class Board(NamedTuple):
    """Images of one mode's world."""

    cells: Blocks  # of NUM_CELL_IMAGES images
    figures: Blocks  # of NUM_FIGURES images
    grounds: np.ndarray  # uint8 [9, FRAME]: backgrounds as they cover the frame


class Boards(NamedTuple):
    """Images of one style."""

    easy: Board
    hard: Board
    table: np.ndarray  # uint64 [2, BOARD_TABLE]: of easy and hard, the arrays' addresses and the spans of both blocks

    def of(self, mode: str) -> Board:
        return self.easy if mode == "easy" else self.hard


@lru_cache(maxsize=8)
def load_boards(use_backgrounds: bool = True, restrict_themes: bool = False,
                use_monochrome_assets: bool = False) -> Boards:
    """The images for procgen's options of the same names; flat colours on black need no installed procgen."""
    options = use_backgrounds, restrict_themes, use_monochrome_assets
    grounds = topdown_backgrounds() if use_backgrounds else []
    images, agents = cell_images(*options), figure_images(*options)
    boards = []
    for size in L.SIZES.values():
        view, flat = View(size), use_monochrome_assets
        shapes = slice(1, WALL_IMAGE)  # which are never one colour all over
        parts = [cut(view, images[some], OVERLAP, flat and some is not shapes)
                 for some in (slice(0, 1), shapes, slice(WALL_IMAGE, None))]
        cells = parts[0]._replace(words=np.concatenate([part.words for part in parts]))
        figures = cut(view, agents, NO_OVERLAP, flat)
        covers = np.stack([cover(view, ground) for ground in grounds]) if grounds else np.zeros(
            (L.BACKGROUNDS, FRAME), np.uint8)
        boards.append(Board(cells, figures, covers))
    return Boards(*boards, tabulate(boards, lambda array: array.ctypes.data))


def tabulate(boards, address) -> np.ndarray:
    """`Boards.table` for boards whose arrays are where `address` says."""
    return np.array([[*(address(array) for array in (*board.cells, *board.figures, board.grounds)),
                      board.cells.words.shape[-1], board.figures.words.shape[-1]] for board in boards], np.uint64)


@lru_cache(maxsize=8)
def cell_images(use_backgrounds: bool, restrict_themes: bool, use_monochrome_assets: bool) -> list[np.ndarray]:
    """The images of grid cells in the order of their numbers, words [height, width]."""
    walls = [_wall(0 if restrict_themes else (theme - L.SAND) % L.WALL_THEMES, use_monochrome_assets)
             for theme in range(L.WALL_THEMES)]
    return (_shapes() if use_monochrome_assets else _sprites()) + walls


@lru_cache(maxsize=8)
def figure_images(use_backgrounds: bool, restrict_themes: bool, use_monochrome_assets: bool) -> list[np.ndarray]:
    """The images of agents in the order of their numbers: as they are, then mirrored."""
    agents = [_agent(0 if restrict_themes else theme, use_monochrome_assets) for theme in range(L.AGENT_THEMES)]
    return agents + [image[:, ::-1] for image in agents]


def _sprites() -> list[np.ndarray]:
    """Objects in the order of their numbers."""
    names = {L.CHEESE_IMAGE: "misc_assets/cheese", L.YELLOW_GEM: "kenney/Items/gemYellow",
             L.YELLOW_STAR: "kenney/Items/star", L.RED_GEM: "kenney/Items/gemRed", L.DECOY_IMAGE: "kenney/Items/gemBlue"}
    shapes = _shapes()
    return [read_image(assets_folder() / f"{names[k]}.png") if k in names else shapes[k] for k in range(L.NUM_OBJECTS)]


def _shapes() -> list[np.ndarray]:
    """Objects without files: the cheese in procgen's flat colour, the others as simple shapes."""
    shapes = {L.YELLOW_LINE: (_line, YELLOW), L.RED_LINE: (_line, RED), L.YELLOW_GEM: (_gem, YELLOW),
              L.YELLOW_STAR: (_star, YELLOW), L.RED_GEM: (_gem, RED), L.DECOY_IMAGE: (_gem, BLUE)}
    y, x = np.mgrid[:TILE, :TILE].astype(float)
    images = [flat_colour(GOAL_TYPE, 0)]
    for number in range(1, L.NUM_OBJECTS):
        shape, (red, green, blue) = shapes[number]
        images.append(np.where(shape(x, y), np.uint32(BLACK | blue << 16 | green << 8 | red), np.uint32(0)))
    return images


def _line(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x - y >= LINE_FROM) & (x - y <= LINE_TO)


def _gem(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return abs(x - TILE / 2) + abs(y - TILE / 2) <= 0.45 * TILE


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A star of five points."""
    x, y = x - TILE / 2, TILE / 2 - y
    angle = (np.arctan2(x, y) + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5
    tip, notch = 0.5 * TILE, 0.22 * TILE
    across, along = np.hypot(x, y) * np.sin(abs(angle)), np.hypot(x, y) * np.cos(angle)
    edge_x, edge_y = notch * np.sin(np.pi / 5), notch * np.cos(np.pi / 5)
    return (along - edge_y) * edge_x <= (tip - edge_y) * (edge_x - across)


def _wall(theme: int, flat: bool) -> np.ndarray:
    """A wall's image; theme 0 is procgen's own."""
    if flat:
        return flat_colour(WALL_TYPE, theme)
    name = GROUNDS[(theme + L.SAND) % L.WALL_THEMES]
    return read_image(assets_folder() / f"kenney/Ground/{name}/{name.lower()}Center.png")


def _agent(theme: int, flat: bool) -> np.ndarray:
    return flat_colour(AGENT_TYPE, theme) if flat else read_image(
        assets_folder() / f"kenney/Enemies/{AGENTS[theme]}_move.png")
