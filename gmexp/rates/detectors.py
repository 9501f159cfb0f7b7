"""How well a score tells what goes wrong from what does not: AUROC, and what is caught at a threshold set elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from gmexp.rates.intervals import mean_of_effects
from gmexp.rates.reduction import Interval

__all__ = ["auroc", "over_runs", "threshold_at"]


def auroc(wrong: np.ndarray, right: np.ndarray) -> float | None:
    """P(a wrong one scores higher than a right one), ties counting half, of float [n] and [m]; None without either.

    The Mann-Whitney statistic (Hanley and McNeil 1982, section 2).
    """
    if not len(wrong) or not len(right):
        return None
    ranks = stats.rankdata(np.concatenate([wrong, right]))
    return float((ranks[:len(wrong)].sum() - len(wrong) * (len(wrong) + 1) / 2) / (len(wrong) * len(right)))


def threshold_at(scores: np.ndarray, false: float) -> float:
    """The lowest of the scores that at most the share `false` of them exceed."""
    ordered = np.sort(scores)
    return float(ordered[max(int(np.ceil((1 - false) * len(ordered))) - 1, 0)])


def over_runs(values: Sequence[float | None]) -> Interval | None:
    """Mean of what is known of runs, within [0, 1], and its 95% interval by Student's t on the runs; None below two."""
    known = np.array([value for value in values if value is not None], float)
    if len(known) < 2:
        return None
    mean, low, high = mean_of_effects(known, np.zeros(len(known)))
    return mean, max(low, 0.0), high
