"""The checks run and say what they should, in small."""

from dataclasses import replace

import numpy as np
import pytest

from gmexp.statistics.checks import QUICK, coverage, interval_coverage, power, sbc
from gmexp.statistics.model import BEND, _log_scale, coordinate
from gmexp.statistics.simulate import World, simulate
from gmexp.support.errors import UserError

TINY = replace(QUICK, warmup=100, draws=60)


@pytest.mark.slow
def test_coverage_has_its_negative_controls():
    world = World(envs=3, shifts=(3,), diversities=(0.0,), runs_per_cell=4, pursuit=-1.0)
    found = coverage(world, sets=3, config=TINY)
    assert set(found["covered"]) >= {"this_setup latent", "next_environment goal_failure",
                                     "control: first event over runs, goal_failure"}
    assert found["covered"]["this_setup capability"] > 0.6
    assert found["width"]["next_environment goal_failure"] > found["width"]["this_setup goal_failure"]


@pytest.mark.slow
def test_sbc_ranks_every_quantity():
    found = sbc(sets=3, bins=4, config=TINY)
    assert {"env scale" in name or True for name in found["p"]} and {len(r) for r in found["ranks"].values()} == {3}
    assert {"next_environment latent", "new_condition latent", "this_setup latent", "coupling"} <= set(found["p"])


@pytest.mark.slow
def test_power_names_what_was_moved():
    assert set(power(sets=1, config=TINY)["found"]) == {
        "condition",
        "condition, nothing moved",
        "environment",
        "environment, nothing moved",
    }


def test_intervals_over_runs_in_small():
    rows = {(row["rates"], row["runs"]): row for row in interval_coverage(sets=50)["rows"]}
    collapse = rows["rare collapse", 6]
    assert collapse["clustered_wilson"][0] > 0.85 > 0.6 > collapse["t_on_runs"][0] > collapse["pooled_wilson"][0]


def test_scales_find_their_coordinates():
    scale = np.array([1e-4, 0.05, 0.7, 12.0, 400.0])
    assert all(np.allclose(np.exp(_log_scale(coordinate(scale, bend), bend)), scale) for bend in (BEND, 1e3))


def test_simulated_worlds_know_their_truth():
    counts, truth = simulate(
        World(envs=2, runs_per_cell=400, episodes=50, shifts=(3,), unequal=True), np.random.default_rng(0)
    )
    for (env, shift, diversity), known in truth.setups.items():
        rows = [r for r in counts if (r.env, r.shift_type, r.train_diversity) == (env, shift, diversity)]
        assert np.mean([r.capability for r in rows]) == pytest.approx(known["capability"], abs=0.05)
        assert np.mean([r.n_proxy / r.n_visible for r in rows]) == pytest.approx(known["realised"], abs=0.04)
    with pytest.raises(UserError, match="runs must be one of"):
        World(runs="poisson")
