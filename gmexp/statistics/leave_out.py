"""What each run and each condition looks like to the model that did not see it.

A row is a run under one shift level; its own deviation is integrated out. Leaving a row or a condition out is a matter of
weights on the draws, Pareto-smoothed (Vehtari et al. 2024); where k exceeds 0.7 the weights are not to be trusted, and
such rows are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit, gammaln, logsumexp

from gmexp.statistics.deleted import deleted, of_groups
from gmexp.statistics.design import TWO_ARMS, Design, condition_label
from gmexp.statistics.model import counted
from gmexp.statistics.posterior import Posterior, run_nodes

__all__ = [
    "K_LIMIT",
    "LeaveOneOut",
    "OddCondition",
    "leave_one_out",
    "log_binomial",
    "log_multinomial",
    "log_row_likelihood",
    "odd_conditions",
    "pareto_smooth",
]

K_LIMIT = 0.7
MOST_DRAWS = 400
POINTS = 64
SKILL_POINTS = 5
ALPHA = 0.05


@dataclass(frozen=True)
class LeaveOneOut:
    """Expected log density of every row without it; PIT of its capable and of its proxy episodes among replicates."""

    elpd: float
    elpd_se: float
    pointwise: tuple[float, ...]
    k: tuple[float, ...]
    rows_above_limit: tuple[str, ...]  # named
    pit: dict[str, tuple[float, ...]]
    pit_p: dict[str, float]  # Kolmogorov-Smirnov against uniform, at most one row per run


def leave_one_out(design: Design, post: Posterior, seed: int = 0) -> LeaveOneOut:
    """Leave-one-row-out by importance weights."""
    index = np.linspace(0, post.size - 1, min(MOST_DRAWS, post.size)).round().astype(int)
    log_lik = log_row_likelihood(design, post, index)  # [rows, draws]
    smoothed = [pareto_smooth(-row) for row in log_lik]
    pointwise = np.array([logsumexp(w + row) for (w, _), row in zip(smoothed, log_lik, strict=True)])
    weights, k = np.exp([w for w, _ in smoothed]), np.array([k for _, k in smoothed])
    pit = _pit(design, post, index, weights, seed)
    rng = np.random.default_rng([seed, 5])
    one_each = [rng.choice(np.flatnonzero(design.run == r)) for r in np.unique(design.run)]
    names = tuple(
        f"{design.run_ids[design.run[i]]} under {design.shifts[design.shift[i]].name}" for i in np.flatnonzero(k > K_LIMIT)
    )
    return LeaveOneOut(
        float(pointwise.sum()), float(np.sqrt(len(pointwise) * pointwise.var())), tuple(map(float, pointwise)),
        tuple(map(float, k)), names, {stage: tuple(map(float, values)) for stage, values in pit.items()},
        {stage: float(stats.kstest(values[one_each], "uniform").pvalue) for stage, values in pit.items()})


def log_row_likelihood(design: Design, post: Posterior, index: np.ndarray) -> np.ndarray:
    """Log probability [rows, len(index)] of each row's counts, the run's deviation and its skill integrated out."""
    place = {cell: i for i, cell in enumerate(post.cells)}
    z, result = run_nodes(post.stages, POINTS), np.empty((len(design.run), len(index)))
    deviations = {s: [part[index] for part in post.deviations(s, z)] for s in np.unique(design.shift).tolist()}
    nodes, weights = np.polynomial.hermite_e.hermegauss(SKILL_POINTS)
    skill = expit(1.0 + 1.5 * nodes)
    for i, (c, s) in enumerate(zip(design.condition.tolist(), design.shift.tolist(), strict=True)):
        eta = post.cell[index, :, place[c, s]]
        logits = [eta[:, k, None] + deviations[s][k] for k in range(post.stages)]
        if design.estimand == TWO_ARMS:
            each = _two_arms(logits, design.masked[i], design.visible[i], skill, weights / weights.sum())
        else:
            each = log_binomial(logits[0], *design.reached[i]) + log_binomial(logits[1], *design.visible[i, :2])
        result[i] = logsumexp(each, axis=1) - np.log(each.shape[1])
    return result


def log_binomial(logit: np.ndarray, y: int, m: int) -> np.ndarray:
    return gammaln(y + m + 1) - gammaln(y + 1) - gammaln(m + 1) - y * np.logaddexp(0, -logit) - m * np.logaddexp(0, logit)


def _two_arms(logits: list[np.ndarray], masked: np.ndarray, visible: np.ndarray, skill: np.ndarray,
              weights: np.ndarray) -> np.ndarray:
    c, b, q = (expit(v) for v in logits)
    h, e = c * (1 - b), c * b
    value = log_multinomial(masked, (h, e, 1 - c))
    parts = [log_multinomial(visible, ((1 - q) * h + q * a, (1 - q) * e, (1 - q) * (1 - c) + q * (1 - a))) for a in skill]
    return value + logsumexp(parts, axis=0, b=weights[:, None, None])


def log_multinomial(y: np.ndarray, p: Sequence[np.ndarray]) -> np.ndarray:
    constant = gammaln(y.sum() + 1) - gammaln(y + 1).sum()
    return constant + sum(n * np.log(np.maximum(each, 1e-300)) for n, each in zip(y, p, strict=True) if n)


def _pit(design: Design, post: Posterior, index: np.ndarray, weights: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Randomised PIT [rows] of goals reached blind (or reached at all) and of proxy first among those to come."""
    rng, place = np.random.default_rng([seed, 7]), {cell: i for i, cell in enumerate(post.cells)}
    pit = {"capability": np.empty(len(design.run)), "goal_failure": np.empty(len(design.run))}
    for i, (c, s) in enumerate(zip(design.condition.tolist(), design.shift.tolist(), strict=True)):
        parts = post.deviations(s, rng.standard_normal((post.stages, post.size, 1)))
        logits = [post.cell[index, k, place[c, s]] + parts[k][index, 0] for k in range(post.stages)]
        capable, fails = expit(logits[0]), expit(-logits[-1])
        if design.estimand == TWO_ARMS:
            blind, told = design.masked[i], design.visible[i]
            drawn = (rng.binomial(blind.sum(), capable), rng.binomial(told.sum(), capable * expit(logits[1]) * fails))
            observed = blind[:2].sum(), told[1]
        else:
            drawn = rng.binomial(design.reached[i].sum(), capable), rng.binomial(design.visible[i, :2].sum(), fails)
            observed = design.reached[i, 0], design.visible[i, 1]
        for name, y, seen in zip(pit, drawn, observed, strict=True):
            pit[name][i] = np.clip(weights[i] @ (y < seen) + rng.uniform() * (weights[i] @ (y == seen)), 0, 1)
    return pit


@dataclass(frozen=True)
class OddCondition:
    """A condition under a shift against what the others say of it."""

    condition: str
    shift: str
    stage: str
    level: float  # its mean over runs, in logits
    predicted: float
    p: float  # two-sided, times the number of such comparisons, at most 1
    fits: bool


def odd_conditions(design: Design) -> list[OddCondition]:
    """Leave-one-condition-out: every condition's logits under a shift against the line of its environment's others, the
    oddest first; of what the others can foresee.

    Logits are means over runs, which differ by more than chance, of what was counted.
    """
    logits, information = counted(design)
    variance = 1 / np.maximum(information, 1e-3)
    cells, place = np.unique(np.stack([design.condition, design.shift], axis=1), axis=0, return_inverse=True)
    place, found = place.reshape(-1), []
    for e in range(len(design.envs)):
        own = np.flatnonzero(design.condition_env[cells[:, 0]] == e)
        rows, x = np.isin(place, own), _regressors(design, cells[own])
        group = np.searchsorted(own, place[rows])
        for k, stage in enumerate(design.stages):
            level, v = of_groups(logits[k, rows], variance[k, rows], group)
            foreseen, p = deleted(level, v, x)
            found += [(p[i], condition_label(design.conditions[c], design.conditions), design.shifts[s].name, stage,
                       float(level[i]), float(foreseen[i]))
                      for i, (c, s) in enumerate(cells[own].tolist()) if np.isfinite(p[i])]
    ordered = sorted(found, key=lambda row: row[0])
    return [OddCondition(*row[1:], p=float(min(1, row[0] * len(found))), fits=bool(row[0] * len(found) >= ALPHA))
            for row in ordered]


def _regressors(design: Design, cells: np.ndarray) -> np.ndarray:
    """[cells, p] for cells (condition, shift) [cells, 2] of one environment: its shifts, learners and settings."""
    condition, shift = cells.T
    learner = design.condition_learner[condition]
    return np.concatenate([shift[:, None] == np.unique(shift), learner[:, None] == np.unique(learner)[1:],
                           np.nan_to_num(design.x[condition])], axis=1).astype(float)


def pareto_smooth(log_ratio: np.ndarray) -> tuple[np.ndarray, float]:
    """(normalised log weights, Pareto k) from log importance ratios [draws]."""
    x = log_ratio - log_ratio.max()
    tail = int(min(0.2 * len(x), 3 * np.sqrt(len(x))))
    order = np.argsort(x)
    cutoff = max(x[order[-tail - 1]], np.log(np.finfo(float).tiny))
    excess = np.exp(x[order[-tail:]]) - np.exp(cutoff)
    k = 0.0 if np.ptp(excess) < 1e-12 else np.inf
    if np.isinf(k) and np.all(excess >= 0):
        k, scale = _fit_generalised_pareto(np.maximum(excess, 1e-300))
        if np.isfinite(k):
            at = (np.arange(tail) + 0.5) / tail
            quantiles = -scale * np.log1p(-at) if abs(k) < 1e-12 else scale * np.expm1(-k * np.log1p(-at)) / k
            x[order[-tail:]] = np.minimum(np.log(quantiles + np.exp(cutoff)), 0.0)
    return x - logsumexp(x), float(k)


def _fit_generalised_pareto(excess: np.ndarray) -> tuple[float, float]:
    """(k, scale) by Zhang & Stephens (2009), with the weak prior of Vehtari et al. on k."""
    x, n = np.sort(excess), len(excess)
    m = 30 + int(np.sqrt(n))
    b = 1 / x[-1] + (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3 * x[int(n / 4 + 0.5) - 1])
    k_of_b = np.mean(np.log1p(-b[:, None] * x), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_likelihood = n * (np.log(-b / k_of_b) - k_of_b - 1)
    log_likelihood = np.where(np.isfinite(log_likelihood), log_likelihood, -np.inf)
    b_mean = float(np.exp(log_likelihood - logsumexp(log_likelihood)) @ b)
    k = float(np.mean(np.log1p(-b_mean * x)))
    scale = -k / b_mean
    return (n * k + 5) / (n + 10), scale
