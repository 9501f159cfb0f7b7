"""Does the model know what it does not know? Coverage, simulation-based calibration, power of the leave-one-out checks.

Each check returns plain data, ready for JSON. `progress` is called with 1 per data set.
"""

from __future__ import annotations

import os
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import expit

from gmexp.artefacts.records import OutcomeCounts
from gmexp.rates import intervals
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import Design, build_design
from gmexp.statistics.environments import left_out
from gmexp.statistics.fit import fit
from gmexp.statistics.leave_out import odd_conditions
from gmexp.statistics.model import BEND, SCALES, Model, coordinate
from gmexp.statistics.posterior import QUANTITIES, Posterior, Settings
from gmexp.statistics.simulate import Truth, World, simulate

__all__ = ["QUICK", "coverage", "engine", "interval_coverage", "joint_rate", "power", "sbc"]

QUICK = CalibrationConfig(chains=4, warmup=200, draws=200, attempts=1)  # many short fits; enough for ranks and limits
Progress = Callable[[int], object] | None


def coverage(world: World, sets: int = 100, seed: int = 0, config: CalibrationConfig = QUICK,
             progress: Progress = None) -> dict[str, Any]:
    """Share of true rates inside the 95% intervals of this setup and of the next environment, over simulated data sets.

    Negative controls: first-event goal failure with the interval over runs, against the causal truth; and, for the next
    environment, the interval over all runs of all environments.
    """
    hits: dict[str, list[float]] = defaultdict(list)
    rhats, divergences = [], 0
    for i in range(sets):
        counts, truth = simulate(world, np.random.default_rng([seed, i]))
        design = build_design(counts)
        posterior, judged = fit(design, replace(config, seed=seed + i))
        rhats.append(judged.rhat_max)
        divergences += judged.divergences
        _setups(posterior, truth, counts, hits)
        _next(posterior, truth, counts, hits)
        if progress is not None:
            progress(1)
    return {"check": "coverage", "world": asdict(world), "sets": sets, "seed": seed,
            "covered": {name: float(np.mean(values)) for name, values in hits.items() if not name.startswith("width")},
            "mcse": {name: float(np.std(np.reshape(values, (sets, -1)).mean(axis=1)) / np.sqrt(sets))
                     for name, values in hits.items() if not name.startswith("width") and len(values) % sets == 0},
            "width": {name[6:]: float(np.mean(values)) for name, values in hits.items() if name.startswith("width")},
            "rhat_median": float(np.median(rhats)), "divergences": divergences}


def _inside(draws: np.ndarray, truth: float) -> tuple[float, float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low <= truth <= high), float(high - low)


def _setups(post: Posterior, truth: Truth, counts: tuple[OutcomeCounts, ...], hits: dict[str, list[float]]) -> None:
    for i, (c, s) in enumerate(post.cells):
        condition, level = post.conditions[c], post.shifts[s]
        known = truth.setups[condition.env, level.type, condition.train_diversity]
        share = post.revealed[s, c]
        rates = post.setup_rates(i, 1.0 if np.isnan(share) else float(share))
        for name in QUANTITIES:
            inside, width = _inside(rates[name], known[name])
            hits[f"this_setup {name}"].append(inside)
            hits[f"width this_setup {name}"].append(width)
        rows = [r for r in counts if (r.env, r.shift_type, r.train_diversity)
                == (condition.env, level.type, condition.train_diversity)]
        low, high = intervals.clustered_wilson(np.array([r.n_proxy for r in rows]), np.array([r.capable for r in rows]))
        if low is not None:
            hits["control: first event over runs, goal_failure"].append(float(low <= known["goal_failure"] <= high))


def _next(post: Posterior, truth: Truth, counts: tuple[OutcomeCounts, ...], hits: dict[str, list[float]]) -> None:
    for (shift, diversity), known in truth.new.items():
        if diversity != 0:
            continue
        level = next(s for s, each in enumerate(post.shifts) if each.type == shift)
        rates = post.rates(level, post.eta(level, Settings({}, "measured"))[0], "next_environment", 1.0)
        for name in QUANTITIES[:3]:
            inside, width = _inside(rates[name], known[name])
            hits[f"next_environment {name}"].append(inside)
            hits[f"width next_environment {name}"].append(width)
        rows = [r for r in counts if r.shift_type == shift and r.train_diversity == diversity]
        low, high = intervals.t_on_runs(np.array([r.n_proxy for r in rows]), np.array([r.capable for r in rows]))
        if low is not None:
            hits["control: all runs as one environment, goal_failure"].append(float(low <= known["goal_failure"] <= high))


# --- simulation-based calibration -------------------------------------------------------------------------------------

def sbc(
    sets: int = 100, seed: int = 0, bins: int = 8, config: CalibrationConfig = QUICK, progress: Progress = None
) -> dict[str, Any]:
    """Simulation-based calibration (Talts et al. 2018): ranks of the truth among posterior draws are uniform.

    Three environments, two shifts, two conditions, three runs; parameters, this setup, a new environment and a new
    condition. chi2 p per quantity; passed if all exceed .05 / number.
    """
    design = build_design(
        simulate(World(envs=3, shifts=(2, 3), runs_per_cell=3, episodes=60), np.random.default_rng(seed))[0]
    )
    ranks: dict[str, list[int]] = defaultdict(list)
    thinned = 8 * bins - 1
    for i in range(sets):
        rng = np.random.default_rng([seed, i])
        data, truth = _from_prior(design, config, rng)
        posterior, _ = fit(data, replace(config, seed=seed + i))
        index = np.linspace(0, posterior.size - 1, thinned).round().astype(int)
        for name, (draws, value) in _quantities(posterior, truth, rng).items():
            ranks[name].append(int(np.sum(draws[index] < value)))
        if progress is not None:
            progress(1)
    p = {name: float(stats.chisquare(np.bincount(np.array(r) * bins // (thinned + 1), minlength=bins)).pvalue)
         for name, r in ranks.items()}
    return {
        "check": "sbc",
        "sets": sets,
        "seed": seed,
        "p": p,
        "passed": bool(min(p.values()) > 0.05 / len(p)),
        "ranks": ranks,
    }


def _from_prior(design: Design, config: CalibrationConfig, rng: np.random.Generator) -> tuple[Design, Posterior]:
    """A data set of the design's shape from the model's prior, and its parameters as a posterior of one draw."""
    model = Model(design, config)
    model.weights = {name: np.zeros((model.K, 1)) for name in model.weights}  # coordinates are standardised deviations
    p, q = config.priors, rng.standard_normal((1, model.size))
    parts = {name: q[:, part].reshape(1, *model.shapes[name]) for name, part in model.slices.items()}
    alpha = rng.logistic(size=(1, model.K, model.S))
    common = coordinate(p.run_shift * np.abs(rng.standard_t(3, (1, model.K, 1))), BEND)
    parts |= {"scales": coordinate(np.abs(rng.standard_t(3, (1, model.K, len(SCALES)))) * np.array(p.scales), model.bend),
              "run_shift": np.concatenate([common, parts["run_shift"][:, :, 1:]], axis=2),
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
    truth = _posterior(design, model, model.unpack(q))
    return replace(design, masked=masked, visible=visible), truth


def _multinomial(rng: np.random.Generator, n: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.array([rng.multinomial(m, (x, y, max(0.0, 1 - x - y))) for m, x, y in zip(n, first, second, strict=True)])


def _posterior(design: Design, model: Model, draws: dict[str, np.ndarray]) -> Posterior:
    return Posterior(
        1,
        0,
        design.estimand,
        design.shifts,
        design.envs,
        design.learners,
        design.conditions,
        design.covariates,
        design.x,
        tuple(map(tuple, model.cells.tolist())),
        tuple(sorted(k for k, v in model.has.items() if v)),
        design.revealed,
        **draws,
        setup=np.zeros((1, 4, len(model.cells))),
    )


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


# --- power and the joint rate -----------------------------------------------------------------------------------------

def power(sets: int = 10, seed: int = 0, config: CalibrationConfig = QUICK, progress: Progress = None) -> dict[str, Any]:
    """How often a cell moved by 1.5 logits is found by leaving conditions out, and an environment moved by 3 by leaving
    environments out; and how often either finds something where nothing was moved."""
    found: dict[str, list[float]] = defaultdict(list)
    conditions = World(
        envs=1,
        shifts=(1, 2, 3, 4),
        diversities=(0.0, 0.03, 0.1, 0.2, 0.3),
        condition=0.1,
        cell=0.1,
        runs="logistic_normal",
        run_sd=0.5,
        skill=0.9,
    )
    environments = World(envs=8, shifts=(3,), diversities=(0.0,), omega=0.4, runs="logistic_normal", run_sd=0.5)
    for i in range(sets):
        for moved in (False, True):
            counts, _ = simulate(conditions, np.random.default_rng([seed, i]))
            if moved:
                counts = _moved(counts, lambda r: r.shift_type == 3 and r.train_diversity == 0.1, 1.5, seed + i)
            design = build_design(counts)
            odd = odd_conditions(design, fit(design, replace(config, seed=seed + i))[0])
            where = [row for row in odd if not row.fits and row.stage == "pursuit"]
            found["condition" if moved else "condition, nothing moved"].append(
                float(any("0.1" in row.condition and row.shift == "significant" for row in where) if moved else bool(where)))
            counts, _ = simulate(environments, np.random.default_rng([seed, i, 1]))
            if moved:
                counts = _moved(counts, lambda r: r.env == "env3", 3.0, seed + i)
            design = build_design(counts)
            rows = left_out(fit(design, replace(config, seed=seed + i))[0], design.stages, seed)
            low = [row for row in rows if row["p"] < 0.05 and row["stage"] == "pursuit"]
            found["environment" if moved else "environment, nothing moved"].append(
                float(any(row["env"] == "env3" for row in low) if moved else bool(low)))
        if progress is not None:
            progress(1)
    return {"check": "power", "sets": sets, "seed": seed, "found": {name: float(np.mean(v)) for name, v in found.items()}}


def _moved(
    counts: tuple[OutcomeCounts, ...], which: Callable[[OutcomeCounts], bool], logits: float, seed: int
) -> tuple[OutcomeCounts, ...]:
    """The counts with pursuit raised by so many logits in some rows: proxy episodes turn into intended ones."""
    rng, rows = np.random.default_rng([seed, 3]), []
    for row in counts:
        if which(row):
            fails = np.clip(row.goal_failure or 0.5, 0.02, 0.98)
            after = expit(np.log(fails / (1 - fails)) - logits)
            lost = rng.binomial(row.n_proxy, 1 - after / fails)
            row = replace(row, n_proxy=row.n_proxy - lost, n_intended=row.n_intended + lost)
        rows.append(row)
    return tuple(rows)


def joint_rate(seed: int = 0, runs: int = 20, episodes: int = 200, config: CalibrationConfig = QUICK) -> dict[str, Any]:
    """One shift, half the runs capable and true to the goal, half neither: the raw joint rate and the model's interval."""
    world = World(envs=1, shifts=(3,), diversities=(0.0,), runs_per_cell=runs, episodes=episodes)
    template, _ = simulate(world, np.random.default_rng(seed))
    rng, rows = np.random.default_rng([seed, 1]), []
    for r, row in enumerate(template):
        c, g = ((0.95, 0.05), (0.35, 0.95))[r % 2]
        h, e = 0.25 * c, 0.75 * c
        masked = rng.multinomial(episodes, (h, e, 1 - c))
        first = (g * h + (1 - g) * 0.9, g * e)
        visible = rng.multinomial(episodes, (*first, 1 - sum(first)))
        rows.append(
            replace(
                row,
                n_intended=int(visible[0]),
                n_proxy=int(visible[1]),
                n_ambiguous=0,
                n_timeout=int(visible[2]),
                n_death=0,
                n_masked=episodes,
                masked_intended=int(masked[0]),
                masked_proxy=int(masked[1]),
            )
        )
    design = build_design(rows)
    post, judged = fit(design, replace(config, seed=seed))
    latent = post.setup_rates(0, 1.0)["latent"]
    low, high = (float(q) for q in np.quantile(latent, (0.025, 0.975)))
    raw = float(np.mean([0.95 * 0.05, 0.35 * 0.95]))
    return {"check": "joint", "runs": runs, "raw": raw, "mean": float(latent.mean()), "low": low, "high": high,
            "inside": bool(low <= raw <= high), "rhat": judged.rhat_max}


ENGINE = World(
    envs=9,
    shifts=(0, 1, 2, 3, 4),
    diversities=(0.0, 0.01, 0.03, 0.1, 0.2, 0.3),
    runs_per_cell=6,
    runs="logistic_normal",
    cell=0.15,
    coupling=0.4,
    seed_sd=0.3,
)


def engine(envs: int = 9, cores: int = 2, warmup: int = 500, draws: int = 2000, seed: int = 0) -> dict[str, Any]:
    """The sampler on 9 environments x 5 shifts x 6 conditions x 6 runs: seconds, and whether it passes its own gate."""
    design = build_design(simulate(replace(ENGINE, envs=envs), np.random.default_rng(seed))[0])
    config = CalibrationConfig(seed=seed, warmup=warmup, draws=draws, cores=cores, attempts=1)
    began = time.perf_counter()
    used = [sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    _, judged = fit(design, config)
    cpu = [sum(resource.getrusage(who)[:2]) - before for who, before in zip(
        (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN), used, strict=True)]
    return {"check": "engine", "rows": len(design.run), "coordinates": Model(design, config).size, "chains": config.chains,
            "warmup": warmup, "draws": draws, "cores": cores, "wall_s": round(time.perf_counter() - began, 1),
            "cpu_s": round(sum(cpu), 1), "load": os.getloadavg()[0], **asdict(judged)}


def interval_coverage(sets: int = 500, seed: int = 0, episodes: int = 200) -> dict[str, Any]:
    """Coverage and width of the intervals over runs for several ways in which runs differ."""
    ways: dict[str, tuple[Callable[[np.random.Generator, int], np.ndarray], float]] = {
        "rare collapse": (lambda rng, n: np.where(rng.random(n) < 0.1, 0.95, 0.01), 0.104),
        "beta(.5, .5)": (lambda rng, n: rng.beta(0.5, 0.5, n), 0.5),
        "beta(1, 4)": (lambda rng, n: rng.beta(1, 4, n), 0.2),
        "beta(.05, .45)": (lambda rng, n: rng.beta(0.05, 0.45, n), 0.1),
        "beta(18, 2)": (lambda rng, n: rng.beta(18, 2, n), 0.9),
        "all or nothing": (lambda rng, n: (rng.random(n) < 0.5).astype(float), 0.5),
        "all equal, .9": (lambda rng, n: np.full(n, 0.9), 0.9),
    }
    rows = []
    for name, (draw, truth) in ways.items():
        for runs in (3, 5, 6, 10):
            rng, hits = np.random.default_rng([seed, runs]), defaultdict(list)
            for i in range(sets):
                k, n = rng.binomial(episodes, draw(rng, runs)), np.full(runs, episodes)
                each = {"clustered_wilson": intervals.clustered_wilson(k, n), "t_on_runs": intervals.t_on_runs(k, n),
                        "pooled_wilson": intervals.wilson(k.sum(), n.sum())}
                if i < sets // 5:
                    each["betting"] = intervals.betting(k, n)
                for interval, (low, high) in each.items():
                    hits[interval].append((low <= truth <= high, high - low))
            rows.append({"runs": runs, "rates": name, **{key: [round(float(v), 3) for v in np.mean(values, axis=0)]
                                                         for key, values in hits.items()}})
    return {"check": "intervals", "sets": sets, "seed": seed, "columns": "coverage, mean width", "rows": rows}
