"""The quadrant chart holds what is published and what is measured."""

import numpy as np

from gmexp.calculator import table
from gmexp.figures import chart
from gmexp.figures.data import StudyData


def points(axis):
    return {tuple(np.round(xy, 9)) for dots in axis.collections for xy in dots.get_offsets().tolist()}


def test_the_chart_holds_what_is_published_and_what_is_measured(finished, draw):
    (axis,) = draw(chart, finished).axes
    assert {(row["capability_risk"], row["goal_risk"]) for row in table("chart")} <= points(axis)
    for row in StudyData(finished).base_rates:
        assert (round(1 - row.published["capability"], 9), row.published["goal_failure"]) in points(axis)
        for condition in row.conditions:
            assert (round(1 - condition.capability.mean, 9), condition.goal_failure.mean) in points(axis)
