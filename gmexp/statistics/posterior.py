"""Predictions from posterior draws, with numpy alone: choose the population, and say which.

this_setup                  the environment named, trained as the scenario says: the mean over runs
next_run                    one new run there
next_environment            an environment nobody measured: fresh d, g, b, l, w and u; the mean over its runs
next_environment_next_run   one run there
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from statistics import NormalDist

import numpy as np

from gmexp.published.formula import expit, logit
from gmexp.statistics.config import Priors
from gmexp.statistics.design import TWO_ARMS, Condition, Covariates, ShiftLevel
from gmexp.statistics.diagnostics import mcse_mean
from gmexp.support.errors import UserError

__all__ = ["DRAWS", "KINDS", "QUANTITIES", "Posterior", "Settings", "Summary", "summarise"]

DRAWS = ("alpha", "beta", "scales", "run_shift", "coupling", "env", "slope", "learner", "cell", "setup")  # to be stored
KINDS = ("this_setup", "next_run", "next_environment", "next_environment_next_run")
QUANTITIES = ("capability", "goal_failure", "latent", "realised")
LADDER = ("in_distribution", "superficial", "moderate", "significant", "extreme")
PERCENTILES = (0.025, 0.05, 0.5, 0.95, 0.975)
ENV, ENV_SHIFT, SLOPE, LEARNER, CONDITION, CELL, SEED, RUN = range(8)
T_ENV = 4
NODES = 256  # standard normal points for means over runs


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
    values = [draws.mean(), draws.std(ddof=1), *np.quantile(draws, PERCENTILES), mcse_mean(draws.reshape(chains, -1))]
    return Summary(*map(float, values))


@dataclass(frozen=True)
class Settings:
    """What a scenario asks for, as positions x of the columns; `held` columns did not vary and act by their prior.

    `status` is measured, interpolated or extrapolated; `diversity` decides how many levels tell the goals apart.
    """

    x: Mapping[str, float]
    status: str
    notes: tuple[str, ...] = ()
    diversity: float | None = None


@dataclass(frozen=True)
class Posterior:
    """Draws with what is needed to read them: D draws, K stages, S levels, E environments, X columns."""

    chains: int
    seed: int
    estimand: str
    shifts: tuple[ShiftLevel, ...]
    envs: tuple[str, ...]
    learners: tuple[str | None, ...]
    conditions: tuple[Condition, ...]
    covariates: Covariates
    x: np.ndarray  # [C, X], NaN where unknown
    cells: tuple[tuple[int, int], ...]  # (condition, level) with data
    has: tuple[str, ...]  # effects that the data can tell apart
    revealed: np.ndarray  # [S, C]
    alpha: np.ndarray  # [D, K, S] logits at the reference, in the population of environments
    beta: np.ndarray  # [D, K, X]
    scales: np.ndarray  # [D, K, 8]
    run_shift: np.ndarray  # [D, K, S]
    coupling: np.ndarray  # [D, pairs of stages]
    env: np.ndarray  # [D, K, E, S]
    slope: np.ndarray  # [D, K, E, X]
    learner: np.ndarray  # [D, K, learners]
    cell: np.ndarray  # [D, K, cells]
    setup: np.ndarray  # [D, 4, cells] mean over runs of QUANTITIES, the last one as if every level told the goals apart

    @property
    def draws(self) -> dict[str, np.ndarray]:
        """The arrays to store."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name in DRAWS}

    @property
    def size(self) -> int:
        return len(self.alpha)

    @property
    def stages(self) -> int:
        return self.alpha.shape[1]

    def thinned(self, at_most: int) -> Posterior:
        """The same posterior with every k-th draw of each chain, the smallest k that leaves at most so many."""
        step = -(-self.size // self.chains // max(at_most // self.chains, 1))
        kept = np.arange(self.size).reshape(self.chains, -1)[:, ::step].ravel()
        return replace(self, **{name: array[kept] for name, array in self.draws.items()})

    # --- effects nobody measured ---------------------------------------------------------------------------------------

    def _fresh(self, what: int, *shape: int) -> np.ndarray:
        """Standard normal draws [D, *shape], the same for every scenario, so that contrasts are smooth."""
        return np.random.default_rng([self.seed, 1, what]).standard_normal((self.size, *shape))

    @cached_property
    def new_level(self) -> np.ndarray:
        """[D, K] standardised level of a new environment, Student's t."""
        return np.random.default_rng([self.seed, 1, ENV]).standard_t(T_ENV, (self.size, self.stages))

    def new_environment(self, level: int, learner: int | None = None) -> np.ndarray:
        """Logits [D, K] of a new environment at the reference's settings."""
        spread = self._fresh(ENV_SHIFT, self.stages, len(self.shifts))
        spread -= spread.mean(axis=2, keepdims=True)  # sums to zero over shifts
        eta = (
            self.alpha[:, :, level]
            + self.scales[:, :, ENV] * self.new_level
            + self.scales[:, :, ENV_SHIFT] * spread[:, :, level]
        )
        return eta + self._learner(learner) + self._new_cell(level)

    def _learner(self, learner: int | None) -> np.ndarray | float:
        if "l" not in self.has:
            return 0.0
        return (
            self.scales[:, :, LEARNER] * self._fresh(LEARNER, self.stages)
            if learner is None
            else self.learner[:, :, learner]
        )

    def _new_cell(self, level: int) -> np.ndarray | float:
        eta: np.ndarray | float = 0.0
        if "w" in self.has:
            eta = eta + self.scales[:, :, CONDITION] * self._fresh(CONDITION, self.stages)
        if "u" in self.has:
            eta = eta + self.scales[:, :, CELL] * self._fresh(CELL, self.stages, len(self.shifts))[:, :, level]
        return eta

    def effect(self, name: str, env: int | None = None) -> np.ndarray:
        """[D, K] what one unit of a column adds to the logits: in an environment, or in a new one; the prior's where it
        was not varied."""
        names = self.covariates.names
        if name in names:
            j = names.index(name)
            if env is not None:
                return self.slope[:, :, env, j]
            return self.beta[:, :, j] + self.scales[:, :, SLOPE] * self._fresh(20 + j, self.stages)
        key = sum(ord(letter) << (i % 16) for i, letter in enumerate(name)) % 10_000
        z = np.random.default_rng([self.seed, 2, key]).standard_normal((2, self.size, self.stages))
        return Priors().beta * z[0] + self.scales[:, :, SLOPE] * z[1]

    # --- predictions ----------------------------------------------------------------------------------------------------

    def eta(self, level: int, settings: Settings, env: int | None = None, learner: int | None = None) -> list[np.ndarray]:
        """Logits [D, K] at a level: one array per measured condition that is exactly this setup, else a single one."""
        if env is not None:
            exact = [i for i, (c, s) in enumerate(self.cells) if s == level and self.is_setup(c, settings, env, learner)]
            if exact:
                return [self.cell[:, :, i] for i in exact]
            base = self.env[:, :, env, level] + self._learner(learner) + self._new_cell(level)
        else:
            base = self.new_environment(level, learner)
        return [base + sum(value * self.effect(name, env) for name, value in settings.x.items() if value)]

    def is_setup(self, condition: int, settings: Settings, env: int, learner: int | None) -> bool:
        """Whether a measured condition is the setup asked for."""
        c = self.conditions[condition]
        if c.env != self.envs[env] or (learner is not None and c.learner != self.learners[learner]):
            return False
        place = self.covariates.position(c)
        asked = {name: settings.x.get(name, 0.0) for name in {*self.covariates.names, *settings.x}}
        return all(self._same(name, place.get(name), value) for name, value in asked.items())

    def _same(self, name: str, place: float | None, value: float) -> bool:
        if name not in self.covariates.names:
            return value == 0.0  # a held column's x counts from where it was held
        return place is not None and abs(place - value) < 1e-9

    def run_sd(self, level: int) -> np.ndarray:
        """[D, K] of a run's logit around its condition's."""
        variance = self.run_shift[:, :, level] ** 2
        if "v" in self.has:
            variance = variance + self.scales[:, :, RUN] ** 2
        if "t" in self.has:
            variance = variance + self.scales[:, :, SEED] ** 2
        return np.sqrt(variance)

    def deviations(self, level: int, z: np.ndarray) -> list[np.ndarray]:
        """Run deviations per stage, [D, Q], from standard normal z [K, Q] or [K, D, 1]."""
        sd, parts, pair = self.run_sd(level), [], 0
        for k in range(self.stages):
            part = sd[:, k, None] * z[k]
            for j in range(k):
                part = part + self.coupling[:, pair, None] * parts[j]
                pair += 1
            parts.append(part)
        return parts

    def rates(
        self, level: int, eta: np.ndarray, kind: str, revealed: float, transport: float = 0.0
    ) -> dict[str, np.ndarray]:
        """Draws [D] of QUANTITIES from logits [D, K] at a level; `transport` is the sd of a deployment's own logits."""
        if transport:
            moved = np.ones(self.stages)
            moved[1:-1] = 0  # capability and pursuit
            eta = eta + transport * moved * self._fresh(90, self.stages)
        z = self._fresh(91, self.stages).T[:, :, None] if kind.endswith("next_run") else run_nodes(self.stages)
        logits = [eta[:, k, None] + part for k, part in enumerate(self.deviations(level, z))]
        c, fails = expit(logits[0]), expit(-logits[-1])
        latent = c * fails
        first = latent * expit(logits[1]) if self.estimand == TWO_ARMS else latent
        return {"capability": c.mean(axis=1), "goal_failure": fails.mean(axis=1), "latent": latent.mean(axis=1),
                "realised": revealed * first.mean(axis=1)}

    def setup_rates(self, cell: int, revealed: float) -> dict[str, np.ndarray]:
        """Draws [D] of QUANTITIES of a measured cell, the mean over runs like its own."""
        return dict(zip(QUANTITIES, (*self.setup[:, :3, cell].T, revealed * self.setup[:, 3, cell]), strict=True))

    def predict(self, shift: int, grade: float, settings: Settings, kind: str, env: int | None = None,
                learner: int | None = None, transport: float = 0.0) -> tuple[dict[str, np.ndarray], str, tuple[str, ...]]:
        """Draws [D] of QUANTITIES for a shift type at a grade, whether that was measured, and warnings."""
        if kind not in KINDS:
            raise UserError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        chosen, status, notes = self.locate(shift, grade)
        if not chosen:
            eta = [self.unmeasured() + sum(v * self.effect(n, env) for n, v in settings.x.items() if v)]
            level, exact = 0, False
        else:
            level = chosen[-1][0]
            sets = [self.eta(at, settings, env, learner) for at, _ in chosen]
            if len({len(parts) for parts in sets}) > 1:
                sets = [parts[:1] for parts in sets]
            eta = [
                sum(weight * parts[i] for parts, (_, weight) in zip(sets, chosen, strict=True)) for i in range(len(sets[0]))
            ]
            exact = env is not None and all(any(s == at and self.is_setup(c, settings, env, learner) for c, s in self.cells)
                                            for at, _ in chosen)
            if env is not None and not exact:
                status = worse(status, "interpolated")
        revealed, more = self.revealed_at(chosen, settings.diversity)
        parts = [self.rates(level, each, kind, revealed, transport) for each in eta]
        if kind == "this_setup" and len(chosen) == 1 and exact and not transport:
            parts = [self.setup_rates(i, revealed) for i, (c, s) in enumerate(self.cells)
                     if s == level and self.is_setup(c, settings, env, learner)]
        return _mix(parts, kind, self.seed), worse(status, settings.status), (*notes, *more)

    def unmeasured(self) -> np.ndarray:
        """[D, K] logits uniform in probability: a shift type that was not measured."""
        u = np.random.default_rng([self.seed, 3]).uniform(1e-4, 1 - 1e-4, (self.size, self.stages))
        return logit(u)

    def locate(self, shift_type: int, grade: float) -> tuple[list[tuple[int, float]], str, tuple[str, ...]]:
        """(level, weight) whose logits average to the shift at this grade, whether that was measured, and warnings."""
        variants = {level.name for level in self.shifts if level.type == shift_type}
        if not variants:
            return [], "extrapolated", (f"shift type {shift_type} was not measured; its rates are the prior's",)
        main = next((name for name in LADDER if name in variants), min(variants))
        notes = [] if len(variants) == 1 else [f"shift type {shift_type} was measured in several variants; this is '{main}'"]
        levels = [(i, level.grade) for i, level in enumerate(self.shifts) if level.type == shift_type and level.name == main]
        if shift_type == 0:
            return [(min(levels, key=lambda pair: pair[1])[0], 1.0)], "measured", tuple(notes)
        origin = [(i, 0.0) for i, level in enumerate(self.shifts) if level.type == 0]
        levels += sorted(origin, key=lambda pair: self.shifts[pair[0]].name not in LADDER)[:1]
        levels.sort(key=lambda pair: pair[1])
        exact = [i for i, g in levels if g == grade]
        if exact:
            return [(exact[-1], 1.0)], "measured", tuple(notes)
        if grade > levels[-1][1] or grade < levels[0][1]:
            nearest = levels[-1] if grade > levels[-1][1] else levels[0]
            notes.append(f"grade {grade:g} is beyond the measured ones: {nearest[1]:g} is used instead")
            return [(nearest[0], 1.0)], "extrapolated", tuple(notes)
        above = next(j for j, (_, g) in enumerate(levels) if g > grade)
        (low, g_low), (high, g_high) = levels[above - 1], levels[above]
        weight = (grade - g_low) / (g_high - g_low)
        notes.append(f"grade {grade:g} was not measured: interpolated between {g_low:g} and {g_high:g}")
        return [(low, 1 - weight), (high, weight)], "interpolated", tuple(notes)

    def revealed_table(self, level: int) -> list[tuple[float, float]]:
        """(diversity, mean share of distinguishing levels) at a level, in order, of the conditions where both are known."""
        known = {c.train_diversity for c in self.conditions} - {None}
        table = []
        for diversity in sorted(known):
            shares = [self.revealed[level, i] for i, c in enumerate(self.conditions) if c.train_diversity == diversity]
            if np.isfinite(shares).any():
                table.append((diversity, float(np.nanmean(shares))))
        return table

    def revealed_at(self, chosen: list[tuple[int, float]], diversity: float | None) -> tuple[float, tuple[str, ...]]:
        """The share of levels that tell the goals apart, interpolated over training diversity, and a warning if unknown."""
        total = 0.0
        for level, weight in chosen:
            table = self.revealed_table(level)
            shares = self.revealed[level][np.isfinite(self.revealed[level])]
            if table:
                total += weight * float(np.interp(diversity or 0.0, *zip(*table, strict=True)))
            elif len(shares):
                total += weight * float(shares.mean())
            else:
                return 1.0, ("nobody counted the levels that tell the goals apart: realised takes all for such",)
        return (total, ()) if chosen else (1.0, ())


ORDER = ("measured", "interpolated", "extrapolated")


def worse(one: str, other: str) -> str:
    """The less certain of two statuses."""
    return max(one, other, key=ORDER.index)


def run_nodes(stages: int, points: int = NODES) -> np.ndarray:
    """Standard normal points [K, points], evenly spread: an additive recurrence and its mirror image."""
    ratio = 1.5
    for _ in range(50):  # the root of x^(K+1) = x + 1 (Roberts 2018)
        ratio = (1 + ratio) ** (1 / (stages + 1))
    u = (0.5 + np.arange(1, points // 2 + 1)[None] * ratio ** -np.arange(1.0, stages + 1)[:, None]) % 1
    z = np.vectorize(NormalDist().inv_cdf)(u)
    return np.concatenate([z, -z], axis=1)


def _mix(parts: list[dict[str, np.ndarray]], kind: str, seed: int) -> dict[str, np.ndarray]:
    """Several measured conditions with the same settings: their mean, or the next run of one at random."""
    if len(parts) == 1:
        return parts[0]
    if not kind.endswith("next_run"):
        return {key: np.mean([part[key] for part in parts], axis=0) for key in parts[0]}
    pick = np.random.default_rng([seed, 4]).integers(len(parts), size=len(parts[0]["latent"]))
    return {key: np.stack([part[key] for part in parts])[pick, np.arange(len(pick))] for key in parts[0]}
