"""Images drawn as procgen's Qt 5.9 draws them: scaled by nearest sampling in 16.16 fixed point, and source-over.

What `blit` calls images is a tuple with the fields of `gmexp_envs.procgen_family.images.Images`: a game may order its
pixels as it likes. Frames are bytes, red first, three to a pixel; `at` is where a frame begins among many. A pixel's word
may be read and written as four bytes only where the fourth belongs to nobody or is drawn later.
"""

import math

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import load_word

RESOLUTION = 64
PIXEL = 3  # bytes
LINE = PIXEL * RESOLUTION
FRAME = LINE * RESOLUTION  # bytes
i32, u32, u64, f64 = np.int32, np.uint32, np.uint64, np.float64
OPAQUE = u32(255)


@jit(inline="always")
def rounded(d):
    """Qt 5.9's qRound of a double."""
    if d >= 0.0:
        return i32(d + 0.5)
    k = i32(d - 1.0)
    return i32(d - f64(k) + 0.5) + k


@jit(inline="always")
def scaled(pixel, alpha):
    """Qt's BYTE_MUL: all four channels times alpha / 255."""
    low = u32(u32(pixel & u32(0xFF00FF)) * alpha)
    low = u32(u32(low + u32((low >> u32(8)) & u32(0xFF00FF)) + u32(0x800080)) >> u32(8)) & u32(0xFF00FF)
    high = u32(u32((pixel >> u32(8)) & u32(0xFF00FF)) * alpha)
    high = u32(high + u32((high >> u32(8)) & u32(0xFF00FF)) + u32(0x800080)) & u32(0xFF00FF00)
    return u32(low | high)


@jit(inline="always")
def first_sample(first, left, step):
    """16.16 source position of pixel `first` of an image whose left (or top) edge is at `left`."""
    return i32(math.ceil((f64(first) + 0.5 - left) * f64(step))) - 1


@jit(inline="always")
def covered(edge, length):
    """First pixel of an image that lies from `edge` on (left or top), and how many there are within the frame."""
    first = max(rounded(edge), i32(0))
    return first, min(rounded(edge + length), i32(RESOLUTION)) - first


@jit(inline="always")
def sampled(edge, length, source, first, count):
    """Along one axis, for `count` pixels from `first` on: 16.16 source position of the first, the step to the next, and
    how many pixels have a sample within the `source` pixels of the image."""
    step = i32(65536.0 / (length / f64(source)))
    start = first_sample(first, edge, step)
    if (start + step * (count - 1)) >> 16 >= source:
        count -= 1
    return start, step, count


@jit(inline="always")
def put(frame, place, pixel):
    """Write a word's colours to three bytes."""
    frame[place] = np.uint8(pixel)
    frame[place + u64(1)] = np.uint8(pixel >> u32(8))
    frame[place + u64(2)] = np.uint8(pixel >> u32(16))


@jit(inline="always")
def blend(frame, place, pixel):
    """Source-over of a premultiplied pixel; what is read of the next pixel's byte does not reach the result."""
    alpha = u32(pixel >> u32(24))
    if alpha == OPAQUE:
        put(frame, place, pixel)
    elif alpha != u32(0):
        put(frame, place, u32(pixel + scaled(load_word(frame, place), u32(OPAQUE - alpha))))


@jit(forceinline=True)
def blit(images, number, left, top, width, height, opacity, frame, at, low, high):
    """QPainter::drawImage(QRectF, QImage): scaled to the rectangle, blended with `opacity` of 256; the part of it in
    lines low..high-1 of the frame."""
    first_x, across = covered(left, width)
    first_y, down = covered(top, height)
    if across <= 0 or down <= 0:
        return
    place = at + u64(LINE * first_y + PIXEL * first_x)
    offset = images.offset[u64(number)]
    first, last = max(low - first_y, 0), high - first_y
    if images.flat[0]:
        colour = images.pixels[u64(offset)]
        for r in range(first, min(last, down)):
            for c in range(across):
                put(frame, place + u64(LINE * r + PIXEL * c), colour)
        return
    sample_y, step_y, down = sampled(top, height, images.height[u64(number)], first_y, down)
    start_x, step_x, across = sampled(left, width, images.width[u64(number)], first_x, across)
    sample_y += step_y * first
    alpha = u32((opacity * 255) >> 8)
    kind = u64(images.kind[u64(number)])
    for r in range(first, min(last, down)):
        row = offset + images.place_y[kind, u64(sample_y >> 16)]
        sample_x = start_x
        for c in range(across):
            pixel = images.pixels[u64(row + images.place_x[kind, u64(sample_x >> 16)])]
            if opacity != 256:
                pixel = scaled(pixel, alpha)
            blend(frame, place + u64(LINE * r + PIXEL * c), pixel)
            sample_x += step_x
        sample_y += step_y
