"""Does the model know what it does not know? Coverage and simulation-based calibration.

Each check returns plain data, ready for JSON. `progress` is called with 1 per data set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import CAPABILITY, Design, GOAL, STAGES
from gmexp.statistics.fit import fit
from gmexp.statistics.model import Model
from gmexp.statistics.posterior import Posterior
from gmexp.statistics.simulate import grid_design, simulate

__all__ = ["QUICK", "coverage", "run_t", "sbc", "wilson"]

QUICK = CalibrationConfig(chains=8, warmup=250, draws=80, attempts=1)  # many short fits; enough for ranks and limits
Progress = Callable[[int], object] | None


def coverage(sets: int = 200, truth: str = "prior", seed: int = 0, design: Design | None = None,
             config: CalibrationConfig = QUICK, progress: Progress = None) -> dict[str, Any]:
    """Share of cells whose true mean over runs (and next run) lies in the interval, over simulated data sets.

    Beside the hierarchical model: episodes pooled as if independent (Wilson), and Student t on run rates.
    """
    design = design or grid_design()
    hits: dict[str, list[float]] = defaultdict(list)
    rhats, ess, divergences = [], [], 0
    for i in range(sets):
        rng = np.random.default_rng([seed, i])
        data, known = simulate(design, truth, rng, config)
        posterior, judged = fit(data, replace(config, seed=seed + i))
        rhats.append(judged.rhat_max)
        ess.append(judged.ess_bulk_min)
        divergences += judged.divergences
        for (stage, shift, condition), mean in known.mean.items():
            quantity = STAGES[stage]
            over_runs = posterior.rates(shift, data.x[condition], condition)[quantity]
            next_run = posterior.rates(shift, data.x[condition], condition, "next_run")[quantity]
            low, high = np.quantile(over_runs, (0.025, 0.975))
            hits["hierarchical_95"].append(low <= mean <= high)
            hits["width"].append(high - low)
            low, high = np.quantile(next_run, (0.05, 0.95))
            hits["next_run_90"].append(low <= known.next_run[stage, shift, condition] <= high)
            rows = (data.stage == stage) & (data.shift == shift) & (data.condition == condition) & (data.n > 0)
            for name, (low, high) in (("pooled_wilson_95", wilson(data.y[rows].sum(), data.n[rows].sum())),
                                      ("run_t_95", run_t(data.y[rows] / data.n[rows]))):
                hits[name].append(low <= mean <= high)
        if progress is not None:
            progress(1)
    return {"check": "coverage", "truth": truth, "sets": sets, "seed": seed, "cells": len(known.mean),
            **{name: float(np.mean(values)) for name, values in hits.items()},
            "mcse_95": float(np.std(np.reshape(hits["hierarchical_95"], (sets, -1)).mean(axis=1)) / np.sqrt(sets)),
            "rhat_median": float(np.median(rhats)), "ess_median": float(np.median(ess)), "divergences": divergences}


def wilson(y: float, n: float, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson score interval of y / n: right for independent episodes, which episodes of one run are not."""
    p, d = y / n, 1 + z**2 / n
    centre, half = (p + z**2 / (2 * n)) / d, z / d * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return centre - half, centre + half


def run_t(rates: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Student t interval of the mean of run rates."""
    if len(rates) < 2:
        return 0.0, 1.0
    half = stats.t.ppf(0.5 + level / 2, len(rates) - 1) * rates.std(ddof=1) / np.sqrt(len(rates))
    return rates.mean() - half, rates.mean() + half


def sbc(sets: int = 200, seed: int = 0, bins: int = 10, config: CalibrationConfig = QUICK,
        progress: Progress = None) -> dict[str, Any]:
    """Simulation-based calibration (Talts et al. 2018): ranks of the truth among posterior draws are uniform.

    Both stages, two shifts, two conditions, five runs. chi2 p per quantity; passed if all exceed .05 / number.
    """
    design = grid_design(shifts=2, diversities=(0.0, 0.3), runs=5, episodes=20, stages=(CAPABILITY, GOAL))
    ranks: dict[str, list[int]] = defaultdict(list)
    thinned = 10 * bins - 1
    for i in range(sets):
        rng = np.random.default_rng([seed, i])
        data, known = simulate(design, "prior", rng, config)
        kept = data.select(data.n > 0)
        if Model(kept, config).size != Model(data, config).size:  # a cell or run lost all its goal rows
            kept = data  # rows with n = 0 contribute nothing to the likelihood but keep their parameters
        posterior, _ = fit(kept, replace(config, seed=seed + i))
        index = np.linspace(0, len(posterior.rho) - 1, thinned).round().astype(int)
        for name, (draws, value) in _sbc_quantities(posterior, known.parameters, data).items():
            ranks[name].append(int(np.sum(draws[index] < value)))
        if progress is not None:
            progress(1)
    p_values = {name: _uniform_p(np.array(r), thinned + 1, bins) for name, r in ranks.items()}
    return {"check": "sbc", "sets": sets, "seed": seed, "bins": bins, "p": p_values,
            "p_min": min(p_values.values()), "threshold": 0.05 / len(p_values),
            "passed": min(p_values.values()) > 0.05 / len(p_values), "ranks": dict(ranks)}


def _sbc_quantities(post: Posterior, truth: Any, design: Design) -> dict[str, tuple[np.ndarray, float]]:
    quantities = {"stage_correlation": (post.rho, float(truth.rho))}
    for k, stage in enumerate(STAGES):
        quantities |= {
            f"alpha_{stage}": (post.alpha[:, k, 0], float(truth.alpha[k, 0])),
            f"beta_{stage}": (post.beta[:, k, 0], float(truth.beta[k, 0])),
            f"phi_{stage}": (post.phi[:, k, 1], float(truth.phi[k, 1])),
            f"tau_{stage}": (post.tau[:, k, 1], float(truth.tau[k, 1])),
            **({f"omega_{stage}": (post.omega[:, k], float(truth.omega[k]))} if post.condition_cells else {}),
            f"sigma_{stage}": (post.sigma[:, k], float(truth.sigma[k])),
            f"contrast_{stage}": (post.alpha[:, k, 1] - post.alpha[:, k, 0],
                                  float(truth.alpha[k, 1] - truth.alpha[k, 0]))}
    cell = (GOAL, 1, 1)
    if cell in post.cells:
        value = float(truth.alpha[1, 1] + design.x[1] @ truth.beta[1] + truth.u[post.cells.index(cell)])
        value += float(truth.w[post.condition_cells.index((GOAL, 1))]) if post.condition_cells else 0.0
        quantities["cell_goal_failure"] = (post.eta(GOAL, 1, design.x[1], 1), value)
    return quantities


def _uniform_p(ranks: np.ndarray, values: int, bins: int) -> float:
    observed = np.bincount(ranks * bins // values, minlength=bins)
    return float(stats.chisquare(observed).pvalue)
