"""Confidence intervals for shares of episodes, where episodes come in runs and the run is the replicate.

Episodes of one run share its weights and, nearly, its goal: pooling them as independent is wrong. Of the mean over runs:

    clustered Wilson   the one to quote: a score interval on the number of independent runs' worth of episodes
    betting            distribution-free, to be printed beside it: no assumption but that rates lie in [0, 1]
    t on runs, bootstrap, pooled Wilson   kept because readers know them

Runs that agree do not prove that the next one will: how much runs differ is estimated with a prior worth PRIOR_RUNS runs,
strongest near 0 and 1, where a rare collapse is not seen before it happens. So removing one success never shrinks an
interval markedly. Coverage: `gmexp check intervals`, results/checks/intervals.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy  # its parts are loaded when they are used: who only asks needs none

Interval = tuple[float | None, float | None]
UNKNOWN: Interval = (None, None)
PRIOR_RUNS = 2.5  # weight of what is assumed of runs' differences
DISPERSION = 0.1  # variance of run rates around a half, as a share of all-or-nothing runs'
GRID, ORDERS, BOLDNESS = 1001, 20, 0.5  # of betting


@cache
def _normal(level: float) -> float:
    """How many standard deviations hold so much of a normal distribution, both sides together."""
    return float(scipy.stats.norm.ppf((1 + level) / 2))


@cache
def _student(level: float, degrees: int) -> float:
    """The same of Student's distribution."""
    return float(scipy.stats.t.ppf((1 + level) / 2, degrees))


@dataclass(frozen=True, slots=True)
class Mean:
    """A quantity over runs: mean and 95% interval, None where unknown, and every run's."""

    mean: float | None
    low: float | None
    high: float | None
    runs: tuple[float | None, ...]


def mean_of_shares(successes: np.ndarray, trials: np.ndarray) -> Mean:
    """The mean of run rates with its clustered Wilson interval; a run without trials says nothing."""
    rates = tuple(float(k / n) if n else None for k, n in zip(successes, trials, strict=True))
    known = [rate for rate in rates if rate is not None]
    return Mean(float(np.mean(known)) if known else None, *clustered_wilson(successes, trials), rates)


def wilson(successes: float, trials: float, level: float = 0.95) -> Interval:
    """Wilson's score interval for independent trials: right within one run, wrong across runs."""
    if trials == 0:
        return UNKNOWN
    return _score(successes / trials, _normal(level) ** 2 / trials)


def clustered_wilson(
    successes: np.ndarray, trials: np.ndarray, level: float = 0.95, dispersion: float = DISPERSION
) -> Interval:
    """Wilson's score interval for the mean of run rates, on the number of independent episodes the runs amount to.

    The variance of run rates, as a share of its largest possible value mean (1 - mean), says how many episodes a run is
    worth: one if runs are all-or-nothing. It is averaged with a prior's share, worth PRIOR_RUNS runs: `dispersion` (pooled
    over cells, where known) for a mean of a half, rising to 1 for means of 0 and 1. With a t quantile this is the survey
    statisticians' modified Wilson interval (Franco et al. 2019, after Korn and Graubard 1998). It never exceeds what
    all-or-nothing runs would give, so it stays finite, and wide, for one run and where all runs agree completely.
    """
    rates, trials = _rates(successes, trials)
    if len(rates) == 0:
        return UNKNOWN
    return _run_score(rates, float(np.sum(trials)), level, dispersion)


def _run_score(rates: np.ndarray, trials: float, level: float, dispersion: float) -> Interval:
    runs, mean = len(rates), float(rates.mean())
    worst_case = _normal(level) ** 2 / runs
    if runs == 1:
        return _score(mean, worst_case)
    largest = mean * (1 - mean)
    edge = (1 - 4 * largest) ** 2  # 1 at the ends, 0 in the middle
    prior = dispersion + (1 - dispersion) * edge
    seen = min(float(rates.var(ddof=1)) / largest, 1.0) if largest > 0 else 0.0
    share = (PRIOR_RUNS * prior + (runs - 1) * seen) / (PRIOR_RUNS + runs - 1)
    return _score(mean, min(_student(level, runs - 1) ** 2 * max(share / runs, 1 / trials), worst_case))


def betting(successes: np.ndarray, trials: np.ndarray, level: float = 0.95) -> Interval:
    """Distribution-free interval for the mean of run rates by hedged betting (Waudby-Smith and Ramdas 2024, section 4).

    The capital of two gamblers who bet on rates above and below m, run after run, is a martingale if m is the mean; where
    it exceeds 1 / (1 - level), m is refuted. It is averaged over ORDERS orders of the runs, so theirs does not matter.
    """
    rates, _ = _rates(successes, trials)
    if len(rates) == 0:
        return UNKNOWN
    x, n = np.sort(rates), len(rates)
    grid = np.linspace(0, 1, GRID)[1:-1]
    alpha, capital = 1 - level, np.zeros(len(grid))
    for order in range(ORDERS):
        seen = x[np.random.default_rng([n, order]).permutation(n)]
        count = np.arange(1, n + 1)
        mean = (0.5 + np.cumsum(seen)) / (count + 1)
        spread = (0.25 + np.cumsum((seen - mean) ** 2)) / (count + 1)
        bets = np.sqrt(2 * np.log(2 / alpha) / (n * np.concatenate([[0.25], spread[:-1]])))
        up = np.minimum(bets[:, None], BOLDNESS / grid)
        down = np.minimum(bets[:, None], BOLDNESS / (1 - grid))
        gain = seen[:, None] - grid
        capital += 0.5 * np.prod(1 + up * gain, axis=0) + 0.5 * np.prod(1 - down * gain, axis=0)
    kept = np.flatnonzero(capital / ORDERS < 1 / alpha)
    low = 0.0 if len(kept) and kept[0] == 0 else grid[kept[0] - 1] if len(kept) else float(rates.mean())
    high = 1.0 if len(kept) and kept[-1] == len(grid) - 1 else grid[kept[-1] + 1] if len(kept) else float(rates.mean())
    return float(min(low, rates.mean())), float(max(high, rates.mean()))


def ratio_over_runs(successes: np.ndarray, trials: np.ndarray, base: np.ndarray, base_trials: np.ndarray,
                    level: float = 0.95) -> tuple[float | None, float | None, float | None]:
    """Ratio of two mean rates over the same runs and its interval by Student's t on runs: causal goal failure, from the
    rates of proxy first in the visible and in the masked arm.

    z_r = (M_r - ratio H_r) / mean(H), never with less variance than the episodes alone would give. None where the base is
    zero; without limits below two runs. A ratio above 1 is chance or curiosity, and is not clipped.
    """
    known = (np.asarray(trials) > 0) & (np.asarray(base_trials) > 0)
    k, n, b, m = (np.asarray(a, float)[known] for a in (successes, trials, base, base_trials))
    if len(k) == 0 or b.sum() == 0:
        return None, None, None
    visible, masked = k / n, b / m
    ratio = float(visible.mean() / masked.mean())
    if len(k) < 2:
        return ratio, None, None
    z = (visible - ratio * masked) / masked.mean()
    p, q = (k + 0.5) / (n + 1), (b + 0.5) / (m + 1)
    least = float(np.mean(p * (1 - p) / n + ratio**2 * q * (1 - q) / m)) / masked.mean() ** 2
    half = _student(level, len(k) - 1) * np.sqrt(max(float(z.var(ddof=1)), least) / len(k))
    return ratio, float(max(ratio - half, 0.0)), float(ratio + half)


def difference(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float, float]:
    """`first - second` for two independent (mean, low, high), with the interval recovered from theirs (MOVER).

    Newcombe's hybrid: it inherits their asymmetry and stays within [-1, 1].
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    return a - b, a - b - float(np.hypot(a - a_low, b_high - b)), a - b + float(np.hypot(a_high - a, b - b_low))


def paired_difference(first: np.ndarray, second: np.ndarray,
                      level: float = 0.95) -> tuple[float | None, float | None, float | None]:
    """Mean of `first - second` over pairs of outcomes (bool [n] each) and its interval, all None without pairs.

    Wald's interval after half a pair is added to each of the four kinds of pairs (Agresti and Min 2005), so it has a
    width even where all pairs agree. The mean itself is as observed.
    """
    n = len(first)
    if n == 0:
        return (None, *UNKNOWN)
    only_first, only_second = (first & ~second).sum() + 0.5, (second & ~first).sum() + 0.5
    centre = (only_first - only_second) / (n + 2)
    half = _normal(level) * np.sqrt(
        ((only_first + only_second) / (n + 2) - centre**2) / (n + 2))
    difference = float(first.mean() - second.mean())
    return difference, float(max(min(centre - half, difference), -1)), float(min(max(centre + half, difference), 1))


def mean_of_effects(effects: np.ndarray, half_widths: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Mean over runs of effects in [-1, 1] and its interval: Student's on the runs, never narrower than their own
    intervals (half widths) allow. One run has the interval [-1, 1]: nothing is known of the next."""
    effects, half_widths = np.asarray(effects, float), np.asarray(half_widths, float)
    mean, runs = float(effects.mean()), len(effects)
    if runs < 2:
        return mean, -1.0, 1.0
    within = float(np.sqrt(np.mean(half_widths**2) / runs))
    half = max(_student(level, runs - 1) * effects.std(ddof=1) / np.sqrt(runs), within)
    return mean, float(max(mean - half, -1)), float(min(mean + half, 1))


def t_on_runs(successes: np.ndarray, trials: np.ndarray, level: float = 0.95) -> Interval:
    """Student's interval on the run rates, not clipped to [0, 1]; unknown below two runs."""
    rates, _ = _rates(successes, trials)
    if len(rates) < 2:
        return UNKNOWN
    half = _student(level, len(rates) - 1) * rates.std(ddof=1) / np.sqrt(len(rates))
    return float(rates.mean() - half), float(rates.mean() + half)


def bootstrap(successes: np.ndarray, trials: np.ndarray, rng: np.random.Generator, level: float = 0.95,
              draws: int = 4000) -> Interval:
    """Percentiles of the mean over runs when runs, and then episodes within each of them, are drawn again."""
    rates, trials = _rates(successes, trials)
    if len(rates) == 0:
        return UNKNOWN
    runs = rng.integers(len(rates), size=(draws, len(rates)))
    means = (rng.binomial(trials[runs], rates[runs]) / trials[runs]).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _rates(successes: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates and trials of the runs that have any: a run without trials says nothing."""
    successes, trials = np.asarray(successes), np.asarray(trials)
    known = trials > 0
    return successes[known] / trials[known], trials[known]


def _score(mean: float, c: float) -> Interval:
    """The p for which (mean - p)^2 <= c p (1 - p)."""
    centre, half = (mean + c / 2) / (1 + c), np.sqrt(c * mean * (1 - mean) + c**2 / 4) / (1 + c)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))
