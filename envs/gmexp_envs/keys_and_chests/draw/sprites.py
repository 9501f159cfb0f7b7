"""The images that Keys and Chests is drawn with, cut to the cells of both sizes of levels."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.procgen_family.binary import assets_folder
from gmexp_envs.procgen_family.blit import FRAME
from gmexp_envs.procgen_family.board import Blocks, cover, cut, NO_OVERLAP, OVERLAP, View
from gmexp_envs.procgen_family.images import flat_colour, GROUNDS, Images, pack_images, read_image, topdown_backgrounds

COLOURS = ("Blue", "Green", "Red")  # of keys and locks: heist's numbers
KEY_COLOURS, CHEST_COLOURS = (1, 0, 2), (0, 1, 2)  # of the themes, the game's own first
EXIT_IMAGE, AGENT_IMAGE = len(COLOURS), len(COLOURS) + 1  # in `Sprites.images`, after the keys
NUM_IMAGES = len(COLOURS) + 2
AGENT_TYPE = 0


class Board(NamedTuple):
    """What is cut to the cells of one size of levels."""

    walls: Blocks  # by theme
    chests: Blocks  # by colour
    backgrounds: np.ndarray  # uint8 [9, FRAME]


class Sprites(NamedTuple):
    """Images of one look; see `load_sprites`."""

    images: Images  # keys by colour, exit, agent: what is not at cells
    easy: Board
    hard: Board


class Pictures(NamedTuple):
    """Images as words [height, width]."""

    walls: list[np.ndarray]  # by theme
    chests: list[np.ndarray]  # by colour
    others: list[np.ndarray]  # keys by colour, exit, agent


@lru_cache(maxsize=8)
def read_pictures(restrict_themes: bool, use_monochrome_assets: bool) -> Pictures:
    """procgen's images, or its flat colours."""
    if use_monochrome_assets:
        walls = [flat_colour(L.WALL, theme) for theme in range(L.WALL_THEMES)]
        chests, keys = ([flat_colour(kind, colour) for colour in range(len(COLOURS))] for kind in (L.CHEST, L.KEY))
        rest = [flat_colour(L.EXIT, 0), flat_colour(AGENT_TYPE, 0)]
    else:
        assets = assets_folder()
        walls = [read_image(assets / f"kenney/Ground/{name}/{name.lower()}Center.png") for name in GROUNDS]
        chests = [read_image(assets / f"misc_assets/lock_{colour.lower()}.png") for colour in COLOURS]
        keys = [read_image(assets / f"misc_assets/key{colour}.png") for colour in COLOURS]
        rest = [read_image(assets / f"misc_assets/{name}.png") for name in ("gemYellow", "spaceAstronauts_008")]
    return Pictures(walls[:1] * len(walls) if restrict_themes else walls, chests, [*keys, *rest])


@lru_cache(maxsize=8)
def load_sprites(use_backgrounds: bool = True, restrict_themes: bool = False,
                 use_monochrome_assets: bool = False) -> Sprites:
    """The images for procgen's options of the same names.

    Without an installed procgen only `use_backgrounds=False, use_monochrome_assets=True` is possible.
    """
    flat = use_monochrome_assets
    walls, chests, others = read_pictures(restrict_themes, flat)
    boards = []
    for size in (L.MODES["easy"], L.MODES["hard"]):
        view = View(size)
        backgrounds = ([cover(view, image) for image in topdown_backgrounds()] if use_backgrounds
                       else np.zeros((L.BACKGROUNDS, FRAME), np.uint8))
        boards.append(Board(cut(view, walls, OVERLAP, flat), cut(view, chests, NO_OVERLAP, flat), np.array(backgrounds)))
    return Sprites(pack_images(others, flat), *boards)
