"""Acceptance 6: the rat tumours of BDA3 (71 groups, table 5.1) on the quadrature grid."""

import numpy as np
import pytest
from scipy import stats

from gmexp.statistics.config import Priors
from gmexp.statistics.quadrature import bda3_prior, cell_posterior, model_prior

RATS = """0/20 0/20 0/20 0/20 0/20 0/20 0/20 0/19 0/19 0/19 0/19 0/18 0/18 0/17 1/20 1/20 1/20 1/20 1/19 1/19 1/18 1/18
2/25 2/24 2/23 2/20 2/20 2/20 2/20 2/20 2/20 1/10 5/49 2/19 5/46 3/27 2/17 7/49 7/47 3/20 3/20 2/13 9/48 10/50 4/20
4/20 4/20 4/20 4/20 4/20 4/20 10/48 4/19 4/19 4/19 5/22 11/46 12/49 5/20 5/20 6/23 5/19 6/22 6/20 6/20 6/20 16/52 15/47
15/46 9/24 4/14"""


def test_rat_tumours():
    y, n = np.array([tuple(map(int, cell.split("/"))) for cell in RATS.split()]).T
    assert len(y) == 71 and (y.sum(), n.sum()) == (267, 1739)
    grid = cell_posterior(y, n, bda3_prior, logit_mu=(-4.0, 1.0), log_phi=(-1.0, 12.0), size=500)
    assert grid.mean(grid.mu * grid.phi) == pytest.approx(2.40, abs=0.02)
    assert grid.mean((1 - grid.mu) * grid.phi) == pytest.approx(14.32, abs=0.02)


def test_without_data_the_grid_is_the_prior():
    grid = cell_posterior([0], [0], model_prior(Priors()))
    assert grid.mean(grid.mu) == pytest.approx(0.5, abs=1e-6)
    assert grid.sd(grid.mu) == pytest.approx(np.sqrt(1 / 12), abs=1e-4)
    assert grid.mean(np.log(grid.phi)) == pytest.approx(np.log(2), abs=1e-4)


def test_large_phi_is_the_binomial():
    prior = Priors(phi_log_mean=8.0, phi_log_sd=0.01)
    grid = cell_posterior([3, 4], [10, 10], model_prior(prior), log_phi=(7.9, 8.1))
    exact = stats.beta(1 + 7, 1 + 13)
    assert grid.mean(grid.mu) == pytest.approx(exact.mean(), abs=1e-3)
    assert grid.quantile_mu(0.975) == pytest.approx(exact.ppf(0.975), abs=2e-3)
