"""The first layer: a linear layer over one-hot tile classes, appearance and motion, and a rectifier, in one pass.

A window of 13 x 13 cells with 9 classes is a one-hot vector of 1,521 numbers of which 1,352 are zero, so a product with
it mostly multiplies zeros. Adding up the weight rows of the classes present needs some 80 rows. Levels stand on solid
ground, though: read from the top, a column of the window changes its class once or twice. With S[i] the sum of a
column's weight rows from row i down, a run of one class over the rows a..b-1 contributes S[a] - S[b], and a usual window
takes 13 rows. The gradient goes the same way back: collected at the changes, then summed from the top.

Sizes are the task's own (`Semantics`) and arguments of the kernels: compiled once, they serve every task.

On the CPU Numba kernels do this, reading the samples of a minibatch where they lie; elsewhere it is the product written
out (`CellLayer.dense`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.vectors import BYTES, differing, filled, gather_rows, lowest, scatter_rows
from gmexp_envs.task import Semantics

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


@jit(allocates=True)
def forward(window, appearance, state, rows, columns, classes, summed, motion, bias, out):
    """out[b] = relu(the layer on sample rows[b])."""
    most, width = window.shape[1] + appearance.shape[1] + 1, out.shape[1]
    added, taken, marks = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    factors = np.empty(motion.shape[0], np.float32)
    for b in range(rows.shape[0]):
        r = rows[b]
        for k in range(motion.shape[0]):
            factors[k] = state[r, k] * f32(MOTION_SCALE)
        adds, takes = _changes(window[r], appearance[r], columns, classes, added, taken, marks)
        target, at = out[b], 0
        while at + 64 <= width:
            gather_rows(64, at, summed, added, adds, taken, takes, motion, factors, bias, target)
            at += 64
        while at + 8 <= width:
            gather_rows(8, at, summed, added, adds, taken, takes, motion, factors, bias, target)
            at += 8
        while at < width:
            gather_rows(1, at, summed, added, adds, taken, takes, motion, factors, bias, target)
            at += 1


@jit(allocates=True)
def backward(window, appearance, state, rows, columns, classes, out, gradient, by_weight, by_motion, by_bias):
    """Add the gradients by the layer's parameters, given the one by its output `out`."""
    most, width = window.shape[1] + appearance.shape[1] + 1, out.shape[1]
    added, taken, marks = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    factors = np.empty(by_motion.shape[0], np.float32)
    for b in range(rows.shape[0]):
        r = rows[b]
        for k in range(by_motion.shape[0]):
            factors[k] = state[r, k] * f32(MOTION_SCALE)
        adds, takes = _changes(window[r], appearance[r], columns, classes, added, taken, marks)
        source, by, at = out[b], gradient[b], 0
        while at + 64 <= width:
            scatter_rows(64, at, by_weight, added, adds, taken, takes, by_motion, factors, by_bias, source, by)
            at += 64
        while at + 8 <= width:
            scatter_rows(8, at, by_weight, added, adds, taken, takes, by_motion, factors, by_bias, source, by)
            at += 8
        while at < width:
            scatter_rows(1, at, by_weight, added, adds, taken, takes, by_motion, factors, by_bias, source, by)
            at += 1
    _uncolumn(by_weight, columns * classes, window.shape[1] * classes)


class _FirstLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, window, appearance, state, rows, columns, classes, summed, weight, motion, bias) -> Tensor:
        out = torch.empty(len(rows), weight.shape[1])
        ctx.inputs = *(part.numpy() for part in (window, appearance, state, rows)), columns, classes
        forward(*ctx.inputs, summed.numpy(), motion.detach().numpy(), bias.detach().numpy(), out.numpy())
        ctx.save_for_backward(out)
        ctx.shapes = weight.shape, motion.shape, bias.shape
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (out,) = ctx.saved_tensors
        by_parameter = [torch.zeros(shape) for shape in ctx.shapes]
        backward(*ctx.inputs, out.numpy(), gradient.contiguous().numpy(), *(part.numpy() for part in by_parameter))
        return *[None] * 7, *by_parameter


class CellLayer(nn.Module):
    """relu(linear layer over one-hot tile classes, multi-hot appearance and motion features) of a task's observations.

    forward: window uint8 [samples, cells], appearance uint8 [samples, looks], state float32 [samples, features] and, for a
    part of the samples, their int64 numbers `rows` [batch] -> float32 [batch, width]. The sizes are those of `semantics`;
    classes must be among its own, which nothing here looks at again.
    """

    def __init__(self, semantics: Semantics, width: int, generator: torch.Generator) -> None:
        super().__init__()
        down, self.columns = semantics.window
        self.cells, self.classes = down * self.columns, len(semantics.classes) - 1  # that have a row: all but free
        rows, features = self.cells * self.classes + semantics.appearance, len(semantics.state)
        self.weight = nn.Parameter(torch.randn(rows, width, generator=generator) / math.sqrt(semantics.typical))
        self.motion = nn.Parameter(nn.init.orthogonal_(torch.empty(features, width), 1.0, generator))
        self.bias = nn.Parameter(torch.zeros(width))
        self._fixed: Tensor | None = None

    def forward(self, window: Int[Tensor, "samples cells"], appearance: Int[Tensor, "samples looks"],
                state: Float[Tensor, "samples features"],
                rows: Int[Tensor, " batch"] | None = None) -> Float[Tensor, "batch width"]:
        if window.device.type != "cpu":
            return self.dense(window, appearance, state, rows)
        rows = torch.arange(len(window)) if rows is None else rows
        summed = self.column_sums(torch.empty(self.weight.shape)) if self._fixed is None else self._fixed
        return _FirstLayer.apply(window, appearance, state, rows, self.columns, self.classes, summed, self.weight,
                                 self.motion, self.bias)

    def dense(self, window: Tensor, appearance: Tensor, state: Tensor, rows: Tensor | None = None) -> Tensor:
        """The same as a product with one-hot vectors, on any device."""
        if rows is not None:
            window, appearance, state = window[rows], appearance[rows], state[rows]
        moving = torch.addmm(self.bias, MOTION_SCALE * state, self.motion)
        return torch.relu(torch.addmm(moving, self.one_hot(window, appearance), self.weight))

    def one_hot(self, window: Tensor, appearance: Tensor) -> Tensor:
        """What the weights are multiplied with, written out: zeros and ones, float32 [batch, len(weight)]."""
        cells = nn.functional.one_hot(window.long(), self.classes + 1)[..., 1:].flatten(1)
        return torch.cat([cells, appearance], 1).float()

    def column_sums(self, out: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        """What `forward` adds up of the weights as they are (`sum_columns`), written to `out`."""
        sum_columns(self.weight.detach().numpy(), self.columns * self.classes, self.cells * self.classes, out.numpy())
        return out

    @contextlib.contextmanager
    def fixed(self) -> Iterator[None]:
        """Within, the weights stay as they are, so their sums are made once."""
        self._fixed = None
        if self.weight.device.type == "cpu":
            self._fixed = self.column_sums(torch.empty(self.weight.shape))
        try:
            yield
        finally:
            self._fixed = None
