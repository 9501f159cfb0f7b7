"""Acceptance 7 and 8 in a reduced form; the full studies are `gmexp check`."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import logsumexp

from gmexp.statistics.checks import QUICK, coverage, run_t, sbc, wilson
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import CAPABILITY, build_design
from gmexp.statistics.loso import exact_runs, leave_one_run_out, log_run_likelihood, one_run, pareto_smooth
from gmexp.statistics.posterior import Posterior
from gmexp.statistics.predictive import cell_fits, posterior_predictive
from gmexp.statistics.simulate import grid_design, simulate
from gmexp.support.errors import UserError


@pytest.mark.slow
def test_coverage_smoke():
    """40 data sets: the hierarchical interval covers, pooling episodes does not."""
    result = coverage(sets=40, truth="prior", config=replace(QUICK, warmup=200, draws=60))
    assert 0.90 <= result["hierarchical_95"] <= 0.99
    assert result["next_run_90"] >= 0.85
    assert result["pooled_wilson_95"] < 0.60
    assert result["run_t_95"] < result["hierarchical_95"]


@pytest.mark.slow
def test_sbc_smoke():
    result = sbc(sets=24, bins=4, config=replace(QUICK, warmup=150, draws=40))
    assert len(result["p"]) >= 8
    assert result["p_min"] > 1e-4  # enough to catch a wrong gradient, prior or simulator
    assert all(0 <= r < 40 for ranks in result["ranks"].values() for r in ranks)


def test_wilson_and_t():
    assert wilson(0, 10) == (pytest.approx(0, abs=1e-12), pytest.approx(0.2775, abs=1e-4))
    rates = np.array([0.2, 0.4, 0.9])
    low, high = stats.t.interval(0.95, 2, loc=rates.mean(), scale=stats.sem(rates))
    assert run_t(rates) == (pytest.approx(low), pytest.approx(high))
    assert run_t(rates[:1]) == (0.0, 1.0)


@pytest.mark.parametrize("truth", ["prior", "beta", "logistic_normal"])
def test_simulated_means_are_the_means_of_simulated_runs(truth):
    """The stated mean over runs is what very many runs show."""
    design = grid_design(shifts=2, diversities=(0.0, 0.3), runs=2000, episodes=1000)
    data, known = simulate(design, truth, np.random.default_rng(0), CalibrationConfig())
    for (stage, shift, condition), mean in known.mean.items():
        rows = (data.stage == stage) & (data.shift == shift) & (data.condition == condition)
        rates = data.y[rows] / data.n[rows]
        assert rates.mean() == pytest.approx(mean, abs=4 * rates.std() / np.sqrt(len(rates)) + 1e-3)
    with pytest.raises(UserError, match="truth must be"):
        simulate(design, "posterior", np.random.default_rng(0), CalibrationConfig())


def test_pareto_k_is_estimated():
    rng = np.random.default_rng(0)
    for k in (0.2, 0.5, 0.9):
        weights, found = pareto_smooth(-k * np.log(1 - rng.uniform(size=20_000)))
        assert found == pytest.approx(k, abs=0.2)
        assert logsumexp(weights) == pytest.approx(0, abs=1e-9)
    equal, found = pareto_smooth(np.zeros(500))
    assert found <= 0.7 and np.allclose(equal, -np.log(500))


def single_cell(sigma, phi, rho=0.0):
    """A posterior of one draw with alpha = 0 in one shift."""
    template = grid_design(shifts=1, diversities=(0.0,), runs=1, stages=(0, 1))
    one = np.ones((1, 2))
    return template, Posterior(2, 0, template.shifts, template.conditions, template.covariates, template.x, (), (), (),
                               alpha=np.zeros((1, 2, 1)), beta=np.zeros((1, 2, 1)), w=np.zeros((1, 0)),
                               u=np.zeros((1, 0)), phi=np.full((1, 2, 1), phi), omega=0 * one, tau=0 * one,
                               sigma=sigma * one, rho=np.array([rho]))


@pytest.mark.parametrize("rho", [0.0, 0.8, -0.5])
def test_run_likelihood_integrates_the_run_effects(rho):
    template, post = single_cell(sigma=1.5, phi=8.0, rho=rho)
    rng = np.random.default_rng(1)
    z = rng.standard_normal((2, 400_000))
    z[1] = rho * z[0] + np.sqrt(1 - rho**2) * z[1]
    mu = 1 / (1 + np.exp(-1.5 * z))
    mc = np.mean(stats.betabinom.pmf(38, 50, mu[0] * 8, (1 - mu[0]) * 8) * stats.betabinom.pmf(
        30, 38, mu[1] * 8, (1 - mu[1]) * 8))
    design = type(template)(**{**vars(template), "y": np.array([38, 30]), "n": np.array([50, 38])})
    ours = np.exp(log_run_likelihood(design, post, np.array([0]))[0, 0])
    assert ours == pytest.approx(mc, rel=0.02)


def test_run_likelihoods_sum_to_one():
    _, post = single_cell(sigma=1.0, phi=2.0)
    from gmexp.statistics.loso import effect_weights

    index = np.array([0])
    weights = effect_weights(post.rho)
    total = sum(np.exp(one_run(post, index, weights, np.zeros(1), 0, [(1, 0, y, 12)])[0]) for y in range(13))
    assert total == pytest.approx(1, abs=1e-6)


def test_leaving_runs_out(counts, calibration, lenient):
    design, config = build_design(counts), replace(lenient, warmup=150, draws=60, attempts=1)
    result = leave_one_run_out(design, calibration.posterior)
    assert len(result.pointwise) == 8 and result.elpd == pytest.approx(sum(result.pointwise))
    assert all(0 <= value <= 1 for values in result.pit.values() for value in values)
    assert all(p > 0.001 for p in result.pit_p.values())
    trusted = int(np.argmin(result.k))
    refitted = exact_runs(design, replace(result, k=tuple(0.9 * (r == trusted) for r in range(8))), config)
    assert refitted.pointwise[trusted] == pytest.approx(result.pointwise[trusted], abs=0.6)
    others = [r for r in range(8) if r != trusted]
    assert refitted.exact and all(refitted.pointwise[r] == result.pointwise[r] for r in others)


def test_predictive_check_accepts_its_own_data_and_refuses_others(counts, calibration):
    design = build_design(counts)
    own = posterior_predictive(design, calibration.posterior)
    assert all(0.01 < s["p"] < 0.99 for stage in ("capability", "goal_failure") for s in own[stage].values())
    rng = np.random.default_rng(0)
    extreme = np.where(rng.uniform(size=len(design.n)) < 0.5, 0, design.n)  # every row all or nothing
    other = posterior_predictive(type(design)(**{**vars(design), "y": extreme}), calibration.posterior)
    assert other["goal_failure"]["all_or_nothing"]["p"] < 0.01
    assert other["goal_failure"]["spread"]["p"] < 0.01


def test_a_cell_that_the_model_gets_wrong_is_named(counts, calibration):
    design = build_design(counts)
    assert all(fit.fits for fit in cell_fits(design, calibration.posterior))
    cell = (design.stage == CAPABILITY) & (design.shift == 1) & (design.condition == 0)
    wrong = replace(design, y=np.where(cell, design.n // 10, design.y))
    worst, second, *_ = cell_fits(wrong, calibration.posterior)
    assert worst.stage == "capability" and worst.shift.startswith("superficial") and "diversity=0 " in worst.condition
    assert worst.observed == pytest.approx(0.1) and worst.replicated > 0.5 and worst.p < 0.05
    assert not worst.fits and second.fits
