"""Confidence intervals for shares of episodes, where episodes come in runs and the run is the replicate.

Episodes of one run share its weights and, nearly, its goal: pooling them as independent is wrong. Three intervals for
the mean over runs, and pooling, with their measured coverage at a nominal 95% (2,000 simulated studies per row, 200
episodes a run; `tests/gmexp/test_intervals.py` repeats a part):

    runs  run rates             clustered Wilson   t on runs   bootstrap   pooled Wilson
       4  beta(.5, .5)                     0.939       0.909       0.809           0.151
       4  beta(1, 4)                       0.948       0.906       0.788           0.257
       4  beta(.05, .45)                   0.811       0.534       0.496           0.066
       4  beta(18, 2)                      0.945       0.908       0.824           0.458
       4  all-or-nothing, half             0.881       0.881       0.881           0.397
       4  all equal, 0.9                   0.998       0.946       0.985           0.953
       8  beta(.5, .5)                     0.964       0.945       0.910           0.161
       8  beta(1, 4)                       0.948       0.928       0.891           0.253
       8  beta(.05, .45)                   0.777       0.692       0.668           0.110
       8  beta(18, 2)                      0.942       0.922       0.890           0.430
       8  all-or-nothing, half             0.928       0.928       0.928           0.275
       8  all equal, 0.9                   0.990       0.940       0.992           0.950

The clustered Wilson interval is the one to quote. The bootstrap cannot see beyond the runs at hand: with four of them
it is too short, and where every run is at 0, or at 1, it has no width. It is kept because readers know it. Where
nearly all runs are near zero and a few are not (beta(.05, .45)), eight runs are too few for any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

Interval = tuple[float | None, float | None]
UNKNOWN: Interval = (None, None)


@cache
def _normal(level: float) -> float:
    """How many standard deviations hold so much of a normal distribution, both sides together."""
    return float(stats.norm.ppf((1 + level) / 2))


@cache
def _student(level: float, degrees: int) -> float:
    """The same of Student's distribution."""
    return float(stats.t.ppf((1 + level) / 2, degrees))


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


def clustered_wilson(successes: np.ndarray, trials: np.ndarray, level: float = 0.95) -> Interval:
    """Wilson's score interval for the mean of run rates, on the number of independent episodes the runs amount to.

    The variance of run rates, as a share of its largest possible value mean (1 - mean), says how many episodes a run
    is worth: one if runs are all-or-nothing. With a t quantile for the estimated variance this is the survey
    statisticians' modified Wilson interval (Franco et al. 2019, after Korn and Graubard 1998). It never exceeds what
    all-or-nothing runs would give, so it stays finite, and wide, for one run and where all runs agree completely.
    """
    rates, trials = _rates(successes, trials)
    runs = len(rates)
    if runs == 0:
        return UNKNOWN
    mean = rates.mean()
    worst_case = _normal(level) ** 2 / runs
    if runs == 1 or mean in (0.0, 1.0):
        return _score(mean, worst_case)
    variance = max(rates.var(ddof=1) / runs, mean * (1 - mean) / trials.sum())  # no less than binomial
    estimated = _student(level, runs - 1) ** 2 * variance / (mean * (1 - mean))
    return _score(mean, min(estimated, worst_case))


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
