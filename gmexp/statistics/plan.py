"""Value of information: which cell's next runs would shrink an answer's interval most.

For every candidate cell, data of k new runs are simulated from the posterior predictive; reweighting the draws by
the likelihood of those data (a run's own effects integrated out) gives the interval one would then have. The average
over simulations is the expected width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logsumexp

from gmexp.published.scenario import Scenario
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.design import CAPABILITY, GOAL, condition_label
from gmexp.statistics.loso import effect_weights, one_run
from gmexp.statistics.posterior import Posterior, draw_beta
from gmexp.support.errors import UserError

__all__ = ["Candidate", "plan"]


@dataclass(frozen=True)
class Candidate:
    """A cell to run next. Widths are of the 95% interval of the scenario's rate, mean over runs."""

    condition: int | None  # index of a measured condition; None: the scenario's own settings
    shift: int
    label: str
    width_now: float
    expected_width: float
    mcse: float
    ess: float  # draws the reweighting is worth, on average; below 50 the width is a rough guess

    @property
    def gain(self) -> float:
        return 1 - self.expected_width / self.width_now


def plan(calibration: Calibration, scenario: Scenario, runs: int = 5, episodes: int = 200, quantity: str = "misgen",
         simulations: int = 40, draws: int = 400, seed: int = 0, shifts: Sequence[int] | None = None,
         progress: Callable[[int], object] | None = None) -> tuple[Candidate, ...]:
    """Candidates in order of expected width: every condition under the shift levels `shifts`, all of them for None.

    `progress` is called with 1 per candidate.
    """
    if quantity not in ("capability", "goal_failure", "misgen"):
        raise UserError(f"quantity must be capability, goal_failure or misgen, not {quantity!r}")
    post = calibration.posterior
    x = calibration.covariates(scenario)[0]
    index = np.linspace(0, len(post.rho) - 1, min(draws, len(post.rho))).round().astype(int)
    target = post.predict(scenario.shift, scenario.grade, x, "mean_over_runs")[0][quantity][index]
    now = _width(target, np.full(len(index), 1 / len(index)))
    conditions: list[int | None] = list(range(len(post.conditions)))
    if not post.matching(x):
        conditions.append(None)
    weights = effect_weights(post.rho[index])
    result = []
    for condition in conditions:
        for shift in range(len(post.shifts)) if shifts is None else shifts:
            rng = np.random.default_rng([seed, 8])  # the same luck for every candidate
            settings = x if condition is None else post.x[condition]
            widths, worth = [], []
            for _ in range(simulations):
                true = int(rng.integers(len(index)))
                log_lik = np.zeros(len(index))
                for _ in range(runs):
                    rows = _new_run(post, int(index[true]), settings, condition, shift, episodes, rng)
                    log_lik += one_run(post, index, weights, settings, condition, rows)
                w = np.exp(log_lik - logsumexp(log_lik))
                widths.append(_width(target, w))
                worth.append(1 / np.sum(w**2))
            result.append(Candidate(condition, shift, _label(post, condition, shift), now, float(np.mean(widths)),
                                    float(np.std(widths) / np.sqrt(simulations)), float(np.mean(worth))))
            if progress is not None:
                progress(1)
    return tuple(sorted(result, key=lambda candidate: candidate.expected_width))


def _new_run(post: Posterior, draw: int, x: np.ndarray, condition: int | None, shift: int, episodes: int,
             rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Rows (stage, shift, y, n) of one simulated run under one shift."""
    z = rng.standard_normal(2)
    z[GOAL] = post.rho[draw] * z[CAPABILITY] + np.sqrt(1 - post.rho[draw] ** 2) * z[GOAL]
    rows, n = [], episodes
    for k in (CAPABILITY, GOAL):
        eta = post.conditional(post.eta(k, shift, x, condition), k)[draw] + post.sigma[draw, k] * z[k]
        phi = post.phi[draw, k, shift]
        theta = draw_beta(rng, np.array([expit(eta) * phi]), np.array([expit(-eta) * phi]))[0]
        y = int(rng.binomial(n, theta))
        rows.append((k, shift, y, n))
        n = y
    return rows


def _width(x: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(x)
    at = np.cumsum(weights[order]) - 0.5 * weights[order]
    low, high = np.interp((0.025, 0.975), at, x[order])
    return float(high - low)


def _label(post: Posterior, condition: int | None, shift: int) -> str:
    if condition is None:
        return f"the scenario's settings under {post.shifts[shift].name}"
    return f"{condition_label(post.conditions[condition], post.conditions)} under {post.shifts[shift].name}"
