"""Is E[capability x goal failure] that of the data?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gmexp.statistics.checks.fits import GATED
from gmexp.statistics.config import CalibrationConfig
from gmexp.statistics.design import build_design
from gmexp.statistics.fit import fit
from gmexp.statistics.simulate import World, simulate

__all__ = ["joint_rate"]


def joint_rate(seed: int = 0, runs: int = 20, episodes: int = 200, config: CalibrationConfig = GATED) -> dict[str, Any]:
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
