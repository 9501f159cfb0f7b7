"""Figures show what the artefacts say, and equal artefacts give equal bytes."""

import matplotlib
import numpy as np
import pytest

from gmexp import artefacts
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.study import Study
from gmexp.figures import figures
from gmexp.figures.figures import FIGURES, draw_all
from gmexp.figures.style import STYLE, dodge
from gmexp.rates.over_runs import build, goal_cells, read_rates

from ..fabricate import CONFIG, PUBLISHED, SHIFTS, Truth, curve, fabricate, fabricate_model, meta


def test_every_figure_is_drawn_twice(finished):
    drawn = {path.name for path in finished.figures.iterdir()}
    elsewhere = {"grades", "diversity", "attribution", "critic", "factors", "magnitudes", "figure2", "modifiers",
                 "spread"}  # need what this study lacks
    assert drawn == {f"{name}.{suffix}" for name in FIGURES if name not in elsewhere for suffix in ("png", "svg")}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Study:
    """Three conditions, three grades."""
    truth = Truth({delta: [0.9, 0.8] for delta in (0.0, 0.1, 0.3)}, {0.0: [0.9, 1.0], 0.1: [0.4, 0.6], 0.3: [0.1, 0.0]})
    study = fabricate(tmp_path_factory.mktemp("sweep"), truth, grades=(0.25, 0.5, 1.0), slots=5)
    build(study.root)
    fabricate_model(study)
    return study


def test_every_grade_is_a_point_of_a_line(sweep):
    with matplotlib.rc_context(STYLE):
        axes = np.reshape(figures.grades(sweep).axes, (2, 4))
    for shift, axis in enumerate(axes[1], start=1):
        cells = goal_cells(read_rates(sweep.rates).cells)
        means = [line for line in axis.lines if line.get_marker() == "o"]
        assert len(axis.lines) == len(means) + 3 * 2  # and a line for every run
        for line, condition in zip(means, ("delta=0", "delta=0.1", "delta=0.3"), strict=True):
            expected = {c.grade: c.goal_failure.mean for c in cells
                        if c.shift_type == shift and c.condition == condition}
            assert dict(zip(*line.get_data(), strict=True)) == expected
    assert [axis.get_title(loc="left") for axis in axes[0]] == [f"{s} {SHIFTS[s]}" for s in (1, 2, 3, 4)]
    assert all(0 in axis.lines[0].get_xdata() for axis in axes[0])  # the training distribution is grade 0


def test_several_grades_leave_one_column_per_shift(sweep):
    with matplotlib.rc_context(STYLE):
        _, goal = figures.rates(sweep).axes
    assert [text.get_text()[0] for text in goal.get_xticklabels()] == ["1", "2", "3", "4"]


def test_diversity_runs_from_narrow_to_broad(sweep):
    with matplotlib.rc_context(STYLE):
        (axis,) = figures.diversity(sweep).axes
    assert [text.get_text() for text in axis.get_xticklabels()] == ["0", "0.1", "0.3"]
    lines = [line for line in axis.lines if len(line.get_xdata()) == 3]
    assert len(lines) == 4 and all(np.all(np.diff(line.get_ydata()) < 0) for line in lines)


def test_the_forest_shows_where_no_run_stands_behind_a_mean(finished):
    with matplotlib.rc_context(STYLE):
        capability, goal = figures.forest(finished).axes
    means = [dots for dots in goal.collections if len(dots.get_offsets()) == 1 and dots.get_sizes()[0] == 24]
    hollow = [dots.get_offsets()[0, 1] for dots in means if dots.get_facecolor()[0].tolist() == [1, 1, 1, 1]]
    assert len(means) == 10 and hollow == [0, 1]  # goal failure in distribution, both conditions
    ends = {tuple(np.round(line.get_xdata(), 9)) for line in goal.lines}
    assert (0.55, 0.75) in ends  # 0.5 + 0.05 x 3 of the first condition under shift 3, give or take 0.1
    assert [text.get_text() for text in capability.get_yticklabels()][3] == "3 significant"


def test_equal_artefacts_give_equal_bytes(study):
    before = {path.name: path.read_bytes() for path in study.figures.iterdir()}
    style = {name: matplotlib.rcParams[name] for name in STYLE}
    paths = draw_all(study.root)
    assert {name: matplotlib.rcParams[name] for name in STYLE} == style  # the caller's style is left alone
    assert {path.name: path.read_bytes() for path in paths} == before
    assert b"<dc:date>" not in before["rates.svg"]


def test_the_rates_are_where_the_artefact_says(finished):
    """Means, interval ends and published values are read back from the drawing itself."""
    with matplotlib.rc_context(STYLE):
        capability, goal = figures.rates(finished).axes
    cells = goal_cells(read_rates(finished.rates).cells)
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
    tables.write_table(study.curve(run.run_id), curve(np.random.default_rng(0)), CurvePoint)
    assert [path.name for path in draw_all(study.root)] == ["training.png", "training.svg"]


def test_a_run_without_a_finished_episode_is_drawn(tmp_path):
    study = Study(tmp_path)
    run = meta("d0-s0", 0.0, 0)
    study.write_index("bare", CONFIG, [run], artefacts.provenance("t", CONFIG, "t"))
    empty = curve(np.random.default_rng(0)) | {"success": None}
    tables.write_table(study.curve(run.run_id), empty, CurvePoint)
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
    offsets = [dodge(i, conditions) for i in range(conditions)]
    assert max(map(abs, offsets)) <= 0.31 and offsets == sorted(offsets)
    assert sum(offsets) == pytest.approx(0)
