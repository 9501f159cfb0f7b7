"""Flat tiles: frames for pixel agents, pictures for people. A class of cells has a glyph of 5 x 5 points in its colour.

The ground behind a glyph has the colour of the level's theme for floor or things, walls that of the theme for walls, and
the agent in the middle of its window is a glyph of its own in the theme's colour for the agent.
"""

from __future__ import annotations

import colorsys
from functools import cache
from typing import NamedTuple

import numpy as np

from gmexp_envs.worlds.layout import ATTRIBUTES, FREE, THEMES, WALL
from gmexp_envs.worlds.world import World

GLYPH, SIDE = 5, 64  # points across a cell; pixels across a frame
FRAME = SIDE * SIDE * 3  # bytes
AGENT = (".###.", "#####", "##.##", "#####", ".###.")
# of each attribute: lightness and saturation; the themes' hues go round
TONES = {"walls": (0.35, 0.35), "floor": (0.93, 0.35), "agent": (0.35, 0.95), "things": (0.82, 0.5)}


class Tiles(NamedTuple):
    """What a world's pictures are put together from; the agent's glyph comes after those of the classes."""

    glyphs: np.ndarray  # uint8 [classes + 1, GLYPH, GLYPH]
    colours: np.ndarray  # uint8 [classes + 1, 3]
    themes: np.ndarray  # uint8 [attributes, THEMES, 3]


@cache
def tiles_of(world: World) -> Tiles:
    """The glyphs and colours of a world."""
    glyphs = [[[point == "#" for point in line] for line in tile.glyph] for tile in world.tiles]
    glyphs.append([[point == "#" for point in line] for line in AGENT])
    colours = [[int(tile.colour[i:i + 2], 16) for i in (1, 3, 5)] for tile in world.tiles] + [[0, 0, 0]]
    themes = [[[round(255 * part) for part in colorsys.hls_to_rgb((theme / THEMES + k / 32) % 1, *TONES[name])]
               for theme in range(THEMES)] for k, name in enumerate(ATTRIBUTES)]
    return Tiles(np.array(glyphs, np.uint8), np.array(colours, np.uint8), np.array(themes, np.uint8))


def draw(window, look, tiles, height, width, channels_first, lane, lanes, image):
    """Draw a window of cells with the agent in the middle into bytes: [height, width, 3], or [3, height, width]; of the
    lines those from `lane` on, every `lanes`-th."""
    rows, columns, agent = window.shape[0], window.shape[1], tiles.glyphs.shape[0] - 1
    walls, floor, player, things = 0, 0, 0, 0
    for theme in range(THEMES):
        walls = theme if look[theme] else walls
        floor = theme if look[THEMES + theme] else floor
        player = theme if look[2 * THEMES + theme] else player
        things = theme if look[3 * THEMES + theme] else things
    for i in range(lane, height, lanes):
        v = i * GLYPH * rows // height
        for j in range(width):
            u = j * GLYPH * columns // width
            y, x, inside_y, inside_x = v // GLYPH, u // GLYPH, v % GLYPH, u % GLYPH
            kind = window[y, x]
            middle = y == rows // 2 and x == columns // 2
            for c in range(3):
                if middle and tiles.glyphs[agent, inside_y, inside_x]:
                    colour = tiles.themes[2, player, c]
                elif kind == WALL:
                    colour = tiles.themes[0, walls, c]
                elif kind != FREE and tiles.glyphs[kind, inside_y, inside_x]:
                    colour = tiles.colours[kind, c]
                elif kind == FREE:
                    colour = tiles.themes[1, floor, c]
                else:
                    colour = tiles.themes[3, things, c]
                place = c * height * width + i * width + j if channels_first else 3 * (i * width + j) + c
                image[place] = colour
