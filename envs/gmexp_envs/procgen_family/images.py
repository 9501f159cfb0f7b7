"""The images procgen's games are drawn with, from the data folder of an installed wheel, or flat colours without it.

A pixel is a word 0xAABBGGRR, its colours multiplied by alpha with Qt's rounding. Backgrounds are opaque: procgen drops
what transparency their files have.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from gmexp_envs.procgen_family.binary import assets_folder, installed
from gmexp_envs.vec import FrameStyle

BLACK = 0xFF000000
TILE = 128  # pixels across and down most images
GROUNDS = ("Dirt", "Grass", "Planet", "Sand", "Snow", "Stone")  # of kenney/Ground, each with its walls
TOPDOWN_BACKGROUNDS = ("floortiles", *(f"backgrounddetailed{k}" for k in range(1, 9)))  # of maze and heist, in order


class Images(NamedTuple):
    """Images as `blit` reads them: pixel (x, y) of image k is
    `pixels[offset[k] + place_x[kind[k], x] + place_y[kind[k], y]]`."""

    pixels: np.ndarray  # uint32
    place_x: np.ndarray  # int32 [kinds, longest side]
    place_y: np.ndarray  # int32 [kinds, longest side]
    kind: np.ndarray  # int32 [images]: how an image's pixels are ordered
    offset: np.ndarray  # int64 [images]
    width: np.ndarray  # int32 [images]
    height: np.ndarray  # int32 [images]
    flat: np.ndarray  # bool [1]: one colour each, drawn by procgen's rules for rectangles


def pack_images(images: Sequence[np.ndarray], flat: bool = False) -> Images:
    """Words [height, width] of several images as `Images`, row after row; images of one width share a kind."""
    heights, widths = np.array([image.shape for image in images], np.int32).T
    distinct, kinds = np.unique(widths, return_inverse=True)
    steps = np.arange(max(heights.max(), widths.max()), dtype=np.int32)
    return Images(
        np.concatenate([image.ravel() for image in images]).astype(np.uint32),
        np.tile(steps, (len(distinct), 1)), distinct[:, None].astype(np.int32) * steps, kinds.astype(np.int32),
        np.cumsum([0, *(image.size for image in images[:-1])], dtype=np.int64), widths.copy(), heights.copy(),
        np.array([flat]))


def read_image(path: Path) -> np.ndarray:
    """A PNG as words [height, width]."""
    with Image.open(path) as file:
        red, green, blue, alpha = np.moveaxis(np.asarray(file.convert("RGBA")).astype(np.uint32), -1, 0)
    red, green, blue = ((c * alpha + (c * alpha >> 8) + 128) >> 8 for c in (red, green, blue))
    return alpha << 24 | blue << 16 | green << 8 | red


def read_opaque(path: Path) -> np.ndarray:
    """A background as uint8 [height, width, 3], red first."""
    with Image.open(path) as file:
        return np.asarray(file.convert("RGBA"))[:, :, :3]


def as_bytes(words: np.ndarray) -> np.ndarray:
    """Words as uint8 [..., 4], red first."""
    return np.ascontiguousarray(words.astype("<u4")).view(np.uint8).reshape(*words.shape, 4)


def as_words(colours: np.ndarray) -> np.ndarray:
    """uint8 [..., 3] as opaque words [...]."""
    red, green, blue = np.moveaxis(colours.astype(np.uint32), -1, 0)
    return BLACK | blue << 16 | green << 8 | red


def flat_colour(kind: int, theme: int) -> np.ndarray:
    """What procgen's `use_monochrome_assets` draws for an image type and theme (`color_for_type`): words [128, 128]."""
    levels, cubed = 4, 64
    code = (29 * (kind + 1) % cubed + 19 * theme) % cubed
    red, green, blue = (64 * (part % levels + 1) - 1 for part in (code // levels**2, code // levels, code))
    return np.full((TILE, TILE), BLACK | blue << 16 | green << 8 | red, np.uint32)


def default_style() -> FrameStyle:
    """procgen's own look where its wheel is installed, else flat colours on black."""
    return FrameStyle() if installed() else FrameStyle(use_backgrounds=False, use_monochrome_assets=True)


def topdown_backgrounds() -> list[np.ndarray]:
    """The backgrounds of maze and heist, uint8 [height, width, 3] each."""
    return [read_opaque(assets_folder() / "topdown_backgrounds" / f"{name}.png") for name in TOPDOWN_BACKGROUNDS]
