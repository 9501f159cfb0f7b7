"""Two-dimensional quadrature of one beta-binomial cell: the oracle the sampler is checked against.

y_r ~ BetaBinomial(n_r, a, b) with a = mu phi, b = (1 - mu) phi, integrated on a grid over (logit mu, log phi).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaln

from gmexp.statistics.config import Priors

__all__ = ["CellPosterior", "bda3_prior", "cell_posterior", "model_prior"]

LogPrior = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class CellPosterior:
    """Posterior of one cell on a grid: mu [M, 1], phi [1, P], weights [M, P] summing to 1."""

    mu: np.ndarray
    phi: np.ndarray
    weights: np.ndarray

    def mean(self, quantity: np.ndarray) -> float:
        """Posterior mean of a quantity on the grid, such as grid.mu or grid.mu * grid.phi."""
        return float(np.sum(self.weights * quantity))

    def sd(self, quantity: np.ndarray) -> float:
        mean = self.mean(quantity)
        return float(np.sqrt(self.mean((quantity - mean) ** 2)))

    def quantile_mu(self, at: float) -> float:
        """Quantile of mu."""
        marginal = self.weights.sum(axis=1)
        return float(np.interp(at, np.cumsum(marginal) - 0.5 * marginal, self.mu[:, 0]))


def model_prior(priors: Priors) -> LogPrior:
    """The model's prior in the grid's coordinates: mu uniform, phi log-normal."""

    def log_prior(logit_mu: np.ndarray, log_phi: np.ndarray) -> np.ndarray:
        uniform = -np.logaddexp(0, logit_mu) - np.logaddexp(0, -logit_mu)
        return uniform - 0.5 * ((log_phi - priors.phi_log_mean) / priors.phi_log_sd) ** 2

    return log_prior


def bda3_prior(logit_mu: np.ndarray, log_phi: np.ndarray) -> np.ndarray:
    """p(a, b) proportional to (a + b)^(-5/2) (Gelman et al., BDA3, equation 5.9), with the Jacobian a b."""
    log_a = log_phi - np.logaddexp(0, -logit_mu)
    log_b = log_phi - np.logaddexp(0, logit_mu)
    return -2.5 * log_phi + log_a + log_b


def cell_posterior(y: np.ndarray, n: np.ndarray, log_prior: LogPrior, logit_mu: tuple[float, float] = (-12.0, 12.0),
                   log_phi: tuple[float, float] = (-6.0, 9.0), size: int = 400) -> CellPosterior:
    """Posterior of a cell with y successes of n per run, on a size x size grid over the given ranges."""
    x, z = np.linspace(*logit_mu, size)[:, None], np.linspace(*log_phi, size)[None, :]
    a, b, phi = expit(x) * np.exp(z), expit(-x) * np.exp(z), np.exp(z)
    log_density = log_prior(x, z) + np.zeros((size, size))
    for successes, trials in zip(np.asarray(y, float), np.asarray(n, float), strict=True):
        if trials:
            log_density += (gammaln(successes + a) - gammaln(a) + gammaln(trials - successes + b) - gammaln(b)
                            + gammaln(phi) - gammaln(trials + phi))
    weights = np.exp(log_density - log_density.max())
    return CellPosterior(expit(x), phi, weights / weights.sum())
