"""Gradual deployment: false stops at most at the stated rate, whenever one looks; harm is cut where there is harm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp.mitigations.gradual_deployment import DeploymentPlan, capital, exposed


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.floats(0.02, 0.6))
def test_no_bet_gains_under_the_accepted_rate(harms, accepted):
    """After any history, the expected factor of the next bet is exactly 1 where harm comes at the accepted rate, and capital
    stays above 0: Ville's inequality then bounds false stops at any look."""
    history = np.array(harms)
    before = capital(history, accepted)[-1]
    after = [capital(np.append(history, x), accepted)[-1] for x in (True, False)]
    assert before > 0 and accepted * after[0] + (1 - accepted) * after[1] == pytest.approx(before)
    assert after[0] >= after[1] or after[0] == pytest.approx(after[1])  # nobody bets on less harm


@pytest.mark.parametrize("looks", ["episodes", "stages"])
@pytest.mark.parametrize("accepted", [0.05, 0.2])
def test_false_stops_are_at_most_the_stated_rate(looks, accepted):
    rng, plan = np.random.default_rng(1), DeploymentPlan(accepted, 0.1, looks)
    stopped = [exposed(rng.random(400) < accepted, plan) < 400 for _ in range(1500)]
    assert np.mean(stopped) <= 0.1 + 2 * np.sqrt(0.1 * 0.9 / 1500)


def test_harm_is_stopped_early_and_none_is_not():
    plan = DeploymentPlan(0.05, 0.05)
    assert exposed(np.ones(200, bool), plan) <= 6 and exposed(np.zeros(200, bool), plan) == 200
    rng = np.random.default_rng(2)
    assert np.mean([exposed(rng.random(200) < 0.5, plan) for _ in range(100)]) < 25
    staged = DeploymentPlan(0.05, 0.05, "stages")
    assert exposed(np.ones(200, bool), staged) == 10


@pytest.mark.parametrize("options", [{"accepted": 0, "alpha": 0.05}, {"accepted": 0.1, "alpha": 1},
                                     {"accepted": 0.1, "alpha": 0.05, "looks": "never"}])
def test_a_plan_that_does_not_fit_is_refused(options):
    with pytest.raises(ValueError, match="mitigations"):
        DeploymentPlan(**options)
