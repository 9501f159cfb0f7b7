"""The first layer: a linear layer over one-hot tile classes, appearance and motion, and a rectifier, in one pass.

A window of 13 x 13 cells with 9 classes is a one-hot vector of 1,521 numbers of which 1,352 are zero, so a product with
it mostly multiplies zeros. Adding up the weight rows of the classes present needs some 80 rows. Levels stand on solid
ground, though: read from the top, a column of the window changes its class once or twice. With S[i] the sum of a
column's weight rows from row i down, a run of one class over the rows a..b-1 contributes S[a] - S[b], and a usual window
takes 13 rows. The gradient goes the same way back: collected at the changes, then summed from the top.

On the CPU Numba kernels do this, reading the samples of a minibatch where they lie, from a list of their `Changes` that is
made once for all passes over them; elsewhere it is the product written out (`CellLayer.dense`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gmexp.agents.first_layer_kernels import MOTION_SCALE, Changes, backward, forward, note_changes, sum_columns
from gmexp_envs.task import Semantics


class _FirstLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx, changes, state, span, tiles, summed, weight, motion, bias) -> Tensor:
        out = torch.empty(len(state), weight.shape[1])
        ctx.inputs = *changes, state.numpy(), np.arange(len(state))
        forward(*ctx.inputs, summed.numpy(), motion.detach().numpy(), bias.detach().numpy(), out.numpy())
        ctx.save_for_backward(out)
        ctx.sizes, ctx.shapes = (span, tiles), (weight.shape, motion.shape, bias.shape)
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        (out,) = ctx.saved_tensors
        gradients = [torch.zeros(shape) for shape in ctx.shapes]
        backward(*ctx.inputs, *ctx.sizes, out.numpy(), gradient.contiguous().numpy(), *(part.numpy() for part in gradients))
        return *[None] * 5, *gradients


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
        self.span, self.tiles = self.columns * self.classes, self.cells * self.classes  # rows of weights a row, and in all
        rows, features = self.tiles + semantics.appearance, len(semantics.state)
        self.weight = nn.Parameter(torch.randn(rows, width, generator=generator) / math.sqrt(semantics.typical))
        self.motion = nn.Parameter(nn.init.orthogonal_(torch.empty(features, width), 1.0, generator))
        self.bias = nn.Parameter(torch.zeros(width))
        self._fixed: Tensor | None = None

    def forward(self, window: Int[Tensor, "samples cells"], appearance: Int[Tensor, "samples looks"],
                state: Float[Tensor, "samples features"],
                rows: Int[Tensor, " batch"] | None = None) -> Float[Tensor, "batch width"]:
        if window.device.type != "cpu":
            return self.dense(window, appearance, state, rows)
        changes, state = self.changes(window, appearance, rows), state if rows is None else state[rows]
        summed = self.column_sums(torch.empty(self.weight.shape)) if self._fixed is None else self._fixed
        return _FirstLayer.apply(changes, state, self.span, self.tiles, summed, self.weight, self.motion, self.bias)

    def changes(self, window: Int[Tensor, "samples cells"], appearance: Int[Tensor, "samples looks"],
                rows: Int[Tensor, " batch"] | None = None) -> Changes:
        """What the layer adds up and takes away, on the CPU, of all samples or of those that `rows` names: what many passes
        over the same samples need to look up once."""
        numbers = np.arange(len(window)) if rows is None else rows.numpy()
        most = len(numbers) * (window.shape[1] + appearance.shape[1]) + 1
        noted = Changes(np.empty(most, np.int32), np.empty(most, np.int32), np.empty((len(numbers) + 1, 2), np.int64))
        note_changes(window.numpy(), appearance.numpy(), numbers, self.columns, self.classes, *noted)
        return noted

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
        sum_columns(self.weight.detach().numpy(), self.span, self.tiles, out.numpy())
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
