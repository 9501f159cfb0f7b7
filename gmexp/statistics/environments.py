"""What is known about environments: how much they differ, what one of them leaves to assumption, each left out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.special import expit

from gmexp.statistics.deleted import deleted
from gmexp.statistics.meta import meta
from gmexp.statistics.posterior import ENV, T_ENV, Posterior, Settings, summarise

__all__ = ["OMEGAS", "about_environments", "assumption", "classical", "left_out"]

OMEGAS = (0.5, 1.0, 1.5)  # between-environment standard deviations of the sensitivity, in logits
FROM_FOUR = 4


def about_environments(post: Posterior, stages: Sequence[str], runs: dict[str, int]) -> dict[str, Any]:
    """The section of a calibration: environments and their runs, then what their number allows to say."""
    result: dict[str, Any] = {
        "n": len(post.envs),
        "runs": runs,
        "assumption": None,
        "omega": [],
        "classical": [],
        "left_out": [],
    }
    if len(post.envs) == 1:
        result["assumption"] = assumption(post)
    if len(post.envs) >= FROM_FOUR:
        result["omega"] = [{"stage": stage, **asdict(summarise(post.scales[:, k, ENV], post.chains))}
                           for k, stage in enumerate(stages)]
        result["classical"] = classical(post)
        result["left_out"] = left_out(post, stages)
    return result


def _ladder(post: Posterior) -> list[int]:
    """The level of each measured shift type 1 to 4 at its largest grade."""
    best: dict[int, int] = {}
    for s, level in enumerate(post.shifts):
        if level.type and (level.type not in best or level.grade > post.shifts[best[level.type]].grade):
            best[level.type] = s
    return [best[kind] for kind in sorted(best)]


def assumption(post: Posterior) -> dict[str, Any]:
    """Of one environment: which share of the next environment's interval is an assumption, and three rows of sensitivity.

    share   per shift: 1 - width of this setup's 95% interval of goal failure / width of the next environment's
    rows    that interval if environments differ by a standard deviation of .5, 1, 1.5 logits in every stage
    """
    rows, here = [], Settings({}, "measured")
    for level in _ladder(post):
        setup = post.rates(level, post.env[:, :, 0, level], "this_setup", 1.0)["goal_failure"]
        following = post.rates(level, post.eta(level, here)[0], "next_environment", 1.0)["goal_failure"]
        row = {"shift": post.shifts[level].type, "share": float(1 - _width(setup) / _width(following)), "sensitivity": []}
        for omega in OMEGAS:
            draws = post.rates(level, _at_omega(post, level, omega), "next_environment", 1.0)
            row["sensitivity"].append(
                {
                    "omega": omega,
                    **{
                        key: [float(q) for q in np.quantile(draws[key], (0.025, 0.975))]
                        for key in ("capability", "goal_failure", "latent")
                    },
                }
            )
        rows.append(row)
    return {"by_shift": rows, "share": float(np.mean([row["share"] for row in rows])) if rows else None}


def _at_omega(post: Posterior, level: int, omega: float) -> np.ndarray:
    """Logits [D, K] of a new environment if omega were known: the measured one's, less its deviation, plus a new one.

    Deviations are weighted by the prior of the population's rate, uniform, that each implies.
    """
    rng = np.random.default_rng([post.seed, 6, level])
    here = post.env[:, :, 0, level]
    tries = here[:, None] - omega * rng.standard_t(T_ENV, (post.size, 20, post.stages))
    log_weight = -2 * np.logaddexp(0.5 * tries, -0.5 * tries)
    pick = np.argmax(log_weight + rng.gumbel(size=log_weight.shape), axis=1)
    return np.take_along_axis(tries, pick[:, None], axis=1)[:, 0] + omega * post.new_level


def _width(draws: np.ndarray) -> float:
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(high - low)


def classical(post: Posterior) -> list[dict[str, Any]]:
    """Per shift: a random-effects meta-analysis of the environments' logits (REML, HKSJ) with its t prediction interval.

    Estimates and variances are the posterior means and variances of each environment's own logit at the reference.
    """
    rows = []
    for level in _ladder(post):
        for quantity, stage, sign in (("capability", 0, 1), ("goal_failure", post.stages - 1, -1)):
            eta = sign * post.env[:, stage, :, level]
            result = meta(eta.mean(axis=0), eta.var(axis=0), "REML", hksj=True)
            rows.append(
                {
                    "shift": post.shifts[level].type,
                    "quantity": quantity,
                    "k": result.k,
                    "mean": float(expit(result.mu)),
                    "low": float(expit(result.low)),
                    "high": float(expit(result.high)),
                    "next_low": float(expit(result.next_low)),
                    "next_high": float(expit(result.next_high)),
                    "tau": float(np.sqrt(result.tau2)),
                    "next_t": result.next_t,
                }
            )
    return rows


def left_out(post: Posterior, stages: Sequence[str]) -> list[dict[str, Any]]:
    """Each environment's level beside what the others' foresee without it, and a two-sided p, times the number of
    environments; None of levels that data hardly tell from the population's spread."""
    rows = []
    for k, stage in enumerate(stages):
        levels = post.env[:, k].mean(axis=2)  # [D, E]
        level, v = levels.mean(axis=0), levels.var(axis=0)
        told = np.flatnonzero(v < np.median(post.scales[:, k, ENV]) ** 2)
        foreseen, p = (np.full(len(level), np.nan) for _ in range(2))
        foreseen[told], p[told] = deleted(level[told], v[told], np.ones((len(told), 1)))
        rows += [{"env": name, "stage": stage, "level": float(level[e]),
                  "foreseen": None if np.isnan(p[e]) else float(foreseen[e]),
                  "p": None if np.isnan(p[e]) else float(min(1.0, p[e] * len(post.envs)))}
                 for e, name in enumerate(post.envs)]
    return rows
