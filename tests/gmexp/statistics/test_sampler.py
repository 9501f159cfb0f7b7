"""The sampler against known answers, and diagnostics that notice when it fails."""

import numpy as np
import pytest

from gmexp.statistics.diagnostics import diagnose, ess, ess_bulk, ess_tail, mcse_mean, rhat
from gmexp.statistics.hmc import Density, _scale, _Spread, sample


class Gaussian(Density):
    """A correlated normal target with very different scales."""

    def __init__(self, covariance):
        self.precision = np.linalg.inv(covariance)

    def log_density(self, q):
        return -0.5 * np.einsum("ci,ij,cj->c", q, self.precision, q)

    def gradient(self, q):
        return -q @ self.precision


@pytest.mark.slow
def test_sampler_recovers_a_gaussian():
    scale = np.array([0.01, 1.0, 50.0])
    correlation = np.array([[1, 0.6, 0], [0.6, 1, -0.3], [0, -0.3, 1]])
    covariance = correlation * np.outer(scale, scale)
    trace = sample(Gaussian(covariance), np.random.default_rng(0).normal(size=(4, 3)), np.random.default_rng(1), 2000,
                   600)
    assert trace.divergences.tolist() == [0] and 0.7 < trace.accept < 0.97
    flat = trace.draws.reshape(-1, 3)
    error = mcse_mean(trace.draws)
    assert np.all(np.abs(flat.mean(axis=0)) < 4 * error)
    assert np.allclose(np.corrcoef(flat.T), correlation, atol=0.06)
    assert np.allclose(flat.std(axis=0) / scale, 1, atol=0.06)
    assert np.all(rhat(trace.draws) < 1.01) and np.all(ess_bulk(trace.draws) > 400)


@pytest.mark.slow
def test_groups_of_chains_have_posteriors_of_their_own():
    """Two normals of very different width, sampled side by side: each with its own step size and mass matrix."""
    class Two(Gaussian):
        scale = np.repeat([1.0, 300.0], 4)[:, None]

        def log_density(self, q):
            return super().log_density(q / self.scale)

        def gradient(self, q):
            return super().gradient(q / self.scale) / self.scale

    start = Two.scale * np.random.default_rng(0).normal(size=(8, 3))
    trace = sample(Two(np.diag([1.0, 4.0, 0.01])), start, np.random.default_rng(1), 1500, 400, groups=2)
    assert trace.divergences.tolist() == [0, 0] and np.all((trace.accept > 0.7) & (trace.accept < 1))
    for draws, wide in zip(np.split(trace.draws, 2), (1.0, 300.0), strict=True):
        assert np.allclose(draws.std(axis=(0, 1)) / wide, [1, 2, 0.1], rtol=0.1)
        assert np.all(rhat(draws) < 1.02) and np.all(ess_bulk(draws) > 400)


def test_scales_lie_between_marginal_and_conditional_spread():
    """Two groups of chains, of a narrow and a wide posterior: each coordinate's scale is the geometric mean of its sd and of
    its sd given the others, and the widest is told by the ratio of the first to it."""
    rng, covariance = np.random.default_rng(0), np.array([[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 9.0]])
    wide = np.repeat([1.0, 50.0], 4)[:, None]
    draws = wide * rng.multivariate_normal(np.zeros(3), covariance, (2000, 8))
    slopes = Gaussian(covariance).gradient((draws / wide).reshape(-1, 3)).reshape(draws.shape) / wide
    spreads = _Spread(2), _Spread(2)
    for spread, values in zip(spreads, (draws, slopes), strict=True):
        for each in values:
            spread.add(each)
        flat = values.reshape(2000, 2, 4, 3)
        assert np.allclose(spread.sd, flat.std(axis=(0, 2), ddof=1))
    scale, widest = _scale(*(spread.sd for spread in spreads))
    scale = scale.repeat(4, axis=0)
    marginal, given = np.sqrt(np.diag(covariance)), 1 / np.sqrt(np.diag(np.linalg.inv(covariance)))
    assert np.allclose(scale, wide * np.sqrt(marginal * given), rtol=0.05)
    assert np.allclose(widest, np.sqrt(marginal / given).max(), rtol=0.05)


def test_draws_may_be_handed_over():
    own, handed = [], sample(Gaussian(np.eye(2)), np.zeros((2, 2)), np.random.default_rng(5), 50, 100)
    trace = sample(Gaussian(np.eye(2)), np.zeros((2, 2)), np.random.default_rng(5), 50, 100, keep=own.append)
    assert trace.draws is None and np.array_equal(np.stack(own, axis=1), handed.draws)
    assert np.array_equal(trace.last, handed.draws[:, -1])


def test_same_seed_same_draws():
    runs = [sample(Gaussian(np.eye(2)), np.zeros((2, 2)), np.random.default_rng(5), 50, 100).draws for _ in range(2)]
    assert np.array_equal(*runs)


class Funnel(Gaussian):
    """Neal's funnel, which no fixed step size can explore: v ~ N(0, 3), x_i ~ N(0, exp(v / 2))."""

    def log_density(self, q):
        v, x = q[:, 0], q[:, 1:]
        return -(v**2) / 18 - 0.5 * np.sum(x**2, axis=1) * np.exp(-v) - 0.5 * x.shape[1] * v

    def gradient(self, q):
        v, x = q[:, :1], q[:, 1:]
        square = np.sum(x**2, axis=1, keepdims=True) * np.exp(-v)
        return np.concatenate([-v / 9 + 0.5 * square - 0.5 * x.shape[1], -x * np.exp(-v)], axis=1)


@pytest.mark.slow
def test_a_funnel_does_not_pass_the_gate():
    start = np.random.default_rng(0).normal(size=(4, 10))
    trace = sample(Funnel(np.eye(10)), start, np.random.default_rng(1), 500, 300)
    assert not diagnose(trace.draws, int(trace.divergences[0]), float(trace.accept[0]), 1.01, 400).passed


class Cliff(Gaussian):
    """A standard normal that falls off a cliff at q = 1."""

    def log_density(self, q):
        return -0.5 * np.sum(q**2, axis=1) - 1e8 * np.sum(np.maximum(q - 1, 0) ** 2, axis=1)


def test_divergences_are_counted():
    trace = sample(Cliff(np.eye(2)), np.zeros((4, 2)), np.random.default_rng(0), 200, 100)
    assert trace.divergences[0] > 0


def test_diagnostics_on_independent_draws():
    draws = np.random.default_rng(0).normal(size=(4, 1000, 3))
    assert np.all(rhat(draws) < 1.01)
    assert np.all((ess_bulk(draws) > 3000) & (ess_bulk(draws) < 5500))
    assert np.all(ess_tail(draws) > 2500)
    assert mcse_mean(draws) == pytest.approx(np.full(3, 1 / np.sqrt(4000)), rel=0.2)


def test_ess_of_an_autoregression():
    rng, phi = np.random.default_rng(1), 0.9
    x = np.zeros((4, 5000))
    noise = rng.normal(size=x.shape)
    for t in range(1, x.shape[1]):
        x[:, t] = phi * x[:, t - 1] + noise[:, t]
    assert ess(x[:, 500:]) == pytest.approx(4 * 4500 * (1 - phi) / (1 + phi), rel=0.2)


def test_the_gate_notices_failures():
    good = np.random.default_rng(2).normal(size=(4, 1000, 2))
    shifted, stuck = good.copy(), good.copy()
    shifted[0] += 1.0
    stuck[:, :, 0] = np.repeat(good[:, ::200, 0], 200, axis=1)
    wide = good * np.array([1, 1, 1, 4])[:, None, None]  # same mean, one chain too wide: only the folded R-hat sees it
    assert diagnose(good, 0, 0.9, 1.01, 400).passed
    for draws, divergences in ((shifted, 0), (stuck, 0), (wide, 0), (good, 1)):
        assert not diagnose(draws, divergences, 0.9, 1.01, 400).passed
