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
from gmexp_envs.compiled.memory import load_word
from gmexp_envs.task import Semantics

MOTION_SCALE = 3.0  # of the few motion features beside the cells

u64, f32 = np.uint64, np.float32


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


@jit
def _changes(window, appearance, columns, classes, added, taken):
    """Rows of `summed` that a sample adds and takes away; returns how many of each."""
    adds, takes = 0, 0
    for p in range(columns):
        if window[p]:
            added[adds] = p * classes + window[p] - 1
            adds += 1
    below = window.shape[0] - columns
    for word in range(0, below - 3, 4):  # four cells at once beside the four above them
        if load_word(window, u64(word)) != load_word(window, u64(word + columns)):
            adds, takes = _change(window, word, word + 4, columns, classes, added, taken, adds, takes)
    adds, takes = _change(window, below - below % 4, below, columns, classes, added, taken, adds, takes)
    for k in range(appearance.shape[0]):
        if appearance[k]:
            added[adds] = window.shape[0] * classes + k
            adds += 1
    return adds, takes


@jit(inline="always")
def _change(window, first, end, columns, classes, added, taken, adds, takes):
    """What differs between the cells first..end-1 and those below them."""
    for p in range(first + columns, end + columns):
        here, above = window[p], window[p - columns]
        if here != above:
            if here:
                added[adds] = p * classes + here - 1
                adds += 1
            if above:
                taken[takes] = p * classes + above - 1
                takes += 1
    return adds, takes


@jit(allocates=True)
def forward(window, appearance, state, rows, columns, classes, summed, motion, bias, out):
    """out[b] = relu(the layer on sample rows[b])."""
    most = window.shape[1] + appearance.shape[1]
    added, taken = np.empty(most, np.int64), np.empty(most, np.int64)
    for b in range(rows.shape[0]):
        r = rows[b]
        target = out[b]
        for h in range(target.shape[0]):
            target[h] = bias[h]
        for k in range(motion.shape[0]):
            factor, row = state[r, k] * f32(MOTION_SCALE), motion[k]
            for h in range(target.shape[0]):
                target[h] += factor * row[h]
        adds, takes = _changes(window[r], appearance[r], columns, classes, added, taken)
        for k in range(takes):
            row = summed[taken[k]]
            for h in range(target.shape[0]):
                target[h] -= row[h]
        for k in range(adds % 4):
            row = summed[added[k]]
            for h in range(target.shape[0]):
                target[h] += row[h]
        for k in range(adds % 4, adds, 4):
            first, second, third, fourth = summed[added[k]], summed[added[k + 1]], summed[added[k + 2]], summed[added[k + 3]]
            for h in range(target.shape[0]):
                target[h] += (first[h] + second[h]) + (third[h] + fourth[h])
        for h in range(target.shape[0]):
            target[h] = target[h] if target[h] > 0 else f32(0)


@jit(allocates=True)
def backward(window, appearance, state, rows, columns, classes, out, gradient, by_weight, by_motion, by_bias):
    """Add the gradients by the layer's parameters, given the one by its output `out`."""
    most = window.shape[1] + appearance.shape[1]
    added, taken = np.empty(most, np.int64), np.empty(most, np.int64)
    passed = np.empty(out.shape[1], np.float32)
    for b in range(rows.shape[0]):
        r = rows[b]
        for h in range(passed.shape[0]):
            passed[h] = gradient[b, h] if out[b, h] > 0 else f32(0)
            by_bias[h] += passed[h]
        for k in range(by_motion.shape[0]):
            factor, row = state[r, k] * f32(MOTION_SCALE), by_motion[k]
            for h in range(passed.shape[0]):
                row[h] += factor * passed[h]
        adds, takes = _changes(window[r], appearance[r], columns, classes, added, taken)
        for k in range(adds):
            row = by_weight[added[k]]
            for h in range(passed.shape[0]):
                row[h] += passed[h]
        for k in range(takes):
            row = by_weight[taken[k]]
            for h in range(passed.shape[0]):
                row[h] -= passed[h]
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
