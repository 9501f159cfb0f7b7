"""The layer that adds up column sums of weight rows is the linear layer over one-hot classes it stands for."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import gmexp_envs
from gmexp.agents.first_layer import CELLS, CellLayer, MOTION_SCALE, ROWS
from gmexp_envs.coinrun.layout import NUM_CLASSES, NUM_APPEARANCE, NUM_STATE

WIDTH = 5


def layer_of(seed: int) -> CellLayer:
    """A layer whose bias is not zero either."""
    layer = CellLayer(WIDTH, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        layer.bias.normal_(generator=torch.Generator().manual_seed(seed + 1))
    return layer


def samples(seed: int, batch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Windows without any order, appearances and motions."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randint(NUM_CLASSES, (batch, CELLS), generator=generator, dtype=torch.uint8),
            torch.randint(2, (batch, NUM_APPEARANCE), generator=generator, dtype=torch.uint8),
            torch.randn(batch, NUM_STATE, generator=generator))


def one_hot(window: torch.Tensor, appearance: torch.Tensor) -> torch.Tensor:
    """What the layer multiplies in principle: a column per cell and class other than free, then the appearance."""
    columns = [window == c for c in range(1, NUM_CLASSES)]
    return torch.cat([torch.stack(columns, 2).flatten(1), appearance], 1).float()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.data())
def test_output_and_gradients_are_those_of_the_one_hot_product(seed, batch, data):
    layer = layer_of(seed)
    window = torch.from_numpy(data.draw(arrays(np.uint8, (batch, CELLS), elements=st.integers(0, NUM_CLASSES - 1))))
    appearance = torch.from_numpy(data.draw(arrays(np.uint8, (batch, NUM_APPEARANCE), elements=st.integers(0, 1))))
    state = torch.randn(batch, NUM_STATE, generator=torch.Generator().manual_seed(seed))
    upstream = torch.randn(batch, WIDTH, generator=torch.Generator().manual_seed(seed))
    out = layer(window, appearance, state)
    out.backward(upstream)
    inputs = one_hot(window, appearance)
    with torch.no_grad():
        before = inputs @ layer.weight + MOTION_SCALE * state @ layer.motion + layer.bias
    torch.testing.assert_close(out, before.relu(), rtol=1e-4, atol=1e-5)
    passed = upstream * (out > 0)
    torch.testing.assert_close(layer.weight.grad, inputs.T @ passed, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.motion.grad, MOTION_SCALE * state.T @ passed, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.bias.grad, passed.sum(0), rtol=1e-4, atol=1e-5)


def test_both_ways_to_compute_it_agree_on_levels_of_the_game():
    layer = layer_of(0)
    env = gmexp_envs.make_vec("coinrun", 64, mode="hard", seed=3)
    env.reset()
    for _ in range(40):
        seen = env.step(np.full(64, 7, np.int32)).observation
    parts = torch.from_numpy(seen.window).view(64, CELLS), torch.from_numpy(seen.appearance), torch.from_numpy(seen.state)
    rows = torch.randperm(64, generator=torch.Generator().manual_seed(0))[:20]
    gradients = []
    for compute in (layer.forward, layer.dense):
        layer.zero_grad()
        out = compute(*parts, rows)
        out.square().sum().backward()
        gradients.append((out.detach(), *(p.grad.clone() for p in layer.parameters())))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


def test_rows_name_samples():
    layer, parts = layer_of(1), samples(1, 9)
    rows = torch.tensor([4, 0, 4, 8])
    torch.testing.assert_close(layer(*parts, rows), layer(*(part[rows] for part in parts)), rtol=0, atol=0)


def test_sums_are_those_of_the_weights_as_they_are():
    layer, parts = layer_of(2), samples(2, 4)
    with layer.fixed():
        before = layer(*parts)
    torch.testing.assert_close(layer(*parts), before, rtol=0, atol=0)
    layer(*parts).sum().backward()
    torch.optim.Adam(layer.parameters(), 0.1, fused=True).step()
    torch.testing.assert_close(layer(*parts), layer.dense(*parts), rtol=1e-4, atol=1e-5)
    assert (layer(*parts) - before).abs().max() > 0.1


def test_the_gradient_is_the_slope():
    """Central differences in several directions, through a nonlinear loss."""
    layer, parts = layer_of(0), samples(0, 6)
    generator = torch.Generator().manual_seed(0)

    def loss(weight: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            layer.weight.copy_(weight)
        return layer(*parts).tanh().double().sum()

    start = layer.weight.detach().clone()
    loss(start).backward()
    for _ in range(5):
        direction = torch.randn(start.shape, generator=generator)
        step = 1e-4
        slope = (loss(start + step * direction) - loss(start - step * direction)) / (2 * step)
        torch.testing.assert_close((layer.weight.grad * direction).sum().double(), slope.detach(), rtol=2e-2, atol=2e-2)


def test_a_broadcast_gradient_is_taken_as_it_is():
    """`sum().backward()` hands over a gradient without memory of its own."""
    layer = layer_of(0)
    with torch.no_grad():
        layer.bias.fill_(1000.0)  # all units pass
    window, appearance = torch.ones(3, CELLS, dtype=torch.uint8), torch.zeros(3, NUM_APPEARANCE, dtype=torch.uint8)
    layer(window, appearance, torch.zeros(3, NUM_STATE)).sum().backward()
    assert layer.weight.grad.sum() == 3 * CELLS * WIDTH
    assert layer.weight.grad.shape == (ROWS, WIDTH)
