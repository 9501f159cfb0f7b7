"""`calibrate`: counts in, a judged posterior out."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import scipy
from threadpoolctl import threadpool_limits

from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.calibration import Calibration, DRAW_TYPE, structure_as_json
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.contrasts import crosses, level_effects
from gmexp.statistics.design import CAPABILITY, Design, GOAL, STAGES, build_design
from gmexp.statistics.diagnostics import Diagnostics, diagnose
from gmexp.statistics.effects import (
    definition_sensitivity, literature_grid, measured_harm, modifier_effects, multiplicativity, ordering_violation,
    respects_order,
)
from gmexp.statistics.hmc import sample
from gmexp.statistics.loso import leave_one_run_out
from gmexp.statistics.model import Model
from gmexp.statistics.posterior import DRAWS, KINDS, Posterior, summarise
from gmexp.statistics.predictive import CellFit, cell_fits
from gmexp.statistics.priors import elicited_harm
from gmexp.support.errors import UserError

__all__ = ["SamplerError", "calibrate", "fit", "require"]

FEW_RUNS = 5
FORMULA = ("logit mu = m (alpha[stage, shift] + x . beta[stage] + w[stage, condition] + u[stage, shift, condition]) + "
           "v[stage, run], m = sqrt(1 + 0.346 sigma^2)")


class SamplerError(UserError):
    """The diagnostics did not pass: the draws must not be used."""


def require(judged: Diagnostics) -> None:
    """Raise SamplerError unless the diagnostics passed."""
    if not judged.passed:
        raise SamplerError(f"the posterior was not sampled well enough: {judged.summary()}; raise draws")


def fit(design: Design, config: CalibrationConfig,
        progress: Callable[[int], object] | None = None) -> tuple[Posterior, Diagnostics]:
    """Sample the posterior of a design until the diagnostics pass, doubling the effort at each attempt."""
    model = Model(design, config)
    for attempt in range(config.attempts):
        rng = np.random.default_rng([config.seed, attempt])
        start = rng.uniform(-1, 1, (config.chains, model.size))
        start *= model.fold(start)
        with threadpool_limits(1):  # threads for such small products only wait for each other
            trace = sample(model, start, rng, config.draws * 2**attempt, config.warmup * 2**attempt,
                           min(config.target_accept + 0.05 * attempt, 0.98), progress=progress)
        judged = diagnose(trace.draws, trace.divergences, trace.accept, config.rhat_max, config.ess_min)
        if judged.passed:
            break
    parameters = model.unpack(trace.draws.reshape(-1, model.size))
    measured = np.unique(design.cell, axis=0)
    posterior = Posterior(
        config.chains, config.seed, design.shifts, design.conditions, design.covariates, design.x,
        tuple(tuple(map(int, cell)) for cell in model.condition_cells),
        tuple(tuple(map(int, cell)) for cell in model.cells), tuple(tuple(map(int, cell)) for cell in measured),
        **{name: np.ascontiguousarray(getattr(parameters, name), DRAW_TYPE).astype(float)  # as they will be stored
           for name in DRAWS})
    return posterior, judged


def calibrate(counts: Sequence[OutcomeCounts], config: CalibrationConfig | None = None,
              progress: Callable[[int], object] | None = None) -> Calibration:
    """Calibrate the model from counts. Raises SamplerError where the diagnostics fail.

    `progress` is called with 1 after every iteration (config.warmup + config.draws of them, more on retries).
    """
    config = config or CalibrationConfig()
    began = time.perf_counter()
    below = {(c.experiment_id, c.run_id) for c in counts
             if c.gate_passed is False or (c.id_capability is not None and c.id_capability < config.capability_gate)}
    kept = [c for c in counts if not (config.gated and (c.experiment_id, c.run_id) in below)]
    if counts and not kept:
        raise UserError(f"no run passes the capability gate of {config.capability_gate:g}")
    design = build_design(kept)
    posterior, judged = fit(design, config, progress)
    require(judged)
    violation = ordering_violation(posterior)
    if config.ordered:
        posterior = _ordered(posterior, violation, config)
    grid, conflicts = literature_grid(posterior, config)
    left_out = leave_one_run_out(design, posterior, config.seed)
    fits = cell_fits(design, posterior, config.seed)
    summaries, modifiers = cell_summaries(posterior), modifier_effects(posterior)
    a, b = elicited_harm()
    return Calibration(
        provenance=_provenance(kept, config, time.perf_counter() - began),
        estimand={
            "capability": "episodes that reached any goal / episodes, rows with probe = false",
            "goal_failure": "proxy first / (intended or proxy first), all rows",
            "deaths_and_timeouts": "not capable (intention to treat)", "replicate": "training run",
            "other_readings": definition_sensitivity(kept),
            "capability_gate": config.capability_gate, "gated": config.gated, "runs_below_gate": len(below)},
        model={
            "likelihood": "beta-binomial over runs", "formula": FORMULA, "ordered": config.ordered,
            "p_order_violated": violation, "config": asdict(config),
            "multiplicativity": multiplicativity(posterior, config.priors),
            "levels": level_effects(posterior), "crosses": crosses(posterior),
            "stage_correlation": asdict(summarise(posterior.rho, posterior.chains)),
            "structure": structure_as_json(posterior)},
        diagnostics={**asdict(judged), "loso_elpd": left_out.elpd, "loso_elpd_se": left_out.elpd_se,
                     "loso_runs_above_k": left_out.runs_above_limit, "pit_p": left_out.pit_p, "pit": left_out.pit,
                     "worst_cell": asdict(fits[0]) if fits else None},
        summaries=summaries, modifiers=modifiers, literature=grid,
        harm={"distribution": "beta", "a": a, "b": b, "source": "elicited, never updated by data",
              "environment": measured_harm(kept)},
        warnings=[*_few_runs(design), *_misfits(fits), *conflicts], posterior=posterior)


def _ordered(posterior: Posterior, violation: dict[str, float], config: CalibrationConfig) -> Posterior:
    """Condition on the order: keep the draws that respect it, the same number from every chain."""
    keep = respects_order(posterior).reshape(posterior.chains, -1)
    n = int(keep.sum(axis=1).min())
    if n * posterior.chains < config.ess_min:
        raise UserError(f"the data contradict ordered shifts (P(violation) = {max(violation.values()):.3f}): "
                        "set ordered=false")
    index = np.concatenate([np.flatnonzero(k)[:n] + i * keep.shape[1] for i, k in enumerate(keep)])
    return replace(posterior, **{name: array[index] for name, array in posterior.draws.items()})


def cell_summaries(posterior: Posterior) -> list[dict[str, Any]]:
    """Summaries of every measured condition under every measured shift, both kinds."""
    rows = []
    for shift, condition in sorted({(s, c) for _, s, c in posterior.measured}):
        for kind in KINDS:
            draws = posterior.rates(shift, posterior.x[condition], condition, kind)
            rows += [{"quantity": quantity, "shift": shift, "condition": condition, "kind": kind,
                      **asdict(summarise(values, posterior.chains))} for quantity, values in draws.items()]
    return rows


def _few_runs(design: Design) -> list[str]:
    """One warning per stage that has cells with fewer than five runs."""
    notes = []
    for stage in (CAPABILITY, GOAL):
        rows = design.stage == stage
        runs = Counter(zip(design.shift[rows].tolist(), design.condition[rows].tolist(), strict=True))
        few = [n for n in runs.values() if n < FEW_RUNS]
        if not runs:
            notes.append(f"{STAGES[stage]}: nothing was measured; every rate is the prior's")
        elif few:
            notes.append(f"{STAGES[stage]}: {len(few)} of {len(runs)} cells have fewer than {FEW_RUNS} runs "
                         f"(as few as {min(few)}): their intervals are mostly prior")
    return notes


def _misfits(fits: list[CellFit]) -> list[str]:
    """A warning for every cell whose observed rate the model does not reproduce."""
    return [f"{fit.stage} of {fit.condition} under {fit.shift}: the model says {fit.replicated:.2f}, its {fit.runs} runs "
            f"{fit.observed:.2f} (p {fit.p:.2g} over all cells)" for fit in fits if not fit.fits]


def _provenance(counts: Sequence[OutcomeCounts], config: CalibrationConfig, wall_s: float) -> dict[str, Any]:
    rows = sorted(json.dumps(asdict(c), sort_keys=True) for c in counts)
    return {
        "data_sha256": hashlib.sha256("\n".join(rows).encode()).hexdigest(),
        "config_hash": hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode()).hexdigest()[:16],
        "n_rows": len(counts), "n_runs": len({(c.experiment_id, c.run_id) for c in counts}),
        "n_episodes": sum(c.n_episodes for c in counts), "train_seeds": sorted({c.train_seed for c in counts}),
        "rng_seed": config.seed, "engine": "gmexp.statistics.hmc", "python": sys.version.split()[0],
        "platform": platform.platform(), "packages": {"numpy": np.__version__, "scipy": scipy.__version__},
        "wall_s": round(wall_s, 3)}
