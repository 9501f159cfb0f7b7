"""The mean over runs of a measured setup: its own runs first, the model's population of runs for what they leave open.

The model's runs are logit-normal; runs that come in two kinds are not, and a product of stages would be off. So the mean
over runs is that of a Dirichlet process: every measured run counts once, runs drawn from the model count BASE_RUNS times
together, runs unlike any of them (uniform rates) UNLIKE_RUNS times. The weights' total is the number of runs, so that few
runs leave as much open as Student's t would. Runs that agree completely do not prove that the next one will: near 0 and 1
a logit-normal cannot say so, and the unlike ones do.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from gmexp.statistics.design import TWO_ARMS
from gmexp.statistics.model import RUN, SEED, Model

__all__ = ["setup_draws"]

BASE_RUNS = 5.0
UNLIKE_RUNS = 0.5
ATOMS = 6  # runs drawn from the model per posterior draw


def setup_draws(model: Model, q: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws [draws, 4, cells] from coordinates q [draws, size]: means over runs of capability, goal failure, their product,
    and the rate of proxy first on distinguishing levels."""
    f, d, cells = model._nodes(q), model.design, len(model.cells)
    own = _quantities([part.value[:, 0] for part in f["theta"]], d.estimand)  # [draws, 4, N]
    runs = np.bincount(model.cell, minlength=cells)
    concentration = runs / (runs + BASE_RUNS + UNLIKE_RUNS)
    weight = rng.standard_gamma(concentration[model.cell], (len(q), len(d.run)))
    base_weight = rng.standard_gamma(concentration[:, None] * BASE_RUNS / ATOMS, (len(q), cells, ATOMS))
    base = _quantities(_new_runs(model, f, rng), d.estimand)  # [draws, 4, cells, ATOMS]
    unlike_weight = rng.standard_gamma(concentration * UNLIKE_RUNS, (len(q), cells))
    unlike = _quantities(list(logit(rng.uniform(1e-6, 1 - 1e-6, (model.K, len(q), cells)))), d.estimand)
    total = np.asarray(weight @ model.to_cell) + base_weight.sum(axis=2) + unlike_weight
    sums = np.stack([np.asarray((weight * own[:, i]) @ model.to_cell) for i in range(4)], axis=1)
    sums += np.einsum("dca,dica->dic", base_weight, base) + unlike_weight[:, None] * unlike
    return sums / np.maximum(total, 1e-300)[:, None]


def _new_runs(model: Model, f: dict, rng: np.random.Generator) -> list[np.ndarray]:
    """Logits [draws, cells, ATOMS] per stage of runs nobody trained, in every measured cell."""
    parts, logits, n = [], [], len(f["M"])
    for k in range(model.K):
        variance = np.exp(2 * f["run_logs"][:, k][:, model.cells[:, 1]])
        if model.has["v"]:
            variance = variance + f["scale"][:, k, RUN, None] ** 2
        if model.has["t"]:
            variance = variance + f["scale"][:, k, SEED, None] ** 2
        part = np.sqrt(variance)[..., None] * rng.standard_normal((n, len(model.cells), ATOMS))
        for pair, (later, j) in enumerate(model.pairs):
            if later == k:
                part = part + f["z"]["coupling"][:, pair, None, None] * parts[j]
        parts.append(part)
        logits.append(f["M"][:, k, :, None] + part)
    return logits


def _quantities(logits: list[np.ndarray], estimand: str) -> np.ndarray:
    c, fails = expit(logits[0]), expit(-logits[-1])
    latent = c * fails
    return np.stack([c, fails, latent, latent * expit(logits[1]) if estimand == TWO_ARMS else latent], axis=1)
