"""Replicated runs from a posterior, and what the observed runs look like among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit

from gmexp.statistics.design import CAPABILITY, GOAL, STAGES, Design
from gmexp.statistics.posterior import Posterior, draw_beta

__all__ = ["posterior_predictive", "replicate_rates"]

ETA_LIMIT = 35.0


def posterior_predictive(design: Design, post: Posterior, seed: int = 0, replicates: int = 500) -> dict[str, Any]:
    """Posterior predictive p-values per stage of what the model must reproduce between runs.

    spread          sd of run rates around their cell's mean rate
    all_or_nothing  share of runs below 5% or above 95%
    run_tracking    mean over runs of squared average deviation: how much a run's shifts move together
    Values near 0 or 1 mean that replicated data do not look like the observed.
    """
    rng = np.random.default_rng([seed, 6])
    index = np.linspace(0, len(post.rho) - 1, replicates).round().astype(int)
    theta = replicate_rates(design, post, index, rng)
    y = rng.binomial(design.n, theta)
    result: dict[str, Any] = {"check": "ppc", "replicates": replicates}
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


def replicate_rates(design: Design, post: Posterior, index: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rates [len(index), N] of new runs in place of every run of the design, one posterior draw each."""
    runs = len(design.run_condition)
    z = rng.standard_normal((len(index), 2, runs))
    rho = post.rho[index, None]
    z[:, GOAL] = rho * z[:, CAPABILITY] + np.sqrt(1 - rho**2) * z[:, GOAL]
    theta = np.empty((len(index), len(design.y)))
    cells = np.stack([design.stage, design.shift, design.condition], axis=1)
    for cell in np.unique(cells, axis=0):
        k, s, c = map(int, cell)
        rows = np.flatnonzero(np.all(cells == cell, axis=1))
        eta = post.conditional(post.eta(k, s, post.x[c], c), k)[index, None]
        eta = eta + post.sigma[index, k, None] * z[:, k, design.run[rows]]
        phi = post.phi[index, k, s, None]
        eta = np.clip(eta, -ETA_LIMIT, ETA_LIMIT)
        theta[:, rows] = draw_beta(rng, expit(eta) * phi, expit(-eta) * phi)
    return theta


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
