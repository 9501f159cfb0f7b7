"""Domains, timeline and mitigations: the computed conflicts of section 5, and the refusals."""

import pytest

from gmexp.calculator import Calculator, Scenario
from gmexp.calculator.domains import mitigate, project, recompute, recompute_all
from gmexp.published.tables import table
from gmexp.support.errors import UserError

ODDS = Calculator(mode="odds")


def test_recomputed_domains():
    percent = {d.name: tuple(100 * x for x in d.recomputed) for d in recompute_all()}
    expected = {"game_ai": (2.5, 7.0), "content_moderation": (10.7, 23.3), "autonomous_vehicles": (9.3, 20.3),
                "ai_assistants": (15.0, 32.7), "autonomous_agents": (32.7, 41.6)}
    for name, ends in expected.items():
        assert percent[name] == pytest.approx(ends, abs=0.0501)


def test_residuals_and_growth():
    domains = recompute_all()
    ratios = [r for d in domains for r in d.ratio]
    assert (round(min(ratios), 2), round(max(ratios), 2)) == (0.76, 1.71)
    low, high = zip(*(d.growth for d in domains), strict=True)
    assert (round(min(low), 2), round(max(low), 2)) == (1.39, 1.67)
    assert (round(min(high), 2), round(max(high), 2)) == (1.14, 1.33)
    d = recompute("game_ai")
    assert d.residual == pytest.approx((0.03 - d.recomputed[0], 0.12 - d.recomputed[1]))


def test_timeline_beyond_one_is_clipped_and_odds_is_not():
    published = project(Scenario(4), "post-2030")
    assert published.raw == pytest.approx((0.831, 1.385))
    assert published.value[1] == 1.0 and any("clipped" in note for note in published.warnings)
    assert tuple(round(100 * x, 1) for x in project(Scenario(4), "post-2030", ODDS).value) == (53.5, 65.7)


def test_baseline_period_changes_nothing():
    assert project(Scenario(3, capability="superhuman"), "2024-2025").value[0] == Calculator().estimate(
        Scenario(3, capability="superhuman")).value


@pytest.mark.parametrize("fields", [{"capability": "superhuman"}, {"capability": "human"}, {"m_cap": 2.0}])
def test_counting_capability_twice_is_refused(fields):
    with pytest.raises(UserError, match="allow_double_count"):
        project(Scenario(2, **fields), "2028-2030")
    allowed = project(Scenario(2, **fields), "2028-2030", allow_double_count=True)
    assert any("twice" in note for note in allowed.warnings)


def test_strict_projection_raises():
    with pytest.raises(UserError, match="mode=odds"):
        project(Scenario(4), "post-2030", Calculator(strict=True))


def test_prevention_replaces_its_modifier():
    portfolio = mitigate(Scenario(4, alignment="behavioral_cloning"), ["interpretability"], ODDS)
    expected = tuple(ODDS.estimate(Scenario(4, m_align=m)).value for m in (0.6, 0.3))
    assert portfolio.p_harmful == pytest.approx(expected)
    assert portfolio.naive == pytest.approx(tuple(portfolio.before.value * m for m in (0.6, 0.3)))
    assert any("undercuts M_align's published floor of 0.4" in note for note in portfolio.warnings)


def test_prevention_never_worsens():
    verified = Scenario(4, alignment="interpretability_verified")
    portfolio = mitigate(verified, ["interpretability"], ODDS)
    assert portfolio.p_harmful[0] == ODDS.estimate(verified).value  # 0.6 would be worse than its own 0.4
    assert portfolio.p_harmful[1] < portfolio.p_harmful[0]


def test_control_acts_on_harm_only():
    portfolio = mitigate(Scenario(3), ["control"])
    assert portfolio.p_misgen == (portfolio.before.p_misgen,) * 2
    assert portfolio.harm_factor == pytest.approx((0.4, 0.1))
    assert portfolio.p_harmful == pytest.approx((0.218 * 0.4, 0.218 * 0.1))


def test_mitigations_without_a_number_change_nothing_and_repeats_count_once():
    portfolio = mitigate(Scenario(3), ["objective_probing", "gradual_deployment"])
    assert portfolio.p_harmful == (portfolio.before.value,) * 2 and len(portfolio.warnings) >= 2
    assert mitigate(Scenario(3), ["control", "control"]).harm_factor == pytest.approx((0.4, 0.1))


def test_unknown_names_are_typed_errors():
    with pytest.raises(UserError, match="did you mean control"):
        mitigate(Scenario(3), ["contrl"])
    with pytest.raises(UserError, match="post-2030"):
        project(Scenario(3), "2031")


@pytest.mark.slow
def test_calibrated_mitigations_use_what_was_measured(calibration):
    calculator = Calculator("calibrated", calibration=calibration)
    portfolio = mitigate(
        Scenario(3), [r["name"] for r in table("mitigations") if r["acts_on"] in ("div", "spec", "harm")][:3], calculator
    )
    assert portfolio.p_misgen[0] == pytest.approx(calculator.estimate(Scenario(3, diversity=0.3)).p_misgen)
    assert portfolio.p_misgen[0] < portfolio.before.p_misgen
    assert any("did not vary spec_quality" in note for note in portfolio.warnings)
