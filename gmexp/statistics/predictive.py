"""Replicated runs from a posterior, and what the observed runs look like among them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from gmexp.statistics.design import CAPABILITY, Design, GOAL, STAGES, condition_label
from gmexp.statistics.posterior import Posterior, draw_beta

__all__ = ["CellFit", "cell_fits", "posterior_predictive", "replicate_rates"]

ETA_LIMIT = 35.0
ALPHA = 0.05
WORST = 10  # cells to report
REPLICATES = 100  # of every cell, times the number of cells: enough to tell p from ALPHA
TIE = 1e-12


def posterior_predictive(design: Design, post: Posterior, seed: int = 0, replicates: int = 500) -> dict[str, Any]:
    """Posterior predictive p-values per stage of what the model must reproduce between runs.

    spread          sd of run rates around their cell's mean rate
    all_or_nothing  share of runs below 5% or above 95%
    run_tracking    mean over runs of squared average deviation: how much a run's shifts move together
    Values near 0 or 1 mean that replicated data do not look like the observed. `cells` are those of `cell_fits` that fit
    worst.
    """
    rng = np.random.default_rng([seed, 6])
    index = np.linspace(0, len(post.rho) - 1, replicates).round().astype(int)
    theta = replicate_rates(design, post, index, rng)
    y = rng.binomial(design.n, theta)
    fits = cell_fits(design, post, seed)
    result: dict[str, Any] = {"check": "ppc", "replicates": replicates, "cells_fitted": all(fit.fits for fit in fits),
                              "cells": [asdict(fit) for fit in fits[:WORST]]}
    for k, stage in enumerate(STAGES):
        rows = (design.stage == k) & (design.n > 0)
        if not rows.any():
            continue
        part = design.select(rows)
        observed, replicated = _ppc_statistics(part, part.y[None]), _ppc_statistics(part, y[:, rows])
        result[stage] = {name: {"observed": float(observed[name][0]), "replicated": float(np.mean(replicated[name])),
                                "p": float(np.mean(replicated[name] > observed[name])
                                           + 0.5 * np.mean(replicated[name] == observed[name]))}
                         for name in observed}
    return result


@dataclass(frozen=True, slots=True)
class CellFit:
    """A measured cell among its replicates: mean rate of its runs, theirs, and how often theirs lies further out."""

    stage: str
    shift: str
    condition: str
    runs: int
    observed: float
    replicated: float
    p: float  # two-sided; times the number of cells, at most 1
    fits: bool


def cell_fits(design: Design, post: Posterior, seed: int = 0) -> list[CellFit]:
    """Whether the model reproduces the mean rate of every measured cell, the worst first.

    p is the two-sided posterior predictive p-value times the number of cells (Bonferroni): a cell below ALPHA is one that
    the model gets wrong. As the model saw the data, p is conservative.
    """
    rng = np.random.default_rng([seed, 7])
    data = design.select(design.n > 0)
    cells = _rows_by_cell(data)
    index = np.resize(np.arange(len(post.rho)), max(len(post.rho), REPLICATES * len(cells)))
    found: list[tuple[int, CellFit]] = []
    for (k, s, c), rows in cells.items():
        n, observed = data.n[rows], float(np.mean(data.y[rows] / data.n[rows]))
        theta = _rates(post, (k, s, c), index, rng.standard_normal((len(index), len(rows))), rng)
        replicated = np.mean(rng.binomial(n, theta) / n, axis=1)
        further = 1 + int(min(np.sum(replicated <= observed + TIE), np.sum(replicated >= observed - TIE)))
        p = float(min(2 * further / (len(index) + 1) * len(cells), 1))
        found.append((further, CellFit(
            STAGES[k], f"{data.shifts[s].name} {data.shifts[s].grade:g}",
            condition_label(data.conditions[c], data.conditions), len(rows), observed, float(replicated.mean()), p,
            p >= ALPHA)))
    return [fit for _, fit in sorted(found, key=lambda pair: pair[0])]


def replicate_rates(design: Design, post: Posterior, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rates [len(index), N] of new runs in place of every run of the design, one posterior draw each."""
    runs = len(design.run_condition)
    z = rng.standard_normal((len(index), 2, runs))
    rho = post.rho[index, None]
    z[:, GOAL] = rho * z[:, CAPABILITY] + np.sqrt(1 - rho**2) * z[:, GOAL]
    theta = np.empty((len(index), len(design.y)))
    for cell, rows in _rows_by_cell(design).items():
        theta[:, rows] = _rates(post, cell, index, z[:, cell[0], design.run[rows]], rng)
    return theta


def _rows_by_cell(design: Design) -> dict[tuple[int, int, int], np.ndarray]:
    """The rows of every (stage, shift, condition), in their order."""
    cells = design.cell
    return {(k, s, c): np.flatnonzero(np.all(cells == (k, s, c), axis=1)) for k, s, c in np.unique(cells, axis=0).tolist()}


def _rates(post: Posterior, cell: tuple[int, int, int], index: np.ndarray, z: np.ndarray,
           rng: np.random.Generator) -> np.ndarray:
    """Rates [I, runs] of new runs in a cell, from the draws of `index` [I] and standard normal run effects z [I, runs]."""
    stage, shift, condition = cell
    eta = post.conditional(post.eta(stage, shift, post.x[condition], condition), stage)[index, None]
    eta = np.clip(eta + post.sigma[index, stage, None] * z, -ETA_LIMIT, ETA_LIMIT)
    phi = post.phi[index, stage, shift, None]
    return draw_beta(rng, expit(eta) * phi, expit(-eta) * phi)


def _ppc_statistics(design: Design, y: np.ndarray) -> dict[str, np.ndarray]:
    """Statistics [replicates] of successes y [replicates, N]."""
    rate = y / design.n
    cell = np.unique(np.stack([design.shift, design.condition], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
    members = np.eye(cell.max() + 1)[cell]
    deviation = rate - (rate @ members / members.sum(axis=0)) @ members.T
    runs = np.unique(design.run, return_inverse=True)[1]
    by_run = np.eye(runs.max() + 1)[runs]
    return {"spread": np.sqrt(np.mean(deviation**2, axis=1)),
            "all_or_nothing": np.mean((rate < 0.05) | (rate > 0.95), axis=1),
            "run_tracking": np.mean((deviation @ by_run / by_run.sum(axis=0)) ** 2, axis=1)}
