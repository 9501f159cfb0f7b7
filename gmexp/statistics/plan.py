"""Value of information: which cell's next runs would shrink an answer's interval most, and whether a new environment would.

For every candidate, data of k new runs are simulated from the posterior predictive; reweighting the draws by the
likelihood of those data (runs' own deviations integrated out) gives the interval one would then have. The average over
simulations is the expected width. New runs in a measured environment say next to nothing of the environments nobody
measured, and are planned for that environment alone. New runs in a new one do, and their worth for the next environment is
that of one more of its kind: the environment's own effects are integrated out too, and the runs' mean logits stand for their
counts.

Few draws are left with weight where data say much, and few draws have a narrow interval whatever the data. So every width is
taken against that of the same weights dealt out at random, which know nothing.
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
from gmexp.statistics.scenarios import Settings, settings_of
from gmexp.support.errors import UserError

__all__ = ["Candidate", "plan", "plan_size"]

SKILL = 0.73  # P(intended | pursued) in simulated data: the prior's centre
POINTS, ROUGH = 64, 50
ENVIRONMENTS = 512  # of a kind in every draw
DEALT = 16  # times that weights are dealt out at random
LIMIT = 6.0  # of the logits that noise is reckoned at


@dataclass(frozen=True)
class Candidate:
    """A cell to run next. Widths are of the 95% interval of the quantity in the scenario's population."""

    condition: int | None  # index of a measured condition; None: a new environment, trained as the scenario says
    shift: int
    label: str
    width_now: float
    expected_width: float
    mcse: float
    ess: float  # draws the reweighting is worth, on average; below ROUGH the width is a rough guess

    @property
    def gain(self) -> float:
        return 1 - self.expected_width / self.width_now


def plan_size(calibration: Calibration, shifts: Sequence[int] | None = None, env: str | None = None) -> int:
    """How many candidates `plan` weighs."""
    return len(_candidates(calibration.posterior, shifts, env))


def _candidates(post: Posterior, shifts: Sequence[int] | None, env: str | None) -> list[tuple[int | None, int]]:
    """(condition, level): of the environment asked about, or new ones, for nobody's."""
    kept = range(len(post.shifts)) if shifts is None else shifts
    return [(None, s) for s in kept] if env is None else [
        (c, s) for c, s in post.cells if s in kept and post.conditions[c].env == env]


def plan(
    calibration: Calibration,
    scenario: Scenario,
    runs: int = 5,
    episodes: int = 200,
    quantity: str = "latent",
    simulations: int = 40,
    draws: int = 400,
    seed: int = 0,
    shifts: Sequence[int] | None = None,
    kind: str | None = None,
    env: str | None = None,
    progress: Callable[[int], object] | None = None,
) -> tuple[Candidate, ...]:
    """Candidates in order of expected width, rough guesses last: the measured cells of the environment `env` or, of the next
    one, a new environment per shift; levels `shifts`, all of them for None. `progress` is called with 1 per candidate."""
    if quantity not in QUANTITIES:
        raise UserError(f"quantity must be one of {', '.join(QUANTITIES)}, not {quantity!r}")
    post = calibration.posterior
    index = np.linspace(0, post.size - 1, min(draws, post.size)).round().astype(int)
    target = calibration.predict(scenario, kind, env).draws[quantity][index]
    now = _width(target, np.full(len(index), 1 / len(index)))
    settings = settings_of(post, scenario)
    place = {cell: i for i, cell in enumerate(post.cells)}
    result = []
    for condition, shift in _candidates(post, shifts, env):
        if condition is None:
            label = f"a new environment under {post.shifts[shift].name}"
            cell = _NewEnvironment(post, shift, index, settings)
        else:
            label = f"{condition_label(post.conditions[condition], post.conditions)} under {post.shifts[shift].name}"
            cell = _Cell(post, shift, index, post.cell[index, :, place[condition, shift]])
        rng = np.random.default_rng([seed, 8])  # the same luck for every candidate
        shares, worth = [], []
        for _ in range(simulations):
            log_lik = cell.log_likelihood(runs, episodes, rng)
            w = np.exp(log_lik - logsumexp(log_lik))
            blind = np.mean([_width(target, rng.permutation(w)) for _ in range(DEALT)])
            shares.append(_width(target, w) / blind)
            worth.append(1 / np.sum(w**2))
        result.append(Candidate(condition, shift, label, now, float(now * np.mean(shares)),
                                float(now * np.std(shares) / np.sqrt(simulations)), float(np.mean(worth))))
        if progress is not None:
            progress(1)
    return tuple(sorted(result, key=lambda candidate: (candidate.ess < ROUGH, candidate.expected_width)))


class _Cell:
    """A measured condition at a level, with logits [draws, K] in every draw."""

    def __init__(self, post: Posterior, shift: int, index: np.ndarray, eta: np.ndarray) -> None:
        self.post, self.shift, self.index, self.eta = post, shift, index, eta
        self.nodes = np.stack([part[index] for part in post.deviations(shift, run_nodes(post.stages, POINTS))], axis=1)

    def own(self, draw: int, rng: np.random.Generator) -> np.ndarray:
        """A new run's deviation [K] in one draw."""
        z = rng.standard_normal((self.post.stages, self.post.size, 1))
        return np.array([part[self.index[draw], 0] for part in self.post.deviations(self.shift, z)])

    def log_likelihood(self, runs: int, episodes: int, rng: np.random.Generator) -> np.ndarray:
        """[draws] of the data of new runs, simulated in one of them."""
        true, found = int(rng.integers(len(self.index))), np.zeros(len(self.index))
        for _ in range(runs):
            data = _new_run(self.post.estimand, self.eta[true] + self.own(true, rng), episodes, rng)
            found += _log_likelihood(self.post.estimand, [self.eta[:, k, None] + self.nodes[:, k]
                                                          for k in range(self.post.stages)], data)
        return found


class _NewEnvironment(_Cell):
    """An environment that nobody measured, at a level: several of its kind in every draw. It is not the one that is asked
    about, but one more of its kind."""

    def __init__(self, post: Posterior, shift: int, index: np.ndarray, settings: Settings) -> None:
        kinds = [replace(post, seed=post.seed + 1 + r).eta(shift, settings)[0][index] for r in range(ENVIRONMENTS)]
        super().__init__(post, shift, index, np.stack(kinds, axis=1))  # [draws, ENVIRONMENTS, K]
        self.between = np.einsum("dkp,dlp->dkl", self.nodes, self.nodes) / self.nodes.shape[2]  # covariance of runs

    def log_likelihood(self, runs: int, episodes: int, rng: np.random.Generator) -> np.ndarray:
        true, stages = int(rng.integers(len(self.index))), self.post.stages
        logits = self.eta[true, int(rng.integers(ENVIRONMENTS))]
        noise = _noise(logits, episodes)
        seen = np.mean([logits + self.own(true, rng) + np.sqrt(noise) * rng.standard_normal(stages) for _ in range(runs)],
                       axis=0)
        inverse = np.linalg.inv((self.between + np.diag(noise)) / runs)
        away = seen - self.eta
        square = np.einsum("drk,dkl,drl->dr", away, inverse, away)
        return logsumexp(-0.5 * square, axis=1) + 0.5 * np.linalg.slogdet(inverse)[1]


def _noise(logits: np.ndarray, episodes: int) -> np.ndarray:
    """About the variance [K] of a run's logits by its number of episodes: each stage is seen where those before it allow."""
    p = expit(np.clip(logits, -LIMIT, LIMIT))
    reached = np.concatenate([[1.0], np.cumprod(p[:-1])])
    return 1 / (episodes * reached * p * (1 - p))


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
