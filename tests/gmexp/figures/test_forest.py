"""The forest shows posteriors, runs, and where no run stands behind a mean."""

import numpy as np
import pytest

from gmexp.artefacts.condition import pretty
from gmexp.figures import forest

from .conftest import DELTAS


@pytest.mark.slow
def test_the_forest_shows_where_no_run_stands_behind_a_mean(finished, draw):
    capability, goal = draw(forest, finished).axes
    means = [dots for dots in goal.collections if len(dots.get_offsets()) == 1 and dots.get_sizes()[0] == 24]
    hollow = [dots.get_offsets()[0, 1] for dots in means if dots.get_facecolor()[0].tolist() == [1, 1, 1, 1]]
    assert len(means) == 10 and hollow == [0, 1]  # goal failure in distribution, both conditions
    ends = {tuple(np.round(line.get_xdata(), 9)) for line in goal.lines}
    assert (0.55, 0.75) in ends  # 0.5 + 0.05 x 3 of the first condition under shift 3, give or take 0.1
    assert [text.get_text() for text in capability.get_yticklabels()][3] == "3 significant"


@pytest.mark.slow
def test_many_conditions_are_rows(many, draw):
    left = draw(forest, many).axes[0]
    assert [text.get_text() for text in left.get_yticklabels()] == [pretty(f"delta={delta:g}") for delta in DELTAS] * 5


def test_without_a_calibration_there_is_none(study, draw):
    study.calibration.unlink()
    assert draw(forest, study) is None
