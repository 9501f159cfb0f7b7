"""Figures show what the artefacts say, and equal artefacts give equal bytes."""

import matplotlib
import numpy as np
import pytest

from gmexp import artefacts, figures
from gmexp.figures import FIGURES, STYLE, draw_all
from gmexp.rates import read_rates
from gmexp.records import CurvePoint
from gmexp.study import Study

from .fabricate import CONFIG, PUBLISHED, curve, meta


def test_every_figure_is_drawn_twice(finished):
    drawn = {path.name for path in finished.figures.iterdir()}
    assert drawn == {f"{name}.{suffix}" for name in FIGURES for suffix in ("png", "svg")}


def test_equal_artefacts_give_equal_bytes(study):
    before = {path.name: path.read_bytes() for path in study.figures.iterdir()}
    paths = draw_all(study.root)
    assert {path.name: path.read_bytes() for path in paths} == before
    assert b"<dc:date>" not in before["rates.svg"]


def test_the_rates_are_where_the_artefact_says(finished):
    """Means, interval ends and published values are read back from the drawing itself."""
    with matplotlib.rc_context(STYLE):
        capability, goal = figures.rates(finished).axes
    cells = [cell for cell in read_rates(finished.rates).cells if cell.goal_failure.n_runs]
    points = {tuple(np.round(xy, 9)) for dots in goal.collections for xy in dots.get_offsets().tolist()}
    heights = {y for _, y in points}
    bars = {tuple(np.round(line.get_ydata(), 9)) for line in goal.lines}
    for cell in cells:
        rate = cell.goal_failure
        assert round(rate.mean, 9) in heights
        assert (round(rate.low, 9), round(rate.high, 9)) in bars
        assert all(round(run.rate, 9) in heights for run in rate.runs)
    assert {values[1] for values in PUBLISHED.values()} <= heights
    labels = [text.get_text() for text in capability.get_xticklabels()]
    assert labels == ["0\nin\ndistribution", "1\nsuperficial", "2\nmoderate", "3\nsignificant", "4\nextreme"]


def test_a_bare_study_has_only_what_it_can_show(tmp_path):
    study = Study(tmp_path)
    run = meta("d0-s0", 0.0, 0)
    study.write_index("bare", CONFIG, [run], artefacts.provenance("t", CONFIG, "t"))
    assert draw_all(study.root) == []
    artefacts.write_table(study.curve(run.run_id), curve(np.random.default_rng(0)), CurvePoint)
    assert [path.name for path in draw_all(study.root)] == ["training.png", "training.svg"]


def test_a_run_without_a_finished_episode_is_drawn(tmp_path):
    study = Study(tmp_path)
    run = meta("d0-s0", 0.0, 0)
    study.write_index("bare", CONFIG, [run], artefacts.provenance("t", CONFIG, "t"))
    empty = curve(np.random.default_rng(0)) | {"success": None}
    artefacts.write_table(study.curve(run.run_id), empty, CurvePoint)
    assert len(draw_all(study.root)) == 2


def test_a_study_where_nothing_separates_the_goals(study):
    content = artefacts.read_json(study.rates)
    content["cells"] = [cell for cell in content["cells"] if cell["goal_failure"]["mean"] is None]
    artefacts.write_json(study.rates, content)
    with matplotlib.rc_context(STYLE):
        _, goal = figures.rates(study).axes
    assert "no level separates the goals" in goal.texts[0].get_text()


@pytest.mark.parametrize("conditions", [1, 3, 9])
def test_conditions_stay_within_their_column(conditions):
    offsets = [figures._dodge(i, conditions) for i in range(conditions)]
    assert max(map(abs, offsets)) <= 0.31 and offsets == sorted(offsets)
    assert sum(offsets) == pytest.approx(0)


def test_the_callers_style_is_left_alone(study):
    before = {name: matplotlib.rcParams[name] for name in STYLE}
    draw_all(study.root)
    assert {name: matplotlib.rcParams[name] for name in STYLE} == before
