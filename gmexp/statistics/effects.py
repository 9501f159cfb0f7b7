"""What a posterior says about the published claims: modifiers, multiplicativity, ordering, the literature's pull."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit

from gmexp.artefacts.records import OutcomeCounts
from gmexp.published.modifiers import modifier_range
from gmexp.statistics.config import A0_GRID, CalibrationConfig, Priors
from gmexp.statistics.design import CAPABILITY, GOAL, STAGES
from gmexp.statistics.posterior import Posterior, summarise
from gmexp.statistics.priors import literature_conflict, literature_log_ratio, literature_pseudocounts, literature_rates

__all__ = ["definition_sensitivity", "literature_grid", "measured_harm", "modifier_effects", "multiplicativity",
           "ordering_violation", "respects_order"]

CONFLICT = 0.05
EDGE = 1e-9
# published low-risk, neutral (multiplier 1) and high-risk settings: arguments of Covariates.columns
SETTINGS: dict[str, tuple[dict[str, Any], ...]] = {
    "spec": tuple({"spec_quality": q} for q in (0.9, 0.55, 0.2)),
    "cap": tuple({"capability": level} for level in ("below_human", "human", "superhuman")),
    "div": tuple({"diversity": d} for d in (0.3, 0.1 + 0.2 * np.log(1.4) / np.log(2), 0.1)),
    "align": tuple({"method": m} for m in ("interpretability_verified", "standard", "behavioral_cloning")),
}
BLANK = {"spec_quality": None, "capability": None, "diversity": None, "method": None, "steps": None}


def modifier_effects(post: Posterior) -> list[dict[str, Any]]:
    """Each modifier between its published low- and high-risk settings.

    odds_ratio   exp of the log odds contrast, per stage (conditional on run and cell)
    risk_ratio   standardised P(capable and goal fails), per measured shift type: low/neutral and high/neutral
                 with a new condition's u (g-computation); the published multipliers are ratios of that kind. Empty
                 for a modifier that was not varied: its odds ratio is the prior's
    extrapolated whether a published setting lies outside the measured ones
    p_in_range   posterior probability that both ratios lie within the published range of the multiplier
    """
    effects = []
    for name, settings in SETTINGS.items():
        low, neutral, high = (post.covariates.columns(**{**BLANK, **setting}) for setting in settings)
        moved = high - low != 0
        measured = bool(np.any(np.ptp(post.x, axis=0)[moved] > 0))
        beyond = bool(np.any((np.minimum(low, high) < post.x.min(axis=0) - EDGE)[moved]
                             | (np.maximum(low, high) > post.x.max(axis=0) + EDGE)[moved]))
        log_or = {STAGES[k]: post.slope(k, high - low) for k in (CAPABILITY, GOAL)}
        effects.append({
            "name": name, "measured": measured, "extrapolated": measured and beyond,
            "settings": [next(iter(s.values())) for s in settings],
            "odds_ratio": {stage: asdict(summarise(np.exp(draws), post.chains)) for stage, draws in log_or.items()},
            "published_range": list(modifier_range(name)),
            "risk_ratio": [_risk_ratio(post, level, low, neutral, high, modifier_range(name))
                           for level in range(len(post.shifts)) if measured and _measured_level(post, level)]})
    return effects


def _measured_level(post: Posterior, level: int) -> bool:
    stages = {k for k, s, _ in post.measured if s == level}
    return post.shifts[level].type > 0 and stages == {CAPABILITY, GOAL}


def _risk_ratio(post: Posterior, level: int, low: np.ndarray, neutral: np.ndarray, high: np.ndarray,
                published: tuple[float, float]) -> dict[str, Any]:
    risk = [post.rates(level, x)["misgen"] for x in (low, neutral, high)]
    floor = np.finfo(float).tiny
    ratio_low, ratio_high = (r / np.maximum(risk[1], floor) for r in (risk[0], risk[2]))
    inside = np.mean([np.mean((r >= published[0]) & (r <= published[1])) for r in (ratio_low, ratio_high)])
    both = (np.minimum(ratio_low, ratio_high) >= published[0]) & (np.maximum(ratio_low, ratio_high) <= published[1])
    return {"shift": level, "low": asdict(summarise(ratio_low, post.chains)),
            "high": asdict(summarise(ratio_high, post.chains)), "p_in_range": float(np.mean(both)),
            "p_end_in_range": float(inside)}


def multiplicativity(post: Posterior, priors: Priors) -> dict[str, Any]:
    """Whether effects multiply on the odds scale: tau, the sd of departures under each shift level with several conditions.

    `bayes_factor_additive` is the Savage-Dickey ratio p(tau = 0 | data) / p(tau = 0): above 1 the data favour
    modifiers that act under this shift as they do under the others.
    """
    conditions = Counter((stage, shift) for stage, shift, _ in post.cells)
    result: dict[str, Any] = {}
    for k, stage in enumerate(STAGES):
        result[stage] = []
        for s in (s for s in range(len(post.shifts)) if conditions[k, s] > 1):
            tau = post.tau[:, k, s]
            mirrored = stats.gaussian_kde(np.concatenate([tau, -tau]))  # the density at the boundary 0, unbiased
            prior = 2 * stats.norm.pdf(0, scale=priors.tau_sd)
            result[stage].append({"shift": s, "tau": asdict(summarise(tau, post.chains)),
                                  "bayes_factor_additive": float(2 * mirrored(0)[0] / prior)})
    return result


def _ladder(post: Posterior, stage: int) -> list[int]:
    """Measured level of each shift type 1-4 at its largest grade, in order of type."""
    best: dict[int, int] = {}
    for s in sorted({s for k, s, _ in post.measured if k == stage}):
        level = post.shifts[s]
        if level.type > 0 and (level.type not in best or level.grade >= post.shifts[best[level.type]].grade):
            best[level.type] = s
    return [best[t] for t in sorted(best)]


def _violates(post: Posterior, stage: int) -> np.ndarray:
    """[D] whether the stage's risk breaks the published order of shift types: capability falls, goal failure rises."""
    sign = -1 if stage == CAPABILITY else 1
    return np.any(np.diff(sign * post.alpha[:, stage][:, _ladder(post, stage)], axis=1) < 0, axis=1)


def respects_order(post: Posterior) -> np.ndarray:
    """[D] whether capability does not rise and goal failure does not fall over the measured shift types."""
    return ~(_violates(post, CAPABILITY) | _violates(post, GOAL))


def ordering_violation(post: Posterior) -> dict[str, float]:
    """P(the order of the measured shift types is violated), per stage and for either."""
    return {**{stage: float(np.mean(_violates(post, k))) for k, stage in enumerate(STAGES)},
            "either": float(np.mean(~respects_order(post)))}


def literature_grid(post: Posterior, config: CalibrationConfig) -> tuple[list[dict[str, Any]], list[str]]:
    """Rates at the centre of the covariates for every weight of the literature, by reweighting; and conflicts.

    The ratio of two mixtures is bounded, so the weights are: `ess` says how many draws they are worth. `weight` is
    the posterior weight of the literature's half of the mixture.
    """
    n0, rates = config.priors.literature_n0, literature_rates(post.shifts)
    flat = post.alpha.reshape(len(post.alpha), -1)

    def log_ratio(a0: float) -> tuple[np.ndarray, np.ndarray]:
        each = literature_log_ratio(flat, literature_pseudocounts(post.shifts, a0 * n0).reshape(-1, 2))[0]
        return each.sum(axis=1), 1 - 0.5 / np.exp(each)  # P(literature component | draw)

    used = log_ratio(config.a0)[0]
    rows, conflicts = [], []
    for a0 in A0_GRID:
        relative, component = log_ratio(a0)
        weights = np.exp(relative - used - np.max(relative - used))
        weights /= weights.sum()
        for k, stage in enumerate(STAGES):
            for s in np.flatnonzero(np.isfinite(rates[k])):
                mu = expit(post.alpha[:, k, s])
                mean = float(weights @ mu)
                low, high = _weighted_quantiles(mu, weights, (0.025, 0.975))
                row = {"a0": a0, "stage": stage, "shift": int(s), "published": float(rates[k, s]), "mean": mean,
                       "q025": low, "q975": high, "ess": float(1 / np.sum(weights**2)),
                       "weight": float(weights @ component[:, k * len(post.shifts) + s])}
                if a0 == 0:
                    resampled = mu if config.a0 == 0 else _resample(mu, weights, config.seed)
                    row["conflict_p"] = literature_conflict(resampled, float(rates[k, s]), n0)
                    if row["conflict_p"] < CONFLICT and (k, s, ) in {(m[0], m[1]) for m in post.measured}:
                        conflicts.append(f"{stage} under {post.shifts[s].name}: the data ({mean:.2f}) and the "
                                         f"published {rates[k, s]:.2f} disagree (p = {row['conflict_p']:.3f})")
                rows.append(row)
    return rows, conflicts


def _weighted_quantiles(x: np.ndarray, weights: np.ndarray, at: Sequence[float]) -> list[float]:
    order = np.argsort(x)
    return [float(q) for q in np.interp(at, np.cumsum(weights[order]) - 0.5 * weights[order], x[order])]


def _resample(x: np.ndarray, weights: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, 4]).choice(x, size=len(x), p=weights)


def definition_sensitivity(counts: Sequence[OutcomeCounts]) -> list[dict[str, Any]]:
    """Goal failure and capability under other readings of deaths and time-outs, mean over runs per shift and diversity.

    goal_failure              as analysed: proxy / (intended + proxy)
    goal_failure_low, _high   Manski bounds: every distinguishing episode without a goal would have shown the intended goal,
                              or the proxy; None where the number of distinguishing episodes is unknown
    capability                as analysed: reached / episodes
    capability_no_timeouts    time-outs left out of the denominator
    """
    cells: dict[tuple, dict[tuple, list[OutcomeCounts]]] = {}
    for c in counts:
        cell = (c.shift_type, c.shift_name, float(c.grade), float(c.train_diversity))
        cells.setdefault(cell, {}).setdefault((c.experiment_id, c.run_id), []).append(c)
    return [{"shift_type": kind, "shift_name": name, "grade": grade, "train_diversity": diversity, "runs": len(runs),
             **_mean_readings(list(runs.values()))}
            for (kind, name, grade, diversity), runs in sorted(cells.items())]


def _mean_readings(runs: list[list[OutcomeCounts]]) -> dict[str, float | None]:
    readings = [_readings(rows) for rows in runs]
    found = {key: [r[key] for r in readings if r[key] is not None] for key in readings[0]}
    return {key: float(np.mean(values)) if values else None for key, values in found.items()}


def _readings(rows: list[OutcomeCounts]) -> dict[str, float | None]:
    """The readings of one run's rows in one cell."""
    proxy, capable = sum(c.n_proxy for c in rows), sum(c.capable for c in rows)
    plain = [c for c in rows if not c.probe]
    reached, n, timeouts = (sum(getattr(c, key) for c in plain) for key in ("reached", "n_episodes", "n_timeout"))
    distinguishing = None
    if all(c.n_distinguishing is not None for c in rows):
        distinguishing = sum(c.n_distinguishing for c in rows)
    return {"goal_failure": proxy / capable if capable else None,
            "goal_failure_low": proxy / distinguishing if distinguishing else None,
            "goal_failure_high": (proxy + distinguishing - capable) / distinguishing if distinguishing else None,
            "capability": reached / n if n else None,
            "capability_no_timeouts": reached / (n - timeouts) if n > timeouts else None}


def measured_harm(counts: Sequence[OutcomeCounts]) -> dict[str, Any] | None:
    """Harm observed in the environments, apart from the elicited harm; None where nobody counted it."""
    known = [c for c in counts if c.n_harmful is not None]
    if not known:
        return None
    return {"n_harmful": sum(c.n_harmful for c in known), "n_proxy": sum(c.n_proxy for c in known),
            "n_runs": len({(c.experiment_id, c.run_id) for c in known})}
