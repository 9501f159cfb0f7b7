"""Every grade is a point of a line."""

import numpy as np
import pytest

from gmexp.figures import grades
from gmexp.rates.over_runs import goal_cells, read_rates

from ..fabricate import SHIFTS


@pytest.mark.slow
def test_every_grade_is_a_point_of_a_line(sweep, draw):
    axes = np.reshape(draw(grades, sweep).axes, (2, 4))
    cells = goal_cells(read_rates(sweep.rates).cells)
    for shift, axis in enumerate(axes[1], start=1):
        means = [line for line in axis.lines if line.get_marker() == "o"]
        assert len(axis.lines) == len(means) + 3 * 2  # and a line for every run
        for line, condition in zip(means, ("delta=0", "delta=0.1", "delta=0.3"), strict=True):
            expected = {c.grade: c.goal_failure.mean for c in cells
                        if c.shift_type == shift and c.condition == condition}
            assert dict(zip(*line.get_data(), strict=True)) == expected
    assert [axis.get_title(loc="left") for axis in axes[0]] == [f"{s} {SHIFTS[s]}" for s in (1, 2, 3, 4)]
    assert all(0 in axis.lines[0].get_xdata() for axis in axes[0])  # the training distribution is grade 0


def test_one_grade_is_no_line(finished, draw):
    assert draw(grades, finished) is None
