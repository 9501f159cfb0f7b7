"""What a posterior says about the published claims: modifiers at the same settings, and the literature's pull."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from gmexp.artefacts.records import OutcomeCounts
from gmexp.published.modifiers import alignment_modifier, diversity_modifier, modifier_range, spec_modifier
from gmexp.published.tables import shift_types
from gmexp.statistics.config import Priors
from gmexp.statistics.design import REFERENCE_METHOD, diversity_position, spec_position
from gmexp.statistics.model import SCALES
from gmexp.statistics.posterior import Posterior, Settings, summarise
from gmexp.support.errors import UserError

__all__ = ["DISCOUNTS", "discounted", "hyperparameters", "measured_harm", "modifier_effects", "readings"]

DISCOUNTS = (0.0, 0.25, 0.5, 1.0)  # powers of the reinforcement-learning likelihood
CONFLICT = 0.01
CLOSE_RATIO = 1.25


def modifier_effects(post: Posterior) -> list[dict[str, Any]]:
    """Each modifier between the two measured settings that lie furthest apart, against the published ratio of the same two.

    odds_ratio  median and 95% interval per stage, in a new environment
    risk_ratio  per measured shift type: latent misgeneralization at the riskier setting over that at the other (median:
                such ratios have no useful mean); `over_published` divides it by the published ratio; p_within says how
                probably the two agree within a factor of 1.25, p_same_direction whether they point the same way
    A modifier that was not varied has no ratio. Capability's treatment is the training budget, which the source does not
    map to its multipliers.
    """
    rows = []
    for name, settings in _pairs(post).items():
        row: dict[str, Any] = {"name": name, "measured": settings is not None, "published_range": list(modifier_range(name)),
                               "settings": [], "published_ratio": None, "odds_ratio": {}, "risk_ratio": []}
        if settings is not None:
            (low, x_low, m_low), (high, x_high, m_high) = settings
            published = None if m_low is None or m_high is None else float(m_high / m_low)
            change = {column: x_high.get(column, 0.0) - x_low.get(column, 0.0) for column in {*x_low, *x_high}}
            log_odds = sum(value * post.effect(column) for column, value in change.items())
            row |= {
                "settings": [low, high],
                "published_ratio": published,
                "odds_ratio": {"capability": _ratio(log_odds[:, 0], None), "goal_failure": _ratio(-log_odds[:, -1], None)},
                "risk_ratio": [
                    {"shift": s, **_ratio(_log_risk(post, s, x_high) - _log_risk(post, s, x_low), published)}
                    for s, level in enumerate(post.shifts)
                    if level.type > 0
                ],
            }
        rows.append(row)
    return rows


def _pairs(post: Posterior) -> dict[str, tuple | None]:
    """Per modifier (setting, columns, published multiplier) of its less and its more risky end; None if it did not vary."""
    def ends(field: str) -> tuple[float, float] | None:
        values = {getattr(c, field) for c in post.conditions} - {None}
        return (min(values), max(values)) if len(values) > 1 else None

    pairs: dict[str, tuple | None] = {"spec": None, "cap": None, "div": None, "align": None}
    if quality := ends("spec_quality"):
        pairs["spec"] = tuple((q, {"spec": spec_position(q)}, float(spec_modifier(q))) for q in reversed(quality))
    budgets = {place: c.train_steps for c in post.conditions if (place := post.covariates.position(c)["steps"]) is not None}
    if len(budgets) > 1:
        pairs["cap"] = tuple((budgets[place], {"steps": place}, None) for place in (min(budgets), max(budgets)))
    if diversity := ends("train_diversity"):
        pairs["div"] = tuple((d, {"div": diversity_position(d)}, float(diversity_modifier(d))) for d in reversed(diversity))
    methods = sorted({c.align_method for c in post.conditions} - {REFERENCE_METHOD})
    if methods and len({c.align_method for c in post.conditions}) > 1:
        method = methods[0]
        pairs["align"] = tuple((m, {} if m == REFERENCE_METHOD else {f"align:{m}": 1.0}, _alignment(m))
                               for m in (REFERENCE_METHOD, method))
    return {name: pair if pair and all(c in post.covariates.names for end in pair for c in end[1]) else None
            for name, pair in pairs.items()}


def _alignment(method: str) -> float | None:
    try:
        return float(alignment_modifier(method.split(":")[0]))
    except UserError:
        return None


def _log_risk(post: Posterior, level: int, x: dict[str, float]) -> np.ndarray:
    eta = post.eta(level, Settings(x, "measured"))[0]
    return np.log(np.maximum(post.rates(level, eta, "next_environment", 1.0)["latent"], np.finfo(float).tiny))


def _ratio(log_ratio: np.ndarray, published: float | None) -> dict[str, Any]:
    low, median, high = (float(v) for v in np.exp(np.quantile(log_ratio, (0.025, 0.5, 0.975))))
    row: dict[str, Any] = {"q50": median, "q025": low, "q975": high}
    if published is not None:
        relative = log_ratio - np.log(published)
        row |= {"over_published": float(np.exp(np.median(relative))),
                "p_within": float(np.mean(np.abs(relative) < np.log(CLOSE_RATIO))),
                "p_same_direction": float(np.mean(np.sign(log_ratio) == np.sign(np.log(published))))}
    return row


def hyperparameters(post: Posterior, priors: Priors, stages: Sequence[str]) -> list[dict[str, Any]]:
    """Every scale beside its prior; `p` is how much of the prior lies beyond the posterior's median, two-sided: a small
    one means that data and prior disagree."""
    rows = []
    for j, name in enumerate(SCALES):
        for k, stage in enumerate(stages):
            draws = post.scales[:, k, j]
            at = 2 * stats.t.cdf(np.median(draws) / priors.scales[j], 3) - 1
            rows.append({"scale": name, "stage": stage, **asdict(summarise(draws, post.chains)),
                         "prior_median": float(priors.scales[j] * stats.t.ppf(0.75, 3)), "p": float(2 * min(at, 1 - at))})
    return rows


def discounted(post: Posterior, n0: float) -> list[dict[str, Any]]:
    """Capability and goal failure in a new environment if the likelihood counts to the power a, against the published Beta.

    At a = 0 nothing but Beta(1 + n0 p, 1 + n0 (1 - p)) around the published rate p is left, at a = 1 both speak in full.
    The likelihood is the posterior in a new environment, on the logit scale, as a normal.
    """
    rows, grid = [], np.linspace(-12, 12, 1201)
    mu = expit(grid)
    for s, level in enumerate(post.shifts):
        if level.type == 0 or level.grade != 1:
            continue
        printed = shift_types()[level.type - 1]
        rates = post.rates(s, post.eta(s, Settings({}, "measured"))[0], "next_environment", 1.0)
        for quantity in ("capability", "goal_failure"):
            p, eta = printed[quantity], logit(np.clip(rates[quantity], 1e-6, 1 - 1e-6))
            log_prior = stats.beta.logpdf(mu, 1 + n0 * p, 1 + n0 * (1 - p)) + np.log(mu) + np.log1p(-mu)
            for a in DISCOUNTS:
                log_density = log_prior + a * stats.norm.logpdf(grid, eta.mean(), eta.std())
                weights = np.exp(log_density - log_density.max())
                weights /= weights.sum()
                low, high = np.interp((0.025, 0.975), np.cumsum(weights) - 0.5 * weights, mu)
                rows.append({"a0": a, "stage": quantity, "shift": s, "published": float(p), "mean": float(weights @ mu),
                             "q025": float(low), "q975": float(high)})
    return rows


def readings(counts: Sequence[OutcomeCounts]) -> list[dict[str, Any]]:
    """Other readings of the same counts: mean over runs per environment, shift and diversity. None is unknown.

    first_event          proxy / (intended or proxy first), accidents included
    first_event_low, _high   Manski bounds: every distinguishing episode without a goal would have shown the intended goal,
                         or the proxy
    reached, reached_no_timeouts   share of episodes that reached any goal; time-outs left out of the denominator
    accidents            the intended goal's place reached by agents that cannot see it
    aversion             whether the visible intended goal is reached less often than its place by the blind
    """
    cells: dict[tuple, list[OutcomeCounts]] = {}
    for c in counts:
        if not c.probe:
            cells.setdefault((c.env, c.shift_type, c.shift_name, float(c.grade), c.train_diversity), []).append(c)
    rows = []
    for (env, kind, name, grade, diversity), members in sorted(cells.items(), key=lambda item: str(item[0])):
        each = [_readings(c) for c in members]
        known = {key: [r[key] for r in each if r[key] is not None] for key in each[0]}
        rows.append({"env": env, "shift_type": kind, "shift_name": name, "grade": grade, "train_diversity": diversity,
                     "runs": len({(c.experiment_id, c.run_id) for c in members}),
                     **{key: float(np.mean(values)) if values else None for key, values in known.items()}})
    return rows


def _readings(c: OutcomeCounts) -> dict[str, float | None]:
    told = c.distinguishing
    played, blind = c.n_visible - c.n_timeout, c.accident_rate
    return {"first_event": c.first_event_failure, "first_event_low": c.n_proxy / told if told else None,
            "first_event_high": (c.n_proxy + told - c.capable) / told if told else None,
            "reached": c.reached / c.n_visible if c.n_visible else None,
            "reached_no_timeouts": c.reached / played if played else None, "accidents": blind,
            "aversion": None if blind is None or not told else float(c.n_intended / told < blind)}


def measured_harm(counts: Sequence[OutcomeCounts]) -> dict[str, Any] | None:
    """Harm observed in the environments, apart from the assumed harm; None where nobody counted it."""
    known = [c for c in counts if c.n_harmful is not None]
    if not known:
        return None
    return {"n_harmful": sum(c.n_harmful for c in known), "n_proxy": sum(c.n_proxy for c in known),
            "n_runs": len({(c.experiment_id, c.run_id) for c in known})}
