"""Meta-analysis of effects within environments, and what each study or environment contributes.

    y_ij ~ N(theta_ij, v_ij),  theta_ij ~ N(mu_j, omega2),  mu_j ~ N(mu, tau2)       effect i in environment j

omega2 and tau2 by restricted maximum likelihood; the standard error of mu by CR2 (Bell and McCaffrey 2002), clustered by
environment, with Satterthwaite's degrees of freedom: right also where the assumed variances are wrong.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from gmexp.statistics.meta import MetaAnalysis, meta
from gmexp.support.errors import UserError

__all__ = ["Influence", "Multilevel", "influence", "multilevel"]


@dataclass(frozen=True)
class Multilevel:
    """Result of `multilevel`; limits by the cluster-robust t."""

    effects: int
    clusters: int
    level: float
    mu: float
    se: float  # CR2
    df: float
    low: float
    high: float
    tau2: float  # between clusters
    omega2: float  # within


def multilevel(y: Sequence[float], v: Sequence[float], cluster: Sequence[Hashable], level: float = 0.95) -> Multilevel:
    """Mean of effects y with sampling variances v within clusters; a UserError below two clusters."""
    y, v = np.asarray(y, float), np.asarray(v, float)
    names = list(dict.fromkeys(cluster))
    if len(cluster) != len(y) or y.shape != v.shape or y.ndim != 1:
        raise UserError(f"y, v and cluster must be lists of the same length, not of {len(y)}, {len(v)} and {len(cluster)}")
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(v)) and np.all(v > 0)):
        raise UserError("y must be finite and v positive variances")
    if len(names) < 2:
        raise UserError("a multilevel meta-analysis needs at least two clusters")
    at = np.array([names.index(c) for c in cluster])
    members = [np.flatnonzero(at == j) for j in range(len(names))]
    unit = float(max(np.ptp(y), np.sqrt(v.max())))
    y_unit, v_unit = (y - y.mean()) / unit, v / unit**2
    scales = _reml(y_unit, v_unit, members)
    blocks = [np.diag(v_unit[m] + scales[1]) + scales[0] for m in members]
    mu, se, df = _cr2(y_unit, blocks, members)
    half = stats.t.ppf(0.5 + level / 2, df) * se
    mean = y.mean() + unit * mu
    return Multilevel(len(y), len(names), level, float(mean), float(unit * se), float(df), float(mean - unit * half),
                      float(mean + unit * half), float(unit**2 * scales[0]), float(unit**2 * scales[1]))


def _reml(y: np.ndarray, v: np.ndarray, members: list[np.ndarray]) -> np.ndarray:
    """(tau2, omega2) that maximise the restricted likelihood."""
    def deviance(root: np.ndarray) -> float:
        tau2, omega2 = root**2
        log_det, weight, total, square = 0.0, 0.0, 0.0, 0.0
        for m in members:  # (D + tau2 11')^-1 by Sherman and Morrison
            w = 1 / (v[m] + omega2)
            shrink = tau2 / (1 + tau2 * w.sum())
            log_det += -np.log(w).sum() + np.log1p(tau2 * w.sum())
            weight += w.sum() - shrink * w.sum() ** 2
            total += w @ y[m] - shrink * w.sum() * (w @ y[m])
            square += w @ y[m] ** 2 - shrink * (w @ y[m]) ** 2
        return float(log_det + np.log(weight) + square - total**2 / weight)

    starts = [(a, b) for a in (0.05, 0.5) for b in (0.05, 0.5)]
    options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 4000}
    best = min((optimize.minimize(deviance, start, method="Nelder-Mead", options=options) for start in starts),
               key=lambda result: result.fun)
    return best.x**2


def _cr2(y: np.ndarray, blocks: list[np.ndarray], members: list[np.ndarray]) -> tuple[float, float, float]:
    """Weighted mean, its CR2 standard error and Satterthwaite's degrees of freedom."""
    weights = [np.linalg.solve(b, np.ones(len(b))) for b in blocks]  # rows of X' W
    bread = 1 / sum(w.sum() for w in weights)
    mu = bread * sum(w @ y[m] for w, m in zip(weights, members, strict=True))
    loads = []  # X' W A per cluster: what a cluster's residuals contribute
    for w, b in zip(weights, blocks, strict=True):
        root = np.linalg.cholesky(b)
        gap = root.T @ (b - bread) @ root  # the residuals' variance is the block less the mean's own
        values, vectors = np.linalg.eigh(gap)
        inverse = vectors @ np.diag(np.where(values > 1e-12, 1 / np.sqrt(np.maximum(values, 1e-300)), 0)) @ vectors.T
        loads.append(w @ (root @ inverse @ root.T))
    scores = np.array([load @ (y[m] - mu) for load, m in zip(loads, members, strict=True)])
    n = len(y)
    g = np.zeros((len(members), n))  # scores as linear forms of y's deviations
    for j, (load, m) in enumerate(zip(loads, members, strict=True)):
        g[j, m] += load
        for w, other in zip(weights, members, strict=True):
            g[j, other] -= load.sum() * bread * w
    variance = np.zeros((n, n))
    for b, m in zip(blocks, members, strict=True):
        variance[np.ix_(m, m)] = b
    spread = g @ variance @ g.T
    df = np.trace(spread) ** 2 / np.sum(spread**2)
    return float(mu), float(bread * np.sqrt(np.sum(scores**2))), float(df)


@dataclass(frozen=True)
class Influence:
    """A study's part in a meta-analysis."""

    study: int
    residual: float  # externally standardised: against the mean of the others
    cook: float  # squared shift of the mean in its own standard errors
    hat: float  # weight
    without: MetaAnalysis


def influence(y: Sequence[float], v: Sequence[float], method: str = "REML", hksj: bool = False,
              level: float = 0.95) -> tuple[Influence, ...]:
    """Every study left out in turn; needs at least three."""
    y, v = np.asarray(y, float), np.asarray(v, float)
    whole = meta(y, v, method, hksj, level)
    if len(y) < 3:
        raise UserError("leaving one out needs at least three studies")
    rows = []
    for i in range(len(y)):
        rest = meta(np.delete(y, i), np.delete(v, i), method, hksj, level)
        residual = (y[i] - rest.mu) / np.sqrt(v[i] + rest.tau2 + rest.se**2)
        rows.append(Influence(i, float(residual), float(((whole.mu - rest.mu) / whole.se) ** 2), whole.weights[i], rest))
    return tuple(rows)
