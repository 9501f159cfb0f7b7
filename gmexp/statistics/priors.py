"""What the literature adds: published rates as a few pseudo-runs in a robust mixture, and the harm elicited.

A published rate p enters as Beta(1 + a0 n0 p, 1 + a0 n0 (1 - p)), half of a mixture whose other half is uniform.
At a0 = 0 the mixture is uniform: the published tables have no influence at all. Pseudo-counts are in runs, never in
episodes, and n0 = 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, stats
from scipy.special import betaln, expit

from gmexp.published.tables import row, shift_types

if TYPE_CHECKING:
    from gmexp.statistics.design import ShiftLevel

__all__ = ["elicited_harm", "literature_conflict", "literature_interval", "literature_log_ratio",
           "literature_pseudocounts", "literature_rates"]


def literature_rates(shifts: Sequence[ShiftLevel]) -> np.ndarray:
    """Published (P(capability), P(goal fails | capability)) [2, S]; NaN where none: type 0 and grades below 1."""
    rates = np.full((2, len(shifts)), np.nan)
    for s, level in enumerate(shifts):
        if level.type > 0 and level.grade == 1:
            r = shift_types()[level.type - 1]
            rates[:, s] = r["capability"], r["goal_failure"]
    return rates


def literature_pseudocounts(shifts: Sequence[ShiftLevel], weight: float) -> np.ndarray:
    """Pseudo-runs (weight p, weight (1 - p)) [2, S, 2]; zero where nothing is published."""
    p = literature_rates(shifts)
    return np.nan_to_num(weight * np.stack([p, 1 - p], axis=-1))


def literature_interval(p: float, weight: float) -> tuple[float, float, float]:
    """(mean, 2.5%, 97.5% point) of a rate under the robust mixture: half uniform, half Beta(1 + w p, 1 + w (1 - p))."""
    a, b = 1 + weight * p, 1 + weight * (1 - p)
    low, high = (optimize.brentq(lambda x, q=q: 0.5 * (x + stats.beta.cdf(x, a, b)) - q, 0, 1) for q in (0.025, 0.975))
    return 0.25 + 0.5 * a / (a + b), float(low), float(high)


def literature_log_ratio(alpha: np.ndarray, pseudo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log density of the robust mixture relative to the uniform, and its slope, at logit rates alpha [..., M].

    pseudo [M, 2] are the pseudo-counts a, b: ratio = (1 + mu^a (1 - mu)^b / B(1 + a, 1 + b)) / 2.
    """
    a, b = pseudo[:, 0], pseudo[:, 1]
    log_component = -a * np.logaddexp(0, -alpha) - b * np.logaddexp(0, alpha) - betaln(1 + a, 1 + b)
    log_ratio = np.logaddexp(log_component, 0) - np.log(2)
    slope = expit(log_component) * (a - (a + b) * expit(alpha))
    return log_ratio, slope


def literature_conflict(mu: np.ndarray, p: float, n0: float) -> float:
    """Two-sided probability of a disagreement at least this large between literature and data.

    mu [draws] is the posterior of the rate without the literature, Beta(1 + n0 p, 1 + n0 (1 - p)) the literature.
    """
    below = float(np.mean(stats.beta.cdf(mu, 1 + n0 * p, 1 + n0 * (1 - p))))
    return 2 * min(below, 1 - below)


def elicited_harm() -> tuple[float, float]:
    """(a, b) of the Beta whose 5% and 95% points are the smallest and largest harm implied by the tables."""
    r = row("harm", "name", "elicited")
    target = np.array([r["low"], r["high"]])

    def miss(log_ab: np.ndarray) -> np.ndarray:
        return stats.beta.ppf([0.05, 0.95], *np.exp(log_ab)) - target

    a, b = np.exp(optimize.root(miss, np.log([6.0, 4.0])).x)
    return float(a), float(b)
