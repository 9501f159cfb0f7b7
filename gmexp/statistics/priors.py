"""What no data here speak of: published rates as a few pseudo-runs, and the harm that is assumed."""

from __future__ import annotations

import numpy as np
from scipy import optimize, stats

from gmexp.published.tables import row

__all__ = ["assumed_harm", "literature_interval"]


def literature_interval(p: float, weight: float) -> tuple[float, float, float]:
    """(mean, 2.5%, 97.5% point) of a rate under Beta(1 + w p, 1 + w (1 - p))."""
    a, b = 1 + weight * p, 1 + weight * (1 - p)
    low, high = stats.beta.ppf([0.025, 0.975], a, b)
    return a / (a + b), float(low), float(high)


def assumed_harm() -> tuple[float, float]:
    """(a, b) of the Beta whose 5% and 95% points are the smallest and largest harm implied by the tables."""
    r = row("harm", "name", "elicited")
    target = np.array([r["low"], r["high"]])

    def miss(log_ab: np.ndarray) -> np.ndarray:
        return stats.beta.ppf([0.05, 0.95], *np.exp(log_ab)) - target

    a, b = np.exp(optimize.root(miss, np.log([6.0, 4.0])).x)
    return float(a), float(b)
