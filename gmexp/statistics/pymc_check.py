"""The same model in PyMC (optional extra `pymc`): a second implementation to hold ours against.

    python -m gmexp.statistics.pymc_check OUT.json      # seconds to a minute; writes cell means and the draws' errors

The cells are those of `example_design()`. A test compares our sampler
with the stored result.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.artefacts.io import write_json
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import CAPABILITY, Design, GOAL, STAGES, build_design
from gmexp.statistics.diagnostics import mcse_mean
from gmexp.statistics.model import MARGINAL, Model
from gmexp.statistics.posterior import DRAWS, Posterior
from gmexp.statistics.simulate import synthetic_counts

__all__ = ["cell_means", "example_design", "fit_pymc"]


def example_design() -> Design:
    """The data both implementations are fitted to."""
    return build_design(synthetic_counts((0.0, 0.03, 0.3), runs=6, shifts=(1, 2, 4), episodes=100, seed=11))


def fit_pymc(design: Design, config: CalibrationConfig, draws: int = 2000, chains: int = 4, seed: int = 1) -> Posterior:
    """The posterior by PyMC's NUTS, centred on nothing but the model's own formulas."""
    import pymc as pm
    import pytensor.tensor as pt

    layout, p, d = Model(design, config), config.priors, design
    cell = {tuple(key): i for i, key in enumerate(layout.cells.tolist())}
    pair = {tuple(key): i for i, key in enumerate(layout.condition_cells.tolist())}
    with pm.Model():
        alpha = pm.Logistic("alpha", 0, 1, shape=(2, layout.S))
        beta = pm.Normal("beta", 0, p.beta_sd, shape=(2, layout.K))
        omega = pm.HalfNormal("omega", p.omega_sd, shape=2)
        tau = pm.HalfNormal("tau", p.tau_sd, shape=(2, layout.S))
        sigma = pm.HalfNormal("sigma", p.sigma_sd, shape=2)
        phi = pm.LogNormal("phi", p.phi_log_mean, p.phi_log_sd, shape=(2, layout.S))
        rho = pm.Deterministic("rho", 2 * pm.Beta("half_rho", 2, 2) - 1)
        stage = layout.departures[0][2]
        w = pm.Deterministic("w", pt.dot(omega[stage] * pm.Normal("z_w", 0, 1, shape=len(stage)), layout.basis))
        u = pm.Deterministic("u", tau[layout.cells[:, 0], layout.cells[:, 1]]
                             * pm.Normal("z_u", 0, 1, shape=len(layout.cells)))
        z = pm.Normal("z", 0, 1, shape=(2, len(d.run_condition)))
        effect = pt.stack([sigma[CAPABILITY] * z[0], sigma[GOAL] * (rho * z[0] + pt.sqrt(1 - rho**2) * z[1])])
        marginal = (alpha[d.stage, d.shift] + pt.sum(beta[d.stage] * d.x[d.condition], axis=1)
                    + w[[pair[k] for k in zip(d.stage.tolist(), d.condition.tolist(), strict=True)]]
                    + u[[cell[k] for k in zip(d.stage.tolist(), d.shift.tolist(), d.condition.tolist(), strict=True)]])
        factor = pt.sqrt(1 + MARGINAL * sigma[d.stage] ** 2)
        mu = pm.math.sigmoid(factor * marginal + effect[d.stage, d.run])
        concentration = phi[d.stage, d.shift]
        pm.BetaBinomial("y", alpha=mu * concentration, beta=(1 - mu) * concentration, n=d.n, observed=d.y)
        trace = pm.sample(draws, tune=1500, chains=chains, cores=1, random_seed=seed, target_accept=0.95,
                          progressbar=False)
    arrays = {name: trace.posterior[name].values.reshape(chains * draws, *trace.posterior[name].shape[2:])
              for name in DRAWS}
    measured = np.unique(d.cell, axis=0)
    return Posterior(chains, seed, d.shifts, d.conditions, d.covariates, d.x, tuple(pair), tuple(cell),
                     tuple(tuple(map(int, row)) for row in measured), **arrays)


def cell_means(post: Posterior) -> dict[str, dict[str, float]]:
    """Mean over runs, posterior sd and Monte Carlo error per measured cell and stage."""
    result = {}
    for stage, shift, condition in post.measured:
        draws = post.rates(shift, post.x[condition], condition)[STAGES[stage]]
        result[f"{STAGES[stage]}/{post.shifts[shift].name}/{post.conditions[condition].train_diversity:g}"] = {
            "mean": float(draws.mean()), "sd": float(draws.std()),
            "mcse": float(mcse_mean(draws.reshape(post.chains, -1)))}
    return result


def main(out: str) -> None:
    import pymc

    document: dict[str, Any] = {"pymc": pymc.__version__,
                                "cells": cell_means(fit_pymc(example_design(), CalibrationConfig()))}
    write_json(Path(out), document)


if __name__ == "__main__":
    main(sys.argv[1])
