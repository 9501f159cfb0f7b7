"""The figure of rates is read back from the drawing: every mean, interval, run and published value, in colours or rows."""

import numpy as np
import pytest

from gmexp import artefacts
from gmexp.artefacts.condition import pretty
from gmexp.figures import rates
from gmexp.rates.over_runs import goal_cells, read_rates

from ..fabricate import PUBLISHED
from .conftest import DELTAS


@pytest.mark.slow
def test_the_rates_are_where_the_artefact_says(finished, draw):
    capability, goal = draw(rates, finished).axes
    points = {tuple(np.round(xy, 9)) for dots in goal.collections for xy in dots.get_offsets().tolist()}
    heights = {y for _, y in points}
    bars = {tuple(np.round(line.get_ydata(), 9)) for line in goal.lines}
    for cell in goal_cells(read_rates(finished.rates).cells):
        rate = cell.goal_failure
        assert round(rate.mean, 9) in heights
        assert (round(rate.low, 9), round(rate.high, 9)) in bars
        assert all(round(run.rate, 9) in heights for run in rate.runs)
    assert {values[1] for values in PUBLISHED.values()} <= heights
    labels = [text.get_text() for text in capability.get_xticklabels()]
    assert labels == ["0\nin\ndistribution", "1\nsuperficial", "2\nmoderate", "3\nsignificant", "4\nextreme"]


@pytest.mark.slow
def test_several_grades_leave_one_column_per_shift(sweep, draw):
    _, goal = draw(rates, sweep).axes
    assert [text.get_text()[0] for text in goal.get_xticklabels()] == ["1", "2", "3", "4"]


def test_a_study_where_nothing_separates_the_goals(study, draw):
    content = artefacts.read_json(study.rates)
    content["cells"] = [cell for cell in content["cells"] if cell["goal_failure"]["mean"] is None]
    artefacts.write_json(study.rates, content)
    _, goal = draw(rates, study).axes
    assert "no level separates the goals" in goal.texts[0].get_text()


@pytest.mark.slow
def test_many_conditions_are_rows(many, draw):
    figure = draw(rates, many)
    goal = figure.axes[8]  # row 2 of 5 columns, shift 3
    assert [text.get_text() for text in figure.axes[5].get_yticklabels()] == [pretty(f"delta={d:g}") for d in DELTAS]
    means = [collection.get_offsets()[0] for collection in goal.collections if len(collection.get_offsets()) == 1]
    assert {(round(float(y)), round(float(x), 9)) for x, y in means} == {
        (DELTAS.index(float(cell.condition.partition("=")[2])), round(cell.goal_failure.mean, 9))
        for cell in goal_cells(read_rates(many.rates).cells) if cell.shift_type == 3}
