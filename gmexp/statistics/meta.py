"""Random-effects meta-analysis: y_i ~ N(theta_i, v_i), theta_i ~ N(mu, tau2).

tau2 by REML (Fisher scoring as in metafor), DerSimonian-Laird or Paule-Mandel; Wald or Hartung-Knapp-Sidik-Jonkman
limits, the latter never narrower than without it (q at least 1: Roever, Knapp and Friede 2015); Higgins's prediction
interval, t with k - 2 degrees of freedom; Q-profile interval of tau2 (Viechtbauer 2007), stretched to hold the estimate.
Data are brought to unit scale first, so that huge and tiny ones are treated alike. Effects within environments, influence
and leave-one-out are in `gmexp.statistics.multilevel`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are loaded when they are used

from gmexp.support.errors import UserError

__all__ = ["METHODS", "MetaAnalysis", "meta"]

METHODS = ("REML", "DL", "PM")
SMALLEST = 1e-24  # variance of a study, on the unit scale: below it nothing is told apart
LARGEST = 1e300  # of what is taken in: differences must remain numbers


@dataclass(frozen=True)
class MetaAnalysis:
    """Result of `meta`, on the scale of y. Limits are at `level`."""

    method: str
    hksj: bool
    level: float
    k: int
    mu: float
    se: float
    low: float
    high: float
    next_low: float  # prediction interval of a new study; NaN below three studies
    next_high: float
    next_t: str  # the distribution that interval uses
    tau2: float
    tau2_low: float
    tau2_high: float
    q: float
    q_p: float
    i2: float  # share of the total variation due to heterogeneity, 0 to 1
    h2: float
    weights: tuple[float, ...]  # normalised


def meta(y: Sequence[float] | np.ndarray, v: Sequence[float] | np.ndarray, method: str = "REML", hksj: bool = False,
         level: float = 0.95) -> MetaAnalysis:
    """Meta-analysis of estimates y with sampling variances v."""
    y, v = np.asarray(y, dtype=float), np.asarray(v, dtype=float)
    _check(y, v, method, level)
    k, centre = len(y), float(np.median(y))
    unit = float(max(np.abs(y - centre).max(), np.sqrt(v.max())))
    y, v = (y - centre) / unit, np.maximum((np.sqrt(v) / unit) ** 2, SMALLEST)
    tau2 = {"REML": _reml, "DL": _dersimonian_laird, "PM": _paule_mandel}[method](y, v)
    w = 1 / (v + tau2)
    mu = float(w @ y / w.sum())
    variance = 1 / w.sum()
    if hksj:
        variance *= max(1.0, float(w @ (y - mu) ** 2) / (k - 1))
    se = float(np.sqrt(variance))
    tail = 0.5 + level / 2
    half = se * (scipy.stats.t.ppf(tail, k - 1) if hksj else scipy.stats.norm.ppf(tail))
    half_next = scipy.stats.t.ppf(tail, k - 2) * np.sqrt(tau2 + se**2) if k > 2 else np.nan
    q = _q(0.0, y, v)
    typical = _typical(v)
    low2, high2 = _q_profile(y, v, level)

    def scaled(value: float) -> float:
        return float(centre + unit * value)

    result = MetaAnalysis(
        method, hksj, level, k, scaled(mu), unit * se, scaled(mu - half), scaled(mu + half), scaled(mu - half_next),
        scaled(mu + half_next), f"t with {k - 2} degrees of freedom" if k > 2 else "none below three studies",
        _square(unit, tau2), _square(unit, min(low2, tau2)), _square(unit, max(high2, tau2)), q,
        float(scipy.stats.chi2.sf(q, k - 1)), float(tau2 / (tau2 + typical)), float(1 + tau2 / typical),
        tuple(float(x) for x in w / w.sum()))
    if not np.isfinite([result.low, result.high, result.se, result.tau2]).all():
        raise UserError(f"the limits at level {level:g} are beyond the largest numbers: rescale y and v")
    return result


def _square(unit: float, tau2: float) -> float:
    """tau2 on the data's own scale, at most the largest number there is."""
    root = unit * float(np.sqrt(tau2))
    return root * root if root < 1e154 else float(np.finfo(float).max)


def _typical(v: np.ndarray) -> float:
    """Higgins and Thompson's typical within-study variance."""
    w = v.min() / v
    return float(v.min() * (len(v) - 1) * w.sum() / max(w.sum() ** 2 - (w**2).sum(), np.finfo(float).tiny))


def _check(y: np.ndarray, v: np.ndarray, method: str, level: float) -> None:
    if method not in METHODS:
        raise UserError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    if not 0 < level < 1:
        raise UserError(f"level must lie between 0 and 1, not {level!r}")
    if y.ndim != 1 or y.shape != v.shape:
        raise UserError(f"y and v must be lists of the same length, not of shapes {y.shape} and {v.shape}")
    if len(y) < 2:
        raise UserError("a meta-analysis needs at least two studies")
    if not (np.all(np.isfinite(y)) and np.all(np.isfinite(v)) and np.all(v > 0)):
        i = int(np.argmin(np.isfinite(y) & np.isfinite(v) & (v > 0)))
        raise UserError(f"study {i + 1}: y = {y[i]:g}, v = {v[i]:g}; y must be finite and v a positive variance")
    if np.abs(y).max() > LARGEST:
        raise UserError(f"y must not exceed {LARGEST:g}: give it in other units")


def _q(tau2: float, y: np.ndarray, v: np.ndarray) -> float:
    """Generalised Q at tau2; falls with tau2."""
    w = 1 / (v + tau2)
    return float(w @ (y - w @ y / w.sum()) ** 2)


def _dersimonian_laird(y: np.ndarray, v: np.ndarray) -> float:
    w = 1 / v
    spread = float(w.sum() - (w**2).sum() / w.sum())
    return max(0.0, (_q(0.0, y, v) - (len(y) - 1)) / spread) if spread > 0 else 0.0


def _solve_q(target: float, y: np.ndarray, v: np.ndarray) -> float:
    """tau2 at which Q equals the target; 0 where Q is below it already."""
    if _q(0.0, y, v) <= target:
        return 0.0
    high = np.var(y) + v.max()
    while _q(high, y, v) > target and high < 1e30:
        high *= 4
    return float(scipy.optimize.brentq(lambda t: _q(t, y, v) - target, 0.0, high, xtol=1e-14, rtol=1e-13))


def _paule_mandel(y: np.ndarray, v: np.ndarray) -> float:
    return _solve_q(len(y) - 1, y, v)


def _q_profile(y: np.ndarray, v: np.ndarray, level: float) -> tuple[float, float]:
    tails = scipy.stats.chi2.ppf([0.5 + level / 2, 0.5 - level / 2], len(y) - 1)
    return _solve_q(tails[0], y, v), _solve_q(tails[1], y, v)


def _reml(y: np.ndarray, v: np.ndarray) -> float:
    """Fisher scoring on the restricted likelihood, halving a step that would lower it."""

    def likelihood(tau2: float) -> float:
        w = 1 / (v + tau2)
        return 0.5 * (np.log(w).sum() - np.log(w.sum()) - _q(tau2, y, v))

    tau2 = _dersimonian_laird(y, v)
    for _ in range(500):
        w = 1 / (v + tau2)
        residual = y - w @ y / w.sum()
        trace = w.sum() - (w**2).sum() / w.sum()
        score = float((w**2) @ residual**2) - trace
        information = float((w**2).sum() - 2 * (w**3).sum() / w.sum() + ((w**2).sum() / w.sum()) ** 2)
        if not information > 0:  # one study outweighs all the others
            return tau2
        step = score / information
        new = max(0.0, tau2 + step)
        while likelihood(new) < likelihood(tau2) and abs(step) > 1e-14:
            step /= 2
            new = max(0.0, tau2 + step)
        if abs(new - tau2) < 1e-13 * (1 + tau2):
            return new
        tau2 = new
    return tau2
