"""The first layer over tile classes, as a sum of rows instead of a product with one-hot vectors.

A window of 169 cells with 9 classes is a one-hot vector of 1,521 numbers of which 1,352 are zero. Adding up the rows of
the weight matrix that belong to the classes present does the same in a fraction of the time: free cells have no row at
all. On the CPU two Numba kernels do it, elsewhere `embedding_bag`.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from envs.coinrun.layout import NUM_CLASSES, NUM_LOOK, WINDOW
from envs.jit import jit

CELLS = WINDOW * WINDOW
ROWS = CELLS * (NUM_CLASSES - 1) + NUM_LOOK
TYPICAL_ROWS = 80  # classes other than free in a usual window: sets the scale of the initial weights


@jit
def _active_rows(window, look, rows):
    """Row numbers of the weight matrix that a sample adds up; returns how many."""
    n = 0
    for i in range(window.shape[0]):
        if window[i]:
            rows[n] = i * (NUM_CLASSES - 1) + window[i] - 1
            n += 1
    for j in range(look.shape[0]):
        if look[j]:
            rows[n] = CELLS * (NUM_CLASSES - 1) + j
            n += 1
    return n


@jit(allocates=True)
def _sum_rows(window, look, weight, out):
    """out[b] += sum of the sample's rows of weight."""
    rows = np.empty(window.shape[1] + look.shape[1], np.int64)
    for b in range(window.shape[0]):
        target = out[b]
        n = _active_rows(window[b], look[b], rows)
        for k in range(n):
            row = weight[rows[k]]
            for h in range(row.shape[0]):
                target[h] += row[h]


@jit(allocates=True)
def _scatter_rows(window, look, gradient, weight_gradient):
    """weight_gradient[row] += gradient[b] for every row of sample b."""
    rows = np.empty(window.shape[1] + look.shape[1], np.int64)
    for b in range(window.shape[0]):
        source = gradient[b]
        n = _active_rows(window[b], look[b], rows)
        for k in range(n):
            row = weight_gradient[rows[k]]
            for h in range(source.shape[0]):
                row[h] += source[h]


class _SumRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, window: Tensor, look: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(window, look, weight)
        out = torch.zeros(window.shape[0], weight.shape[1])
        _sum_rows(window.numpy(), look.numpy(), weight.detach().numpy(), out.numpy())
        return out

    @staticmethod
    def backward(ctx, gradient: Tensor):
        window, look, weight = ctx.saved_tensors
        weight_gradient = torch.zeros_like(weight)
        _scatter_rows(window.numpy(), look.numpy(), gradient.contiguous().numpy(), weight_gradient.numpy())
        return None, None, weight_gradient


class CellLayer(nn.Module):
    """Linear layer over one-hot tile classes and multi-hot appearance, without bias.

    forward: window uint8 [batch, 169], look uint8 [batch, 86] -> float32 [batch, width].
    """

    def __init__(self, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(ROWS, width, generator=generator) / math.sqrt(TYPICAL_ROWS))

    def forward(self, window: Tensor, look: Tensor) -> Tensor:
        if window.device.type == "cpu":
            return _SumRows.apply(window, look, self.weight)
        return dense_cells(window, look) @ self.weight


def dense_cells(window: Tensor, look: Tensor) -> Tensor:
    """What the layer multiplies its weights with, written out: float32 [batch, ROWS] of zeros and ones."""
    cells = torch.nn.functional.one_hot(window.long(), NUM_CLASSES)[..., 1:].flatten(1)
    return torch.cat([cells, look], 1).float()
