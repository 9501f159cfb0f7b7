"""The arithmetic of the published model, vectorised: bases, harm, and two readings of the modifiers.

published  P = base x M_spec x M_cap x M_div x M_align        (model page, 'Mathematical Formulation')
odds       odds(P) = odds(base) x M_spec x M_cap x M_div x M_align     (ours: keeps P below 1)
"""

from __future__ import annotations

import math

import numpy as np

from gmexp.published.tables import row, shift_types, table
from gmexp.support.errors import UserError

__all__ = ["Z90", "base_harmful", "base_misgen", "combine", "expit", "harm_values", "logit", "quoted_logit_sd",
           "pooled_arithmetic", "pooled_random_effects"]

Z90 = 1.6448536269514722  # standard normal 95% point: half of a central 90% interval
T_975_DF2 = 4.302652729749462  # Student t 97.5% point, 2 degrees of freedom: three studies


def logit(p: np.ndarray | float) -> np.ndarray | float:
    return np.log(p) - np.log1p(-np.asarray(p))


def expit(x: np.ndarray | float) -> np.ndarray | float:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -709.0, 709.0)))


def base_misgen() -> np.ndarray:
    """P(capability) x P(goal fails | capability) by shift type [4]."""
    return np.array([r["capability"] * r["goal_failure"] for r in shift_types()])


def harm_values(harm: str | float) -> np.ndarray:
    """P(significant harm | misgeneralization) by shift type [4].

    'printed' is the harm inferred from the printed P(misgen), 'stated' the middle of the stated 50-70%,
    'pooled' the evidence table's 45%; a number in [0, 1] holds for every type.
    """
    if harm == "printed":
        return np.array([r["harm_inferred"] for r in shift_types()])
    if harm in ("stated", "pooled"):
        return np.full(4, row("harm", "name", harm)["value"])
    number = isinstance(harm, int | float | np.number) and not isinstance(harm, bool)
    if not number or not 0 <= harm <= 1:  # NaN fails the comparison
        raise UserError(f"harm must be printed, stated, pooled or a number from 0 to 1, not {harm!r}")
    return np.full(4, float(harm))


def base_harmful(harm: str | float) -> np.ndarray:
    """P_base by shift type [4]: the printed 3.6, 10.0, 21.8, 27.7% for 'printed', else the product with harm."""
    if harm == "printed":
        return np.array([r["p_misgen"] for r in shift_types()])
    return base_misgen() * harm_values(harm)


def combine(base: np.ndarray, multipliers: np.ndarray, mode: str) -> np.ndarray:
    """Raw probability [n] from base [n] and multipliers [n, 4].

    The odds form b m / (1 + b (m - 1)) equals expit(logit b + ln m) and returns the base exactly at m = 1. Above it is
    1 / (1 + (1 - b) / (b m)), which does not fall with b even in the last digit.
    """
    with np.errstate(over="ignore", under="ignore"):
        product = np.prod(multipliers, axis=-1)
    if not np.all(np.isfinite(product) & (product > 0)):
        raise UserError("the product of the multipliers is too large or too small to compute with")
    raw = base * product
    if mode == "published":
        return raw
    with np.errstate(divide="ignore"):  # base 1 with a tiny multiplier: the odds are infinite, the answer is 1
        return np.where(product > 1, 1.0 / (1.0 + (1.0 - base) / raw), np.minimum(raw / (1.0 + base * (product - 1.0)), 1.0))


def quoted_logit_sd() -> np.ndarray:
    """Logit sd by shift type [4] of the quoted ranges, read as central 90% intervals: .73, .67, .57, .59."""
    return np.array([(logit(r["range_high"]) - logit(r["range_low"])) / (2 * Z90) for r in shift_types()])


def pooled_arithmetic() -> dict[str, float]:
    """Unweighted mean of the three studies: what the printed pooled row (87, 76, 45%) turns out to be."""
    return {key: float(np.mean(table("evidence").column(key))) for key in ("capability", "goal_failure", "harm")}


def pooled_random_effects() -> dict[str, dict[str, float]]:
    """The same three studies on the logit scale with Student t limits (k = 3, no sample sizes, equal weights).

    Per quantity: mean, 95% interval of the mean (low, high), 95% prediction interval of a next study.
    """
    result = {}
    for key in ("capability", "goal_failure", "harm"):
        x = logit(np.array(table("evidence").column(key)))
        mean, sd, k = x.mean(), x.std(ddof=1), len(x)
        half, half_next = T_975_DF2 * sd / math.sqrt(k), T_975_DF2 * sd * math.sqrt(1 + 1 / k)
        ends = expit(np.array([mean, mean - half, mean + half, mean - half_next, mean + half_next]))
        result[key] = dict(zip(("mean", "low", "high", "next_low", "next_high"), map(float, ends), strict=True))
    return result
