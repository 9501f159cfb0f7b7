"""Acceptance 10 and 11, and that the whole calibration recovers what it was simulated from."""

import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from gmexp.calculator import Scenario
from gmexp.statistics.config import A0_GRID, CalibrationConfig
from gmexp.statistics.design import CAPABILITY, GOAL, build_design
from gmexp.statistics.effects import definition_sensitivity, literature_grid, ordering_violation
from gmexp.statistics.fit import SamplerError, _ordered, calibrate, fit
from gmexp.statistics.priors import literature_conflict, literature_interval, literature_log_ratio
from gmexp.statistics.simulate import synthetic_counts
from gmexp.support.errors import UserError


def one(run, shift=3, intended=0, proxy=0, timeout=0, ambiguous=0, **fields):
    """A row of counts with the given outcomes."""
    template = synthetic_counts(diversities=(0.0,), runs=1, shifts=(3,), episodes=1)[0]
    return replace(template, run_id=run, shift_type=shift, shift_name=f"type {shift}", probe=False,
                   n_intended=intended, n_proxy=proxy, n_timeout=timeout, n_death=0, n_ambiguous=ambiguous,
                   n_episodes=intended + proxy + timeout + ambiguous, **fields)


DEGENERATE = {
    "all proxy": [one(f"r{i}", proxy=50) for i in range(5)],
    "never proxy": [one(f"r{i}", intended=50) for i in range(5)],
    "nobody capable": [one(f"r{i}", timeout=50) for i in range(5)],
    "all or nothing": [one(f"r{i}", **{"proxy" if i % 2 else "intended": 50}) for i in range(6)],
    "one run": [one("r", proxy=30, intended=20)],
    "one episode": [one("r", proxy=1)],
    "only ambiguous": [one(f"r{i}", ambiguous=50) for i in range(3)],
    "no episodes": [one("r")],
    "crossed": [one(f"r{i}", shift=s, proxy=50) for i in range(4) for s in (1, 2, 3)],
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_data_give_finite_wide_intervals(name, lenient):
    calibration = calibrate(DEGENERATE[name], lenient)
    prediction = calibration.predict(Scenario(3))
    for quantity in (prediction.capability, prediction.goal_failure, prediction.misgen):
        assert 0 <= quantity.q025 < quantity.q50 < quantity.q975 <= 1
        assert quantity.q975 - quantity.q025 > 0.03
    if name in ("all proxy", "crossed"):
        assert prediction.goal_failure.q025 > 0.4 and prediction.goal_failure.q975 < 1
    if name == "never proxy":
        assert prediction.goal_failure.q975 < 0.5 and prediction.goal_failure.q025 > 0
    if name in ("nobody capable", "only ambiguous", "no episodes"):  # nothing measured: the prior, about uniform
        assert prediction.goal_failure.q025 < 0.1 and prediction.goal_failure.q975 > 0.9
    if name == "one run":
        assert prediction.goal_failure.q975 - prediction.goal_failure.q025 > 0.4
        assert any("fewer than 5 runs" in note for note in calibration.warnings)


@pytest.mark.parametrize("episodes, bound", [(1, 0.24), (2, 0.17)])
def test_zero_of_ten_runs_leaves_the_stated_bound(episodes, bound, lenient):
    """calibration.md: 0 of 10 failing runs still leaves a one-sided 95% bound of 17-24%."""
    calibration = calibrate([one(f"r{i}", intended=episodes) for i in range(10)], replace(lenient, draws=400))
    assert calibration.predict(Scenario(3)).goal_failure.q95 == pytest.approx(bound, abs=0.02)


def test_episodes_cannot_replace_runs(lenient):
    """0 of 1,000 episodes in 10 runs: far above the 0.3% that independent episodes would allow."""
    calibration = calibrate([one(f"r{i}", intended=100) for i in range(10)], replace(lenient, draws=400))
    assert calibration.predict(Scenario(3)).goal_failure.q95 == pytest.approx(0.074, abs=0.02)


def test_permuting_rows_and_labels_changes_nothing(lenient):
    counts = list(synthetic_counts(runs=2, shifts=(1, 3), episodes=50))
    config = replace(lenient, warmup=150, draws=50, rhat_max=9, ess_min=1)
    first = calibrate(counts, config)
    random.Random(0).shuffle(counts)
    second = calibrate([replace(c, run_id=c.run_id[::-1], train_seed=c.train_seed + 5) for c in counts], config)
    for name, draws in first.posterior.draws.items():
        assert np.array_equal(draws, second.posterior.draws[name])
    assert first.summaries == second.summaries


def test_calibration_recovers_the_truth(calibration, counts):
    """The truth of `synthetic_counts`, averaged over its run effects, lies within the 99% interval of most cells."""
    z = np.random.default_rng(0).normal(size=20_000)
    inside = []
    for s in range(5):
        for d, goal_at in ((0.0, 1 + 0.3 * s), (0.3, -1 + 0.3 * s)):
            truth = (expit(2.5 - 0.5 * s + 0.5 * z).mean(), expit(goal_at + z).mean())
            p = calibration.predict(Scenario(s, diversity=d))
            for value, found in zip(truth, (p.capability, p.goal_failure), strict=True):
                inside.append(found.mean - 2.6 * found.sd < value < found.mean + 2.6 * found.sd)
    assert np.mean(inside) >= 0.9


def test_diversity_is_found_to_protect(calibration):
    effect = {m["name"]: m for m in calibration.modifiers}["div"]
    assert effect["measured"]
    assert effect["odds_ratio"]["goal_failure"]["q50"] > 1
    assert all(r["low"]["q50"] < 1 < r["high"]["q50"] for r in effect["risk_ratio"])
    assert not {m["name"]: m for m in calibration.modifiers}["spec"]["measured"]


def test_what_a_condition_has_of_its_own_is_not_the_luck_of_its_runs(lenient):
    """Goal failure that does not follow a line in diversity, alike under every shift, and runs that differ: measured
    conditions keep their means. Without condition effects the runs' own absorb it, and the mean over runs leaves it out."""
    rng = np.random.default_rng(3)
    counts, seen = [], {}
    for delta, at in {0.0: 1.2, 0.01: 1.1, 0.03: 0.9, 0.1: 0.5, 0.3: -0.5, 1.0: -4.0}.items():
        rates = expit(at + rng.normal(0, 0.4, 6))
        drawn = rng.binomial(200, rates, (3, 6))
        counts += [one(f"d{delta}-r{r}", shift, intended=200 - k, proxy=k, train_diversity=delta)
                   for shift, row in zip((2, 3, 4), drawn.tolist(), strict=True) for r, k in enumerate(row)]
        seen[delta] = drawn.mean() / 200

    def errors(condition_effects):
        post, _ = fit(build_design(counts), replace(lenient, chains=4, draws=60, attempts=1,
                                                    condition_effects=condition_effects))
        return [abs(post.rates(3, post.x[c], c)["goal_failure"].mean() - seen[condition.train_diversity])
                for c, condition in enumerate(post.conditions)]

    assert max(errors(None)) < 0.04 and max(errors(False)) > 0.06


def test_conditions_may_act_alike_under_some_shifts_and_not_under_another(lenient):
    """As in our own experiments, where supervision (shift 4) sorts the conditions in an order of its own."""
    rng = np.random.default_rng(5)
    counts, seen = [], {}
    for delta, under_4 in {0.0: 0.99, 0.01: 0.4, 0.03: 0.9, 0.1: 0.97, 0.3: 0.3, 1.0: 0.6}.items():
        for shift, mean in {2: expit(1.5 - 4 * delta), 3: expit(2 - 4 * delta), 4: under_4}.items():
            drawn = rng.binomial(200, rng.beta(10 * mean, 10 * (1 - mean), 6))
            counts += [one(f"d{delta}-r{r}", shift, intended=200 - k, proxy=k, train_diversity=delta)
                       for r, k in enumerate(drawn.tolist())]
            seen[shift, delta] = drawn.mean() / 200
    calibration = calibrate(counts, replace(lenient, chains=4, draws=100, rhat_max=9, ess_min=1, attempts=1))
    for (shift, delta), rate in seen.items():
        assert calibration.predict(Scenario(shift, diversity=delta)).goal_failure.mean == pytest.approx(rate, abs=0.08)
    departs = {row["shift"]: row["bayes_factor_additive"] for row in calibration.model["multiplicativity"]["goal_failure"]}
    assert departs[2] > 1 and departs[3] > 1 and departs[4] < 0.1
    assert not any("the model says" in note for note in calibration.warnings)


def test_next_run_is_wider_than_the_mean(calibration):
    for s in (1, 4):
        scenario = Scenario(s, diversity=0.0)
        mean, following = (calibration.predict(scenario, kind) for kind in ("mean_over_runs", "next_run"))
        assert following.goal_failure.sd > 1.3 * mean.goal_failure.sd
        assert following.goal_failure.mean == pytest.approx(mean.goal_failure.mean, abs=0.05)


def test_unmeasured_settings_widen_and_warn(calibration):
    measured = calibration.predict(Scenario(3, diversity=0.0))
    beyond = calibration.predict(Scenario(3, diversity=0.0, spec_quality=0.0, alignment="behavioral_cloning"))
    assert beyond.misgen.sd > measured.misgen.sd and not measured.warnings
    assert sum("was not varied" in note for note in beyond.warnings) == 2
    assert any("extrapolated" in note for note in calibration.predict(Scenario(3, diversity=1.0)).warnings)


def test_grades_between_measured_ones_are_interpolated(calibration):
    low, middle, high = (calibration.predict(Scenario(4, diversity=0.0, grade=g)) for g in (0.0, 0.5, 1.0))
    assert high.capability.mean < middle.capability.mean < low.capability.mean
    in_distribution = calibration.predict(Scenario(0, diversity=0.0))
    assert low.capability.mean == pytest.approx(in_distribution.capability.mean, abs=0.02)
    assert any("interpolated" in note for note in middle.warnings)


def test_variants_of_a_shift_type_fall_back_to_the_ladder(lenient):
    counts = synthetic_counts(runs=2, shifts=(0, 3), episodes=50)
    variant = [replace(c, shift_name="correlation_only", run_id=f"v{c.run_id}", n_intended=0,
                       n_proxy=c.n_proxy + c.n_intended) for c in counts]
    post = fit(build_design([*counts, *variant]), replace(lenient, warmup=100, draws=20, attempts=1))[0]
    (level, _), = post.locate(3, 1.0)[0]
    assert post.shifts[level].name == "significant" and "several variants" in post.locate(3, 1.0)[1][0]
    (level, _), = post.locate(0, 1.0)[0]
    assert post.shifts[level].name == "in_distribution"


def test_unmeasured_shift_is_the_prior(lenient):
    calibration = calibrate(synthetic_counts(shifts=(1,), runs=3, episodes=50), lenient)
    p = calibration.predict(Scenario(4))
    assert p.goal_failure.q975 - p.goal_failure.q025 > 0.85
    assert any("not measured" in note for note in p.warnings)


def test_a_failed_gate_raises():
    with pytest.raises(SamplerError, match="R-hat"):
        calibrate(synthetic_counts(runs=2, shifts=(1,), episodes=20),
                  CalibrationConfig(warmup=100, draws=50, attempts=1))


def test_without_the_literature_the_published_tables_have_no_influence(monkeypatch, lenient):
    design = build_design(synthetic_counts(runs=2, shifts=(1, 4), episodes=50))
    config = replace(lenient, warmup=150, draws=50, attempts=1)
    with_tables = fit(design, config)[0]
    monkeypatch.setattr("gmexp.statistics.priors.literature_rates", lambda shifts: np.full((2, len(shifts)), 0.01))
    without = fit(design, config)[0]
    assert all(np.array_equal(with_tables.draws[name], without.draws[name]) for name in with_tables.draws)
    assert not np.array_equal(fit(design, replace(config, a0=1.0))[0].alpha, with_tables.alpha)


def test_the_literature_pulls_monotonically(calibration):
    for stage in ("capability", "goal_failure"):
        for shift in range(1, 5):
            rows = [r for r in calibration.literature if r["stage"] == stage and r["shift"] == shift]
            assert [r["a0"] for r in rows] == list(A0_GRID)
            distance = [abs(r["mean"] - r["published"]) for r in rows]
            assert all(b <= a + 1e-3 for a, b in zip(distance, distance[1:], strict=False)) or distance[0] < 0.02
            assert all(r["ess"] > 400 for r in rows)


def test_reweighting_agrees_with_sampling_under_the_literature(lenient):
    design = build_design(synthetic_counts(runs=3, shifts=(1, 4), episodes=50))
    config = replace(lenient, warmup=200, draws=250, attempts=1)
    without, under = (fit(design, replace(config, a0=a0))[0] for a0 in (0.0, 1.0))
    there = literature_grid(without, config)[0]  # a0 = 0 reweighted to 1, and a0 = 1 reweighted to 0
    back = literature_grid(under, replace(config, a0=1.0))[0]
    for a, b in zip(there, back, strict=True):
        assert a["mean"] == pytest.approx(b["mean"], abs=0.04)


def test_conflict_fires_when_nine_of_ten_meets_one_of_ten(lenient):
    rows = [one(f"r{i}", shift=4, intended=95, proxy=5) for i in range(10)]  # published: 75% fail
    calibration = calibrate([replace(c, shift_name="extreme") for c in rows], lenient)
    assert any("goal_failure under extreme" in note and "disagree" in note for note in calibration.warnings)
    rng = np.random.default_rng(0)
    assert literature_conflict(rng.beta(10, 90, 4000), 0.9, 2.0) < 0.05
    assert literature_conflict(rng.beta(90, 10, 4000), 0.9, 2.0) > 0.2


def test_ordered_keeps_only_ordered_draws(lenient):
    counts = synthetic_counts(runs=4, shifts=(1, 4), episodes=100, seed=3)
    post, judged = fit(build_design(counts), lenient)
    violation = ordering_violation(post)
    kept = _ordered(post, violation, replace(lenient, ess_min=20))
    assert 0 < violation["either"] < 1 and len(kept.rho) < len(post.rho)
    assert np.all(kept.alpha[:, GOAL, 4] >= kept.alpha[:, GOAL, 1])
    assert np.all(kept.alpha[:, CAPABILITY, 4] <= kept.alpha[:, CAPABILITY, 1])
    with pytest.raises(UserError, match="contradict ordered"):
        _ordered(post, violation, replace(lenient, ess_min=1e6))


def test_the_capability_gate(lenient):
    good, weak = synthetic_counts(runs=3, shifts=(1, 3), episodes=50), synthetic_counts(
        runs=2, shifts=(1, 3), episodes=50, id_capability=0.4, experiment_id="weak")
    quick = replace(lenient, warmup=150, draws=50, rhat_max=9, ess_min=1)
    both = calibrate([*good, *weak], quick)
    gated = calibrate([*good, *weak], replace(quick, gated=True))
    assert both.estimand["runs_below_gate"] == gated.estimand["runs_below_gate"] == 4
    assert (both.provenance["n_runs"], gated.provenance["n_runs"]) == (10, 6)
    with pytest.raises(UserError, match="gate"):
        calibrate(weak, replace(lenient, gated=True))


@pytest.mark.parametrize("fields", [{"chains": 1}, {"draws": 0}, {"a0": 2.0}, {"target_accept": 1.0}, {"draws": 10.5}])
def test_garbage_configurations_are_refused(fields):
    with pytest.raises(UserError):
        CalibrationConfig(**fields)


def test_other_readings_of_deaths_and_timeouts():
    rows = [one("a", intended=4, proxy=4, timeout=2, n_distinguishing=10), one("b", proxy=10, n_distinguishing=10),
            one("c", timeout=10, n_distinguishing=10)]
    cell, = definition_sensitivity(rows)
    assert cell["runs"] == 3
    assert cell["goal_failure"] == pytest.approx((0.5 + 1) / 2)  # c has nothing to say
    bounds = (cell["goal_failure_low"], cell["goal_failure_high"])
    assert bounds == pytest.approx(((0.4 + 1 + 0) / 3, (0.6 + 1 + 1) / 3))
    assert cell["capability"] == pytest.approx((0.8 + 1 + 0) / 3)
    assert cell["capability_no_timeouts"] == pytest.approx((1 + 1) / 2)
    unknown, = definition_sensitivity([one("a", proxy=5, timeout=5)])
    assert unknown["goal_failure_low"] is None and unknown["goal_failure"] == 1.0


@pytest.mark.parametrize("p, weight", [(0.85, 0.0), (0.85, 2.0), (0.12, 1.0)])
def test_the_prior_shown_is_the_prior_sampled(p, weight):
    """Quantiles of the mixture against its density on a grid of rates."""
    mu = (np.arange(200_000) + 0.5) / 200_000
    pseudo = np.array([[weight * p, weight * (1 - p)]])
    density = np.exp(literature_log_ratio(np.log(mu / (1 - mu))[:, None], pseudo)[0][:, 0])
    assert density.mean() == pytest.approx(1, abs=1e-4)
    mean, low, high = literature_interval(p, weight)
    below = np.cumsum(density) / density.sum()
    assert mean == pytest.approx((mu * density).mean(), abs=1e-4)
    assert [low, high] == pytest.approx([mu[np.searchsorted(below, q)] for q in (0.025, 0.975)], abs=1e-4)
