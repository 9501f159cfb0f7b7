import subprocess
import sys

import numpy as np
import pytest
import torch

from gmexp.agents.adam import Adam

RATES = (1e-3, 1e-3, 5e-4, 2e-2)


def weights() -> list[torch.Tensor]:
    """Three of them, the second of which has no gradient until later."""
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((5, 3), (4,), (3, 2, 2))]


def gradients(moved: list[torch.Tensor], step: int) -> None:
    generator = torch.Generator().manual_seed(step)
    for i, weight in enumerate(moved):
        weight.grad = None if i == 1 and step < 2 else torch.randn(weight.shape, generator=generator)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_every_step_is_that_of_torchs_class(fused, decay):
    ours, theirs = weights(), weights()
    optimizer = Adam(ours, 1.0, 1e-5, decay, fused)
    reference = torch.optim.Adam(theirs, 1.0, eps=1e-5, weight_decay=decay, fused=fused)
    for step, rate in enumerate(RATES):
        gradients(ours, step)
        gradients(theirs, step)
        optimizer.learning_rate = reference.param_groups[0]["lr"] = rate
        optimizer.step()
        reference.step()
        for mine, other in zip(ours, theirs, strict=True):
            assert torch.equal(mine, other)


def test_it_goes_on_from_its_state_bit_for_bit():
    ours = weights()
    first = Adam(ours, 1e-2)
    for step in range(2):
        gradients(ours, step)
        first.step()
    kept = {name: array.copy() for name, array in first.state().items()}
    assert list(kept) == [f"optimizer.{i}.{name}" for i in (0, 2) for name in ("step", "exp_avg", "exp_avg_sq")]
    others = [torch.nn.Parameter(weight.detach().clone()) for weight in ours]
    second = Adam(others, 1e-2)
    second.restore(kept | {"steps": np.array(3)})
    for optimizer, moved in ((first, ours), (second, others)):
        gradients(moved, 5)
        optimizer.step()
    assert all(torch.equal(mine, other) for mine, other in zip(ours, others, strict=True))


@pytest.mark.parametrize("name, array", [
    ("optimizer.9.step", np.zeros((), np.float32)), ("optimizer.0.exp_avg", np.zeros((3, 5), np.float32)),
    ("optimizer.0.fisher", np.zeros((5, 3), np.float32))])
def test_a_state_of_other_weights_is_refused(name, array):
    with pytest.raises(ValueError, match=f"{name} .* is not of these weights"):
        Adam(weights(), 1e-2).restore({name: array})


def test_no_gradients_are_left():
    ours = weights()
    gradients(ours, 3)
    Adam(ours, 1e-2).zero_grad()
    assert all(weight.grad is None for weight in ours)


@pytest.mark.slow
def test_torchs_compiler_is_not_imported(tmp_path):
    """It costs every process that trains two seconds."""
    script = ("import sys; from tests.gmexp.tiny import train_config; from gmexp.training.train import train; "
              f"train(train_config({str(tmp_path)!r}, iterations=1)); sys.exit('torch._dynamo' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
