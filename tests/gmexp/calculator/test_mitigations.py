"""Mitigations in every mode: as printed, as measured, flagged where they were not measured together."""

import dataclasses

import pytest

from gmexp.calculator import Calculator, Scenario
from gmexp.calculator.evidence import STANDS_FOR, evidence, listed, load_mitigations, together
from gmexp.calculator.function import estimate
from gmexp.calculator.mitigations import mitigate
from gmexp.published.tables import table
from gmexp.rates.mitigated import About, Mitigated, Price, measured_rows
from gmexp.support.errors import UserError

from ..rates.rows import counts

ODDS = Calculator(mode="odds")


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


# --- what was measured ------------------------------------------------------------------------------------------------

def content(method="shield", layer="response", treated=30, env="coinrun", shift=3, runs=6):
    """A method that leaves so many of sixty failures in a hundred episodes."""
    base, after = ([counts(seed, shift, proxy=proxy, env=env) for seed in range(runs)] for proxy in (60, treated))
    about = About(method, "as declared", True, None, layer, "s", Price(1.0, None, None, "nothing"))
    return Mitigated(tuple(measured_rows(about, base, after)))


def test_the_shipped_file_fills_the_table():
    rows = {row.name: row for row in listed(load_mitigations(), 3)}
    assert [row["name"] for row in table("mitigations")] == list(rows)[:7] and set(STANDS_FOR) <= set(rows)
    diverse, specified = rows["adversarial_training"], rows["specification"]
    assert diverse.published == (0.2, 0.4) and diverse.edition == "both arms"
    assert (diverse.environments, diverse.runs) == (10, 60)
    assert diverse.measured == pytest.approx((0.61, 0.35, 0.86), abs=0.006)
    assert specified.edition == "both arms" and specified.environments == 1
    gradual = rows["gradual_deployment"]
    assert gradual.risk == "realised misgeneralization" and gradual.measured[0] > 0.6 and gradual.published is None


def test_environments_are_the_replicate():
    same = content()
    two = Mitigated(same.rows + content(env="maze").rows)
    assert evidence(same, "shield", 3).environments == 1 and evidence(two, "shield", 3).runs == 12
    apart = Mitigated(same.rows + content(env="maze", treated=5).rows)
    width = {key: evidence(found, "shield", 3).reduction for key, found in (("one", same), ("apart", apart))}
    assert width["apart"][2] - width["apart"][1] > width["one"][2] - width["one"][1]  # environments that disagree say so
    assert evidence(same, "shield", 4) is None


def test_both_arms_come_before_first_events():
    rows = content().rows
    old = [dataclasses.replace(row, edition="first events", latent=None, pairs=9) for row in rows]
    assert evidence(Mitigated((*rows, *old)), "shield", 3).edition == "both arms"


@pytest.mark.parametrize("mode", ["published", "odds"])
def test_combinations_are_flagged(mode):
    found = estimate(4, mode=mode, mitigations=["adversarial_training", "specification"])
    assert any("no measurement; measured together" in note for note in found.warnings)
    assert found.after.p_harmful[0] < found.value
    assert estimate(4, mode=mode, mitigations=["control"]).after.harm_factor == pytest.approx((0.4, 0.1))
    assert estimate(4, mode=mode).after is None


@pytest.mark.slow
def test_calibrated_mitigations_use_what_was_measured(calibration):
    calculator = Calculator("calibrated", calibration=calibration)
    portfolio = mitigate(
        Scenario(3), [r["name"] for r in table("mitigations") if r["acts_on"] in ("div", "spec", "harm")][:3], calculator,
        Mitigated())
    assert portfolio.p_misgen[0] == pytest.approx(calculator.estimate(Scenario(3, diversity=0.3)).p_misgen)
    assert portfolio.p_misgen[0] < portfolio.before.p_misgen
    assert any("did not vary spec_quality" in note for note in portfolio.warnings)


@pytest.mark.slow
def test_a_measured_response_acts_on_harm_and_measured_prevention_on_misgeneralization(calibration):
    calculator = Calculator("calibrated", calibration=calibration)
    before = calculator.estimate(Scenario(3))
    shield = mitigate(Scenario(3), ["control"], calculator, content())
    low, high = evidence(content(), "shield", 3).reduction[1:]
    assert shield.harm_factor == pytest.approx((1 - low, 1 - high)) and shield.p_misgen[0] == before.p_misgen
    probing = mitigate(Scenario(3), ["objective_probing"], calculator, content("goal_probing", "prevention"))
    low, high = evidence(content("goal_probing", "prevention"), "goal_probing", 3).reduction[1:]
    assert probing.p_misgen == pytest.approx((before.p_misgen * (1 - low), before.p_misgen * (1 - high)))
    printed = mitigate(Scenario(3), ["control"], calculator, Mitigated())
    assert printed.harm_factor == pytest.approx((0.4, 0.1)) and any("printed one" in note for note in printed.warnings)


@pytest.mark.slow
def test_calibrated_combinations_are_as_measured_or_flagged(calibration):
    calculator = Calculator("calibrated", calibration=calibration)
    names = ["control", "objective_probing"]
    apart = Mitigated(content().rows + content("goal_probing", "prevention").rows)
    assert any("not measured together" in note for note in mitigate(Scenario(3), names, calculator, apart).warnings)
    joint = content("goal_probing+shield", "prevention", treated=6)
    found = mitigate(Scenario(3), names, calculator, joint)
    low, high = together(joint, ["shield", "goal_probing"], 3).reduction[1:]
    assert found.p_misgen[1] == pytest.approx(found.before.p_misgen * (1 - high))
    assert any("measured together" in note for note in found.warnings)
