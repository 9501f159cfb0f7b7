"""What rounds of a measurement come to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["spread"]


def spread(rates: np.ndarray | Sequence[float]) -> dict[str, float]:
    """Median and range of the rounds' rates."""
    return {"median": float(np.median(rates)), "low": float(np.min(rates)), "high": float(np.max(rates))}
