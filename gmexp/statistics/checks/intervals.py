"""Coverage and width of intervals over runs, for the ways in which runs differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from gmexp.rates import intervals

__all__ = ["interval_coverage"]


def interval_coverage(sets: int = 500, seed: int = 0, episodes: int = 200) -> dict[str, Any]:
    """Coverage and width of the intervals over runs for several ways in which runs differ."""
    ways: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
        "rare collapse": (lambda rng, n: np.where(rng.random(n) < 0.1, 0.95, 0.01), 0.104),
        "beta(.5, .5)": (lambda rng, n: rng.beta(0.5, 0.5, n), 0.5),
        "beta(1, 4)": (lambda rng, n: rng.beta(1, 4, n), 0.2),
        "beta(.05, .45)": (lambda rng, n: rng.beta(0.05, 0.45, n), 0.1),
        "beta(18, 2)": (lambda rng, n: rng.beta(18, 2, n), 0.9),
        "all or nothing": (lambda rng, n: (rng.random(n) < 0.5).astype(float), 0.5),
        "all equal, .9": (lambda rng, n: np.full(n, 0.9), 0.9),
    }
    rows = []
    for name, (draw, truth) in ways.items():
        for runs in (3, 5, 6, 10):
            rng, hits = np.random.default_rng([seed, runs]), defaultdict(list)
            for i in range(sets):
                k, n = rng.binomial(episodes, draw(rng, runs)), np.full(runs, episodes)
                each = {"clustered_wilson": intervals.clustered_wilson(k, n), "t_on_runs": intervals.t_on_runs(k, n),
                        "pooled_wilson": intervals.wilson(k.sum(), n.sum())}
                if i < sets // 5:
                    each["betting"] = intervals.betting(k, n)
                for interval, (low, high) in each.items():
                    hits[interval].append((low <= truth <= high, high - low))
            rows.append({"runs": runs, "rates": name, **{key: [round(float(v), 3) for v in np.mean(values, axis=0)]
                                                         for key, values in hits.items()}})
    return {"check": "intervals", "sets": sets, "seed": seed, "columns": "coverage, mean width", "rows": rows}
