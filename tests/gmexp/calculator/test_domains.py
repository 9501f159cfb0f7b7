"""Domains and timeline: the computed conflicts of section 5, and the refusals."""

import pytest

from gmexp.calculator import Calculator, Scenario
from gmexp.calculator.domains import project, recompute, recompute_all
from gmexp.support.errors import UserError

ODDS = Calculator(mode="odds")


def test_where_nothing_does_harm_there_is_no_ratio():
    assert [d.ratio for d in recompute_all(Calculator(harm=0.0))] == [(None, None)] * len(recompute_all())


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


def test_unknown_names_are_typed_errors():
    with pytest.raises(UserError, match="post-2030"):
        project(Scenario(3), "2031")
