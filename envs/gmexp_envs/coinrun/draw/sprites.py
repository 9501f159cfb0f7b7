"""The images CoinRun is drawn with, from the data folder of an installed procgen wheel, or flat colours without it.

    sprites = load_sprites()                          # procgen's own look; shared by all environments of the process
    sprites.require(world.facts[:, BACKGROUND])       # backgrounds are decoded when they are first needed
    render(table, num_envs, sprites.images, frames, False, rows, 0, num_envs)

Frames are so small that a tile is sampled at every 25th pixel, a sprite at every 26th. Pixels that one drawing takes
are therefore stored side by side, which saves the renderer most of its cache misses: pixel (x, y) of image k is
`pixels[offset[k] + place_x[kind[k], x] + place_y[kind[k], y]]`, a premultiplied 0xAABBGGRR word. Opaque tiles are stored
once more as bytes, in the order in which they are copied to a frame: `tiles[start:]` is [25, 25, 6, 6, 3] for the first
sampled row and column, the further ones of both, and the colours. Backgrounds are rows of bytes, red first, in one pool
that reserves address space for all of them (303 MB); only those in use take memory. Flat colours (procgen's
`use_monochrome_assets`) need no files.

A frame takes background pixels at equal distances, `sky_step`, from some first one on. A row is therefore stored as planes:
plane p has, for every column of the screen, the pixel p to the right of where it lies when the first one is the row's own.
A frame's line is then a piece of one plane, or of the next one where the remainders of first pixel and column carry.
"""

import math
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gmexp_envs.coinrun import layout as L
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.pages import paged_zeros
from gmexp_envs.procgen_family.images import (
    BLACK, GROUNDS, TILE, as_bytes, assets_folder, default_style, flat_colour, read_image, read_opaque,
)

__all__ = ["Images", "Sprites", "default_style", "load_sprites"]

TILE_PERIOD, SPRITE_PERIOD = 25, 26  # distance of the pixels that one drawing samples
TILES, SPRITES, PLAYERS, PLAIN = range(4)  # kinds of storage; PLAIN is for images of up to 17 x 17 pixels
PLAIN_SIZE = 17
TILE_SPAN = 6  # at most so many pixels of a tile are drawn across or down
SKY_PIXEL = 3  # bytes of a background's pixel
UNIT = np.float32(np.float32(64) / np.float32(13))  # pixels of the screen per cell
LEVEL = np.float32(np.float32(L.SIZE) * UNIT)  # and per level

# procgen's image types that are no grid cells, for their flat colours (coinrun.cpp, object-ids.h)
PLAYER, SAW_TURNED, ENEMY_1, ENEMY_2, PLAYER_RIGHT_1, PLAYER_RIGHT_2, TRAIL = 0, 3, 6, 7, 12, 13, 59
DECOY_TYPE = 14  # unused by procgen: a colour of its own

# numbers of the images; themed ones are followed by their further themes, mirrored ones by `MIRRORED_*` later
STAND, WALK_1, WALK_2 = (k * L.AGENT_THEMES for k in range(3))
MIRRORED_PLAYER = 3 * L.AGENT_THEMES
ENEMY_STEP_1 = 2 * MIRRORED_PLAYER
ENEMY_STEP_2 = ENEMY_STEP_1 + L.ENEMY_THEMES
MIRRORED_ENEMY = 2 * L.ENEMY_THEMES
GROUND_TOP = ENEMY_STEP_1 + 2 * MIRRORED_ENEMY
GROUND = GROUND_TOP + L.WALL_THEMES
COIN_IMAGE, DECOY_IMAGE, LAVA_TOP_IMAGE, LAVA_IMAGE, SAW_IMAGE, SAW_TURNED_IMAGE = (
    GROUND + L.WALL_THEMES + k for k in range(6))
CRATE_IMAGE = SAW_TURNED_IMAGE + 1
TRAIL_IMAGE = CRATE_IMAGE + L.CRATE_THEMES
FIRST_BACKGROUND = TRAIL_IMAGE + 1
NUM_IMAGES = FIRST_BACKGROUND + L.BACKGROUNDS

NO_TILE = -1  # in `Images.tile_of_cell`
DECOY = 127  # stands for a decoy there, which the grid does not know
TILE_IMAGES = {L.WALL_MID: GROUND, L.WALL_TOP: GROUND_TOP, L.LAVA_MID: LAVA_IMAGE, L.LAVA_TOP: LAVA_TOP_IMAGE,
               L.GOAL: COIN_IMAGE, L.PERMEABLE: GROUND, DECOY: DECOY_IMAGE}
THEMED_CELLS = (L.WALL_MID, L.WALL_TOP, L.PERMEABLE)

PLAYER_COLOURS = ("Beige", "Blue", "Green", "Pink", "Yellow")
WALKERS = ("slimeBlock", "slimePurple", "slimeBlue", "slimeGreen", "mouse", "snail", "ladybug", "wormGreen", "wormPink")
CRATES = ("boxCrate", "boxCrate_double", "boxCrate_single", "boxCrate_warning")
BACKGROUND_FILES = tuple(
    [f"platform_backgrounds/{name}" for name in """
        alien_bg another_world_bg back_cave caverns cyberpunk_bg parallax_forest scifi_bg scifi2_bg living_tissue_bg
        airadventurelevel1 airadventurelevel2 airadventurelevel3 airadventurelevel4 cave_background blue_desert
        blue_grass blue_land blue_shroom colored_desert colored_grass colored_land colored_shroom landscape1 landscape2
        landscape3 landscape4 battleback1 battleback2 battleback3 battleback4 battleback5 battleback6 battleback7
        battleback8 battleback9 battleback10 sunrise""".split()]
    + [f"platform_backgrounds_2/{name}{k}" for name in ("beach", "fantasy", "candy") for k in range(1, 5)]
    + [f"space_backgrounds/{name}" for name in """
        deep_space_01 spacegen_01 milky_way_01 ez_space_lite_01 meyespace_v1_01 eye_nebula_01 deep_sky_01
        space_nebula_01 Background-1 Background-2 Background-3 Background-4 parallax-space-backgound""".split()])


def _places() -> tuple[np.ndarray, np.ndarray]:
    """int32 [4, 256] tables `place_x` and `place_y`, see above."""
    i = np.arange(2 * TILE)
    place_x, place_y = np.zeros((2, 4, 2 * TILE), np.int32)
    for kind, period in ((TILES, TILE_PERIOD), (SPRITES, SPRITE_PERIOD)):
        across = -(-TILE // period)  # how many pixels of a row belong together
        place_x[kind] = i % period * across**2 + i // period
        place_y[kind] = i % period * period * across**2 + i // period * across
    across = -(-TILE // SPRITE_PERIOD)
    place_x[PLAYERS] = i % SPRITE_PERIOD * across + i // SPRITE_PERIOD
    place_y[PLAYERS] = i * SPRITE_PERIOD * across  # a player is sampled at 25.8 pixels down
    place_x[PLAIN], place_y[PLAIN] = i, i * PLAIN_SIZE
    return place_x, place_y


PLACE_X, PLACE_Y = _places()


class Images(NamedTuple):
    """What the renderer reads; see the module's description for how pixels are stored."""

    pixels: np.ndarray  # uint32, premultiplied 0xAABBGGRR
    place_x: np.ndarray  # int32 [4, 256]
    place_y: np.ndarray  # int32 [4, 256]
    kind: np.ndarray  # int32 [NUM_IMAGES]
    offset: np.ndarray  # int64 [NUM_IMAGES]: in `pixels`, for backgrounds in `sky`
    width: np.ndarray  # int32 [NUM_IMAGES]
    height: np.ndarray  # int32 [NUM_IMAGES]
    span: np.ndarray  # int32 [NUM_IMAGES]: bytes of a plane's row; of backgrounds, as are the next two
    planes: np.ndarray  # int32 [NUM_IMAGES]: how many there are
    first: np.ndarray  # int32 [NUM_IMAGES]: byte of a plane's row at which the background begins, when it is the row's own
    flat: np.ndarray  # bool [1]: one colour each, drawn by procgen's rules for rectangles
    tiles: np.ndarray  # uint8: opaque tiles
    tile_of_cell: np.ndarray  # int32 [WALL_THEMES, 128]: where a cell's tile starts in `tiles`, or `clear_tile`, or NO_TILE
    sky: np.ndarray  # uint8: backgrounds


class Sprites:
    """Images of one look; see `load_sprites`."""

    def __init__(self, images: Images, files: list[Path]):
        self.images = images
        self._files = files  # of the backgrounds, where there are any
        self._missing = np.zeros(L.BACKGROUNDS, np.bool_)
        self._missing[:len(files)] = True
        self._lock = threading.Lock()

    def require(self, backgrounds: np.ndarray) -> None:
        """Decode those of the numbered backgrounds that are not in memory yet."""
        if not self._missing[backgrounds].any():
            return
        with self._lock:
            for number in np.unique(backgrounds):
                if self._missing[number]:
                    _store_sky(self.images, number, read_opaque(self._files[number]))
                    self._missing[number] = False

    def image(self, number: int) -> np.ndarray:
        """One image as uint8 [height, width, 4], red first, premultiplied."""
        images = self.images
        if number >= FIRST_BACKGROUND:
            height, width = images.height[number], images.width[number]
            sky = (read_opaque(self._files[number - FIRST_BACKGROUND]) if self._files
                   else np.zeros((height, width, SKY_PIXEL), np.uint8))
            return np.concatenate([sky, np.full_like(sky[:, :, :1], 255)], axis=2)
        height, width, kind = images.height[number], images.width[number], images.kind[number]
        places = images.place_x[kind, :width] + images.place_y[kind, :height, None]
        words = images.pixels[images.offset[number] + places]
        return as_bytes(words)


@lru_cache(maxsize=8)
def load_sprites(use_backgrounds: bool = True, restrict_themes: bool = False,
                 use_monochrome_assets: bool = False) -> Sprites:
    """The images for procgen's options of the same names.

    Without an installed procgen only `use_backgrounds=False, use_monochrome_assets=True` is possible.
    """
    images = list(_flat_colours(restrict_themes)) if use_monochrome_assets else list(_drawings(restrict_themes))
    files = ([assets_folder() / f"{name}.png" for name in BACKGROUND_FILES]
             if use_backgrounds else [])
    shapes = [image.shape for image in images]
    for file in files:
        with Image.open(file) as header:
            shapes.append((header.height, header.width))
    if not files:
        shapes.append((1, 1))  # the black pixel that stands for all backgrounds
    which = np.minimum(np.arange(NUM_IMAGES), len(shapes) - 1)
    heights, widths = np.array(shapes, np.int32)[which].T
    kinds = [_kind(number) for number in range(len(images))]
    places = [PLACE_X[kind, :w] + PLACE_Y[kind, :h, None] for kind, (h, w) in zip(kinds, shapes, strict=False)]
    starts = np.cumsum([0] + [int(place.max()) + 1 for place in places])
    pixels = np.empty(starts[-1], np.uint32)
    for image, place, start in zip(images, places, starts, strict=False):
        pixels[start + place] = image
    spans, planes, firsts = np.array([_sky_rows(*shape) for shape in shapes], np.int32)[which].T
    sky_starts = np.cumsum([0] + [sky_bytes(h, *_sky_rows(h, w)[:2]) for h, w in shapes[len(images):]])
    sky = paged_zeros((int(sky_starts[-1]),), np.uint8)
    tiles, tile_of_cell = _tile_tables(images)
    return Sprites(Images(
        pixels, PLACE_X, PLACE_Y, np.array([_kind(k) for k in which], np.int32),
        np.concatenate([starts[:-1], sky_starts[:-1]])[which], widths.copy(), heights.copy(),
        spans.copy(), planes.copy(), firsts.copy(), np.array([use_monochrome_assets]), tiles, tile_of_cell, sky), files)


def clear_tile(number: int) -> int:
    """How `tile_of_cell` tells of image `number`, which is partly transparent; its own inverse."""
    return NO_TILE - 1 - number


def _tile_tables(images: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """`Images.tiles` and `Images.tile_of_cell` (the decoy's at cell DECOY)."""
    samples = np.minimum(np.arange(TILE_PERIOD)[:, None] + TILE_PERIOD * np.arange(TILE_SPAN), TILE - 1)
    stored: list[np.ndarray] = []
    tile_of_cell = np.full((L.WALL_THEMES, 128), NO_TILE, np.int32)
    for cell, number in TILE_IMAGES.items():
        for theme in range(L.WALL_THEMES):
            k = number + theme * (cell in THEMED_CELLS)
            if (images[k] < BLACK).any():
                tile_of_cell[theme, cell] = clear_tile(k)
                continue
            tile_of_cell[theme, cell] = sum(block.size for block in stored)
            block = images[k][samples[:, None, :, None], samples[None, :, None, :]]
            stored.append(as_bytes(block)[..., :3].ravel())
    return np.concatenate([*stored, np.zeros(1, np.uint8)]), tile_of_cell  # a byte after a line of a tile may be read


@jit(inline="always")
def sky_step(height, width):
    """Source pixels of a background from one column of the screen to the next, in 16.16 fixed point."""
    aspect = np.float32(np.float32(width) / np.float32(height))
    return np.int32(65536.0 / (np.float64(LEVEL) * np.float64(aspect) / np.float64(width)))


def _sky_rows(height: int, width: int) -> tuple[int, int, int]:
    """Of a background: bytes of a plane's row, how many planes there are, and the byte of the background's own first column.

    A frame looks at most half its width beyond the level's ends, and a narrow background may begin or end within the level.
    """
    step = int(sky_step.py_func(height, width))
    beyond = 32 + max(0, math.ceil(LEVEL * (1 - width / height)))
    return SKY_PIXEL * (2 * beyond + 1 + (width << 16) // step), (step >> 16) + 2, SKY_PIXEL * beyond


def sky_bytes(height: int, span: int, planes: int) -> int:
    """How much of the pool a background takes."""
    return height * span * planes


def _store_sky(images: Images, number: int, picture: np.ndarray) -> None:
    """Write background `number`, uint8 [height, width, 3], to the pool; beyond its edges, where walls hide it, it is
    continued."""
    k = FIRST_BACKGROUND + number
    height, width = picture.shape[:2]
    start, span, planes = images.offset[k], int(images.span[k]), int(images.planes[k])
    rows = images.sky[start:start + sky_bytes(height, span, planes)].reshape(height, planes, span // SKY_PIXEL, SKY_PIXEL)
    columns = sky_step.py_func(height, width) * (np.arange(span // SKY_PIXEL) - images.first[k] // SKY_PIXEL) >> 16
    for plane in range(planes):
        rows[:, plane] = picture[:, np.clip(columns + plane, 0, width - 1)]


def _kind(number: int) -> int:
    """How an image is stored."""
    if number < ENEMY_STEP_1:
        return PLAYERS
    if GROUND_TOP <= number < SAW_IMAGE:
        return TILES
    return SPRITES if number < TRAIL_IMAGE else PLAIN


def _drawings(restrict_themes: bool) -> Iterator[np.ndarray]:
    """procgen's sprites in the order of their numbers."""
    kenney = assets_folder() / "kenney"

    def themed(names: tuple[str, ...], pattern: str) -> list[np.ndarray]:
        chosen = (names[0],) * len(names) if restrict_themes else names
        return [read_image(kenney / pattern.format(name, name.lower())) for name in chosen]

    players = [image for pose in ("stand", "walk1", "walk2")
               for image in themed(PLAYER_COLOURS, "Players/128x256/{0}/alien{0}_" + pose + ".png")]
    walkers = themed(WALKERS, "Enemies/{0}.png") + themed(WALKERS, "Enemies/{0}_move.png")
    for images in (players, walkers):
        yield from images
        yield from (image[:, ::-1] for image in images)
    yield from themed(GROUNDS, "Ground/{0}/{1}Mid.png")
    yield from themed(GROUNDS, "Ground/{0}/{1}Center.png")
    for name in ("Items/coinGold", "Items/gemBlue", "Tiles/lavaTop_low", "Tiles/lava", "Enemies/sawHalf",
                 "Enemies/sawHalf_move"):
        yield read_image(kenney / f"{name}.png")
    yield from themed(CRATES, "Tiles/{0}.png")
    yield read_image(kenney.parent / "misc_assets" / "iconCircle_white.png")


def _flat_colours(restrict_themes: bool) -> Iterator[np.ndarray]:
    """One colour per image type and theme (`color_for_type`), in the order of the images' numbers."""
    def themed(kind: int, themes: int) -> list[np.ndarray]:
        return [flat_colour(kind, 0 if restrict_themes else theme) for theme in range(themes)]

    players = [image for kind in (PLAYER, PLAYER_RIGHT_1, PLAYER_RIGHT_2) for image in themed(kind, L.AGENT_THEMES)]
    walkers = themed(ENEMY_1, L.ENEMY_THEMES) + themed(ENEMY_2, L.ENEMY_THEMES)
    yield from players * 2 + walkers * 2
    yield from themed(L.WALL_TOP, L.WALL_THEMES) + themed(L.WALL_MID, L.WALL_THEMES)
    for kind in (L.GOAL, DECOY_TYPE, L.LAVA_TOP, L.LAVA_MID, L.SAW, SAW_TURNED):
        yield flat_colour(kind, 0)
    yield from themed(L.CRATE, L.CRATE_THEMES)
    yield flat_colour(TRAIL, 0)
