"""`calibrate`: counts in, a judged posterior out, with what is needed to doubt it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import scipy

from gmexp.artefacts.records import OutcomeCounts
from gmexp.statistics.calibration import FEW_ENVIRONMENTS, Calibration
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.contrasts import crosses, level_effects
from gmexp.statistics.design import FIRST_EVENT, TWO_ARMS, Design, build_design
from gmexp.statistics.diagnostics import Diagnostics
from gmexp.statistics.effects import CONFLICT, discounted, hyperparameters, measured_harm, modifier_effects, readings
from gmexp.statistics.environments import about_environments
from gmexp.statistics.fit import fit, one_thread, require
from gmexp.statistics.leave_out import OddCondition, leave_one_out, odd_conditions
from gmexp.statistics.posterior import QUANTITIES, Posterior, Settings, summarise
from gmexp.statistics.priors import assumed_harm
from gmexp.support.extras import installed

__all__ = ["calibrate", "outcomes"]

FEW_RUNS = 5
SOURCE = {"name": "Goal Misgeneralization Probability Model", "publisher": "Longterm Wiki", "date": "December 2025",
          "url": "https://www.longtermwiki.com/"}
FORMULA = (
    "logit p[k] = alpha[k,s] + d[k,e] + g[k,e,s] + l[k,learner] + (beta[k] + b[k,e]) x + w[k,e,c] + u[k,e,c,s] + v[k,r] + "
    "t[k,e,seed] + Normal(0, run_shift[k,s]), stages coupled within run and shift"
)
ESTIMANDS = {
    TWO_ARMS: {"capability": "reaches a goal's place with the intended goal masked",
               "goal_failure": "1 - q: rate of proxy first, visible over masked",
               "latent": "capability x goal failure within runs",
               "realised": "proxy first on a distinguishing level, of all episodes played under the shift",
               "accidents": "not goal failure: the masked arm says how often the intended goal is met by chance"},
    FIRST_EVENT: {"capability": "reached a goal, of all episodes",
                  "goal_failure": "first event: proxy / (intended or proxy first), accidents included",
                  "latent": "capability x first-event goal failure within runs",
                  "realised": "proxy first on a distinguishing level, of all episodes played under the shift",
                  "accidents": "not told from reached goals: these counts have no masked arm"}}
OUTCOMES = ("n_intended", "n_proxy", "n_timeout", "n_death", "n_ambiguous", "n_masked", "masked_intended", "masked_proxy")


def calibrate(counts: Sequence[OutcomeCounts], config: CalibrationConfig | None = None,
              progress: Callable[[int], object] | None = None,
              on_retry: Callable[[int, str], object] = lambda iterations, why: None) -> Calibration:
    """Calibrate the model from counts. Raises SamplerError where the diagnostics fail.

    `progress` is called with how many iterations were made (`gmexp.statistics.fit.iterations` in all), `on_retry` with how
    many more there will be and what the diagnostics say of those before.
    """
    config = config or CalibrationConfig()
    began = time.perf_counter()
    design = build_design(counts)
    posterior, judged = fit(design, config, progress, on_retry)
    require(judged)
    return about(counts, design, posterior, judged, config, time.perf_counter() - began)


@one_thread
def about(counts: Sequence[OutcomeCounts], design: Design, posterior: Posterior, judged: Diagnostics,
          config: CalibrationConfig, wall_s: float) -> Calibration:
    """A posterior with everything that is said about it."""
    left_out, odd = leave_one_out(design, posterior, config.seed), odd_conditions(design)
    scales = hyperparameters(posterior, config.priors, design.stages)
    environments = about_environments(posterior, design.stages, _runs(design))
    a, b = assumed_harm()
    return Calibration(
        provenance=_provenance(counts, config, wall_s),
        estimand={
            "name": design.estimand,
            **ESTIMANDS[design.estimand],
            "replicate": "training run",
            "population": "environments",
            "other_readings": readings(counts),
        },
        model={
            "likelihood": "masked and visible multinomials" if design.estimand == TWO_ARMS else "first events",
            "formula": FORMULA,
            "config": asdict(config),
            "scales": scales,
            "levels": level_effects(posterior),
            "crosses": crosses(posterior),
            "odd_conditions": [asdict(row) for row in odd[:10]],
        },
        diagnostics={
            **asdict(judged),
            "loo_elpd": left_out.elpd,
            "loo_elpd_se": left_out.elpd_se,
            "loo_rows_above_k": list(left_out.rows_above_limit),
            "pit_p": left_out.pit_p,
            "pit": left_out.pit,
        },
        environments=environments | {"next": following(posterior)},
        summaries=summaries(posterior),
        modifiers=modifier_effects(posterior),
        literature=discounted(posterior, config.priors.literature_n0),
        harm={
            "distribution": "beta",
            "a": a,
            "b": b,
            "source": "assumed, never updated by data",
            "environment": measured_harm(counts),
        },
        warnings=[*_scope(design, environments), *_few_runs(design), *_misfits(odd), *_conflicts(scales)],
        posterior=posterior,
    )


def summaries(post: Posterior) -> list[dict[str, Any]]:
    """Every measured condition under every measured shift: as this setup, the mean over runs, and as its next run."""
    rows = []

    def add(shift: int, condition: int, kind: str, draws: dict[str, np.ndarray]) -> None:
        rows.extend({"quantity": name, "shift": shift, "condition": condition, "kind": kind, **_summary(draws[name], post)}
                    for name in QUANTITIES)

    for i, (condition, shift) in enumerate(post.cells):
        share = 1.0 if np.isnan(post.revealed[shift, condition]) else float(post.revealed[shift, condition])
        add(shift, condition, "this_setup", post.setup_rates(i, share))
        add(shift, condition, "next_run", post.rates(shift, post.cell[:, :, i], "next_run", share))
    return rows


def following(post: Posterior) -> list[dict[str, Any]]:
    """Every shift in the next environment at the reference: the mean over its runs, and one of them."""
    rows = []
    for shift in range(len(post.shifts)):
        revealed, eta = post.revealed_at([(shift, 1.0)], None)[0], post.eta(shift, Settings({}, "measured"))[0]
        for kind in ("next_environment", "next_environment_next_run"):
            draws = post.rates(shift, eta, kind, revealed)
            rows.extend(
                {"quantity": name, "shift": shift, "kind": kind, **_summary(draws[name], post)} for name in QUANTITIES
            )
    return rows


def _summary(draws: np.ndarray, post: Posterior) -> dict[str, float]:
    return asdict(summarise(draws, post.chains))


def _runs(design: Design) -> dict[str, int]:
    each = design.condition_env[design.run_condition]
    return {name: int(np.sum(each == e)) for e, name in enumerate(design.envs)}


def _scope(design: Design, environments: dict[str, Any]) -> list[str]:
    """What these counts are about, and how little."""
    n, notes = len(design.envs), []
    if design.estimand == FIRST_EVENT:
        notes.append("first events: no masked arm was played, so accidents count as reached goals")
    if environments["assumption"]:
        share = environments["assumption"]["share"]
        if share is not None:
            notes.append(f"1 environment: {100 * share:.0f}% of the next environment's interval is an assumption about "
                         "environments")
    elif n < FEW_ENVIRONMENTS:
        notes.append(
            f"{n} environments, fewer than {FEW_ENVIRONMENTS}: how much environments differ is largely an assumption"
        )
    if len(design.learners) == 1:
        notes.append("1 learner (network, trainer, hyperparameters): nothing here says how much another would differ")
    return notes


def _few_runs(design: Design) -> list[str]:
    runs = Counter(zip(design.shift.tolist(), design.condition.tolist(), strict=True))
    few = [n for n in runs.values() if n < FEW_RUNS]
    return [f"{len(few)} of {len(runs)} cells have fewer than {FEW_RUNS} runs (as few as {min(few)}): their intervals are "
            "mostly prior"] if few else []


def _misfits(odd: Sequence[OddCondition]) -> list[str]:
    return [f"{row.stage} of {row.condition} under {row.shift}: {row.level:+.1f} logits where the other conditions say "
            f"{row.predicted:+.1f} (p {row.p:.2g} over all conditions)" for row in odd if not row.fits]


def _conflicts(scales: Sequence[dict[str, Any]]) -> list[str]:
    return [f"prior and data disagree on how much {row['scale'].replace('_', ' x ')} varies in {row['stage']}: "
            f"{row['q50']:.2f} logits against a prior median of {row['prior_median']:.2f}" for row in scales
            if row["p"] < CONFLICT and row["q50"] > row["prior_median"]]


def outcomes(rows: Sequence[OutcomeCounts]) -> str:
    """The hash of what was counted, whatever the columns are called: by it a calibration knows its counts."""
    counted = sorted([row.run_id, row.shift_type, row.shift_name, row.grade, row.probe, row.eval_seed,
                      *(getattr(row, name) for name in OUTCOMES)] for row in rows)
    return hashlib.sha256(json.dumps(counted).encode()).hexdigest()


def _provenance(counts: Sequence[OutcomeCounts], config: CalibrationConfig, wall_s: float) -> dict[str, Any]:
    rows = sorted(json.dumps(asdict(c), sort_keys=True) for c in counts)
    numba = importlib.metadata.version("numba") if installed("numba") else None  # None: sampled in numpy
    return {
        "outcomes_sha256": outcomes(counts), "data_sha256": hashlib.sha256("\n".join(rows).encode()).hexdigest(),
        "config_hash": hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode()).hexdigest()[:16],
        "n_rows": len(counts), "n_runs": len({(c.experiment_id, c.env, c.run_id) for c in counts}),
        "n_environments": len({c.env for c in counts}),
        "n_episodes": sum(c.n_visible + (c.n_masked or 0) for c in counts),
        "train_seeds": sorted({c.train_seed for c in counts}), "published_model": SOURCE,
        "rng_seed": config.seed, "engine": "gmexp.statistics.hmc", "python": sys.version.split()[0],
        "platform": platform.platform(), "packages": {"numpy": np.__version__, "scipy": scipy.__version__, "numba": numba},
        "wall_s": round(wall_s, 3)}
