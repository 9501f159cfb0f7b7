"""Deleted residuals: how far an estimate lies from what the others foresee without it.

    y_i ~ N(x_i b, tau2 + v_i)

The scale that an estimate is measured by, tau2, is that of the others: one that lies far out would widen its own yardstick,
and weights on draws of a posterior that has seen it cannot take that back. Externally standardised residuals of a
mixed-effects meta-regression (Viechtbauer & Cheung 2010, section 3.2), tau2 by Paule and Mandel, the coefficients' variances
never narrower than without Knapp and Hartung's factor, against t with the others' residual degrees of freedom.
"""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

__all__ = ["deleted", "of_groups"]


def deleted(y: np.ndarray, v: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the others foresee of each estimate y [n] with variance v [n] and regressors x [n, p], and its two-sided p beside
    it; NaN where they cannot: too few, or none with such regressors."""
    foreseen, p = np.full(len(y), np.nan), np.full(len(y), np.nan)
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        basis = np.linalg.svd(x[others], full_matrices=False)
        rows = basis[2][basis[1] > 1e-9 * max(basis[1].max(initial=0.0), 1.0)]  # of what the others vary in
        free = int(others.sum()) - len(rows)
        if free < 1 or not np.allclose(x[i] @ rows.T @ rows, x[i], atol=1e-9):
            continue
        own, of_others = x[i] @ rows.T, x[others] @ rows.T
        tau2 = _tau2(y[others], v[others], of_others, free)
        b, covariance, q = _fitted(y[others], v[others] + tau2, of_others)
        foreseen[i] = own @ b
        variance = tau2 + v[i] + max(1.0, q / free) * own @ covariance @ own
        p[i] = 2 * stats.t.sf(abs(y[i] - foreseen[i]) / np.sqrt(variance), free)
    return foreseen, p


def of_groups(y: np.ndarray, v: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of groups, numbered from 0, of estimates y [n] with variances v [n] and as much more within every group; and the
    means' variances."""
    x = (group[:, None] == np.arange(group.max() + 1)).astype(float)
    free = len(y) - x.shape[1]
    b, covariance, _ = _fitted(y, v + (_tau2(y, v, x, free) if free else 0.0), x)
    return b, np.diag(covariance)


def _fitted(y: np.ndarray, v: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Weighted least squares: coefficients, their covariance, and the weighted sum of squared residuals."""
    weighted = x / v[:, None]
    covariance = np.linalg.inv(x.T @ weighted)
    b = covariance @ (weighted.T @ y)
    return b, covariance, float((y - x @ b) ** 2 @ (1 / v))


def _tau2(y: np.ndarray, v: np.ndarray, x: np.ndarray, free: int) -> float:
    """Paule and Mandel's: at which the residuals are as large as expected; 0 where they are smaller already."""
    def excess(tau2: float) -> float:
        return _fitted(y, v + tau2, x)[2] - free

    if excess(0.0) <= 0:
        return 0.0
    return float(optimize.brentq(excess, 0.0, float(np.var(y) * len(y) / free + v.max()) * 4, xtol=1e-12))
