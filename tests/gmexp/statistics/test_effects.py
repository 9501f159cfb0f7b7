"""Settings against each other at the same two settings, odd ones found, and what other tools take."""

from dataclasses import replace

import numpy as np
import pytest

from gmexp.published.modifiers import diversity_modifier
from gmexp.statistics.contrasts import baseline, level_effects, plainest, varied
from gmexp.statistics.design import Condition, build_design
from gmexp.statistics.effects import modifier_effects, readings
from gmexp.statistics.export import rliable_scores, to_arviz
from gmexp.statistics.leave_out import leave_one_out, odd_conditions, pareto_smooth
from gmexp.statistics.simulate import synthetic_counts
from gmexp.support.errors import UserError


@pytest.mark.slow
def test_modifiers_are_compared_at_the_same_two_settings(calibration):
    rows = {row["name"]: row for row in modifier_effects(calibration.posterior)}
    div = rows["div"]
    assert div["measured"] and div["settings"] == [0.3, 0.0]
    assert div["published_ratio"] == pytest.approx(float(diversity_modifier(0.0) / diversity_modifier(0.3)))
    for ratio in div["risk_ratio"]:
        assert ratio["q025"] < ratio["q50"] < ratio["q975"] and "mean" not in ratio
        assert ratio["over_published"] == pytest.approx(ratio["q50"] / div["published_ratio"])
        assert 0 <= ratio["p_within"] <= 1 and 0 <= ratio["p_same_direction"] <= 1
    assert not rows["spec"]["measured"] and rows["spec"]["risk_ratio"] == []


def test_levels_are_compared_with_the_baseline(calibration):
    row, = level_effects(calibration.posterior)
    assert row["modifier"] == "div" and row["odds_ratio"]["goal_failure"]["q025"] > 0 and 0 <= row["p_above_1"] <= 1


def test_which_condition_is_plain():
    base = Condition("e", None, 1.0, 0.1, "standard", 10, 8)
    others = (base, replace(base, train_diversity=0.3), replace(base, spec_quality=0.2),
              replace(base, spec_quality=0.2, train_diversity=0.3), replace(base, learner="b"))
    assert baseline(others) == 0 and plainest(others, 0.3) == 1
    assert varied(base, others[3]) == {"spec", "div"} and varied(base, others[4]) == {"learner"}


def test_rows_left_out(counts, calibration):
    design = build_design(counts)
    result = leave_one_out(design, calibration.posterior)
    assert len(result.pointwise) == len(result.k) == len(design.run) and np.isfinite(result.elpd)
    assert all(0 <= v <= 1 for values in result.pit.values() for v in values)
    assert len(result.rows_above_limit) == sum(k > 0.7 for k in result.k)
    assert 0.2 < np.mean(result.pit["capability"]) < 0.8
    assert odd_conditions(design) == []  # of two conditions, neither foresees the other
    odd = odd_conditions(build_design(synthetic_counts(diversities=(0.0, 0.1, 0.3), runs=4)))
    assert len(odd) == 3 * 13 and odd[0].p == min(row.p for row in odd) and all(row.p <= 1 for row in odd)


def test_pareto_smoothing_knows_heavy_tails():
    rng = np.random.default_rng(0)
    light, k_light = pareto_smooth(rng.normal(0, 0.1, 2000))
    _, k_heavy = pareto_smooth(3 * rng.exponential(size=2000))
    assert k_light < 0.5 < 0.7 < k_heavy and np.exp(light).sum() == pytest.approx(1)


def test_other_readings_are_named_sensitivities(counts):
    row = next(r for r in readings(counts) if r["shift_type"] == 3 and r["train_diversity"] == 0)
    assert row["first_event_low"] <= row["first_event"] <= row["first_event_high"] and row["accidents"] > 0
    assert next(r for r in readings(counts) if r["shift_type"] == 1 and r["train_diversity"] == 0)["first_event"] is None


def test_arviz_confirms_our_diagnostics(counts, calibration):
    arviz = pytest.importorskip("arviz")
    from gmexp.statistics.diagnostics import ess_bulk, ess_tail, rhat

    data = to_arviz(calibration, counts)
    post = calibration.posterior
    draws = post.alpha.reshape(post.chains, -1, *post.alpha.shape[1:])
    assert np.allclose(arviz.rhat(data)["alpha"].values, rhat(draws), rtol=1e-3)
    assert np.allclose(arviz.ess(data)["alpha"].values, ess_bulk(draws), rtol=0.15)
    assert np.allclose(arviz.ess(data, method="tail")["alpha"].values, ess_tail(draws), rtol=0.2)
    assert data.posterior["env"].dims[2:] == ("stage", "environment", "level")
    loo = arviz.loo(data, pointwise=True)
    assert float(loo.elpd_loo) == pytest.approx(leave_one_out(build_design(counts), post).elpd, rel=0.02)
    with pytest.raises(UserError, match="not the counts"):
        to_arviz(calibration, counts[:4])


def test_scores_for_rliable(counts):
    scores = rliable_scores([row for row in counts if row.shift_type in (3, 4)])
    assert len(scores) == 2 and all(matrix.shape == (4, 2) for matrix in scores.values())
    rly = pytest.importorskip("rliable.library")
    from rliable import metrics

    points, intervals = rly.get_interval_estimates(scores, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=50)
    assert all(0 <= points[name][0] <= 1 and intervals[name].shape == (2, 1) for name in scores)
    with pytest.raises(UserError, match="measure must be"):
        rliable_scores(counts, "speed")
