"""The layer that adds up weight rows is the linear layer over one-hot classes it stands for."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from envs.coinrun.layout import NUM_CLASSES, NUM_LOOK
from gmexp.agents.cells import CELLS, CellLayer

WIDTH = 5


def one_hot(window: torch.Tensor, look: torch.Tensor) -> torch.Tensor:
    """What the layer multiplies in principle: a column per cell and class other than free, then the appearance."""
    columns = [window == c for c in range(1, NUM_CLASSES)]
    return torch.cat([torch.stack(columns, 2).flatten(1), look], 1).float()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.data())
def test_forward_and_gradient_are_those_of_the_one_hot_product(seed, batch, data):
    layer = CellLayer(WIDTH, torch.Generator().manual_seed(seed))
    window = torch.from_numpy(data.draw(arrays(np.uint8, (batch, CELLS), elements=st.integers(0, NUM_CLASSES - 1))))
    look = torch.from_numpy(data.draw(arrays(np.uint8, (batch, NUM_LOOK), elements=st.integers(0, 1))))
    upstream = torch.randn(batch, WIDTH, generator=torch.Generator().manual_seed(seed))
    out = layer(window, look)
    out.backward(upstream)
    inputs = one_hot(window, look)
    torch.testing.assert_close(out, inputs @ layer.weight.detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.weight.grad, inputs.T @ upstream, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_the_slope():
    """Central differences in double-checked directions, through a nonlinear loss."""
    generator = torch.Generator().manual_seed(0)
    layer = CellLayer(WIDTH, generator)
    window = torch.randint(NUM_CLASSES, (6, CELLS), generator=generator, dtype=torch.uint8)
    look = torch.randint(2, (6, NUM_LOOK), generator=generator, dtype=torch.uint8)

    def loss(weight: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            layer.weight.copy_(weight)
        return layer(window, look).tanh().double().sum()

    start = layer.weight.detach().clone()
    loss(start).backward()
    for _ in range(5):
        direction = torch.randn(start.shape, generator=generator)
        step = 1e-4
        slope = (loss(start + step * direction) - loss(start - step * direction)) / (2 * step)
        torch.testing.assert_close((layer.weight.grad * direction).sum().double(), slope.detach(), rtol=2e-2, atol=2e-2)


def test_a_broadcast_gradient_is_taken_as_it_is():
    """`sum().backward()` hands over a gradient without memory of its own."""
    layer = CellLayer(WIDTH, torch.Generator().manual_seed(0))
    window, look = torch.ones(3, CELLS, dtype=torch.uint8), torch.zeros(3, NUM_LOOK, dtype=torch.uint8)
    layer(window, look).sum().backward()
    assert layer.weight.grad.sum() == 3 * CELLS * WIDTH
