"""AUROC and thresholds: known answers and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp.rates.detectors import auroc, over_runs, threshold_at

scores = st.lists(st.integers(0, 20), min_size=1, max_size=30).map(lambda values: np.array(values, float))


def test_known_answers():
    assert auroc(np.array([3.0, 4]), np.array([1.0, 2])) == 1 and auroc(np.array([1.0]), np.array([2.0])) == 0
    assert auroc(np.ones(5), np.ones(7)) == 0.5
    assert auroc(np.zeros(0), np.ones(2)) is None
    assert over_runs([0.4, None, 0.6])[0] == pytest.approx(0.5) and over_runs([0.5, None]) is None


@given(scores, scores)
def test_auroc_is_the_share_of_pairs(wrong, right):
    pairs = (wrong[:, None] > right).mean() + 0.5 * (wrong[:, None] == right).mean()
    assert auroc(wrong, right) == pytest.approx(pairs)
    assert auroc(right, wrong) == pytest.approx(1 - pairs)


@given(scores, st.floats(0.01, 0.5))
def test_a_threshold_is_exceeded_by_no_more_than_it_may(values, false):
    assert (values > threshold_at(values, false)).mean() <= false + 1e-12  # shares are rounded
