"""Goal failure from narrow to broad training."""

import numpy as np
import pytest

from gmexp.figures import diversity


@pytest.mark.slow
def test_diversity_runs_from_narrow_to_broad(sweep, draw):
    (axis,) = draw(diversity, sweep).axes
    assert [text.get_text() for text in axis.get_xticklabels()] == ["0", "0.1", "0.3"]
    lines = [line for line in axis.lines if len(line.get_xdata()) == 3]
    assert len(lines) == 4 and all(np.all(np.diff(line.get_ydata()) < 0) for line in lines)


def test_two_conditions_are_no_trend(finished, draw):
    assert draw(diversity, finished) is None
