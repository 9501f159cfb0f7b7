"""The forest over environments: a row each, the next one at the foot, and nothing of one environment alone."""

import json

import pytest

from gmexp.figures import environments

from ..fabricate import PUBLISHED


@pytest.fixture
def two(study):
    """A study whose calibration knows two environments, the second without delta 0.3."""
    content = json.loads(study.calibration.read_text())
    first = [condition | {"align_method": "standard"} for condition in content["model"]["structure"]["conditions"]]
    deltas = [condition["train_diversity"] for condition in first]
    other = [condition | {"env": "tetris"} for condition in first if condition["train_diversity"] == 0]
    usual = first[deltas.index(0.0)]
    content["model"]["structure"]["covariates"] = {"steps": {usual["env"]: usual["train_steps"]}}
    further = [{**usual, "train_steps": 1000}, {**usual, "train_steps": 10**9}]
    content["model"]["structure"]["conditions"] = [*first, *other, *further]
    rows = content["summaries"]
    for condition, value in ((len(first), 0.9), (len(first) + 1, 0.99), (len(first) + 2, 0.98)):
        rows += [{**row, "condition": condition, "mean": value, "q025": value - 0.05, "q975": value + 0.01}
                 for row in rows if row["condition"] == 0 and row["kind"] == "this_setup"]
    content["environments"] = {"next": [
        {"quantity": name, "shift": shift, "kind": "next_environment", "q025": 0.02, "q50": 0.4, "q975": 0.97}
        for name in ("goal_failure", "realised") for shift in range(5)]}
    study.calibration.write_text(json.dumps(content))
    return study


@pytest.mark.slow
def test_a_row_per_environment_and_the_next_one_at_the_foot(two, draw):
    figure = draw(environments, two)
    axes = figure.axes
    assert len(axes) == 2 * 4 and [axis.get_title("left") for axis in axes[:4]] == [
        "1 superficial", "2 moderate", "3 significant", "4 extreme"]
    names = [text.get_text() for text in axes[0].get_yticklabels()]
    assert names[-1] == "next environment" and "tetris" in names and len(names) == 3
    third = axes[2]
    ends = {(tuple(round(float(x), 6) for x in line.get_xdata()), round(float(line.get_ydata()[0]))) for line in third.lines}
    assert ((0.02, 0.97), 2) in ends  # the next environment
    assert ((0.85, 0.91), names.index("tetris")) in ends
    assert not any(value + 0.01 in xs for value in (0.98, 0.99) for xs, _ in ends)  # no other training stands for it
    diamonds = [tuple(offset) for dots in third.collections for offset in dots.get_offsets()]
    assert any(offset == pytest.approx((PUBLISHED[3][1], 2)) for offset in diamonds)


def test_one_environment_is_no_forest(study, draw):
    assert draw(environments, study) is None
