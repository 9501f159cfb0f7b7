"""Counts of one run in one cell with the rates that a test wants."""

from __future__ import annotations

from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.counts import DEFAULTS

NAMES = {0: "in_distribution", 1: "superficial", 2: "moderate", 3: "significant", 4: "extreme"}


def counts(seed: int, shift: int = 3, proxy: int = 60, intended: int = 20, n: int = 100, masked_proxy: int | None = 80,
           masked_intended: int = 10, **more) -> OutcomeCounts:
    """A run on `n` distinguishing levels in each arm; without `masked_proxy`, in the visible one alone."""
    masked = dict(n_masked=None, masked_intended=None, masked_proxy=None) if masked_proxy is None else dict(
        n_masked=n, masked_intended=masked_intended, masked_proxy=masked_proxy)
    values = DEFAULTS | {"run_id": f"run-{seed}", "train_seed": seed, "env": "coinrun", "shift_type": shift,
                         "shift_name": NAMES[shift], "grade": float(shift > 0), "n_visible": n, "n_proxy": proxy,
                         "n_intended": intended, "n_timeout": n - proxy - intended, "n_distinguishing": n} | masked | more
    return OutcomeCounts(**values)
