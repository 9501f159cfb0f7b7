"""Do the leave-one-out checks find what does not fit, and nothing else?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.checks.fits import GATED, Fits, Progress, template
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import build_design
from gmexp.statistics.environments import left_out
from gmexp.statistics.leave_out import odd_conditions
from gmexp.statistics.simulate import World, simulate

__all__ = ["power"]


CONDITIONS = World(shifts=(1, 2, 3, 4), diversities=(0.0, 0.03, 0.1, 0.2, 0.3), condition=0.1, cell=0.1,
                   runs="logistic_normal", run_sd=0.5, skill=0.9)
ENVIRONMENTS = World(envs=8, shifts=(3,), diversities=(0.0,), omega=0.4, runs="logistic_normal", run_sd=0.5)


def power(sets: int = 10, seed: int = 0, config: CalibrationConfig = GATED, bar: Progress | None = None,
          kept: Path | None = None) -> dict[str, Any]:
    """How often a cell moved by 1.5 logits is found by leaving conditions out, and an environment moved by 3 by leaving
    environments out; and how often either finds something where nothing was moved."""
    shares: dict[str, list[float]] = defaultdict(list)
    fits = Fits(replace(config, seed=seed), bar, kept)
    for moved in (False, True):
        data = [simulate(CONDITIONS, np.random.default_rng([seed, i]))[0] for i in range(sets)]
        if moved:
            data = [_moved(rows, lambda r: r.shift_type == 3 and r.train_diversity == 0.1, 1.5, seed + i)
                    for i, rows in enumerate(data)]
        for design in map(build_design, data):
            odd = [row for row in odd_conditions(design) if not row.fits and row.stage == "pursuit"]
            hit = any("0.1" in row.condition and row.shift == "significant" for row in odd) if moved else bool(odd)
            shares["condition" if moved else "condition, nothing moved"].append(float(hit))
        data = [simulate(ENVIRONMENTS, np.random.default_rng([seed, i, 1]))[0] for i in range(sets)]
        if moved:
            data = [_moved(rows, lambda r: r.env == "env3", 3.0, seed + i) for i, rows in enumerate(data)]
        for design, posterior in fits.of_counts(template(ENVIRONMENTS, seed), data):
            low = [row for row in left_out(posterior, design.stages)
                   if row["stage"] == "pursuit" and row["p"] is not None and row["p"] < 0.05]
            hit = any(row["env"] == "env3" for row in low) if moved else bool(low)
            shares["environment" if moved else "environment, nothing moved"].append(float(hit))
    return {"check": "power", "sets": sets, "seed": seed, "found": {name: float(np.mean(v)) for name, v in shares.items()},
            "sampler": fits.summary()}


def _moved(
    counts: tuple[OutcomeCounts, ...], which: Callable[[OutcomeCounts], bool], logits: float, seed: int
) -> tuple[OutcomeCounts, ...]:
    """The counts with pursuit raised by so many logits in some rows: proxy episodes turn into intended ones."""
    rng, rows = np.random.default_rng([seed, 3]), []
    for row in counts:
        if which(row):
            fails = np.clip(row.goal_failure or 0.5, 0.02, 0.98)
            after = expit(np.log(fails / (1 - fails)) - logits)
            lost = rng.binomial(row.n_proxy, 1 - after / fails)
            row = replace(row, n_proxy=row.n_proxy - lost, n_intended=row.n_intended + lost)
        rows.append(row)
    return tuple(rows)
