"""What one run's own episodes say of it: its rates in a cell, with 95% intervals over the run's episodes.

They say how well this run is known, and nothing of the next run: that is what intervals over runs are for (`estimands`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy import stats

from gmexp.artefacts.records import OutcomeCounts
from gmexp.rates.intervals import wilson

__all__ = ["Known", "rates_of_run"]

Z = float(stats.norm.ppf(0.975))


class Known(NamedTuple):
    """A rate with its interval."""

    value: float
    low: float
    high: float


def rates_of_run(row: OutcomeCounts) -> dict[str, Known]:
    """`capability`, `goal_failure` and `realised` of a run in a cell, as far as they are known.

    From both arms where they were played (`OutcomeCounts.capability`, `.goal_failure`), else from first events.
    """
    masked = row.n_masked is not None
    found = {
        "capability": _share(row.masked_intended + row.masked_proxy, row.n_masked) if masked else (
            _share(row.capable, row.distinguishing)),
        "goal_failure": _ratio(row) if masked else _share(row.n_proxy, row.capable),
        "realised": _share(row.n_proxy, row.n_visible)}
    if masked and not row.n_masked:  # no level tells the goals apart: reaching one is reaching both
        found["capability"] = _share(row.reached, row.n_visible)
    return {name: known for name, known in found.items() if known is not None}


def _share(successes: int, trials: int | None) -> Known | None:
    if not trials:
        return None
    value, (low, high) = successes / trials, wilson(successes, trials)
    return Known(value, min(low, value), max(high, value))


def _ratio(row: OutcomeCounts) -> Known | None:
    """Goal failure, a ratio of two shares, at most 1; its interval by the delta method on their logarithms (Katz et al.
    1978, Biometrics 34), with half an event where there is none."""
    if row.goal_failure is None:
        return None
    seen, blind = row.distinguishing or 0, row.n_masked or 0
    ratio = ((row.n_proxy or 0.5) / seen) / (row.masked_proxy / blind)
    error = math.sqrt(max(1 / (row.n_proxy or 0.5) - 1 / seen + 1 / row.masked_proxy - 1 / blind, 0.0))
    low, high = (min(ratio * math.exp(sign * Z * error), 1.0) for sign in (-1, 1))
    value = min(row.goal_failure, 1.0)
    return Known(value, min(low, value) if row.n_proxy else 0.0, max(high, value))
