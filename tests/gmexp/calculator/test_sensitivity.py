"""Tornado, Sobol, shares of variance, value of information: known answers and invariants."""

import numpy as np
import pytest

from gmexp.calculator import Calculator, Scenario
from gmexp.calculator.sensitivity import attribute, sobol, tornado
from gmexp.statistics.plan import plan, plan_size
from gmexp.support.errors import UserError


def test_tornado_of_the_published_product():
    bars = {bar.name: bar for bar in tornado(Scenario(1), Calculator())}
    assert set(bars) == {"base", "M_spec", "M_cap", "M_div", "M_align", "harm"}
    assert (bars["M_cap"].low_value, bars["M_cap"].high_value) == pytest.approx((0.018, 0.108))
    assert (bars["base"].low_value, bars["base"].high_value) == pytest.approx((0.01, 0.10))
    swings = [bar.swing for bar in tornado(Scenario(1), Calculator())]
    assert swings == sorted(swings, reverse=True)


def test_sobol_of_a_log_linear_model_equals_its_variances():
    """Small multipliers: log P is a sum, so first-order shares follow the inputs' log variances closely."""
    shares = {s.name: s for s in sobol(Scenario(1), n=4096)}
    order = sorted(shares, key=lambda name: -shares[name].total)
    assert order[0] in ("M_cap", "base") and order[-1] in ("M_div", "model")
    assert 0.7 < sum(s.first for s in shares.values()) <= 1.02
    assert all(s.total >= s.first - 0.02 for s in shares.values())


def test_a_set_modifier_is_fixed():
    names = {s.name for s in sobol(Scenario(3, diversity=0.2, m_cap=1.0), n=256)}
    assert names == {"base", "M_spec", "M_align", "harm", "model"}


def test_sobol_is_reproducible_and_refuses_bad_sizes():
    assert sobol(Scenario(2), n=128, seed=4) == sobol(Scenario(2), n=128, seed=4)
    for n in (100, 32):
        with pytest.raises(UserError, match="power of two"):
            sobol(Scenario(2), n=n)
    with pytest.raises(UserError, match="type 0 needs"):
        sobol(Scenario(0))


def test_shares_add_up(calibration):
    prediction = calibration.predict(Scenario(3, diversity=0.0))
    harm = np.random.default_rng(0).beta(6.4, 4.4, len(prediction.draws["latent"]))
    shares = attribute(prediction, harm)
    assert sum(shares.values()) == pytest.approx(1)
    assert attribute(prediction, np.full_like(harm, 0.5))["harm"] == pytest.approx(0)


@pytest.mark.slow
def test_more_runs_in_the_asked_setup_help_that_setup_most(calibration):
    shifts = [s for s, level in enumerate(calibration.posterior.shifts) if level.type in (3, 4)]
    candidates = plan(calibration, Scenario(4, diversity=0.0), runs=8, episodes=30, simulations=20, draws=400, shifts=shifts,
                      env="env0", quantity="goal_failure")
    post = calibration.posterior
    asked = next(c for c in candidates
                 if post.conditions[c.condition].train_diversity == 0 and post.shifts[c.shift].type == 4)
    assert asked == candidates[0] and asked.gain > 0.03
    assert len(candidates) == plan_size(calibration, shifts, "env0") == 4


@pytest.mark.slow
def test_a_new_environment_is_offered_and_helps_the_next_one(calibration):
    shift = [s for s, level in enumerate(calibration.posterior.shifts) if level.type == 3]
    (new,) = plan(calibration, Scenario(3), runs=8, simulations=100, draws=400, shifts=shift, quantity="capability")
    assert new.condition is None and new.label.startswith("a new environment") and new.ess > 50
    assert -2 * new.mcse < new.width_now - new.expected_width < 0.1 * new.width_now  # one more of two says little
    with pytest.raises(UserError, match="quantity"):
        plan(calibration, Scenario(1), quantity="risk")
