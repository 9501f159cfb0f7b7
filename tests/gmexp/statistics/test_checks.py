"""The checks run and say what they should, in small."""

from dataclasses import replace

import numpy as np
import pytest

from gmexp.statistics.alike import aligned, together
from gmexp.statistics.checks import fits as checks_fits
from gmexp.statistics.checks.coverage import coverage
from gmexp.statistics.checks.fits import GATED, Fits, template
from gmexp.statistics.checks.forecasts import below, crps, forecasts
from gmexp.statistics.checks.intervals import interval_coverage
from gmexp.statistics.checks.power import power
from gmexp.statistics.checks.sbc import sbc
from gmexp.statistics.design import build_design
from gmexp.statistics.fit import fit, fit_alike
from gmexp.statistics.leave_out import odd_conditions
from gmexp.statistics.model import BEND, Model, _log_scale, coordinate
from gmexp.statistics.simulate import World, simulate
from gmexp.support.errors import UserError

TINY = replace(GATED, warmup=100, draws=60, attempts=1)


@pytest.mark.slow
def test_coverage_has_its_negative_controls():
    world = World(envs=3, shifts=(3,), diversities=(0.0,), runs_per_cell=4, pursuit=-1.0)
    found = coverage(world, sets=3, config=TINY)
    assert set(found["covered"]) >= {"this_setup latent", "next_environment goal_failure",
                                     "control: first event over runs, goal_failure"}
    assert found["covered"]["this_setup capability"] > 0.6
    assert found["width"]["next_environment goal_failure"] > found["width"]["this_setup goal_failure"]


@pytest.mark.slow
def test_what_learners_do_is_no_oddity_of_their_conditions():
    """A level may be the environment's or its learner's: no condition is odd for that."""
    world = World(envs=2, shifts=(3, 4), diversities=(0.0, 0.1, 0.3), runs_per_cell=2, runs="logistic_normal")
    rows = simulate(world, np.random.default_rng(2))[0]
    one, other = (odd_conditions(build_design(each)) for each in (rows, [replace(r, learner=f"of {r.env}") for r in rows]))
    assert len(one) == 3 * 12
    assert [(row.p, row.predicted) for row in one] == [(row.p, row.predicted) for row in other]


def worlds(world, sets):
    """Designs of data sets of a world, row by row alike."""
    like = template(world, 0)
    return [aligned(build_design(simulate(world, np.random.default_rng([7, i]))[0]), like) for i in range(sets)]


@pytest.mark.slow
def test_designs_of_one_world_are_alike():
    """By name, whatever order their own counts would give; a row that has none says nothing."""
    world = World(envs=2, shifts=(1, 3), diversities=(0.0, 0.03), runs_per_cell=3, episodes=30)
    like = template(world, 0)
    counts = simulate(world, np.random.default_rng([7, 3]))[0]
    design = aligned(build_design(counts), like)
    for row, (run, shift) in enumerate(zip(design.run, design.shift, strict=True)):
        condition = design.conditions[design.run_condition[run]]
        source = next(c for c in counts if (c.env, c.run_id, c.shift_type) == (
            condition.env, design.run_ids[run], design.shifts[shift].type))
        expected = (source.n_intended, source.n_proxy) if source.n_distinguishing else (0, 0)
        assert tuple(design.visible[row, :2]) == expected
    other = template(World(envs=1, shifts=(3,), runs_per_cell=3), 0)
    with pytest.raises(ValueError, match="not in the other"):
        aligned(design, other)
    with pytest.raises(ValueError, match="other estimands"):
        aligned(template(World(envs=1, masked=False), 0), other)


@pytest.mark.slow
@pytest.mark.parametrize("masked", [True, False])
def test_one_model_of_many_is_each_of_them(masked):
    models = [Model(design, GATED) for design in worlds(World(envs=2, shifts=(3,), runs_per_cell=3, masked=masked), 3)]
    rng = np.random.default_rng(0)
    for model in models:
        model.pulls = {name: pull + rng.uniform(size=pull.shape) for name, pull in model.pulls.items()}
    q = 0.5 * rng.standard_normal((6, models[0].size))
    one = together(models, 2)
    each = [(model.log_density(part), model.gradient(part)) for model, part in zip(models, np.split(q, 3), strict=True)]
    assert np.allclose(one.log_density(q), np.concatenate([value for value, _ in each]), rtol=1e-12)
    assert np.allclose(one.gradient(q), np.concatenate([slope for _, slope in each]), rtol=1e-9, atol=1e-9)
    assert not np.allclose(each[0][0], models[1].log_density(q[:2]))  # they are not all the same


@pytest.mark.slow
def test_many_fits_say_what_each_alone_would():
    """Beside the others, every data set has its own posterior; a fit that has not passed is said to have not."""
    designs = worlds(World(envs=1, shifts=(3,), diversities=(0.0,), runs="logistic_normal", pursuit=0.5), 2)
    config = replace(GATED, warmup=150, draws=250, attempts=1, rhat_max=1.2, ess_min=20)
    fits = Fits(config)
    for design, post in fits.of(designs):
        alone, _ = fit(design, config)
        for stage in range(3):
            one, other = post.cell[:, stage, 0], alone.cell[:, stage, 0]
            assert abs(one.mean() - other.mean()) < 0.4 * other.std() and 0.65 < one.std() / other.std() < 1.5
    assert fits.summary()["fits"] == fits.summary()["passed"] == 2
    strict = Fits(replace(config, warmup=100, draws=40, rhat_max=1.0001))
    assert len(list(strict.of(designs[:2]))) == 2 and strict.summary()["passed"] == 0


@pytest.mark.slow
def test_sbc_ranks_every_quantity():
    found = sbc(sets=3, bins=4, config=TINY)
    assert {len(r) for r in found["ranks"].values()} == {3} and found["sampler"]["fits"] == 3
    assert {"next_environment latent", "new_condition latent", "this_setup latent", "coupling"} <= set(found["p"])


@pytest.mark.slow
def test_what_was_moved_is_found():
    found = power(sets=6, config=replace(GATED, warmup=150, draws=150, attempts=1))["found"]
    assert found["condition, nothing moved"] == found["environment, nothing moved"] == 0
    assert found["condition"] > 0.15 and found["environment"] > 0.6


@pytest.mark.slow
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


@pytest.mark.slow
def test_fits_that_are_done_are_kept(tmp_path, monkeypatch):
    """Whoever was killed goes on with the same draws; another configuration's fits are not taken for its own."""
    world, done = World(envs=1, shifts=(3,), diversities=(0.0,), runs_per_cell=2), []
    designs = [build_design(simulate(world, np.random.default_rng(seed))[0]) for seed in range(3)]
    monkeypatch.setattr(checks_fits, "AT_ONCE", 1)
    monkeypatch.setattr(checks_fits, "fit_alike", lambda *arguments: done.append(1) or fit_alike(*arguments))
    whole = Fits(TINY)
    expected = [post for _, post in whole.of(designs)]
    next(iter(Fits(TINY, kept=tmp_path / "fits").of(designs)))  # and then it is killed
    done.clear()
    again = Fits(TINY, kept=tmp_path / "fits")
    for (_, post), other in zip(again.of(designs), expected, strict=True):
        assert post.draws.keys() == other.draws.keys() and post.conditions == other.conditions
        for name, array in post.draws.items():
            np.testing.assert_array_equal(array, other.draws[name])
    assert len(done) == 2 and again.judged == whole.judged and len(list((tmp_path / "fits").iterdir())) == 3
    list(Fits(replace(TINY, seed=7), kept=tmp_path / "fits").of(designs[:1]))
    list(Fits(TINY, kept=tmp_path / "fits").of(designs[1:2]))  # as the first, whose seed is another's
    assert len(done) == 4


@pytest.mark.slow
def test_forecasts_come_from_the_other_environments_only(monkeypatch):
    """Four alike and one opposed: the opposed one is foreseen by none of the others, and does not foresee itself.

    A fit that took more attempts than another has more draws.
    """
    whole = Fits.of
    monkeypatch.setattr(Fits, "of", lambda self, designs: [
        (design, post.thinned(post.size // 2) if i == 1 else post) for i, (design, post) in enumerate(whole(self, designs))])
    alike = simulate(World(envs=4, shifts=(3,), diversities=(0.0,), omega=0.05, runs_per_cell=4, pursuit=-2.5),
                     np.random.default_rng(0))[0]
    odd = simulate(World(envs=1, shifts=(3,), diversities=(0.0,), omega=0.05, runs_per_cell=4, pursuit=2.5),
                   np.random.default_rng(1))[0]
    counts = [*alike, *(replace(row, env="odd") for row in odd)]
    found = forecasts(counts, config=replace(GATED, warmup=150, draws=150, attempts=1))
    rows = {row["env"]: row for row in found["forecasts"] if row["quantity"] == "goal_failure"}
    assert set(rows) == {"env0", "env1", "env2", "env3", "odd"}
    assert [fit["without"] for fit in found["fits"]] == sorted(rows) and all(fit["rhat_max"] > 1 for fit in found["fits"])
    assert max(fit["rhat_max"] for fit in found["fits"]) <= found["sampler"]["rhat_worst"]
    assert rows["odd"]["measured"] < 0.2 and rows["odd"]["forecast"] > 0.7 and rows["odd"]["pit"] < 0.15
    assert all(rows[f"env{i}"]["inside"] and rows[f"env{i}"]["measured"] > 0.6 for i in range(4))
    assert rows["odd"]["crps"] > rows["odd"]["crps_uniform"] and rows["env0"]["crps"] < rows["env0"]["crps_uniform"]
    with pytest.raises(UserError, match="at least 3 environments"):
        forecasts([row for row in counts if row.env in ("env0", "odd")])


def test_below_is_over_all_pairs():
    rng = np.random.default_rng(6)
    forecast, measured = rng.integers(0, 9, 40), rng.integers(0, 9, 25)  # with ties
    assert below(forecast, measured) == pytest.approx(np.mean(forecast[:, None] < measured))


def test_crps_is_that_of_its_definition():
    rng = np.random.default_rng(5)
    x = rng.beta(2, 3, 400)
    assert crps(x, 0.3) == pytest.approx(np.abs(x - 0.3).mean() - np.abs(x[:, None] - x).mean() / 2)
    assert crps((np.arange(20_000) + 0.5) / 20_000, 0.7) == pytest.approx((0.7**2 + 0.3**2) / 2 - 1 / 6, abs=1e-4)
