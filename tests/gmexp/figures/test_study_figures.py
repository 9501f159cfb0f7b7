"""Figures of many conditions, of modifiers and of the spread between runs show what their artefacts say."""

import matplotlib
import numpy as np
import pytest

from gmexp import artefacts
from gmexp.artefacts.condition import labels, pretty
from gmexp.artefacts.study import Study
from gmexp.figures import figures, study_figures
from gmexp.figures.style import STYLE, colours
from gmexp.rates import between_runs
from gmexp.rates.over_runs import build, goal_cells, read_rates

from ..fabricate import Truth, fabricate, fabricate_model

DELTAS = (0.0, 0.01, 0.02, 0.03, 0.06, 0.11, 0.3, 1.0)
RATIO = {"mean": 2.0, "q025": 1.5, "q50": 2.0, "q975": 3.0}


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Study:
    """Eight conditions of ten runs."""
    runs = 10
    rng = np.random.default_rng(0)
    truth = Truth({delta: [0.9] * runs for delta in DELTAS}, {delta: rng.beta(1, 1, runs).tolist() for delta in DELTAS})
    study = fabricate(tmp_path_factory.mktemp("many"), truth, slots=5)
    build(study.root)
    fabricate_model(study)
    return study


def test_many_conditions_are_rows(many):
    cells = goal_cells(read_rates(many.rates).cells)
    with matplotlib.rc_context(STYLE):
        figure = figures.rates(many)
    goal = figure.axes[8]  # row 2 of 5 columns, shift 3
    expected = [pretty(f"delta={delta:g}") for delta in DELTAS]
    assert [text.get_text() for text in figure.axes[5].get_yticklabels()] == expected
    means = [collection.get_offsets()[0] for collection in goal.collections if len(collection.get_offsets()) == 1]
    assert {(round(float(y)), round(float(x), 9)) for x, y in means} == {
        (DELTAS.index(float(cell.condition.partition("=")[2])), round(cell.goal_failure.mean, 9))
        for cell in cells if cell.shift_type == 3}
    with matplotlib.rc_context(STYLE):
        left = figures.forest(many).axes[0]
    assert [text.get_text() for text in left.get_yticklabels()] == expected * 5


def test_every_condition_has_its_own_colour():
    names = [f"delta={delta:g}" for delta in DELTAS]
    assert len(set(colours(names).values())) == len(names)
    assert colours(names[:2]) == {"delta=0": "#0072B2", "delta=0.01": "#D55E00"}


def test_modifiers_stand_beside_the_published_steps(many):
    assert study_figures.modifiers(many) is None  # nothing but diversity was varied
    calibration = artefacts.read_json(many.calibration)
    levels = [{"modifier": name, "condition": c, "baseline": 0, "shifts": [3], "published": published,
               "odds_ratio": {"capability": RATIO, "goal_failure": RATIO | {"q975": 1e6}}, "risk_ratio": RATIO}
              for name, c, published in (("div", 1, 1.4), ("div", 2, 0.7), ("spec", 3, None))]
    cross = {"modifiers": ["spec", "div"], "odds_ratio": {"capability": RATIO, "goal_failure": RATIO},
             "risk_ratio": RATIO, "p_above_1": 0.9}
    calibration["model"] |= {"levels": levels, "crosses": [cross]}
    calibration["modifiers"] = [{"name": name, "published_range": [0.7, 1.4]} for name in ("spec", "cap", "div", "align")]
    changed = Study(many.root.parent / "changed")
    artefacts.write_json(changed.calibration, calibration)
    with matplotlib.rc_context(STYLE):
        capability, goal, risk = study_figures.modifiers(changed).axes
    assert [text.get_text() for text in capability.get_yticklabels()] == [
        "M_spec, specification", "δ = 0.03", "M_div, diversity", "δ = 0.01", "δ = 0.02",
        "specification and diversity together", "over the product of the two"]
    assert risk.lines[0].get_xdata().tolist() == [1.5, 3.0]
    longest = max(line.get_xdata()[1] for line in goal.lines if len(line.get_xdata()) == 2)
    assert longest == study_figures.RATIOS[1]  # beyond the axis: to its end
    diamonds = [c.get_offsets()[0][0] for c in risk.collections if c.get_facecolor()[0][:3].tolist() == [1, 1, 1]]
    assert sorted(map(float, diamonds)) == [0.7, 1.4]


def test_the_spread_shows_every_run_in_order(many, monkeypatch):
    assert study_figures.runs_apart(many) is None
    monkeypatch.setattr(between_runs, "DRAWS", 20)
    between_runs.write(many)
    with matplotlib.rc_context(STYLE):
        _, goal, coverage = study_figures.runs_apart(many).axes
    dots = [c.get_offsets()[0] for c in goal.collections if len(c.get_offsets()) == 1]
    rates = [float(y) for _, y in sorted(map(tuple, dots))]
    assert len(rates) == 10 and rates == sorted(rates)
    assert coverage.get_title(loc="left").startswith("How often")


def test_labels_leave_out_what_most_share():
    base = {"env": "coinrun", "algo": "ppo", "train_diversity": 0.1, "spec_quality": 1.0, "capability_level": None,
            "align_method": "standard", "train_steps": 10, "width": 64, "horizon": 1000}
    varied = [base, base | {"spec_quality": 0.2}, base | {"width": 32}, base | {"train_steps": 5}, base]
    assert labels(varied) == ["delta=0.1", "delta=0.1, quality=0.2", "delta=0.1, width=32", "delta=0.1, steps=5",
                              "delta=0.1"]
    assert labels(varied[:2]) == ["delta=0.1, quality=1", "delta=0.1, quality=0.2"] and labels([]) == []
    assert pretty("algo=cloning_intended, delta=0.1, alignment=behavioral_cloning", "coin") == "δ = 0.1, cloning, coin"
    assert pretty("calibrated, delta=0.1") == "calibrated, δ = 0.1"
