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

    words: np.ndarray  # uint32 [images, cells, cells, span, span]: image, x, y, row, column
    columns: np.ndarray  # int32 [cells, 2]: first pixel and number of pixels of a cell, by x
    rows: np.ndarray  # int32 [cells, 2]: by y


def cut(view: View, images: list[np.ndarray], overlap: np.float32, flat: bool) -> Blocks:
    """Cut images (words [height, width]) to every cell of a view; `overlap` is OVERLAP for cells of the grid, NO_OVERLAP
    for entities."""
    cells = range(view.size)
    places = np.zeros((2, view.size, 2), np.int32)  # by axis
    for cell in cells:
        left, top, side = view.rectangle(cell, cell, overlap)
        places[0, cell], places[1, cell] = covered(left, side), covered(top, side)
    span = int(places[:, :, COUNT].max())
    words = np.zeros((len(images), view.size, view.size, span, span), np.uint32)
    for k, image in enumerate(images):
        samples = [[_samples(view.rectangle(cell, cell, overlap), axis, image.shape[1 - axis], span, flat)
                    for cell in cells] for axis in range(2)]
        for x in cells:
            for y in cells:
                (columns, across), (rows, down) = samples[0][x], samples[1][y]
                words[k, x, y, :down, :across] = image[rows[:down, None], columns[:across]]
    return Blocks(words, places[0], places[1])


def _samples(rectangle: tuple[float, float, float], axis: int, source: int, span: int, flat: bool) -> tuple[np.ndarray, int]:
    """Which of `source` pixels along an axis each of a cell's pixels takes, and how many of these there are."""
    edge, side = rectangle[axis], rectangle[2]
    first, count = covered(edge, side)
    start, step, reach = sampled(edge, side, source, first, count)
    return np.clip((start + step * np.arange(span)) >> 16, 0, source - 1), span if flat else reach


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
