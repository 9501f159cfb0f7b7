"""What the other environments say of each: leave-one-environment-out, fitted again without it, and scored.

A forecast is the next environment's posterior at the reference (delta 0, specification 1, the standard method), from
counts without one environment; what was measured there is that environment's own posterior from all counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.alike import aligned
from gmexp.statistics.checks.fits import GATED, Fits, Progress
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import REFERENCE_METHOD, REFERENCE_SPEC, build_design, canonical_method
from gmexp.statistics.posterior import QUANTITIES, Posterior, Settings
from gmexp.support.errors import UserError

__all__ = ["FEWEST", "forecasts"]

FEWEST = 3  # environments: two others, at least, whose difference says something
REFERENCE = Settings({}, "measured", diversity=0.0)


def forecasts(counts: Sequence[OutcomeCounts], seed: int = 0, config: CalibrationConfig = GATED,
              bar: Progress | None = None, kept: Path | None = None) -> dict[str, Any]:
    """Every environment's rates under the shift types 1 to 4 beside their forecast without it.

    inside   whether the measured median lies in the forecast's central 95%
    pit      probability that the forecast lies below what was measured: uniform if forecasts are right
    crps     continuous ranked probability score in units of the rate (Gneiting and Raftery 2007, eq. 21), the smaller the
             better; `crps_uniform` is that of knowing nothing
    fits     how the fit without each environment went
    Raises UserError where fewer than FEWEST environments were measured at the reference.
    """
    rows = [row for row in counts if row.train_diversity == 0 and row.spec_quality in (None, REFERENCE_SPEC)
            and canonical_method(row.align_method, row.demonstrator) == REFERENCE_METHOD]
    envs = sorted({row.env for row in rows})
    if len(envs) < FEWEST:
        raise UserError(f"forecasts: at least {FEWEST} environments with runs at delta 0 are wanted, not {len(envs)}")
    whole = build_design(rows)
    without = [aligned(build_design([row for row in rows if row.env != env]), whole) for env in envs]
    fits = Fits(replace(config, seed=seed), bar, kept)
    (_, full), *left = fits.of([whole, *without])
    scored = [row for env, (_, post) in zip(envs, left, strict=True) for row in _scored(full, post, env)]
    return {"check": "forecasts", "environments": envs, "runs": len({(row.env, row.run_id) for row in rows}), "seed": seed,
            "covered": _covered(scored), "skill": _skill(scored), "sampler": fits.summary(),
            "fits": [{"without": env, "passed": judged.passed, "rhat_max": judged.rhat_max, "ess_min": judged.ess_min,
                      "divergences": judged.divergences} for env, judged in zip(envs, fits.judged[1:], strict=True)],
            "forecasts": scored}


def _scored(full: Posterior, left: Posterior, env: str) -> list[dict[str, Any]]:
    rows, e = [], full.envs.index(env)
    for kind in range(1, 5):
        chosen = full.locate(kind, 1.0)[0]
        if not any(s == level and full.conditions[c].env == env for c, s in full.cells for level, _ in chosen):
            continue
        measured, _, _ = full.predict(kind, 1.0, REFERENCE, "this_setup", env=e)
        forecast, _, _ = left.predict(kind, 1.0, REFERENCE, "next_environment")
        for name in QUANTITIES:
            own, new = np.clip(measured[name], 0, 1), np.clip(forecast[name], 0, 1)
            median, (low, high) = float(np.median(own)), np.quantile(new, (0.025, 0.975))
            rows.append({
                "env": env, "shift": kind, "quantity": name, "measured": median,
                "measured_low": float(np.quantile(own, 0.025)), "measured_high": float(np.quantile(own, 0.975)),
                "forecast": float(np.median(new)), "low": float(low), "high": float(high),
                "inside": bool(low <= median <= high), "pit": below(new, own),
                "crps": crps(new, median), "crps_uniform": (median**2 + (1 - median) ** 2) / 2 - 1 / 6})
    return rows


def below(forecast: np.ndarray, measured: np.ndarray) -> float:
    """Probability that a draw of the forecast lies below one of what was measured, the two apart: over all pairs of them,
    however many draws each has."""
    return float(np.searchsorted(np.sort(forecast), measured).mean()) / len(forecast)


def crps(draws: np.ndarray, value: float) -> float:
    """E|X - value| - E|X - X'| / 2 of a forecast's draws [D]."""
    x = np.sort(draws)
    n = len(x)
    spread = 2 * float((2 * np.arange(1, n + 1) - n - 1) @ x) / n**2  # E|X - X'|
    return float(np.abs(x - value).mean()) - spread / 2


def _covered(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per quantity and shift, how many of the environments lay inside."""
    found: dict[tuple, list[bool]] = defaultdict(list)
    for row in rows:
        found[row["quantity"], row["shift"]].append(row["inside"])
    return [{"quantity": name, "shift": kind, "inside": sum(each), "of": len(each)} for (name, kind), each in found.items()]


def _skill(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """1 - mean CRPS over that of knowing nothing: 0 says that the other environments tell nothing, below 0 that they
    mislead."""
    return {name: 1 - sum(row["crps"] for row in rows if row["quantity"] == name)
            / sum(row["crps_uniform"] for row in rows if row["quantity"] == name)
            for name in QUANTITIES if any(row["quantity"] == name for row in rows)}
