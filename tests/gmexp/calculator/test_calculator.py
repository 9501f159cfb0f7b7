"""Acceptance 3 and 4: published and odds mode, their edges, and properties that hold for any input."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmexp.calculator import Calculator, Scenario
from gmexp.published.modifiers import MODIFIERS, modifier_range
from gmexp.support.errors import UserError

PUBLISHED, ODDS = Calculator(), Calculator(mode="odds")
ALL_HIGH = {f"m_{name}": modifier_range(name)[1] for name in MODIFIERS}
ALL_LOW = {f"m_{name}": modifier_range(name)[0] for name in MODIFIERS}
BASES = (0.036, 0.100, 0.218, 0.277)


def test_type_4_all_high_is_clipped():
    e = PUBLISHED.estimate(Scenario(4, **ALL_HIGH))
    assert e.raw == pytest.approx(3.4902, abs=1e-10)
    assert (e.value, e.p_harmful, e.p_misgen, e.clipped) == (1.0, 1.0, 1.0, True)
    assert any("3.4902" in note and "clipped" in note for note in e.warnings)


def test_type_1_all_high_is_not_clipped():
    e = PUBLISHED.estimate(Scenario(1, **ALL_HIGH))
    assert e.raw == e.value == pytest.approx(0.4536)
    assert not e.clipped
    assert any("p_misgen is clipped" in note for note in e.warnings)  # 0.102 x 12.6 exceeds 1


def test_settings_reach_the_same_ends_as_multipliers():
    named = Scenario(4, spec_quality=0.0, capability="superhuman", diversity=0.05, alignment="behavioral_cloning")
    assert PUBLISHED.estimate(named).raw == pytest.approx(3.4902)


def test_odds_mode_ends():
    assert ODDS.estimate(Scenario(4, **ALL_HIGH)).value == pytest.approx(0.8284, abs=1e-4)
    assert ODDS.estimate(Scenario(4, **ALL_LOW)).value == pytest.approx(0.026, abs=5e-4)
    assert ODDS.estimate(Scenario(1, **ALL_LOW)).value == pytest.approx(0.003, abs=5e-4)
    assert ODDS.estimate(Scenario(1, **ALL_HIGH)).value == pytest.approx(0.32, abs=5e-4)


@pytest.mark.parametrize("calculator", [PUBLISHED, ODDS])
@pytest.mark.parametrize("shift", [1, 2, 3, 4])
def test_neutral_returns_the_base_exactly(calculator, shift):
    e = calculator.estimate(Scenario(shift))
    assert e.raw == e.value == BASES[shift - 1]
    explicit = calculator.estimate(Scenario(shift, m_spec=1.0, m_cap=1.0, m_div=1.0, m_align=1.0))
    assert explicit.value == BASES[shift - 1]


def test_neutral_interval_is_the_quoted_range_and_only_there():
    assert PUBLISHED.estimate(Scenario(2)).interval == (0.03, 0.22)
    assert PUBLISHED.estimate(Scenario(2, diversity=0.05)).interval is None
    assert Calculator(harm="stated").estimate(Scenario(2)).interval is None


def test_odds_interval_widens_above_human_and_for_llms():
    def width(e):
        return math.log(e.interval[1] / (1 - e.interval[1])) - math.log(e.interval[0] / (1 - e.interval[0]))

    plain = ODDS.estimate(Scenario(3))
    assert width(ODDS.estimate(Scenario(3, capability="superhuman"))) > width(plain)
    assert width(Calculator(mode="odds", rl_to_llm=True).estimate(Scenario(3))) > width(plain)
    assert width(ODDS.estimate(Scenario(3, capability="below_human"))) == pytest.approx(width(plain))
    low, high = ODDS.estimate(Scenario(3, capability="superhuman")).interval
    assert low < plain.value  # the direction is unknown: no effect at all stays inside


def test_harm_changes_harmful_only():
    printed, stated = PUBLISHED.estimate(Scenario(4)), Calculator(harm="stated").estimate(Scenario(4))
    assert printed.p_misgen == stated.p_misgen == pytest.approx(0.45 * 0.75)
    assert stated.p_harmful == pytest.approx(0.45 * 0.75 * 0.6)
    assert Calculator(harm=0.0).estimate(Scenario(4)).value == 0.0
    assert Calculator(harm=1.0).estimate(Scenario(4)).value == pytest.approx(0.3375)


def test_spec_map_is_used():
    assert PUBLISHED.estimate(Scenario(4, spec_quality=0.9)).value == pytest.approx(0.277 * 0.6)
    assert Calculator(spec_map="anchors").estimate(Scenario(4, spec_quality=0.9)).value == pytest.approx(0.277 * 0.5)


def test_strict_raises_instead_of_clipping():
    with pytest.raises(UserError, match=r"3\.4902.*mode=odds"):
        Calculator(strict=True).estimate(Scenario(4, **ALL_HIGH))
    assert Calculator(strict=True).estimate(Scenario(1, **ALL_HIGH)).value == pytest.approx(0.4536)


def test_contributions_say_what_each_factor_changes():
    e = ODDS.estimate(Scenario(4, spec_quality=0.2, alignment="interpretability_verified"))
    by_name = {c.name: c for c in e.contributions}
    alone = ODDS.estimate(Scenario(4, spec_quality=0.2)).value
    assert by_name["M_spec"].effect == pytest.approx(alone - ODDS.estimate(Scenario(4)).value)
    assert sum(c.effect for c in e.contributions) == pytest.approx(e.value)  # factors that add up
    assert by_name["M_align"].effect < 0 < by_name["M_spec"].effect
    assert (by_name["M_div"].multiplier, by_name["M_div"].effect, by_name["M_div"].source) == (1.0, 0.0, "neutral")


def test_outside_the_published_range_is_a_warning():
    assert any("outside its published range" in n for n in PUBLISHED.estimate(Scenario(1, m_div=5.0)).warnings)


@pytest.mark.parametrize("fields, fragment", [
    ({"shift": 5}, "0 to 4"), ({"shift": 2.0}, "0 to 4"), ({"shift": True}, "0 to 4"), ({"shift": "3"}, "0 to 4"),
    ({"shift": 1, "diversity": 1.01}, "from 0 to 1"), ({"shift": 1, "diversity": math.nan}, "from 0 to 1"),
    ({"shift": 1, "spec_quality": -0.1}, "from 0 to 1"), ({"shift": 1, "spec_quality": "high"}, "must be a number"),
    ({"shift": 1, "m_spec": -1.0}, "m_spec"), ({"shift": 1, "m_spec": 0.0}, "above 0"),
    ({"shift": 1, "m_cap": math.inf}, "finite"), ({"shift": 1, "m_cap": math.nan}, "m_cap"),
    ({"shift": 1, "m_cap": 2.0, "capability": "human"}, "not both"), ({"shift": 1, "capability": 3}, "label"),
])
def test_garbage_scenarios_are_refused(fields, fragment):
    with pytest.raises(UserError, match=fragment):
        Scenario(**fields)


@pytest.mark.parametrize("fields, fragment", [
    ({"mode": "public"}, "did you mean published"), ({"harm": "high"}, "harm must be"), ({"harm": 1.2}, "harm must be"),
    ({"harm": math.nan}, "harm must be"), ({"harm": True}, "harm must be"), ({"harm": [0.5]}, "harm must be"),
    ({"spec_map": "bandz"}, "did you mean bands"), ({"calibration": "x.json"}, "uses no calibration"),
])
def test_garbage_calculators_are_refused(fields, fragment):
    with pytest.raises(UserError, match=fragment):
        Calculator(**fields)


def test_in_distribution_needs_a_calibration():
    with pytest.raises(UserError, match="mode=calibrated"):
        PUBLISHED.estimate(Scenario(0))


def test_overflow_is_a_typed_error():
    with pytest.raises(UserError, match="too large"):
        PUBLISHED.estimate(Scenario(1, m_spec=1e300, m_cap=1e300))


multiplier = st.floats(min_value=1e-300, max_value=1e300)
unit = st.floats(0, 1)
shifts = st.integers(1, 4)
harms = st.one_of(st.just("printed"), st.just("stated"), st.just("pooled"), unit)


@pytest.mark.slow
@given(shift=shifts, m=st.tuples(multiplier, multiplier, multiplier, multiplier), harm=harms,
       mode=st.sampled_from(["published", "odds"]))
@settings(max_examples=300, deadline=None)
def test_every_estimate_is_a_probability_or_a_typed_error(shift, m, harm, mode):
    try:
        e = Calculator(mode=mode, harm=harm).estimate(Scenario(shift, **dict(zip(ALL_HIGH, m, strict=True))))
    except UserError:
        assert abs(sum(map(math.log10, m))) > 290 or max(map(abs, map(math.log10, m))) > 145  # not computable
        return
    assert 0 <= e.p_harmful <= e.p_misgen <= 1
    assert e.value == e.p_harmful
    if e.interval is not None:
        assert 0 <= e.interval[0] <= e.value <= e.interval[1] <= 1


@pytest.mark.slow
@given(shift=shifts, m=st.lists(st.floats(0.01, 100), min_size=4, max_size=4), which=st.integers(0, 3),
       factor=st.floats(1, 50), mode=st.sampled_from(["published", "odds"]))
@settings(max_examples=200, deadline=None)
def test_estimates_never_fall_when_a_multiplier_rises(shift, m, which, factor, mode):
    calculator, raised = Calculator(mode=mode), list(m)
    raised[which] *= factor
    before, after = (calculator.estimate(Scenario(shift, **dict(zip(ALL_HIGH, x, strict=True)))) for x in (m, raised))
    assert after.value >= before.value * (1 - 1e-12)
    assert after.p_misgen >= before.p_misgen * (1 - 1e-12)


@pytest.mark.slow
@given(st.lists(st.tuples(shifts, unit, st.sampled_from(["below_human", "human", "superhuman"]), unit,
                          st.sampled_from(["standard", "bc", "interpretability"])), min_size=1, max_size=20),
       st.sampled_from(["published", "odds"]))
@settings(max_examples=60, deadline=None)
def test_vectorised_equals_one_by_one(rows, mode):
    calculator = Calculator(mode=mode)
    columns = dict(zip(("shift", "spec_quality", "capability", "diversity", "alignment"),
                       map(np.array, zip(*rows, strict=True)), strict=True))
    many = calculator.estimate_many(**columns)
    for i, (shift, quality, capability, diversity, alignment) in enumerate(rows):
        one = calculator.estimate(Scenario(shift, quality, capability, diversity, alignment))
        assert (many.raw[i], many.value[i], many.p_misgen[i]) == (one.raw, one.value, one.p_misgen)
        ends = (many.low[i], many.high[i])
        assert ends == one.interval if one.interval else np.all(np.isnan(ends))


def test_vectorised_broadcasts_and_refuses_garbage():
    many = ODDS.estimate_many(shift=np.arange(1, 5)[:, None].ravel(), diversity=0.05)
    assert many.value.shape == (4,) and np.all(np.diff(many.value) > 0)
    for columns, fragment in (({"shift": [1, 2], "diversity": [0.1, 0.2, 0.3]}, "lengths"),
                              ({"shift": [0]}, "types 1 to 4"), ({"shift": [1.5]}, "whole numbers"),
                              ({"shift": [1], "diversity": [np.nan]}, "0 to 1"),
                              ({"shift": [1], "m_cap": [-1]}, "m_cap"),
                              ({"shift": [1], "diversty": [0.1]}, "did you mean diversity"), ({}, "missing"),
                              ({"shift": [1], "capability": ["x"]}, "unknown capability level")):
        with pytest.raises(UserError, match=fragment):
            ODDS.estimate_many(**columns)


@pytest.mark.slow
def test_import_is_light():
    code = ("import sys, time; t = time.process_time(); import gmexp.calculator; w = time.process_time() - t;"
            "print(w, *(m for m in ('torch', 'hydra', 'pyarrow', 'matplotlib', 'scipy', 'numba') if m in sys.modules))")
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
            for _ in range(3)]
    assert all(run[1:] == [] for run in runs)
    assert min(float(run[0]) for run in runs) < 0.5


def test_a_calibration_needs_scipy_at_most():
    code = ("import sys, gmexp.calculator.calibrated, gmexp.cli.statistics;"
            "print(*(m for m in ('torch', 'hydra', 'omegaconf', 'pyarrow', 'matplotlib', 'numba') if m in sys.modules))")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []
