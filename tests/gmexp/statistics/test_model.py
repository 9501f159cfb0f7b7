"""The density: its gradient, its normalisation against scipy, its symmetries."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import GOAL, build_design
from gmexp.statistics.model import Model, marginal_factor
from gmexp.statistics.priors import elicited_harm, literature_log_ratio
from gmexp.statistics.simulate import grid_design, prior_draw, synthetic_counts

DESIGN = build_design(synthetic_counts((0.0, 0.1, 0.3), runs=3, episodes=40))
CONFIGS = {
    "default": CalibrationConfig(), "literature": CalibrationConfig(a0=1.0),
    "one phi": CalibrationConfig(phi_per_shift=False), "no effects": CalibrationConfig(cell_effects=False,
                                                                                      run_effects=False),
    "no line missed": CalibrationConfig(condition_effects=False), "runs only": CalibrationConfig(cell_effects=False),
    "cells only": CalibrationConfig(run_effects=False),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_gradient_equals_finite_differences(name):
    model = Model(DESIGN, CONFIGS[name])
    q = np.random.default_rng(0).normal(size=(3, model.size))
    numeric = np.empty_like(q)
    for j in range(model.size):
        step = np.zeros(model.size)
        step[j] = 1e-5
        numeric[:, j] = (model.log_density(q + step) - model.log_density(q - step)) / 2e-5
    exact = model.gradient(q)
    assert np.max(np.abs(numeric - exact) / (1 + np.abs(exact))) < 1e-5


def test_density_equals_scipy_up_to_a_constant():
    model = Model(DESIGN, CalibrationConfig())
    q = np.random.default_rng(1).normal(size=(4, model.size))
    ours = model.log_density(q)
    theirs = []
    for row in q:
        p = model.unpack(row)
        logp = stats.logistic.logpdf(p.alpha).sum() + stats.norm.logpdf(p.beta).sum()
        logp += stats.norm.logpdf(np.log(p.phi), np.log(2), 1).sum()
        logp += stats.norm.logpdf(p.u / p.tau[model.cells[:, 0], model.cells[:, 1]]).sum()
        logp += stats.norm.logpdf(p.w @ model.basis.T / p.omega[model.departures[0][2]]).sum()
        logp += stats.halfnorm.logpdf(p.tau, scale=0.5).sum() + stats.halfnorm.logpdf(p.omega).sum()
        logp += stats.halfnorm.logpdf(p.sigma, scale=1.5).sum()
        z = p.v / p.sigma[model.run_slots[:, 0]]
        joint = np.zeros(0)
        paired = {int(i) for pair in model.pairs for i in pair}
        for a, b in model.pairs:
            joint = np.append(joint, stats.multivariate_normal.logpdf(z[[a, b]], cov=[[1, p.rho], [p.rho, 1]])
                              + 0.5 * np.log(1 - p.rho**2))  # the Jacobian of z_goal given e
        logp += joint.sum() + sum(stats.norm.logpdf(z[i]) for i in range(len(z)) if i not in paired)
        logp += 2 * np.log(1 - p.rho**2)
        d = DESIGN
        eta = p.alpha[d.stage, d.shift] + np.einsum("nk,nk->n", d.x[d.condition], p.beta[d.stage])
        cell = {tuple(c): i for i, c in enumerate(model.cells.tolist())}
        pair = {tuple(c): i for i, c in enumerate(model.condition_cells.tolist())}
        slot = {tuple(c): i for i, c in enumerate(model.run_slots.tolist())}
        eta = eta + [p.u[cell[k, s, c]] for k, s, c in zip(d.stage.tolist(), d.shift.tolist(), d.condition.tolist(),
                                                     strict=True)]
        eta = eta + [p.w[pair[k, c]] for k, c in zip(d.stage.tolist(), d.condition.tolist(), strict=True)]
        eta = np.sqrt(1 + 256 / (75 * np.pi**2) * p.sigma[d.stage] ** 2) * eta
        eta += [p.v[slot[k, r]] for k, r in zip(d.stage.tolist(), d.run.tolist(), strict=True)]
        phi = p.phi[d.stage, d.shift]
        logp += stats.betabinom.logpmf(d.y, d.n, expit(eta) * phi, expit(-eta) * phi).sum()
        theirs.append(logp)
    assert np.allclose(np.diff(ours), np.diff(theirs), atol=1e-8)


def test_folding_leaves_density_and_meaning_alone():
    model = Model(DESIGN, CalibrationConfig())
    q = np.random.default_rng(2).normal(size=(20, model.size))
    folded = q * model.fold(q)
    assert np.allclose(model.log_density(q), model.log_density(folded))
    assert np.all(folded[:, model.slices["tau"]] >= 0) and np.all(folded[:, model.slices["sigma"]] >= 0)
    before, after = model.unpack(q), model.unpack(folded)
    for name in ("w", "u", "v", "omega", "tau", "sigma", "rho", "alpha"):
        assert np.allclose(getattr(before, name), getattr(after, name))


def test_effects_appear_only_where_the_data_can_show_them():
    one_cell = grid_design(shifts=1, diversities=(0.0,), runs=5)
    model = Model(one_cell, CalibrationConfig())
    assert len(model.cells) == 0 and len(model.run_slots) == 0
    crossed = Model(grid_design(shifts=3, diversities=(0.0,), runs=5), CalibrationConfig())
    assert len(crossed.cells) == 0 and len(crossed.run_slots) == 5
    varied = Model(grid_design(shifts=1, diversities=(0.0, 0.3), runs=5), CalibrationConfig())
    assert len(varied.cells) == 2 and len(varied.run_slots) == 0
    two, three = (Model(grid_design(shifts=2, diversities=deltas, runs=5), CalibrationConfig())
                  for deltas in ((0.0, 0.3), (0.0, 0.1, 0.3)))
    assert len(two.condition_cells) == 0 and len(three.condition_cells) == 3  # a line goes through two points
    assert three.basis.shape == (1, 3)
    assert np.allclose(three.basis @ three.design.x, 0) and np.allclose(three.basis.sum(axis=1), 0)
    assert len(Model(grid_design(shifts=1, diversities=(0.0, 0.1, 0.3)), CalibrationConfig()).condition_cells) == 0


def test_extreme_coordinates_stay_finite():
    model = Model(DESIGN, CalibrationConfig())
    for value in (-300.0, -50.0, 50.0, 300.0):
        q = np.full((1, model.size), value)
        assert np.all(np.isfinite(model.log_density(q))) and np.all(np.isfinite(model.gradient(q)))


def test_prior_draws_follow_the_prior():
    model = Model(grid_design(), CalibrationConfig())
    rng = np.random.default_rng(4)
    p = model.unpack(np.stack([prior_draw(model, rng) for _ in range(4000)]))
    assert stats.kstest(expit(p.alpha[:, GOAL, 0]), "uniform").pvalue > 0.001
    assert stats.kstest(p.tau[:, GOAL, 1], stats.halfnorm(scale=0.5).cdf).pvalue > 0.001
    assert stats.kstest(p.phi[:, GOAL, 1], stats.lognorm(1, scale=2).cdf).pvalue > 0.001


def test_literature_mixture_is_half_uniform_half_beta():
    mu = np.linspace(0.01, 0.99, 99)
    pseudo = np.array([[1.5, 0.5]])
    ratio, slope = literature_log_ratio(np.log(mu / (1 - mu))[:, None], pseudo)
    assert np.allclose(np.exp(ratio[:, 0]), 0.5 + 0.5 * stats.beta.pdf(mu, 2.5, 1.5))
    ratio_up = literature_log_ratio(np.log(mu / (1 - mu))[:, None] + 1e-6, pseudo)[0]
    assert np.allclose((ratio_up - ratio) / 1e-6, slope, atol=1e-4)
    assert np.all(literature_log_ratio(np.zeros((3, 1)), np.zeros((1, 2)))[0] == 0)  # a0 = 0: no influence at all


def test_elicited_harm_hits_its_anchors():
    a, b = elicited_harm()
    assert stats.beta.cdf([0.35, 0.82], a, b) == pytest.approx([0.05, 0.95], abs=1e-6)


@pytest.mark.parametrize("sigma", [0.5, 1.5, 3.0])
def test_the_marginal_logit_is_the_logit_of_the_mean_over_runs(sigma):
    alpha = np.linspace(-4, 4, 9)
    v = stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000) * sigma
    mean = expit(marginal_factor(np.array(sigma)) * alpha[:, None] + v).mean(axis=1)
    assert np.max(np.abs(mean - expit(alpha))) < 0.012
