"""Do 95% intervals hold the truth in 95% of simulated data sets?"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.artefacts.records import OutcomeCounts
from gmexp.rates import intervals
from gmexp.statistics.checks.fits import GATED, Fits, Progress, template
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.posterior import QUANTITIES, Posterior, Settings
from gmexp.statistics.simulate import Truth, World, simulate

__all__ = ["coverage"]

NEXT = 20  # environments that nobody measures, per data set


def coverage(world: World, sets: int = 100, seed: int = 0, config: CalibrationConfig = GATED,
             bar: Progress | None = None, kept: Path | None = None) -> dict[str, Any]:
    """Share of true rates inside the 95% intervals of this setup and of the next environment, over simulated data sets;
    in each, of NEXT further environments.

    Negative controls: first-event goal failure with the interval over runs, against the causal truth; and, for the next
    environment, the interval over all runs of all environments.
    """
    hits: dict[str, list[float]] = defaultdict(list)
    data = [simulate(replace(world, further=NEXT), np.random.default_rng([seed, i])) for i in range(sets)]
    fits = Fits(replace(config, seed=seed), bar, kept)
    posteriors = fits.of_counts(template(world, seed), [counts for counts, _ in data])
    for (counts, truth), (_, posterior) in zip(data, posteriors, strict=True):
        _setups(posterior, truth, counts, hits)
        _next(posterior, truth, counts, hits)
    return {"check": "coverage", "world": asdict(world), "sets": sets, "seed": seed,
            "covered": {name: float(np.mean(values)) for name, values in hits.items() if not name.startswith("width")},
            "mcse": {name: float(np.std(np.reshape(values, (sets, -1)).mean(axis=1)) / np.sqrt(sets))
                     for name, values in hits.items() if not name.startswith("width") and len(values) % sets == 0},
            "width": {name[6:]: float(np.mean(values)) for name, values in hits.items() if name.startswith("width")},
            "sampler": fits.summary()}


def _inside(draws: np.ndarray, truth: float) -> tuple[float, float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low <= truth <= high), float(high - low)


def _setups(post: Posterior, truth: Truth, counts: tuple[OutcomeCounts, ...], hits: dict[str, list[float]]) -> None:
    for i, (c, s) in enumerate(post.cells):
        condition, level = post.conditions[c], post.shifts[s]
        known = truth.setups[condition.env, level.type, condition.train_diversity]
        share = post.revealed[s, c]
        rates = post.setup_rates(i, 1.0 if np.isnan(share) else float(share))
        for name in QUANTITIES:
            inside, width = _inside(rates[name], known[name])
            hits[f"this_setup {name}"].append(inside)
            hits[f"width this_setup {name}"].append(width)
        rows = [r for r in counts if (r.env, r.shift_type, r.train_diversity)
                == (condition.env, level.type, condition.train_diversity)]
        low, high = intervals.clustered_wilson(np.array([r.n_proxy for r in rows]), np.array([r.capable for r in rows]))
        if low is not None:
            hits["control: first event over runs, goal_failure"].append(float(low <= known["goal_failure"] <= high))


def _next(post: Posterior, truth: Truth, counts: tuple[OutcomeCounts, ...], hits: dict[str, list[float]]) -> None:
    for (shift, diversity), known in truth.new.items():
        if diversity != 0:
            continue
        level = next(s for s, each in enumerate(post.shifts) if each.type == shift)
        rates = post.rates(level, post.eta(level, Settings({}, "measured"))[0], "next_environment", 1.0)
        for name in QUANTITIES[:3]:
            low, high = np.quantile(rates[name], (0.025, 0.975))
            hits[f"next_environment {name}"] += [float(low <= each[name] <= high) for each in known]
            hits[f"width next_environment {name}"].append(float(high - low))
        rows = [r for r in counts if r.shift_type == shift and r.train_diversity == diversity]
        low, high = intervals.t_on_runs(np.array([r.n_proxy for r in rows]), np.array([r.capable for r in rows]))
        if low is not None:
            hits["control: all runs as one environment, goal_failure"] += [
                float(low <= each["goal_failure"] <= high) for each in known]
