"""The same model in PyMC, sampled by nutpie: a second implementation to time ours against and hold it to.

    python -m gmexp.statistics.pymc_check ENVIRONMENTS DRAWS OUT.json     # needs pymc and nutpie, which need numpy 2

The data are those of `gmexp check engine`; results/checks/engine.md has the numbers of both. Environments, slopes and every
run's logits are centred, the other effects are standardised.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.statistics.checks.engine import ENGINE
from gmexp.statistics.config import Priors
from gmexp.statistics.design import Design, build_design
from gmexp.statistics.simulate import simulate

__all__ = ["build", "measure"]

NAMES = ("env", "env_shift", "slope", "condition", "cell", "seed", "run", "run_shift", "alpha", "beta")


def build(design: Design) -> Any:
    """The pymc.Model of a two-arm design with several environments, conditions and shared seeds."""
    import pymc as pm
    import pytensor.tensor as pt

    p, d = Priors(), design
    E, S, C, X, R, N, T = (
        len(d.envs),
        len(d.shifts),
        len(d.conditions),
        d.x.shape[1],
        len(d.run_ids),
        len(d.run),
        d.run_seed.max() + 1,
    )
    with pm.Model() as model:
        scale = {name: pm.HalfStudentT(name, nu=3, sigma=getattr(p, name), shape=3) for name in NAMES[:7]}
        ratio = pm.Normal("ratio", 0, p.run_shift_ratio, shape=(3, S))
        run_shift = pm.Deterministic("run_shift", pm.HalfStudentT("run_shift_0", nu=3, sigma=p.run_shift, shape=3)[:, None]
                                     * pt.exp(ratio - ratio.mean(axis=1, keepdims=True)))
        alpha, beta = pm.Logistic("alpha", 0, 1, shape=(3, S)), pm.Normal("beta", 0, p.beta, shape=(3, X))
        level = alpha.mean(axis=1)
        own = pm.StudentT("own", nu=4, mu=level[:, None], sigma=scale["env"][:, None], shape=(3, E))
        shifted = pm.Normal("shifted", mu=(alpha - level[:, None])[:, None, :] + own[:, :, None],
                            sigma=scale["env_shift"][:, None, None], shape=(3, E, S))
        slope = pm.Normal("slope_of", mu=beta[:, None, :], sigma=scale["slope"][:, None, None], shape=(3, E, X))
        w = scale["condition"][:, None] * pm.Normal("w", 0, 1, shape=(3, C)) + pt.sum(
            slope[:, d.condition_env] * d.x[None], axis=2
        )
        u = scale["cell"][:, None, None] * pm.Normal("u", 0, 1, shape=(3, C, S))
        t = scale["seed"][:, None] * pm.Normal("t", 0, 1, shape=(3, T))
        v = scale["run"][:, None] * pm.Normal("v", 0, 1, shape=(3, R)) + t[:, np.maximum(d.run_seed, 0)] * (d.run_seed >= 0)
        coupling, theta, gap = pm.Normal("coupling", 0, p.coupling, shape=3), [], []
        for k in range(3):
            cell = shifted[k][d.env, d.shift] + w[k][d.condition] + u[k][d.condition, d.shift]
            mean = cell + v[k][d.run] + sum(coupling[k + j - 1] * gap[j] for j in range(k))
            theta.append(pm.Normal(f"theta_{k}", mu=mean, sigma=run_shift[k][d.shift], shape=N))
            gap.append(theta[k] - cell)
        skill = pm.Normal("skill", p.skill_mean, p.skill_sd, shape=N)
        (c, b, q), a = (pt.sigmoid(x) for x in theta), pt.sigmoid(skill)
        h, e = c * (1 - b), c * b
        chances = (h, e, 1 - c, (1 - q) * h + q * a, (1 - q) * e, (1 - q) * (1 - c) + q * (1 - a))
        pm.Potential("likelihood", sum(pt.sum(y * pt.log(chance)) for y, chance in zip(
            (*d.masked.T, *d.visible.T), chances, strict=True)))
    return model


def measure(envs: int, draws: int, seed: int = 0) -> dict[str, Any]:
    """Seconds to compile and to sample two chains, and the worst ESS and R-hat of what is common to all rows."""
    import arviz
    import nutpie
    import pymc

    design = build_design(simulate(replace(ENGINE, envs=envs), np.random.default_rng(seed))[0])
    began = time.perf_counter()
    compiled = nutpie.compile_pymc_model(build(design))
    ready = time.perf_counter()
    trace = nutpie.sample(compiled, chains=2, cores=2, draws=draws, tune=draws, seed=seed, progress_bar=False)
    done = time.perf_counter()
    table = arviz.summary(trace, var_names=list(NAMES), kind="diagnostics")
    return {
        "pymc": pymc.__version__,
        "nutpie": nutpie.__version__,
        "rows": len(design.run),
        "chains": 2,
        "draws": draws,
        "compile_s": round(ready - began, 1),
        "sample_s": round(done - ready, 1),
        "gradients_per_draw": float(trace.sample_stats.n_steps.mean()),
        "divergences": int(trace.sample_stats.diverging.sum()),
        "rhat_max": float(table.r_hat.max()),
        "ess_bulk_min": float(table.ess_bulk.min()),
        "ess_bulk_median": float(table.ess_bulk.median()),
    }


if __name__ == "__main__":
    Path(sys.argv[3]).write_text(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2])), indent=1) + "\n")
