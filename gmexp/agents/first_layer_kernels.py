"""The first layer's kernels: which weight rows samples add and take away, their sums, and the gradient that goes back.

`first_layer` says why few rows are enough. Sizes are the task's own, and arguments: compiled once, they serve every task.
"""

from typing import NamedTuple

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.vectors import BYTES, differing, filled, gather_rows, lowest, scatter_rows

MOTION_SCALE = 3.0  # of the few motion features beside the cells

i64, u64, f32 = np.int64, np.uint64, np.float32


@jit
def sum_columns(weight, span, tiles, summed):
    """summed[i, j, c] = weight[i, j, c] + ... + weight[last row, j, c]; rows of appearance are copied.

    A row of the window has `span` rows of weights, one per cell and class, and the window `tiles`; after them comes the
    appearance.
    """
    for r in range(weight.shape[0] - 1, -1, -1):
        if r < tiles - span:
            for h in range(weight.shape[1]):
                summed[r, h] = weight[r, h] + summed[r + span, h]
        else:
            for h in range(weight.shape[1]):
                summed[r, h] = weight[r, h]


@jit
def _uncolumn(gradient, span, tiles):
    """The gradient by `summed` becomes that by `weight`, in place: what `sum_columns` does, transposed."""
    for r in range(span, tiles):
        for h in range(gradient.shape[1]):
            gradient[r, h] += gradient[r - span, h]


@jit(forceinline=True)
def _mark(mask, start, marks, count):
    """Write start + i for every set bit i of a mask; returns how many are written then."""
    while mask:
        marks[count] = start + lowest(mask)
        mask &= mask - u64(1)
        count += 1
    return count


@jit(forceinline=True)
def _filled(values, marks):
    """Where `values` is not 0, ascending, to `marks`; returns how many."""
    size, count, start = values.shape[0], 0, 0
    while start + BYTES <= size:
        count = _mark(filled(values, u64(start)), start, marks, count)
        start += BYTES
    if start < size and size >= BYTES:  # the rest, with some that were seen
        seen = u64(start - (size - BYTES))
        return _mark(filled(values, u64(size - BYTES)) >> seen << seen, size - BYTES, marks, count)
    for p in range(start, size):
        marks[count] = p
        count += values[p] != 0
    return count


@jit(forceinline=True)
def _differing(window, columns, marks):
    """Cells that are of another class than the one above them, ascending, to `marks`; returns how many."""
    size, count, start = window.shape[0], 0, columns
    while start + BYTES <= size:
        count = _mark(differing(window, u64(start), u64(start - columns)), start, marks, count)
        start += BYTES
    if start < size and size >= columns + BYTES:
        seen, last = u64(start - (size - BYTES)), size - BYTES
        return _mark(differing(window, u64(last), u64(last - columns)) >> seen << seen, last, marks, count)
    for p in range(start, size):
        marks[count] = p
        count += window[p] != window[p - columns]
    return count


@jit(forceinline=True)
def _changes(window, appearance, columns, classes, added, taken, marks):
    """Rows of `summed` that a sample adds and takes away; returns how many of each. The arrays have room for one more."""
    adds, takes = 0, 0
    for p in range(columns):
        added[adds] = p * classes + i64(window[p]) - 1
        adds += window[p] != 0
    for k in range(_differing(window, columns, marks)):
        p = marks[k]
        here, above = i64(window[p]), i64(window[p - columns])
        added[adds] = p * classes + here - 1
        adds += here != 0
        taken[takes] = p * classes + above - 1
        takes += above != 0
    for k in range(_filled(appearance, marks)):
        added[adds] = window.shape[0] * classes + marks[k]
        adds += 1
    return adds, takes


class Changes(NamedTuple):
    """Rows of `summed` that samples add and take away, written down: sample s adds those in added[ends[s, 0]:ends[s + 1, 0]]
    and takes away those in taken[ends[s, 1]:ends[s + 1, 1]]."""

    added: np.ndarray  # int32, as is `taken`: as long as they can be, though few of it are written
    taken: np.ndarray
    ends: np.ndarray  # int64 [samples + 1, 2]


@jit(allocates=True)
def note_changes(window, appearance, rows, columns, classes, added, taken, ends):
    """Write down the changes of the samples `rows`, one after the other."""
    marks = np.empty(window.shape[1] + appearance.shape[1] + 1, np.int64)
    adds, takes = i64(0), i64(0)
    ends[0, 0], ends[0, 1] = adds, takes
    for b in range(rows.shape[0]):
        r = rows[b]
        more, less = _changes(window[r], appearance[r], columns, classes, added[adds:], taken[takes:], marks)
        adds, takes = adds + more, takes + less
        ends[b + 1, 0], ends[b + 1, 1] = adds, takes


@jit(allocates=True)
def forward(added, taken, ends, state, rows, summed, motion, bias, out):
    """out[b] = relu(the layer on sample rows[b]), whose changes are written down."""
    width, factors = out.shape[1], np.empty(motion.shape[0], np.float32)
    for b in range(rows.shape[0]):
        r = rows[b]
        for k in range(motion.shape[0]):
            factors[k] = state[r, k] * f32(MOTION_SCALE)
        adds, takes = ends[r + 1, 0] - ends[r, 0], ends[r + 1, 1] - ends[r, 1]
        more, less, target, at = added[ends[r, 0]:], taken[ends[r, 1]:], out[b], 0
        while at + 64 <= width:
            gather_rows(64, at, summed, more, adds, less, takes, motion, factors, bias, target)
            at += 64
        while at + 8 <= width:
            gather_rows(8, at, summed, more, adds, less, takes, motion, factors, bias, target)
            at += 8
        while at < width:
            gather_rows(1, at, summed, more, adds, less, takes, motion, factors, bias, target)
            at += 1


@jit(allocates=True)
def backward(added, taken, ends, state, rows, span, tiles, out, gradient, by_weight, by_motion, by_bias):
    """Add the gradients by the layer's parameters, given the one by its output `out`."""
    width, factors = out.shape[1], np.empty(by_motion.shape[0], np.float32)
    for b in range(rows.shape[0]):
        r = rows[b]
        for k in range(by_motion.shape[0]):
            factors[k] = state[r, k] * f32(MOTION_SCALE)
        adds, takes = ends[r + 1, 0] - ends[r, 0], ends[r + 1, 1] - ends[r, 1]
        more, less, source, by, at = added[ends[r, 0]:], taken[ends[r, 1]:], out[b], gradient[b], 0
        while at + 64 <= width:
            scatter_rows(64, at, by_weight, more, adds, less, takes, by_motion, factors, by_bias, source, by)
            at += 64
        while at + 8 <= width:
            scatter_rows(8, at, by_weight, more, adds, less, takes, by_motion, factors, by_bias, source, by)
            at += 8
        while at < width:
            scatter_rows(1, at, by_weight, more, adds, less, takes, by_motion, factors, by_bias, source, by)
            at += 1
    _uncolumn(by_weight, span, tiles)
