"""Base rates stand beside the published ones."""

from gmexp.figures import base_rates
from gmexp.figures.data import StudyData

from .test_chart import points


def test_base_rates_stand_beside_the_published(finished, draw):
    axes = draw(base_rates, finished).axes
    for axis, key in zip(axes, ("capability", "goal_failure", "p_misgen"), strict=True):
        for x, row in enumerate(StudyData(finished).base_rates):
            assert (x, row.published[key]) in points(axis)
            heights = {y for place, y in points(axis) if round(place) == x}
            assert {getattr(condition, key).mean for condition in row.conditions} <= heights
