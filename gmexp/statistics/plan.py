"""Value of information: which cell's next runs would shrink an answer's interval most, and whether a new environment would.

For every candidate, data of k new runs are simulated from the posterior predictive; reweighting the draws by the
likelihood of those data (runs' own deviations integrated out) gives the interval one would then have. The average over
simulations is the expected width. New runs in a measured environment say nothing of the environments nobody measured; new
runs in a new one do, and their worth for the next environment is that of one more of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logsumexp

from gmexp.published.scenario import Scenario
from gmexp.statistics.calibration import Calibration
from gmexp.statistics.design import TWO_ARMS, condition_label
from gmexp.statistics.leave_out import log_binomial, log_multinomial
from gmexp.statistics.posterior import QUANTITIES, Posterior, run_nodes
from gmexp.statistics.scenarios import settings_of
from gmexp.support.errors import UserError

__all__ = ["Candidate", "plan", "plan_size"]

SKILL = 0.73  # P(intended | pursued) in simulated data: the prior's centre
POINTS = 64


@dataclass(frozen=True)
class Candidate:
    """A cell to run next. Widths are of the 95% interval of the quantity in the scenario's population."""

    condition: int | None  # index of a measured condition; None: a new environment, trained as the scenario says
    shift: int
    label: str
    width_now: float
    expected_width: float
    mcse: float
    ess: float  # draws the reweighting is worth, on average; below 50 the width is a rough guess

    @property
    def gain(self) -> float:
        return 1 - self.expected_width / self.width_now


def plan_size(calibration: Calibration, shifts: Sequence[int] | None = None) -> int:
    """How many candidates `plan` weighs."""
    return len(_candidates(calibration.posterior, shifts))


def _candidates(post: Posterior, shifts: Sequence[int] | None) -> list[tuple[int | None, int]]:
    kept = range(len(post.shifts)) if shifts is None else shifts
    return [*((c, s) for c, s in post.cells if s in kept), *((None, s) for s in kept)]


def plan(calibration: Calibration, scenario: Scenario, runs: int = 5, episodes: int = 200, quantity: str = "latent",
         simulations: int = 40, draws: int = 400, seed: int = 0, shifts: Sequence[int] | None = None, kind: str | None = None,
         env: str | None = None, progress: Callable[[int], object] | None = None) -> tuple[Candidate, ...]:
    """Candidates in order of expected width: every measured cell and, per shift, a new environment; levels `shifts`, all of
    them for None. `progress` is called with 1 per candidate."""
    if quantity not in QUANTITIES:
        raise UserError(f"quantity must be one of {', '.join(QUANTITIES)}, not {quantity!r}")
    post = calibration.posterior
    index = np.linspace(0, post.size - 1, min(draws, post.size)).round().astype(int)
    target = calibration.predict(scenario, kind, env).draws[quantity][index]
    now = _width(target, np.full(len(index), 1 / len(index)))
    settings = settings_of(post, scenario)
    another = replace(post, seed=post.seed + 1)  # not the environment that is asked about, but one more of its kind
    place = {cell: i for i, cell in enumerate(post.cells)}
    result = []
    for condition, shift in _candidates(post, shifts):
        if condition is None:
            eta = another.eta(shift, settings)[0][index]
            label = f"a new environment under {post.shifts[shift].name}"
        else:
            eta = post.cell[index, :, place[condition, shift]]
            label = f"{condition_label(post.conditions[condition], post.conditions)} under {post.shifts[shift].name}"
        rng = np.random.default_rng([seed, 8])  # the same luck for every candidate
        nodes = [part[index] for part in post.deviations(shift, run_nodes(post.stages, POINTS))]
        widths, worth = [], []
        for _ in range(simulations):
            true = int(rng.integers(len(index)))
            log_lik = np.zeros(len(index))
            for _ in range(runs):
                own = [part[index[true], 0] for part in post.deviations(shift, rng.standard_normal((post.stages, post.size, 1)))]
                data = _new_run(post.estimand, eta[true] + np.array(own), episodes, rng)
                log_lik += _log_likelihood(post.estimand, [eta[:, k, None] + nodes[k] for k in range(post.stages)], data)
            w = np.exp(log_lik - logsumexp(log_lik))
            widths.append(_width(target, w))
            worth.append(1 / np.sum(w**2))
        result.append(Candidate(condition, shift, label, now, float(np.mean(widths)),
                                float(np.std(widths) / np.sqrt(simulations)), float(np.mean(worth))))
        if progress is not None:
            progress(1)
    return tuple(sorted(result, key=lambda candidate: candidate.expected_width))


def _new_run(estimand: str, logits: np.ndarray, episodes: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One run's (masked, visible), or (reached and not, proxy among goals), from its logits [K]."""
    p = expit(logits)
    if estimand == TWO_ARMS:
        (c, b, q), a = p, SKILL
        h, e = c * (1 - b), c * b
        chances = ((h, e), ((1 - q) * h + q * a, (1 - q) * e))
        return tuple(rng.multinomial(episodes, (*two, max(0.0, 1 - sum(two)))) for two in chances)
    reached = rng.binomial(episodes, p[0])
    pursued = rng.binomial(reached, p[1])
    return np.array([reached, episodes - reached]), np.array([pursued, reached - pursued])


def _log_likelihood(estimand: str, logits: list[np.ndarray], data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """[draws] of one run's data, its deviation integrated over nodes."""
    if estimand == TWO_ARMS:
        c, b, q = (expit(v) for v in logits)
        h, e = c * (1 - b), c * b
        each = log_multinomial(data[0], (h, e, 1 - c)) + log_multinomial(
            data[1], ((1 - q) * h + q * SKILL, (1 - q) * e, (1 - q) * (1 - c) + q * (1 - SKILL)))
    else:
        each = sum(log_binomial(v, *pair) for v, pair in zip(logits, data, strict=True))
    return logsumexp(each, axis=1) - np.log(each.shape[1])


def _width(x: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(x)
    at = np.cumsum(weights[order]) - 0.5 * weights[order]
    low, high = np.interp((0.025, 0.975), at, x[order])
    return float(high - low)
