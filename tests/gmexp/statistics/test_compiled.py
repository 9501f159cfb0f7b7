"""The compiled density is the model's."""

import numpy as np
import pytest

from gmexp.statistics.alike import together
from gmexp.statistics.compiled import Compiled
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import build_design
from gmexp.statistics.model import Model
from gmexp.statistics.simulate import World, simulate

from .test_model import WORLDS, several_learners


def model(world, change=lambda row: row, seed=0):
    counts, _ = simulate(world, np.random.default_rng(seed))
    return Model(build_design([change(row) for row in counts]), CalibrationConfig())


def tuned(m):
    """The model in the coordinates of a pilot."""
    m.pulls = m.tuned(m.start(np.random.default_rng(2), 40))
    return m


CASES = {name: lambda world=world: model(world) for name, world in WORLDS.items()} | {
    "one environment": lambda: model(World(shifts=(0, 1, 3))),
    "several learners, unknown settings": lambda: model(WORLDS["several environments"], several_learners),
    "many data sets": lambda: together([tuned(model(WORLDS["several environments"], seed=i)) for i in range(2)], 2),
}


def steps(density, q):
    """Position, momentum and gradient after some steps."""
    rng = np.random.default_rng(4)
    position, momentum, stride = q.copy(), rng.standard_normal(q.shape), 0.02 * rng.uniform(0.5, 1.5, q.shape)
    return position, momentum, density.leapfrog(position, momentum, density.gradient(q), stride, np.array([5, 3, 1, 5]))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_it_is_the_models(case):
    m = CASES[case]()
    for pilot in (False, True):
        if pilot and case != "many data sets":
            tuned(m)
        q, compiled = 2 * m.start(np.random.default_rng(1), 4), Compiled(m)
        assert np.allclose(compiled.log_density(q), m.log_density(q), rtol=1e-12, atol=1e-9)
        assert np.allclose(compiled.gradient(q), m.gradient(q), rtol=1e-10, atol=1e-10)
        for ours, theirs in zip(steps(compiled, q), steps(m, q), strict=True):
            assert np.allclose(ours, theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.slow
def test_far_out_it_is_the_models_too():
    """Where logits and scales are limited, as at the beginning of a run of the sampler."""
    m = model(WORLDS["several environments"])
    for far in (10.0, 40.0):
        q = far * np.random.default_rng(3).standard_normal((4, m.size))
        compiled = Compiled(m)
        assert np.allclose(compiled.gradient(q), m.gradient(q), rtol=1e-8, atol=1e-8)
        assert np.allclose(compiled.log_density(q), m.log_density(q), rtol=1e-10)


@pytest.mark.slow
def test_it_changes_nothing_that_it_is_given():
    m = model(WORLDS["one shift"])
    q, compiled = m.start(np.random.default_rng(1), 3), Compiled(m)
    before, first = q.copy(), compiled.gradient(q)
    compiled.log_density(q)
    assert np.array_equal(q, before) and np.array_equal(compiled.gradient(q), first)
    slope = first.copy()
    compiled.leapfrog(q.copy(), np.ones_like(q), slope, np.full_like(q, 0.01), np.full(3, 3))
    assert np.array_equal(slope, first)
