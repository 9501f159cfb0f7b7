"""Synthetic experiments with known answers, for coverage studies and simulation-based calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit

from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import CAPABILITY, Condition, Covariates, Design, GOAL, ShiftLevel, diversity_position
from gmexp.statistics.model import Model, Parameters, marginal_factor
from gmexp.statistics.posterior import NODES, WEIGHTS, draw_beta
from gmexp.support.errors import UserError

__all__ = ["TRUTHS", "Truth", "grid_design", "prior_draw", "simulate", "synthetic_counts"]

SHIFT_NAMES = ("in_distribution", "superficial", "moderate", "significant", "extreme")
TRUTHS = ("prior", "beta", "logistic_normal")
COPULA = 0.6  # correlation of a run's normal scores between shifts in the truth 'beta'


@dataclass(frozen=True)
class Truth:
    """A simulated data set's own rates. Cells are (stage, shift, condition)."""

    mean: dict[tuple[int, int, int], float]  # mean over runs
    next_run: dict[tuple[int, int, int], float]  # rate of one further run
    parameters: Parameters | None  # of the model, where the truth is one


def grid_design(shifts: int = 4, diversities: tuple[float, ...] = (0.0, 0.1, 0.3), runs: int = 8, episodes: int = 50,
                stages: tuple[int, ...] = (GOAL,)) -> Design:
    """A complete crossed design with y = 0: every run of every condition under every shift type 1, 2, ..."""
    levels = tuple(ShiftLevel(t, SHIFT_NAMES[t], 1.0) for t in range(1, shifts + 1))
    conditions = tuple(Condition("grid", "ppo", 1.0, "", d, "standard", 0) for d in diversities)
    raw = np.array([[diversity_position(d)] for d in diversities])
    run_condition = np.repeat(np.arange(len(conditions)), runs)
    stage, run, shift = (a.ravel() for a in np.meshgrid(stages, np.arange(len(run_condition)), np.arange(shifts),
                                                        indexing="ij"))
    n = np.full(len(stage), episodes)
    return Design(levels, conditions, Covariates(("div",), (float(raw.mean()),), "standard"), raw - raw.mean(),
                  run_condition, tuple(f"run{r}" for r in range(len(run_condition))), stage, run, shift, 0 * n, n)


def prior_draw(model: Model, rng: np.random.Generator) -> np.ndarray:
    """One draw [size] of the sampled coordinates from the prior."""
    s, q = model.slices, np.empty(model.size)
    q[s["alpha"]] = rng.logistic(size=2 * model.S)
    q[s["normal"]] = rng.normal(model.normal_mean, model.normal_sd)
    if len(model.pairs):
        q[s["rho"]] = np.arctanh(2 * rng.beta(2, 2) - 1)
    return q * model.fold(q[None])[0]


def simulate(design: Design, truth: str, rng: np.random.Generator,
             config: CalibrationConfig) -> tuple[Design, Truth]:
    """The design with simulated y, and what it was simulated from.

    prior            the model itself, parameters from its prior
    beta             runs Beta(mu, 1 - mu): mostly all or nothing, phi = 1, base rates a logit above the prior's
                     centre, a run's rates tied between shifts by a Gaussian copula
    logistic_normal  runs logit-normal with sd 1 shared by all shifts and sd 1 of their own
    """
    if truth not in TRUTHS:
        raise UserError(f"truth must be one of {', '.join(TRUTHS)}, not {truth!r}")
    model = Model(design, config)
    parameters = model.unpack(prior_draw(model, rng)) if truth == "prior" else None
    cells = sorted({tuple(map(int, c)) for c in design.cell})
    if parameters is not None:
        eta, phi, theta, new = _from_model(model, parameters, cells, rng)
        mean = {c: float(expit(marginal_factor(parameters.sigma[c[0]]) * eta[c]
                              + parameters.sigma[c[0]] * NODES) @ WEIGHTS) for c in cells}
    else:
        alpha = rng.normal(1.0 if truth == "beta" else 0.0, 1.0, size=(2, len(design.shifts)))
        beta = rng.normal(0.0, 1.0, size=(2, design.x.shape[1]))
        eta = {c: float(alpha[c[0], c[1]] + design.x[c[2]] @ beta[c[0]]) for c in cells}
        theta, new, mean = (_copula_beta if truth == "beta" else _logistic_normal)(design, eta, rng)
    y = rng.binomial(design.n, theta)
    if set(design.stage) == {CAPABILITY, GOAL}:  # only capable episodes can show a goal
        capable = {(r, s): value for k, r, s, value in zip(design.stage, design.run, design.shift, y, strict=True)
                   if k == CAPABILITY}
        n = np.array([n if k == CAPABILITY else capable[r, s] for k, r, s, n in
                      zip(design.stage, design.run, design.shift, design.n, strict=True)])
        y = np.where(design.stage == GOAL, rng.binomial(n, theta), y)
        design = replace(design, n=n)
    return replace(design, y=y), Truth(mean, new, parameters)


def _from_model(model: Model, p: Parameters, cells: list, rng: np.random.Generator) -> tuple:
    d = model.design
    fixed = np.concatenate([p.alpha.ravel(), p.beta.ravel(), p.w @ model.basis.T, p.u])
    logit_mu, phi = fixed @ model.fixed * marginal_factor(p.sigma)[d.stage], p.phi[d.stage, d.shift]
    if len(model.run_slots):
        logit_mu = logit_mu + p.v @ model.slot_to_row
    theta = draw_beta(rng, expit(logit_mu) * phi, expit(-logit_mu) * phi)
    fits = dict(zip(zip(d.stage.tolist(), d.shift.tolist(), d.condition.tolist(), strict=True), fixed @ model.fixed,
                    strict=True))
    eta = {c: float(fits[c]) for c in cells}
    new = {}
    for c in cells:
        x = marginal_factor(p.sigma[c[0]]) * eta[c] + p.sigma[c[0]] * rng.standard_normal()
        new[c] = float(draw_beta(rng, *(np.array([expit(s * x) * p.phi[c[0], c[1]]]) for s in (1, -1)))[0])
    return eta, phi, theta, new


def _copula_beta(design: Design, eta: dict, rng: np.random.Generator) -> tuple:
    shared = rng.standard_normal((2, len(design.run_condition)))[design.stage, design.run]
    score = np.sqrt(COPULA) * shared + np.sqrt(1 - COPULA) * rng.standard_normal(len(design.y))
    mu = expit(_per_row(design, eta))
    theta = stats.beta.ppf(stats.norm.cdf(score), mu, 1 - mu)
    new = {c: float(rng.beta(expit(e), expit(-e))) for c, e in eta.items()}
    return theta, new, {c: float(expit(e)) for c, e in eta.items()}


def _logistic_normal(design: Design, eta: dict, rng: np.random.Generator) -> tuple:
    shared = rng.standard_normal((2, len(design.run_condition)))[design.stage, design.run]
    theta = expit(_per_row(design, eta) + shared + rng.standard_normal(len(design.y)))
    sd = np.sqrt(2.0)
    new = {c: float(expit(e + sd * rng.standard_normal())) for c, e in eta.items()}
    return theta, new, {c: float(expit(e + sd * NODES) @ WEIGHTS) for c, e in eta.items()}


def _per_row(design: Design, eta: dict) -> np.ndarray:
    cells = zip(design.stage.tolist(), design.shift.tolist(), design.condition.tolist(), strict=True)
    return np.array([eta[c] for c in cells])


def synthetic_counts(diversities: Sequence[float] = (0.0, 0.3), runs: int = 4, shifts: Sequence[int] = range(5),
                     episodes: int = 200, seed: int = 0, **fields: Any) -> tuple[OutcomeCounts, ...]:
    """Counts in the shape of a real study, probes included; `fields` override any column.

    logit capability falls by 0.5 per shift type from 2.5; logit goal failure is 1 + 0.3 per type without diversity
    and 2 less at diversity 0.3; runs differ by sd 0.5 and 1, and by a Beta of concentration 15 and 4 per shift.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for d in diversities:
        for r in range(runs):
            run_effect = rng.normal(0, (0.5, 1.0))
            for s in shifts:
                distinguishing = (d, d, 0.5, 1.0, 1.0)[s]
                mu = expit(np.array([2.5 - 0.5 * s, 1 + 0.3 * s - 2 * min(d, 0.3) / 0.3]) + run_effect)
                capable, proxy = draw_beta(rng, mu * (15, 4), (1 - mu) * (15, 4))
                for probe in (False, True):
                    reached = rng.binomial(episodes, capable)
                    told_apart = rng.binomial(reached, 1.0 if probe else distinguishing)
                    n_proxy, n_timeout = rng.binomial(told_apart, proxy), rng.binomial(episodes - reached, 0.5)
                    row = {
                        "experiment_id": "synthetic", "run_id": f"d{d:g}-r{r}", "train_seed": r, "eval_seed": 0,
                        "env": "coinrun", "algo": "ppo", "shift_type": s, "shift_name": SHIFT_NAMES[s],
                        "grade": float(s > 0), "probe": probe, "spec_quality": 1.0, "capability_level": None,
                        "train_diversity": d, "spurious_corr": 1 - d, "align_method": "ppo", "train_steps": 1_000_000,
                        "n_episodes": episodes, "n_intended": told_apart - n_proxy, "n_proxy": n_proxy,
                        "n_timeout": n_timeout, "n_death": episodes - reached - n_timeout,
                        "n_ambiguous": reached - told_apart, "n_distinguishing": None, "n_harmful": None, "horizon": 1000,
                        "id_capability": 0.9, "gate_passed": True, "config_hash": "", "git_sha": None,
                        "created_utc": ""}
                    rows.append(OutcomeCounts(**{k: v.item() if isinstance(v, np.generic) else v
                                                 for k, v in (row | fields).items()}))
    return tuple(rows)
