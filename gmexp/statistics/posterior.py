"""Predictions from posterior draws: any shift, any setting, the mean over runs or the next run.

mean_over_runs   E over runs of the rate; of both stages together for P(capable and goal fails), so a correlation
                 between the stages of a run counts
next_run         the rate of one new run: its effect, then its Beta draw
A condition that was not measured has w ~ Normal(0, omega) and u ~ Normal(0, tau), as a new level in brms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from scipy.special import expit

from gmexp.statistics.design import CAPABILITY, Condition, Covariates, GOAL, ShiftLevel
from gmexp.statistics.diagnostics import mcse_mean
from gmexp.statistics.model import marginal_factor, with_intercept
from gmexp.support.errors import UserError

__all__ = ["DRAWS", "KINDS", "Posterior", "Summary", "summarise"]

DRAWS = ("alpha", "beta", "w", "u", "phi", "omega", "tau", "sigma", "rho")  # of a `Posterior`, to be stored
KINDS = ("mean_over_runs", "next_run")
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(21)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
LADDER = ("in_distribution", "superficial", "moderate", "significant", "extreme")
QUANTILES = (0.025, 0.05, 0.5, 0.95, 0.975)


@dataclass(frozen=True)
class Summary:
    """A quantity's posterior. mcse is the Monte Carlo standard error of the mean."""

    mean: float
    sd: float
    q025: float
    q05: float
    q50: float
    q95: float
    q975: float
    mcse: float


def summarise(draws: np.ndarray, chains: int) -> Summary:
    """Summary of draws [D], chain after chain."""
    values = [draws.mean(), draws.std(ddof=1), *np.quantile(draws, QUANTILES), mcse_mean(draws.reshape(chains, -1))]
    return Summary(*map(float, values))


@dataclass(frozen=True)
class Posterior:
    """Draws with what is needed to read them. D draws, S shift levels, K covariates, U measured cells, W measured
    conditions by stage."""

    chains: int
    seed: int
    shifts: tuple[ShiftLevel, ...]
    conditions: tuple[Condition, ...]
    covariates: Covariates
    x: np.ndarray  # [C, K]
    condition_cells: tuple[tuple[int, int], ...]  # (stage, condition) of each w; empty without condition effects
    cells: tuple[tuple[int, int, int], ...]  # (stage, shift, condition) of each u; empty without cell effects
    measured: tuple[tuple[int, int, int], ...]  # every (stage, shift, condition) with data
    alpha: np.ndarray  # [D, 2, S]
    beta: np.ndarray  # [D, 2, K]
    w: np.ndarray  # [D, W]
    u: np.ndarray  # [D, U]
    phi: np.ndarray  # [D, 2, S]
    omega: np.ndarray  # [D, 2]
    tau: np.ndarray  # [D, 2, S]
    sigma: np.ndarray  # [D, 2]
    rho: np.ndarray  # [D]

    @cached_property
    def _cell_index(self) -> dict[tuple[int, int, int], int]:
        return {cell: i for i, cell in enumerate(self.cells)}

    @cached_property
    def _condition_index(self) -> dict[tuple[int, int], int]:
        return {cell: i for i, cell in enumerate(self.condition_cells)}

    @cached_property
    def _lines(self) -> dict[int, np.ndarray]:
        return {}

    @property
    def draws(self) -> dict[str, np.ndarray]:
        """The arrays to store."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name in DRAWS}

    def thinned(self, at_most: int) -> Posterior:
        """The same posterior with every k-th draw of each chain, the smallest k that leaves at most so many."""
        step = -(-len(self.rho) // self.chains // (at_most // self.chains))
        kept = np.arange(len(self.rho)).reshape(self.chains, -1)[:, ::step].ravel()
        return replace(self, **{name: array[kept] for name, array in self.draws.items()})

    def eta(self, stage: int, shift: int, x: np.ndarray, condition: int | None) -> np.ndarray:
        """Marginal logit [D]: about the logit of the mean over runs. A run's own logit is m eta + its effect.

        `condition` is a measured condition, or None for a new one; x [K] are centred covariates.
        """
        base = self.alpha[:, stage, shift] + self.beta[:, stage] @ x
        if self.condition_cells:
            index = self._condition_index.get((stage, condition))
            base = base + (self.line(stage) @ with_intercept(x) + self.omega[:, stage] * self.new_condition(stage)
                           if index is None else self.w[:, index])
        if not self.cells:
            return base
        index = self._cell_index.get((stage, shift, condition))
        if index is not None:
            return base + self.u[:, index]
        return base + self.tau[:, stage, shift] * self.new_cell(stage, shift)

    def line(self, stage: int) -> np.ndarray:
        """What the lines of all conditions that could be differ by from those of the measured ones: draws [D, 1 + K] of
        intercept and slopes, as a least-squares fit differs from what it estimates. The same for every x."""
        if stage not in self._lines:
            measured = with_intercept(self.x[[c for k, c in self.condition_cells if k == stage]])
            values, vectors = np.linalg.eigh(np.linalg.pinv(measured.T @ measured, hermitian=True))
            z = np.random.default_rng([self.seed, 5, stage]).standard_normal((len(self.rho), len(values)))
            root = vectors * np.sqrt(np.maximum(values, 0))
            self._lines[stage] = self.omega[:, stage, None] * (z @ root.T)
        return self._lines[stage]

    def slope(self, stage: int, change: np.ndarray) -> np.ndarray:
        """Draws [D] of what a change [K] of the covariates adds to a marginal logit, in conditions like those measured."""
        found = self.beta[:, stage] @ change
        return found + self.line(stage)[:, 1:] @ change if self.condition_cells else found

    def new_condition(self, stage: int) -> np.ndarray:
        """Standard normal draws [D] of a condition that was not measured, the same for every x as in `new_cell`."""
        return np.random.default_rng([self.seed, 4, stage]).standard_normal(len(self.rho))

    def new_cell(self, stage: int, shift: int) -> np.ndarray:
        """Standard normal draws [D] of a cell that was not measured.

        Common random numbers: the same new cell for every x, so contrasts between settings are smooth.
        """
        return np.random.default_rng([self.seed, 1, stage, shift]).standard_normal(len(self.rho))

    def conditional(self, eta: np.ndarray, stage: int) -> np.ndarray:
        """Logit [D] of a run whose own effect is 0, from the marginal logit."""
        return marginal_factor(self.sigma[:, stage]) * eta

    def rates(self, shift: int, x: np.ndarray, condition: int | None = None,
              kind: str = "mean_over_runs") -> dict[str, np.ndarray]:
        """Draws [D] of 'capability', 'goal_failure' and 'misgen' at a shift level."""
        eta = [self.eta(stage, shift, x, condition) for stage in (CAPABILITY, GOAL)]
        return self.rates_from_eta(shift, *eta, kind=kind)

    def rates_from_eta(self, shift: int, eta_capability: np.ndarray, eta_goal: np.ndarray,
                       kind: str) -> dict[str, np.ndarray]:
        """The same from the two logits [D]."""
        if kind == "next_run":
            return self._next_run(shift, eta_capability, eta_goal)
        if kind != "mean_over_runs":
            raise UserError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        sigma_c, sigma_g = self.sigma.T
        eta_capability, eta_goal = self.conditional(eta_capability, CAPABILITY), self.conditional(eta_goal, GOAL)
        if not self.sigma.any():
            c, g = expit(eta_capability), expit(eta_goal)
            return {"capability": c, "goal_failure": g, "misgen": c * g}
        rest = np.sqrt(1 - self.rho**2)
        c_mean, g_mean, joint = (np.zeros(len(self.rho)) for _ in range(3))
        for z1, w1 in zip(NODES, WEIGHTS, strict=True):
            c = expit(eta_capability + sigma_c * z1)
            g = expit(eta_goal[:, None] + sigma_g[:, None] * (self.rho[:, None] * z1 + rest[:, None] * NODES)) @ WEIGHTS
            c_mean, g_mean, joint = c_mean + w1 * c, g_mean + w1 * g, joint + w1 * c * g
        return {"capability": c_mean, "goal_failure": g_mean, "misgen": joint}

    def _next_run(self, shift: int, eta_capability: np.ndarray, eta_goal: np.ndarray) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([self.seed, 2, shift])
        z = rng.standard_normal((2, len(self.rho)))
        z[1] = self.rho * z[0] + np.sqrt(1 - self.rho**2) * z[1]
        theta = []
        for stage, eta in ((CAPABILITY, eta_capability), (GOAL, eta_goal)):
            logit_mu = self.conditional(eta, stage) + self.sigma[:, stage] * z[stage]
            phi = self.phi[:, stage, shift]
            theta.append(draw_beta(rng, expit(logit_mu) * phi, expit(-logit_mu) * phi))
        return {"capability": theta[0], "goal_failure": theta[1], "misgen": theta[0] * theta[1]}

    def matching(self, x: np.ndarray) -> list[int]:
        """Measured conditions whose covariates equal x."""
        return [c for c in range(len(self.conditions)) if np.allclose(self.x[c], x, rtol=0, atol=1e-9)]

    def locate(self, shift_type: int, grade: float) -> tuple[list[tuple[int, float]], tuple[str, ...]]:
        """(level, weight) whose logits average to the shift at this grade, and warnings.

        A measured grade is used as it is; between grades the logits are interpolated, grade 0 being the training
        distribution.
        """
        variants = {level.name for level in self.shifts if level.type == shift_type}
        main = next((name for name in LADDER if name in variants), min(variants))
        notes = [] if len(variants) == 1 else [
            f"shift type {shift_type} was measured in several variants; this is '{main}'"]
        levels = [(i, level.grade) for i, level in enumerate(self.shifts)
                  if level.type == shift_type and level.name == main]
        measured = {shift for _, shift, _ in self.measured}
        if shift_type == 0:
            return [(min(levels, key=lambda pair: pair[1])[0], 1.0)], tuple(notes)
        origin = [(i, 0.0) for i, level in enumerate(self.shifts) if level.type == 0]
        levels += sorted(origin, key=lambda pair: self.shifts[pair[0]].name not in LADDER)[:1]
        levels.sort(key=lambda pair: pair[1])
        exact = [i for i, g in levels if g == grade]
        if exact:
            chosen = [(exact[-1], 1.0)]
        elif grade > levels[-1][1]:
            chosen = [(levels[-1][0], 1.0)]
            notes.append(f"grade {grade:g} is beyond the largest measured, {levels[-1][1]:g}, which is used instead")
        else:
            above = next(j for j, (_, g) in enumerate(levels) if g > grade)
            (low, g_low), (high, g_high) = levels[above - 1], levels[above]
            weight = (grade - g_low) / (g_high - g_low)
            chosen = [(low, 1 - weight), (high, weight)]
            notes.append(f"grade {grade:g} was not measured: interpolated between {g_low:g} and {g_high:g}")
        notes += [f"shift {self.shifts[i].name} was not measured; its rates are the prior's" for i, _ in chosen
                  if i not in measured]
        return chosen, tuple(notes)

    def predict(self, shift_type: int, grade: float, x: np.ndarray,
                kind: str) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """Draws [D] of the three rates for a shift type at a grade and covariates x, and warnings."""
        chosen, notes = self.locate(shift_type, grade)
        shift = chosen[-1][0]
        matches: Sequence[int | None] = self.matching(x) or [None]
        parts = []
        for condition in matches:
            eta = [sum(weight * self.eta(stage, level, x, condition) for level, weight in chosen)
                   for stage in (CAPABILITY, GOAL)]
            parts.append(self.rates_from_eta(shift, *eta, kind=kind))
        return _mix(parts, kind, self.seed), notes


def _mix(parts: list[dict[str, np.ndarray]], kind: str, seed: int) -> dict[str, np.ndarray]:
    """Several measured conditions with the same settings: their mean, or the next run of one at random."""
    if len(parts) == 1:
        return parts[0]
    if kind == "mean_over_runs":
        return {key: np.mean([part[key] for part in parts], axis=0) for key in parts[0]}
    pick = np.random.default_rng([seed, 3]).integers(len(parts), size=len(parts[0]["misgen"]))
    return {key: np.stack([part[key] for part in parts])[pick, np.arange(len(pick))] for key in parts[0]}


def draw_beta(rng: np.random.Generator, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Beta draws that survive tiny shapes, where numpy's ratio of gammas can be 0/0."""
    tiny = np.finfo(float).tiny
    theta = rng.beta(np.maximum(a, tiny), np.maximum(b, tiny))
    return np.where(np.isfinite(theta), theta, (rng.uniform(size=a.shape) < a / (a + b)).astype(float))


