"""Convergence diagnostics: rank-normalised split R-hat, bulk and tail ESS (Vehtari et al. 2021, Bayesian Analysis).

All functions take draws [chains, draws] or [chains, draws, ...] and return one value per quantity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used: predictions use none

__all__ = ["Diagnostics", "diagnose", "ess", "ess_bulk", "ess_tail", "mcse_mean", "rhat"]


@dataclass(frozen=True)
class Diagnostics:
    """Worst values over all quantities, and whether they pass the gate."""

    rhat_max: float
    ess_bulk_min: float
    ess_tail_min: float
    divergences: int
    accept: float
    passed: bool

    @property
    def ess_min(self) -> float:
        """The smaller effective sample size, of bulk and tail."""
        return min(self.ess_bulk_min, self.ess_tail_min)

    def summary(self) -> str:
        return (f"R-hat {self.rhat_max:.4f}, bulk ESS {self.ess_bulk_min:.0f}, tail ESS {self.ess_tail_min:.0f}, "
                f"{self.divergences} divergences")


def diagnose(draws: np.ndarray, divergences: int, accept: float, rhat_max: float, ess_min: float,
             divergences_max: float = 0.0) -> Diagnostics:
    """Gate draws [chains, draws, quantities] on R-hat, ESS and the share of divergent transitions."""
    worst = (float(np.max(rhat(draws))), float(np.min(ess_bulk(draws))), float(np.min(ess_tail(draws))))
    few = divergences <= divergences_max * draws.shape[0] * draws.shape[1]
    passed = worst[0] < rhat_max and worst[1] > ess_min and worst[2] > ess_min and few
    return Diagnostics(*worst, divergences, accept, passed)


def rhat(draws: np.ndarray) -> np.ndarray:
    """Rank-normalised split R-hat, the larger of bulk and folded."""
    x = _split(draws)
    folded = np.abs(x - np.median(x, axis=(0, 1), keepdims=True))
    return np.maximum(_rhat(_rank_normal(x)), _rhat(_rank_normal(folded)))


def ess_bulk(draws: np.ndarray) -> np.ndarray:
    """Effective sample size of the bulk."""
    return _ess(_rank_normal(_split(draws)))


def ess_tail(draws: np.ndarray) -> np.ndarray:
    """Effective sample size of the 5% and 95% quantiles, the smaller."""
    x = _split(draws)
    low, high = np.quantile(x, [0.05, 0.95], axis=(0, 1))
    return np.minimum(_ess((x <= low).astype(float)), _ess((x <= high).astype(float)))


def ess(draws: np.ndarray) -> np.ndarray:
    """Effective sample size for the mean."""
    return _ess(_split(draws))


def mcse_mean(draws: np.ndarray) -> np.ndarray:
    """Monte Carlo standard error of the mean."""
    return draws.std(axis=(0, 1), ddof=1) / np.sqrt(ess(draws))


def _split(draws: np.ndarray) -> np.ndarray:
    """[chains, draws, ...] to [2 chains, draws // 2, ...]."""
    half = draws.shape[1] // 2
    return np.concatenate([draws[:, :half], draws[:, -half:]])


def _rank_normal(x: np.ndarray) -> np.ndarray:
    m, n = x.shape[:2]
    ranks = scipy.stats.rankdata(x.reshape(m * n, -1), axis=0)
    return scipy.special.ndtri((ranks - 0.375) / (m * n + 0.25)).reshape(x.shape)


def _rhat(x: np.ndarray) -> np.ndarray:
    n = x.shape[1]
    within = x.var(axis=1, ddof=1).mean(axis=0)
    between = n * x.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.sqrt(((n - 1) / n * within + between / n) / within)
    return np.where(within == 0, np.where(between == 0, 1.0, np.inf), value)


def _ess(x: np.ndarray) -> np.ndarray:
    """Geyer's initial monotone sequence on the between-chain autocorrelation."""
    m, n = x.shape[:2]
    flat = x.reshape(m, n, -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, n=2 * n, axis=1)
    covariance = np.fft.irfft(spectrum * np.conj(spectrum), axis=1)[:, :n] / n
    within = covariance[:, 0].mean(axis=0) * n / (n - 1)
    total = within * (n - 1) / n
    if m > 1:
        total = total + flat.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho = 1 - (within - covariance.mean(axis=0)) / total
    rho[0] = 1.0
    pairs = n // 2
    sums = rho[0:2 * pairs:2] + rho[1:2 * pairs:2]  # [pairs, quantities]
    positive = np.logical_and.accumulate(sums > 0, axis=0)
    monotone = np.minimum.accumulate(np.where(positive, sums, 0), axis=0)
    tau = np.maximum(-1 + 2 * monotone.sum(axis=0), 1 / np.log10(m * n))
    result = np.where(total > 0, m * n / tau, m * n)  # a constant has nothing to estimate
    return result.reshape(x.shape[2:])
