"""Leave one training run out, without refitting: how well the model predicts a run it has not seen.

The log likelihood of a run integrates its own effects out (on a grid over both stages), so the prediction is of a
new run, not of new episodes of a known one. Importance weights are Pareto-smoothed (Vehtari et al. 2024, JMLR);
k above 0.7 means the weights cannot be trusted for that run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.special import betaln, expit, gammaln, logsumexp

from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import Design, STAGES
from gmexp.statistics.posterior import Posterior
from gmexp.statistics.predictive import replicate_rates

__all__ = ["K_LIMIT", "LeaveOneOut", "effect_weights", "exact_runs", "leave_one_run_out", "log_run_likelihood",
           "one_run", "pareto_smooth"]

K_LIMIT = 0.7
GRID = np.linspace(-5, 5, 61)  # standard normal run effects; finer than a run's likelihood is narrow


@dataclass(frozen=True)
class LeaveOneOut:
    """Predictive accuracy and calibration over runs. R runs."""

    elpd: float  # expected log predictive density, summed over runs
    elpd_se: float
    pointwise: tuple[float, ...]  # [R]
    k: tuple[float, ...]  # [R] Pareto k of the weights
    k_max: float
    runs_above_limit: int
    exact: bool  # runs above the limit were refitted
    pit: dict[str, tuple[float, ...]]  # per stage, one value per run that was measured there
    pit_p: dict[str, float]  # Kolmogorov-Smirnov p of uniformity


def leave_one_run_out(design: Design, post: Posterior, seed: int = 0, draws: int = 500) -> LeaveOneOut:
    """LOSO from `draws` evenly spaced posterior draws."""
    index = np.linspace(0, len(post.rho) - 1, min(draws, len(post.rho))).round().astype(int)
    log_lik = log_run_likelihood(design, post, index)  # [R, draws]
    smoothed = [pareto_smooth(-row) for row in log_lik]
    weights = np.stack([w for w, _ in smoothed])  # normalised log weights [R, draws]
    k = np.array([k for _, k in smoothed])
    pointwise = logsumexp(weights + log_lik, axis=1)
    pit = _pit(design, post, index, np.exp(weights), seed)
    return LeaveOneOut(
        float(pointwise.sum()), float(np.sqrt(len(pointwise) * pointwise.var())), tuple(map(float, pointwise)),
        tuple(map(float, k)), float(k.max()), int(np.sum(k > K_LIMIT)), False, pit,
        {stage: float(stats.kstest(values, "uniform").pvalue) for stage, values in pit.items() if values})


def exact_runs(design: Design, result: LeaveOneOut, config: CalibrationConfig,
               progress: Callable[[int], object] | None = None) -> LeaveOneOut:
    """`result` with the runs whose k is above the limit predicted from a refit without them."""
    from gmexp.statistics.fit import fit

    pointwise = np.array(result.pointwise)
    for r in np.flatnonzero(np.array(result.k) > K_LIMIT):
        post, _ = fit(design.select(design.run != r), config)
        index = np.arange(len(post.rho))
        pointwise[r] = logsumexp(log_run_likelihood(design, post, index, (int(r),))[0]) - np.log(len(index))
        if progress is not None:
            progress(1)
    return replace(result, elpd=float(pointwise.sum()), elpd_se=float(np.sqrt(len(pointwise) * pointwise.var())),
                   pointwise=tuple(map(float, pointwise)), exact=True)


def log_run_likelihood(design: Design, post: Posterior, index: np.ndarray,
                       runs: Sequence[int] | None = None) -> np.ndarray:
    """Log probability [runs, len(index)] of each run's counts, its effects integrated out."""
    runs = range(len(design.run_condition)) if runs is None else runs
    weights = effect_weights(post.rho[index])
    result = np.empty((len(runs), len(index)))
    for i, r in enumerate(runs):
        condition = int(design.run_condition[r])
        rows = [tuple(map(int, row)) for row in np.stack(
            [design.stage, design.shift, design.y, design.n], axis=1)[design.run == r]]
        result[i] = one_run(post, index, weights, post.x[condition], condition, rows)
    return result


def one_run(post: Posterior, index: np.ndarray, weights: np.ndarray, x: np.ndarray, condition: int | None,
            rows: Iterable[tuple[int, int, int, int]]) -> np.ndarray:
    """Log probability [len(index)] of one run's rows (stage, shift, y, n), trained under x and condition."""
    log_lik = np.zeros((2, len(index), len(GRID)))
    for k, s, y, n in rows:
        eta = post.conditional(post.eta(k, s, x, condition), k)[index, None] + post.sigma[index, k, None] * GRID
        log_lik[k] += _log_beta_binomial(y, n, eta, post.phi[index, k, s, None])
    peak = log_lik.max(axis=2)
    c, g = np.exp(log_lik - peak[:, :, None])
    return peak.sum(axis=0) + np.log(np.einsum("di,dij,dj->d", c, weights, g, optimize=True))


def effect_weights(rho: np.ndarray) -> np.ndarray:
    """Bivariate normal weights [D, grid, grid] of the two stages' effects, each row normalised to its margin."""
    margin = np.exp(-0.5 * GRID**2)
    margin /= margin.sum()
    rest = 1 - rho[:, None, None] ** 2
    conditional = np.exp(-0.5 * (GRID - rho[:, None, None] * GRID[:, None]) ** 2 / np.maximum(rest, 1e-3))
    return margin[:, None] * conditional / conditional.sum(axis=2, keepdims=True)


def _log_beta_binomial(y: int, n: int, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    eta = np.clip(eta, -35, 35)
    a, b = expit(eta) * phi, expit(-eta) * phi
    choose = gammaln(n + 1) - gammaln(y + 1) - gammaln(n - y + 1)
    return choose + betaln(y + a, n - y + b) - betaln(a, b)


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


def _pit(design: Design, post: Posterior, index: np.ndarray, weights: np.ndarray,
         seed: int) -> dict[str, tuple[float, ...]]:
    """Randomised PIT of each run's total successes per stage under its leave-one-out prediction."""
    rng = np.random.default_rng([seed, 7])
    replicated = rng.binomial(design.n, replicate_rates(design, post, index, rng))  # [draws, N]
    result: dict[str, tuple[float, ...]] = {}
    for k, stage in enumerate(STAGES):
        values = []
        for r in range(len(design.run_condition)):
            rows = (design.stage == k) & (design.run == r)
            if not rows.any():
                continue
            total, observed = replicated[:, rows].sum(axis=1), design.y[rows].sum()
            below, equal = weights[r] @ (total < observed), weights[r] @ (total == observed)
            values.append(float(np.clip(below + rng.uniform() * equal, 0, 1)))
        result[stage] = tuple(values)
    return result
