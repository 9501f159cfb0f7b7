"""Images turned about their middle, as procgen's Qt 5.9 draws them: the agent, and the keys on the ring.

By 180 degrees Qt takes the turn for a scaling by -1 and samples backwards; by other angles it maps the image's corners,
fills trapezoids with edges in 16.16 fixed point, and steps through the image in 16.16. `blit` draws what is not turned.
"""

import math

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.keys_and_chests.layout import f32
from gmexp_envs.procgen_family.blit import blend, covered, f64, LINE, PIXEL, RESOLUTION, rounded, u64

FIXED = 65536
NEARLY_NONE = 1e-12  # Qt's fuzzy zero
PER_DEGREE = 0.017453292519943295769


def turn(rotation: np.float32) -> tuple[float, float]:
    """Sine and cosine of a rotation (radians, float32) as QTransform::rotate takes them from degrees."""
    degrees = float(f32(f32(rotation * f32(180)) / f32(math.pi)))
    if degrees in (90.0, -90.0):
        return math.copysign(1.0, degrees), 0.0
    return math.sin(degrees * PER_DEGREE), math.cos(degrees * PER_DEGREE)


@jit(inline="always")
def _pixel(images, number, u, v):
    """Pixel (u, v) of an image, the nearest one where it is outside."""
    k = u64(number)
    kind = u64(images.kind[k])
    u = min(max(u, 0), images.width[k] - 1)
    v = min(max(v, 0), images.height[k] - 1)
    return images.pixels[u64(images.offset[k] + images.place_x[kind, u64(u)] + images.place_y[kind, u64(v)])]


@jit(inline="always")
def _backwards(edge, length, source):
    """Along one axis: first pixel, number of pixels, 16.16 position of the first one's sample, step (negative)."""
    first, count = covered(edge, length)
    step = int(float(FIXED) / (-length / f64(source)))
    start = source * FIXED + int(math.floor((f64(first) + 0.5 - edge) * f64(step))) + 1
    if (start + step * (count - 1)) >> 16 < 0:
        count -= 1
    return first, count, start, step


@jit
def _blit_backwards(images, number, left, top, width, height, frame, at, low, high):
    """An image turned by 180 degrees."""
    first_x, across, start_x, step_x = _backwards(left, width, images.width[u64(number)])
    first_y, down, start_y, step_y = _backwards(top, height, images.height[u64(number)])
    for r in range(max(low - first_y, 0), min(high - first_y, down)):
        for c in range(across):
            pixel = _pixel(images, number, (start_x + step_x * c) >> 16, (start_y + step_y * r) >> 16)
            blend(frame, at + u64(LINE * (first_y + r) + PIXEL * (first_x + c)), pixel)


@jit(forceinline=True)
def _corner(number, sine, cosine, half_x, half_y):
    """Corner 0 to 3 of a turned rectangle, from the middle: upper left, upper right, lower right, lower left."""
    x = -half_x if number == 0 or number == 3 else half_x
    y = -half_y if number < 2 else half_y
    return cosine * x + (-sine) * y, sine * x + cosine * y


@jit(forceinline=True)
def _fill(images, number, left, right, top, bottom, steps, frame, at, low, high):
    """The lines from `top` to `bottom` between two edges, each (x, y) of its upper end, then of its lower one."""
    step_ux, step_vx, step_uy, step_vy, start_u, start_v = steps
    first, last = max(rounded(top), 0), min(rounded(bottom), RESOLUTION)
    if first >= last:
        return
    left_slope, right_slope = (left[2] - left[0]) / (left[3] - left[1]), (right[2] - right[0]) / (right[3] - right[1])
    x_left = int((left[0] + (0.5 + first - left[1]) * left_slope + 0.5) * FIXED)
    x_right = int((right[0] + (0.5 + first - right[1]) * right_slope + 0.5) * FIXED)
    step_left, step_right = int(left_slope * FIXED), int(right_slope * FIXED)
    for y in range(max(first, low), min(last, high)):
        for x in range(max((x_left + step_left * (y - first)) >> 16, 0),
                       min((x_right + step_right * (y - first)) >> 16, RESOLUTION)):
            u = (x * step_ux + y * step_uy + start_u) >> 16
            v = (x * step_vx + y * step_vy + start_v) >> 16
            blend(frame, at + u64(LINE * y + PIXEL * x), _pixel(images, number, u, v))


@jit
def blit_turned(images, number, left, top, width, height, sine, cosine, frame, at, low, high):
    """An image in a rectangle, turned clockwise about its middle; the part of it in lines low..high-1 of the frame."""
    middle_x, middle_y = left + width / 2, top + height / 2
    half_x, half_y = width / 2, height / 2
    if abs(sine) <= NEARLY_NONE:
        ax, ay = cosine * -half_x + middle_x, cosine * -half_y + middle_y
        bx, by = cosine * (-half_x + width) + middle_x, cosine * (-half_y + height) + middle_y
        _blit_backwards(images, number, ax + (bx - ax), ay + (by - ay), ax - bx, ay - by, frame, at, low, high)
        return
    # corners clockwise from the topmost one, with the image's coordinates at each
    source_x, source_y = f64(images.width[u64(number)]), f64(images.height[u64(number)])
    topmost = 0
    highest = 0.0
    for k in range(4):
        _, y = _corner(k, sine, cosine, half_x, half_y)
        if k == 0 or y + middle_y < highest:
            topmost, highest = k, y + middle_y
    x0, y0 = _corner(topmost, sine, cosine, half_x, half_y)
    x1, y1 = _corner((topmost + 3) % 4, sine, cosine, half_x, half_y)
    x2, y2 = _corner((topmost + 2) % 4, sine, cosine, half_x, half_y)
    x3, y3 = _corner((topmost + 1) % 4, sine, cosine, half_x, half_y)
    x0, y0, x1, y1 = x0 + middle_x, y0 + middle_y, x1 + middle_x, y1 + middle_y
    x2, y2, x3, y3 = x2 + middle_x, y2 + middle_y, x3 + middle_x, y3 + middle_y
    u0, v0 = _of_image(topmost, source_x, source_y)
    u1, v1 = _of_image((topmost + 3) % 4, source_x, source_y)
    u2, v2 = _of_image((topmost + 2) % 4, source_x, source_y)
    ax, ay, au, av = x1 - x0, y1 - y0, u1 - u0, v1 - v0
    bx, by, bu, bv = x2 - x0, y2 - y0, u2 - u0, v2 - v0
    inverse = 1.0 / (ax * by - ay * bx)
    m11, m12 = (au * by - ay * bu) * inverse, (ax * bu - au * bx) * inverse
    m21, m22 = (av * by - ay * bv) * inverse, (ax * bv - av * bx) * inverse
    offset_u, offset_v = u0 - m11 * x0 - m12 * y0, v0 - m21 * x0 - m22 * y0
    steps = (int(m11 * FIXED), int(m21 * FIXED), int(m12 * FIXED), int(m22 * FIXED),
             int(math.ceil((0.5 * m11 + 0.5 * m12 + offset_u) * FIXED)) - 1,
             int(math.ceil((0.5 * m21 + 0.5 * m22 + offset_v) * FIXED)) - 1)
    upper_left, upper_right = (x0, y0, x1, y1), (x0, y0, x3, y3)
    lower_left, lower_right = (x1, y1, x2, y2), (x3, y3, x2, y2)
    higher, lower = min(y1, y3), max(y1, y3)
    _fill(images, number, upper_left, upper_right, y0, higher, steps, frame, at, low, high)
    if y1 < y3:
        _fill(images, number, lower_left, upper_right, higher, lower, steps, frame, at, low, high)
    else:
        _fill(images, number, upper_left, lower_right, higher, lower, steps, frame, at, low, high)
    _fill(images, number, lower_left, lower_right, lower, y2, steps, frame, at, low, high)


@jit(inline="always")
def _of_image(number, width, height):
    """Corner 0 to 3 of an image, in pixels."""
    return 0.0 if number == 0 or number == 3 else width, 0.0 if number < 2 else height
