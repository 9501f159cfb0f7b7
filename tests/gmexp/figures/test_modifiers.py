"""Measured steps of the modifiers beside the published ones."""

import pytest

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.figures import modifiers

RATIO = {"mean": 2.0, "q025": 1.5, "q50": 2.0, "q975": 3.0}


@pytest.mark.slow
def test_modifiers_stand_beside_the_published_steps(many, draw, tmp_path):
    assert draw(modifiers, many) is None  # nothing but diversity was varied
    calibration = artefacts.read_json(many.calibration)
    levels = [{"modifier": name, "condition": c, "baseline": 0, "shifts": [3], "published": published,
               "odds_ratio": {"capability": RATIO, "goal_failure": RATIO | {"q975": 1e6}}, "risk_ratio": RATIO}
              for name, c, published in (("div", 1, 1.4), ("div", 2, 0.7), ("spec", 3, None))]
    cross = {"modifiers": ["spec", "div"], "odds_ratio": {"capability": RATIO, "goal_failure": RATIO},
             "risk_ratio": RATIO, "p_above_1": 0.9, "both": 3}
    calibration["model"] |= {"levels": levels, "crosses": [cross, cross | {"both": 1}]}
    calibration["modifiers"] = [{"name": name, "published_range": [0.7, 1.4]} for name in ("spec", "cap", "div", "align")]
    changed = Study(tmp_path)
    artefacts.write_json(changed.calibration, calibration)
    figure = draw(modifiers, changed)
    capability, goal, risk = figure.axes
    assert [text.get_text() for text in capability.get_yticklabels()] == [
        "M_spec, specification", "δ = 0.03", "M_div, diversity", "δ = 0.01", "δ = 0.02",
        "specification and diversity together", "δ = 0.03", "δ = 0.01"]
    assert "against δ = 0, 95%" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert [tuple(line.get_xdata()) for line in risk.lines].count((1.5, 3.0)) == 5
    longest = max(line.get_xdata()[1] for line in goal.lines if len(line.get_xdata()) == 2)
    assert longest == modifiers.RATIOS[1]  # beyond the axis: to its end
    diamonds = [c.get_offsets()[0][0] for c in risk.collections if c.get_facecolor()[0][:3].tolist() == [1, 1, 1]]
    assert sorted(map(float, diamonds)) == [0.7, 1.4]
    calibration["model"]["levels"] = [levels[0], levels[2] | {"baseline": 1}]  # of another environment
    artefacts.write_json(changed.calibration, calibration)
    entries = [text.get_text() for text in draw(modifiers, changed).legends[0].get_texts()]
    assert "against the baseline of the environment, 95%" in entries
