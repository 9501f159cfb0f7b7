"""Games whose whole world is in view: where every cell lies in the frame, and images cut to the cells.

Nothing scrolls, so a cell's pixels are always the same. `cut` samples an image once for every cell of the world, and a
frame is then put together by copying (`draw_cells`, `put_block`), exactly as Qt would have drawn it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.procgen_family.blit import FRAME, LINE, PIXEL, RESOLUTION, blend, blit, covered, sampled
from gmexp_envs.procgen_family.images import Images, as_words, pack_images

f32, f64, u64 = np.float32, np.float64, np.uint64
NO_OVERLAP, OVERLAP = f32(0), f32(0.02)  # by which procgen enlarges a grid cell on every side (RENDER_EPS)
START, COUNT = range(2)  # columns of `Blocks.columns` and `Blocks.rows`
SPAN = 9  # at most so many pixels of a cell across or down: worlds have at least 9 cells


@dataclass(frozen=True)
class View:
    """How procgen shows a world of `size` x `size` cells: numbers as `BasicAbstractGame::prepare_for_drawing` has them."""

    size: int

    @property
    def unit(self) -> np.float32:
        """Pixels a cell."""
        return f32(f32(RESOLUTION) / f32(self.size))

    @property
    def cells(self) -> np.float32:
        """Cells across and down the frame."""
        return f32(RESOLUTION / f64(self.unit))

    @property
    def offset(self) -> np.float32:
        """Of the frame from the world's edge, in pixels, both ways."""
        centre = f32(self.size * 0.5)
        return f32(self.unit * f32(centre - f32(self.cells / f32(2))))

    def rectangle(self, x: float, y: float, overlap: np.float32 = NO_OVERLAP) -> tuple[float, float, float]:
        """Left, top and side in pixels of a square of one cell whose lower left corner is at (x, y)."""
        left = f32(f32(f32(f32(x) - overlap) * self.unit) - self.offset)
        top = f32(f32(f32(f32(self.cells - f32(f32(y) + f32(1))) - overlap) * self.unit) + self.offset)
        side = f32(f32(f32(1) + f32(f32(2) * overlap)) * self.unit)
        return float(left), float(top), float(side)


class Blocks(NamedTuple):
    """Images cut to the cells of a world."""

    words: np.ndarray  # uint32 [images, cells, cells, SPAN, SPAN]: image, x, y, row, column
    columns: np.ndarray  # int32 [cells, 2]: first pixel and number of pixels of a cell, by x
    rows: np.ndarray  # int32 [cells, 2]: by y


def cut(view: View, images: list[np.ndarray], overlap: np.float32, flat: bool) -> Blocks:
    """Cut images (words [height, width]) to every cell of a view; `overlap` is OVERLAP for cells of the grid, NO_OVERLAP
    for entities."""
    span = np.zeros((2, view.size, 2), np.int32)
    samples = np.zeros((len(images), 2, view.size, SPAN), np.int64)
    reach = np.zeros((len(images), 2, view.size), np.int32)
    for cell in range(view.size):
        left, top, side = view.rectangle(cell, cell, overlap)
        for axis, edge in enumerate((left, top)):
            first, count = covered(edge, side)
            span[axis, cell] = first, count
            for k, image in enumerate(images):
                source = image.shape[1 - axis]
                start, step, reach[k, axis, cell] = sampled(edge, side, source, first, count)
                samples[k, axis, cell] = np.clip((start + step * np.arange(SPAN)) >> 16, 0, source - 1)
    words = np.zeros((len(images), view.size, view.size, SPAN, SPAN), np.uint32)
    inside = np.ones_like(reach) * SPAN if flat else reach
    for k, image in enumerate(images):
        for x in range(view.size):
            for y in range(view.size):
                words[k, x, y] = image[samples[k, 1, y][:, None], samples[k, 0, x][None, :]]
                words[k, x, y, inside[k, 1, y]:] = 0
                words[k, x, y, :, inside[k, 0, x]:] = 0
    return Blocks(words, span[0], span[1])


def cover(view: View, background: np.ndarray) -> np.ndarray:
    """A square background (uint8 [height, width, 3]) over the whole world: the frame's bytes."""
    left, top, _ = view.rectangle(0, view.size - 1)
    side = float(f32(f32(view.size) * view.unit))
    frame = np.zeros(FRAME + 1, np.uint8)  # pixels are read as words
    _blit_one(pack_images([as_words(background)]), left, top, side, frame)
    return frame[:-1]


@jit
def _blit_one(images: Images, left, top, side, frame):
    blit(images, 0, left, top, side, side, 256, frame, u64(0), 0, RESOLUTION)


@jit(inline="always")
def put_block(blocks, image, x, y, frame, at, low, high):
    """Draw an image in cell (x, y); the part of it in lines low..high-1 of the frame."""
    words = blocks.words[u64(image), u64(x), u64(y)]
    left, top = blocks.columns[u64(x), START], blocks.rows[u64(y), START]
    across, down = blocks.columns[u64(x), COUNT], blocks.rows[u64(y), COUNT]
    for r in range(max(low - top, 0), min(high - top, down)):
        place = at + u64(LINE * (top + r) + PIXEL * left)
        for c in range(across):
            blend(frame, place + u64(PIXEL * c), words[u64(r), u64(c)])


@jit(forceinline=True)
def draw_cells(blocks, image_of_cell, grid, size, frame, at, low, high):
    """Draw the cells of a grid (uint8 [y, x]) in procgen's order: columns from left to right, each from the bottom.

    `image_of_cell` (int32 [256]) has the number of the image of every kind of cell, -1 where none is drawn.
    """
    for x in range(size):
        for y in range(size):
            image = image_of_cell[u64(grid[u64(y), u64(x)])]
            if image >= 0:
                put_block(blocks, image, x, y, frame, at, low, high)
