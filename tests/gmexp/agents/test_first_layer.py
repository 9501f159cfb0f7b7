"""The layer that adds up column sums of weight rows is the linear layer over one-hot classes it stands for."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import gmexp_envs
from gmexp.agents.first_layer import CellLayer
from gmexp.agents.first_layer_kernels import MOTION_SCALE
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.task import Semantics

WIDTH = 5
WIDTHS = (1, 5, 64, 75)  # 75 = 64 + 8 + 3: vectors of each size
COINRUN = TASK.semantics


def meaning(rows: int, columns: int, classes: int, features: int = 2, appearance: int = 0) -> Semantics:
    """Semantics of these sizes."""
    return Semantics(tuple(map(str, range(classes))), (rows, columns), tuple(map(str, range(features))), (1.0,) * features,
                     appearance, typical=20)


# of games there are, of odd sizes, with a row or a column only, without appearance or motion, of one class besides free
SEMANTICS = [COINRUN, meaning(25, 25, 4, 3, 31), meaning(5, 7, 3), meaning(4, 3, 11, 7, 1), meaning(1, 9, 4),
             meaning(9, 1, 4), meaning(1, 1, 2, 1, 3), meaning(6, 6, 2, 0)]


def layer_of(seed: int, semantics: Semantics = COINRUN, width: int = WIDTH) -> CellLayer:
    """A layer whose bias is not zero either."""
    layer = CellLayer(semantics, width, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        layer.bias.normal_(generator=torch.Generator().manual_seed(seed + 1))
    return layer


def samples(seed: int, batch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Windows without any order, appearances and motions, of CoinRun's sizes."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randint(len(COINRUN.classes), (batch, math.prod(COINRUN.window)), generator=generator, dtype=torch.uint8),
            torch.randint(2, (batch, COINRUN.appearance), generator=generator, dtype=torch.uint8),
            torch.randn(batch, len(COINRUN.state), generator=generator))


def one_hot(window: torch.Tensor, appearance: torch.Tensor, classes: int) -> torch.Tensor:
    """What the layer multiplies in principle: a column per cell and class other than free, then the appearance."""
    columns = [window == c for c in range(1, classes)]
    return torch.cat([torch.stack(columns, 2).flatten(1), appearance], 1).float()


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.sampled_from(SEMANTICS), st.sampled_from(WIDTHS), st.data())
def test_output_and_gradients_are_those_of_the_one_hot_product(seed, batch, semantics, width, data):
    layer, classes = layer_of(seed, semantics, width), len(semantics.classes)
    cells = math.prod(semantics.window)
    window = torch.from_numpy(data.draw(arrays(np.uint8, (batch, cells), elements=st.integers(0, classes - 1))))
    appearance = torch.from_numpy(data.draw(arrays(np.uint8, (batch, semantics.appearance), elements=st.integers(0, 1))))
    state = torch.randn(batch, len(semantics.state), generator=torch.Generator().manual_seed(seed))
    upstream = torch.randn(batch, width, generator=torch.Generator().manual_seed(seed))
    out = layer(window, appearance, state)
    out.backward(upstream)
    inputs = one_hot(window, appearance, classes)
    with torch.no_grad():
        before = inputs @ layer.weight + MOTION_SCALE * state @ layer.motion + layer.bias
    torch.testing.assert_close(out, before.relu(), rtol=1e-4, atol=1e-5)
    passed = upstream * (out > 0)
    torch.testing.assert_close(layer.weight.grad, inputs.T @ passed, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.motion.grad, MOTION_SCALE * state.T @ passed, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.bias.grad, passed.sum(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("semantics", SEMANTICS[1:])
def test_rows_of_any_size_lie_where_the_product_expects_them(semantics):
    """One cell at a time, so that a wrong row cannot hide behind another."""
    layer, cells = layer_of(0, semantics), math.prod(semantics.window)
    window = torch.eye(cells, dtype=torch.uint8) * (len(semantics.classes) - 1)
    parts = window, torch.zeros(cells, semantics.appearance, dtype=torch.uint8), torch.zeros(cells, len(semantics.state))
    torch.testing.assert_close(layer(*parts), layer.dense(*parts), rtol=1e-4, atol=1e-5)


def test_both_ways_to_compute_it_agree_on_levels_of_the_game():
    layer = layer_of(0)
    env = gmexp_envs.make_vec("coinrun", 64, mode="hard", seed=3)
    env.reset()
    for _ in range(40):
        seen = env.step(np.full(64, 7, np.int32)).observation
    window, state, appearance = map(torch.from_numpy, seen)
    parts = window.flatten(1), appearance, state
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
    window, appearance, state = (torch.zeros_like(part) for part in samples(0, 3))
    layer(window + 1, appearance, state).sum().backward()
    assert layer.weight.grad.sum() == 3 * 169 * WIDTH
    assert layer.weight.grad.shape == (169 * 8 + 86, WIDTH)
