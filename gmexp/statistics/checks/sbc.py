"""Simulation-based calibration: data from the prior, ranks of the truth among the posterior's draws."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit

from gmexp.statistics.checks.fits import GATED, Fits, Progress
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import Design, build_design
from gmexp.statistics.fit import posterior_of
from gmexp.statistics.model import BEND, SCALES, Model, coordinate
from gmexp.statistics.posterior import Posterior, Settings
from gmexp.statistics.simulate import World, simulate

__all__ = ["sbc"]


def sbc(sets: int = 100, seed: int = 0, bins: int = 8, config: CalibrationConfig = GATED,
        bar: Progress | None = None, kept: Path | None = None) -> dict[str, Any]:
    """Simulation-based calibration (Talts et al. 2018): ranks of the truth among posterior draws are uniform.

    Three environments, two shifts, two conditions, three runs; parameters, this setup, a new environment and a new
    condition. chi2 p per quantity; passed if all exceed .05 / number.
    """
    design = build_design(
        simulate(World(envs=3, shifts=(2, 3), runs_per_cell=3, episodes=60), np.random.default_rng(seed))[0])
    ranks: dict[str, list[int]] = defaultdict(list)
    thinned = 8 * bins - 1
    streams = [np.random.default_rng([seed, i]) for i in range(sets)]
    data = [_from_prior(design, config, rng) for rng in streams]
    fits = Fits(replace(config, seed=seed), bar, kept)
    posteriors = fits.of([each for each, _ in data])
    for rng, (_, truth), (_, posterior) in zip(streams, data, posteriors, strict=True):
        index = np.linspace(0, posterior.size - 1, thinned).round().astype(int)
        for name, (draws, value) in _quantities(posterior, truth, rng).items():
            ranks[name].append(int(np.sum(draws[index] < value)))
    p = {name: float(stats.chisquare(np.bincount(np.array(r) * bins // (thinned + 1), minlength=bins)).pvalue)
         for name, r in ranks.items()}
    return {"check": "sbc", "sets": sets, "seed": seed, "p": p, "passed": bool(min(p.values()) > 0.05 / len(p)),
            "sampler": fits.summary(), "ranks": ranks}


def _from_prior(design: Design, config: CalibrationConfig, rng: np.random.Generator) -> tuple[Design, Posterior]:
    """A data set of the design's shape from the model's prior, and its parameters as a posterior of one draw."""
    model = Model(design, config)
    model.pulls = {name: np.zeros((1, 2, model.K, 1)) for name in model.pulls}  # coordinates are standardised deviations
    p, q = config.priors, rng.standard_normal((1, model.size))
    parts = {name: q[:, part].reshape(1, *model.shapes[name]) for name, part in model.slices.items()}
    alpha = rng.logistic(size=(1, model.K, model.S))
    common = p.run_shift * np.abs(rng.standard_t(3, (1, model.K, 1)))
    ratio = np.exp(p.run_shift_ratio * rng.standard_normal((1, model.K, model.S - 1)) @ model.H.T)
    parts |= {"scales": coordinate(np.abs(rng.standard_t(3, (1, model.K, len(SCALES)))) * np.array(p.scales), model.bend),
              "run_shift": coordinate(common * ratio, BEND),
              "coupling": p.coupling * parts["coupling"], "level": alpha.mean(axis=2, keepdims=True), "c": alpha @ model.H,
              "beta": p.beta * parts["beta"], "d": rng.standard_t(4, parts["d"].shape),
              "skill": p.skill_mean + p.skill_sd * parts["skill"]}
    q = np.concatenate([parts[name].reshape(1, -1) for name in model.slices], axis=1)
    f = model._nodes(q)
    c, b, pursuit, a = (expit(v) for v in (*(t.value[0, 0] for t in f["theta"]), f["z"]["skill"][0]))
    h, e = c * (1 - b), c * b
    n = design.masked.sum(axis=1), design.visible.sum(axis=1)
    masked = _multinomial(rng, n[0], h, e)
    visible = _multinomial(rng, n[1], (1 - pursuit) * h + pursuit * a, (1 - pursuit) * e)
    truth = posterior_of(model, 1, 0, model.unpack(q) | {"setup": np.zeros((1, 4, len(model.cells)))})
    return replace(design, masked=masked, visible=visible), truth


def _multinomial(rng: np.random.Generator, n: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.array([rng.multinomial(m, (x, y, max(0.0, 1 - x - y))) for m, x, y in zip(n, first, second, strict=True)])


def _quantities(post: Posterior, truth: Posterior, rng: np.random.Generator) -> dict[str, tuple[np.ndarray, float]]:
    """Posterior draws and the true value of what is checked; predictions compare a draw with a draw of the truth."""
    found: dict[str, tuple[np.ndarray, float]] = {}
    for k, stage in enumerate(("capability", "proxy_share", "pursuit")):
        for name in ("alpha", "beta", "run_shift", "env", "cell"):
            found[f"{name} {stage}"] = (
                getattr(post, name)[:, k].reshape(post.size, -1)[:, 0],
                float(getattr(truth, name)[0, k].ravel()[0]),
            )
        for j in (0, 1, 2, 5, 7):
            found[f"{SCALES[j]} {stage}"] = post.scales[:, k, j], float(truth.scales[0, k, j])
    found["coupling"] = post.coupling[:, 1], float(truth.coupling[0, 1])
    one = replace(truth, seed=int(rng.integers(1 << 30)))
    here = Settings({}, "measured")
    elsewhere = Settings({"div": -0.5}, "interpolated")
    for name in ("capability", "goal_failure", "latent"):
        for kind, settings, env in (("next_environment", here, None), ("new_condition", elsewhere, 0)):
            draws, value = (p.rates(0, p.eta(0, settings, env)[0], "next_environment", 1.0)[name] for p in (post, one))
            found[f"{kind} {name}"] = draws, float(value[0])
        draws, value = (p.rates(0, p.cell[:, :, 0], "this_setup", 1.0)[name] for p in (post, truth))  # of the model's runs
        found[f"this_setup {name}"] = draws, float(value[0])
    return found
