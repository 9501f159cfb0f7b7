"""The density: its gradient, its coordinates, and that other coordinates are the same model."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import build_design
from gmexp.statistics.model import Model, _Node, contrasts
from gmexp.statistics.simulate import World, simulate

WORLDS = {
    "several environments": World(envs=2, shifts=(0, 1, 3), runs_per_cell=2),
    "one environment, one condition": World(diversities=(0.0,), runs_per_cell=3),
    "first events": World(masked=False, runs_per_cell=2),
    "one shift": World(envs=2, shifts=(3,), diversities=(0.0, 0.1, 0.3), runs_per_cell=2),
}


def several_learners(row):
    """Two learners in each environment, and one condition whose diversity nobody knows."""
    return replace(row, learner=f"ppo {row.env if row.train_diversity else 'of both'}",
                   train_diversity=None if row.train_diversity and row.env == "env1" else row.train_diversity)


def model(name, change=lambda row: row):
    counts, _ = simulate(WORLDS[name], np.random.default_rng(0))
    return Model(build_design([change(row) for row in counts]), CalibrationConfig())


@pytest.mark.slow
@pytest.mark.parametrize("tuned", [False, True])
@pytest.mark.parametrize("name", WORLDS)
def test_gradient_equals_finite_differences(name, tuned):
    m = model(name)
    q = m.start(np.random.default_rng(1), 2)
    if tuned:
        pulls = m.tuned(m.start(np.random.default_rng(2), 40))
        q, m.pulls = m.recoded(q, pulls), pulls
    numeric = np.empty_like(q)
    for j in range(m.size):
        step = np.zeros(m.size)
        step[j] = 1e-5
        numeric[:, j] = (m.log_density(q + step) - m.log_density(q - step)) / 2e-5
    exact = m.gradient(q)
    assert np.max(np.abs(numeric - exact) / (1 + np.abs(exact))) < 1e-5


@pytest.mark.slow
def test_learners_and_unknown_settings_have_gradients_too():
    m = model("several environments", several_learners)
    assert m.has["l"] and len(m.unknown)
    q, step = m.start(np.random.default_rng(1), 1), 1e-5
    for j in np.random.default_rng(2).choice(m.size, 40, replace=False):
        move = np.zeros(m.size)
        move[j] = step
        numeric = (m.log_density(q + move) - m.log_density(q - move))[0] / (2 * step)
        assert numeric == pytest.approx(m.gradient(q)[0, j], rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_likelihood_equals_scipy_up_to_a_constant():
    m = model("several environments")
    q = m.start(np.random.default_rng(3), 2)
    f = m._nodes(q)
    ours = m._likelihood([part.value[:, 0] for part in f["theta"]], f["z"]["skill"], False)[0]
    d, constants = m.design, []
    for i in range(2):
        c, b, p, a = (1 / (1 + np.exp(-v)) for v in (*(part.value[i, 0] for part in f["theta"]), f["z"]["skill"][i]))
        h, e = c * (1 - b), c * b
        theirs = sum(stats.multinomial.logpmf(d.masked[r], d.masked[r].sum(), [h[r], e[r], 1 - c[r]])
                     + stats.multinomial.logpmf(d.visible[r], d.visible[r].sum(), [
                         (1 - p[r]) * h[r] + p[r] * a[r], (1 - p[r]) * e[r],
                         1 - (1 - p[r]) * c[r] - p[r] * a[r]]) for r in range(m.N))
        constants.append(theirs - ours[i])
    assert constants[0] == pytest.approx(constants[1], abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_other_coordinates_say_the_same(name):
    m = model(name)
    q = m.start(np.random.default_rng(1), 40)
    pulls, before = m.tuned(q), m.unpack(q)
    recoded = m.recoded(q, pulls)
    m.pulls = pulls
    after = m.unpack(recoded)
    assert all(np.allclose(before[key], after[key]) for key in before)


def test_coordinates_have_one_posterior_at_every_scale():
    """Data that tell a value to be `centre` within 1 / pull: mean 0 and variance 1 of z, wherever mean and sd are."""
    centre, pull = 0.7, 4.0
    z = np.linspace(-6, 6, 2001)
    for sd, mean in itertools.product((0.001, 0.1, 0.25, 1.0, 10.0), (-1.0, 0.7, 1.5)):
        shape = (len(z), 1, 1)
        part = _Node(np.full(shape, mean), np.full(shape, np.log(sd)), np.full((1, 1, 1), pull), np.full((1, 1, 1), centre),
                     z.reshape(shape))
        log_p = part.log_density() - 0.5 * (pull * (part.value[:, 0, 0] - centre)) ** 2
        p = np.exp(log_p - log_p.max())
        p /= p.sum()
        first = p @ z
        second = p @ (z - first) ** 2
        assert abs(first) < 1e-6 and abs(second - 1) < 1e-3, (sd, mean)


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_no_function_reads_across_gaps(name, monkeypatch):
    """Where a strided array lies just before the result, numpy takes another branch, with other last bits: a calibration
    would depend on what the heap looked like."""
    m, seen = model(name), []
    q = m.start(np.random.default_rng(1), 4)

    def watched(function):
        def call(x, *arguments, **options):
            array = np.asarray(x)
            span = 1 + sum((n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)) // array.itemsize
            seen.append((function.__name__, array.size == 0 or span <= array.size))
            return function(x, *arguments, **options)
        return call

    for function in (np.exp, np.log, np.log1p, np.expm1):
        monkeypatch.setattr(np, function.__name__, watched(function))
    m.log_density(q)
    m.gradient(q)
    assert len(seen) > 10 and all(dense for _, dense in seen), [name for name, dense in seen if not dense]


def test_contrasts_are_orthonormal_and_sum_to_zero():
    h = contrasts(5)
    assert np.allclose(h.T @ h, np.eye(4)) and np.allclose(h.sum(axis=0), 0)


@pytest.mark.slow
def test_effects_that_nothing_tells_apart_are_left_out():
    assert not any(model("one environment, one condition").has[key] for key in ("env", "l", "w", "u", "t"))
    assert not model("one shift").has["v"] and model("one shift").has["env"]
