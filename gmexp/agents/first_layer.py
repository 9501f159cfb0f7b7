"""The first layer: a linear layer over one-hot tile classes, appearance and motion, and a rectifier, in one pass.

A window of 169 cells with 9 classes is a one-hot vector of 1,521 numbers of which 1,352 are zero, so a product with it
mostly multiplies zeros. Adding up the weight rows of the classes present needs some 80 rows. Levels stand on solid
ground, though: read from the top, a column of the window changes its class once or twice. With S[i] the sum of a
column's weight rows from row i down, a run of one class over the rows a..b-1 contributes S[a] - S[b], and a usual window
takes 13 rows. The gradient goes the same way back: collected at the changes, then summed from the top.

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

from gmexp_envs.coinrun.layout import NUM_CLASSES, NUM_APPEARANCE, NUM_STATE, WINDOW
from gmexp_envs.compiled.jit import jit
from gmexp_envs.compiled.memory import load_word

CELLS = WINDOW * WINDOW
CLASSES = NUM_CLASSES - 1  # that have a row: all but free
TILE_ROWS = CELLS * CLASSES
ROWS = TILE_ROWS + NUM_APPEARANCE
TYPICAL_ROWS = 80  # classes other than free in a usual window: sets the scale of the initial weights
MOTION_SCALE = 3.0  # of the few motion features beside them
MOST_CHANGES = CELLS + NUM_APPEARANCE  # of a sample

i64, u64, f32 = np.int64, np.uint64, np.float32


@jit
def sum_columns(weight, summed):
    """summed[i, j, c] = weight[i, j, c] + ... + weight[last row, j, c]; rows of appearance are copied."""
    span = WINDOW * CLASSES
    for r in range(ROWS - 1, -1, -1):
        if r < TILE_ROWS - span:
            for h in range(weight.shape[1]):
                summed[r, h] = weight[r, h] + summed[r + span, h]
        else:
            for h in range(weight.shape[1]):
                summed[r, h] = weight[r, h]


@jit
def _uncolumn(gradient):
    """The gradient by `summed` becomes that by `weight`, in place: what `sum_columns` does, transposed."""
    span = WINDOW * CLASSES
    for r in range(span, TILE_ROWS):
        for h in range(gradient.shape[1]):
            gradient[r, h] += gradient[r - span, h]


@jit
def _changes(window, appearance, added, taken):
    """Rows of `summed` that a sample adds and takes away; returns how many of each."""
    more, less = 0, 0
    for p in range(WINDOW):
        if window[p]:
            added[more] = p * CLASSES + window[p] - 1
            more += 1
    for word in range(0, CELLS - WINDOW, 4):  # four cells at once beside the four above them
        if load_word(window, u64(word)) != load_word(window, u64(word + WINDOW)):
            for p in range(word + WINDOW, word + WINDOW + 4):
                here, above = window[p], window[p - WINDOW]
                if here != above:
                    if here:
                        added[more] = p * CLASSES + here - 1
                        more += 1
                    if above:
                        taken[less] = p * CLASSES + above - 1
                        less += 1
    for k in range(NUM_APPEARANCE):
        if appearance[k]:
            added[more] = TILE_ROWS + k
            more += 1
    return more, less


@jit(allocates=True)
def forward(window, appearance, state, rows, summed, motion, bias, out):
    """out[b] = relu(the layer on sample rows[b])."""
    added, taken = np.empty(MOST_CHANGES, np.int64), np.empty(MOST_CHANGES, np.int64)
    for b in range(rows.shape[0]):
        r = rows[b]
        target = out[b]
        for h in range(target.shape[0]):
            target[h] = bias[h]
        for k in range(NUM_STATE):
            factor, row = state[r, k] * f32(MOTION_SCALE), motion[k]
            for h in range(target.shape[0]):
                target[h] += factor * row[h]
        more, less = _changes(window[r], appearance[r], added, taken)
        for k in range(less):
            row = summed[taken[k]]
            for h in range(target.shape[0]):
                target[h] -= row[h]
        for k in range(more % 4):
            row = summed[added[k]]
            for h in range(target.shape[0]):
                target[h] += row[h]
        for k in range(more % 4, more, 4):
            first, second, third, fourth = summed[added[k]], summed[added[k + 1]], summed[added[k + 2]], summed[added[k + 3]]
            for h in range(target.shape[0]):
                target[h] += (first[h] + second[h]) + (third[h] + fourth[h])
        for h in range(target.shape[0]):
            target[h] = target[h] if target[h] > 0 else f32(0)


@jit(allocates=True)
def backward(window, appearance, state, rows, out, gradient, by_weight, by_motion, by_bias):
    """Add the gradients by the layer's parameters, given the one by its output `out`."""
    added, taken = np.empty(MOST_CHANGES, np.int64), np.empty(MOST_CHANGES, np.int64)
    passed = np.empty(out.shape[1], np.float32)
    for b in range(rows.shape[0]):
        r = rows[b]
        for h in range(passed.shape[0]):
            passed[h] = gradient[b, h] if out[b, h] > 0 else f32(0)
            by_bias[h] += passed[h]
        for k in range(NUM_STATE):
            factor, row = state[r, k] * f32(MOTION_SCALE), by_motion[k]
            for h in range(passed.shape[0]):
                row[h] += factor * passed[h]
        more, less = _changes(window[r], appearance[r], added, taken)
        for k in range(more):
            row = by_weight[added[k]]
            for h in range(passed.shape[0]):
                row[h] += passed[h]
        for k in range(less):
            row = by_weight[taken[k]]
            for h in range(passed.shape[0]):
                row[h] -= passed[h]
    _uncolumn(by_weight)


class _FirstLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, window, appearance, state, rows, summed, weight, motion, bias) -> Tensor:
        out = torch.empty(len(rows), weight.shape[1])
        inputs = [part.numpy() for part in (window, appearance, state, rows)]
        forward(*inputs, summed.numpy(), motion.detach().numpy(), bias.detach().numpy(), out.numpy())
        ctx.inputs = inputs
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (out,) = ctx.saved_tensors
        width = out.shape[1]
        found = torch.zeros(ROWS, width), torch.zeros(NUM_STATE, width), torch.zeros(width)
        backward(*ctx.inputs, out.numpy(), gradient.contiguous().numpy(), *(part.numpy() for part in found))
        return None, None, None, None, None, *found


class CellLayer(nn.Module):
    """relu(linear layer over one-hot tile classes, multi-hot appearance and motion features).

    forward: window uint8 [samples, 169], look uint8 [samples, 86], state float32 [samples, 7] and, for a part of the
    samples, their int64 numbers `rows` [batch] -> float32 [batch, width].
    """

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(ROWS, width, generator=generator) / math.sqrt(TYPICAL_ROWS))
        self.motion = nn.Parameter(nn.init.orthogonal_(torch.empty(NUM_STATE, width), 1.0, generator))
        self.bias = nn.Parameter(torch.zeros(width))
        self._fixed: Tensor | None = None

    def forward(self, window: Int[Tensor, "samples cells"], appearance: Int[Tensor, "samples looks"],
                state: Float[Tensor, "samples features"],
                rows: Int[Tensor, " batch"] | None = None) -> Float[Tensor, "batch width"]:
        if window.device.type != "cpu":
            return self.dense(window, appearance, state, rows)
        rows = torch.arange(len(window)) if rows is None else rows
        summed = self._column_sums() if self._fixed is None else self._fixed
        return _FirstLayer.apply(window, appearance, state, rows, summed, self.weight, self.motion, self.bias)

    def dense(self, window: Tensor, appearance: Tensor, state: Tensor, rows: Tensor | None = None) -> Tensor:
        """The same as a product with one-hot vectors, on any device."""
        if rows is not None:
            window, appearance, state = window[rows], appearance[rows], state[rows]
        moving = torch.addmm(self.bias, MOTION_SCALE * state, self.motion)
        return torch.relu(torch.addmm(moving, dense_cells(window, appearance), self.weight))

    def _column_sums(self) -> Tensor:
        summed = torch.empty(self.weight.shape)
        sum_columns(self.weight.detach().numpy(), summed.numpy())
        return summed

    @contextlib.contextmanager
    def fixed(self) -> Iterator[None]:
        """Within, the weights stay as they are, so their sums are made once."""
        self._fixed = self._column_sums() if self.weight.device.type == "cpu" else None
        try:
            yield
        finally:
            self._fixed = None


def dense_cells(window: Tensor, appearance: Tensor) -> Tensor:
    """What the layer multiplies its weights with, written out: float32 [batch, ROWS] of zeros and ones."""
    cells = torch.nn.functional.one_hot(window.long(), NUM_CLASSES)[..., 1:].flatten(1)
    return torch.cat([cells, appearance], 1).float()
