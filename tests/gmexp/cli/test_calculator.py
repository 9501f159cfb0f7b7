"""The calculator's commands: what they print, and one clear line for any garbage."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmexp.cli.calculator import audit, estimate, scenarios, tables
from gmexp.support.errors import UserError

HIGH = ["shift=4", "spec_quality=0.2", "capability=superhuman", "diversity=0.05", "alignment=behavioral_cloning",
        "mode=published"]


def test_estimate_prints_everything(capsys):
    assert estimate(HIGH) == 0
    shown = capsys.readouterr().out
    for fragment in ("raw        2.9085", "value      1.0000", "clipped    yes", "M_spec", "M_align", "warning: "):
        assert fragment in shown


def test_estimate_json_is_machine_readable(capsys):
    assert estimate([*HIGH, "format=json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["raw"] == pytest.approx(0.277 * (5 / 3) * 3 * 1.4 * 1.5)
    assert document["scenario"]["shift"] == 4 and document["clipped"] is True
    assert [c["name"] for c in document["contributions"]] == ["base", "M_spec", "M_cap", "M_div", "M_align"]


@pytest.mark.parametrize("args, fragment", [
    ([], "shift is missing"), (["shift=9"], "0 to 4"), (["shift=4", "diversity=1.5"], "0 to 1"),
    (["shift=4", "m_spec=-1"], "number >= 0"), (["shift=4", "m_spec=0"], "above 0"), (["shift=4", "harm=nan"], "harm"),
    (["shift=4", "harm=2"], "harm"), (["shift=4", "harm=elicited"], "harm must be"),
    (["shift=4", "capability=godlike"], "known: below_human"), (["shift=4", "mode=odd"], "one of published"),
    (["shift=0"], "mode=calibrated"), (["shift=4", "m_cap=2", "capability=human"], "not both"),
    (["shift=4", "mode=calibrated", "calibration=/nowhere.json"], "no calibration at"),
    (["shift=4", "stric=true"], "did you mean strict"), (["shift=4", "strict=true", "m_cap=9"], "not a probability"),
])
def test_estimate_errors_are_one_line(args, fragment):
    with pytest.raises(UserError) as caught:
        estimate(args)
    assert fragment in str(caught.value) and "\n" not in str(caught.value)


keys = st.sampled_from(["shift", "spec_quality", "capability", "diversity", "alignment", "m_spec", "m_cap", "m_div",
                        "m_align", "mode", "harm", "spec_map", "strict", "rl_to_llm", "grade", "kind", "typo"])
values = st.one_of(st.sampled_from(["0", "1", "4", "0.5", "1e308", "-1", "nan", "inf", "true", "odds", "published",
                                    "superhuman", "bc", "stated", "anchors", "", "=", "ü"]),
                   st.floats().map(str), st.text(max_size=5))


@pytest.mark.slow
@given(st.lists(st.tuples(keys, values).map("=".join), max_size=6))
@settings(max_examples=400, deadline=None)
def test_any_garbage_gives_a_probability_or_one_line(args):
    try:
        assert estimate(args) == 0
    except UserError as error:
        assert len(str(error).splitlines()) == 1


def test_tables(capsys):
    assert tables(["name=domains"]) == 0
    assert "Autonomous Vehicles" in capsys.readouterr().out
    assert tables(["format=json"]) == 0
    assert {"shift_types", "evidence", "timeline"} <= {t["name"] for t in json.loads(capsys.readouterr().out)}
    with pytest.raises(UserError, match="did you mean domains"):
        tables(["name=domain"])


def test_audit(capsys):
    assert audit(["format=json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 22
    assert audit(["item=harm"]) == 0
    assert "0.35" in capsys.readouterr().out
    with pytest.raises(UserError, match="no item"):
        audit(["item=harms"])


@pytest.mark.slow
def test_scenarios(capsys):
    assert scenarios([]) == 0
    assert "game_ai" in capsys.readouterr().out
    assert scenarios(["show=timeline", "shift=4", "mode=odds", "format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][-1]["value"] == pytest.approx([0.5347, 0.6570], abs=1e-4)
    assert scenarios(["show=mitigations", "shift=3", "mitigations=control"]) == 0
    assert "harm_factor" in capsys.readouterr().out
    assert scenarios(["show=mitigations", "shift=3", "mode=calibrated", "format=json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert len(rows["adversarial_training"]["measured"]) == 3 and rows["adversarial_training"]["runs"] >= 6
    assert {"name", "published", "measured", "environments", "runs"} <= set(rows["control"])
    assert len([row for row in rows.values() if row["measured"] and row["runs"] >= 6]) >= 8
    assert all(rows[name]["environments"] >= 3 for name in ("adversarial_training", "control", "ask_for_help"))
    value, low, high = rows["adversarial_training"]["measured"]
    assert low < value < high and rows["robust_plr"]["measured"][1] < 0 < rows["robust_plr"]["measured"][2]
    assert scenarios(["show=mitigations", "shift=3", "mode=calibrated"]) == 0
    assert f"{value:.2f} [{low:.2f}, {high:.2f}]" in capsys.readouterr().out
    assert estimate(["shift=3", "mitigations=[control]", "mode=odds"]) == 0
    assert "with control: weakest and strongest effect" in capsys.readouterr().out
    with pytest.raises(UserError, match="needs a shift"):
        scenarios(["show=timeline"])


@pytest.mark.parametrize("command", [estimate, tables, audit, scenarios])
def test_help_ends_with_an_example(command, capsys):
    assert command(["--help"]) == 0
    assert "example: gmexp" in capsys.readouterr().out
