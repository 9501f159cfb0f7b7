"""The buffer of prioritised level replay: ranks, staleness without a head start, capacity, no level twice in a draw."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp.mitigations.buffer import LevelBuffer, Levels


def levels(scores, drawn=0, first=0):
    n = len(scores)
    return Levels(np.arange(first, first + n), np.full((n, 2), 5), np.zeros(n, bool), np.array(scores, float), np.zeros(n),
                  np.full(n, np.nan), np.full(n, drawn))


def buffer(scores, capacity=100, temperature=0.1, staleness=0.1):
    made = LevelBuffer(capacity, temperature, staleness)
    made.add(levels(scores))
    return made


def test_ranks_decide_by_the_temperature():
    chances = buffer([1.0, 3.0, 2.0], temperature=0.5, staleness=0.0).probabilities(0)
    assert chances == pytest.approx(np.array([1 / 9, 1, 1 / 4]) / (1 + 1 / 4 + 1 / 9))


def test_staleness_is_what_passed_since_the_last_draw():
    """The published bug adds 1 to it: then what was drawn just now would still have a share."""
    made = buffer([1.0, 1.0, 1.0], temperature=1.0, staleness=1.0)
    made.levels.drawn[:] = [10, 7, 9]
    assert made.probabilities(10) == pytest.approx([0, 3 / 4, 1 / 4])
    made.levels.drawn[:] = 10
    assert made.probabilities(10) == pytest.approx([1 / 3] * 3)  # nothing is stale: evenly


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=30), st.integers(0, 2**32))
def test_a_draw_has_no_level_twice_and_is_noted(scores, seed):
    made = buffer(scores)
    assert made.probabilities(3).sum() == pytest.approx(1)
    rows = made.draw(3, 3, np.random.default_rng(seed))
    assert len(set(rows.tolist())) == 3 and (made.levels.drawn[rows] == 3).all()
    with pytest.raises(ValueError, match="are wanted of a buffer"):
        made.draw(len(scores) + 1, 4, np.random.default_rng(0))


@pytest.mark.slow
def test_draws_follow_the_probabilities():
    made = buffer([0.0, 1.0, 2.0, 3.0], temperature=1.0, staleness=0.0)
    first = np.bincount([made.draw(1, 0, np.random.default_rng(k))[0] for k in range(4000)], minlength=4) / 4000
    assert first == pytest.approx(made.probabilities(0), abs=0.03)


def test_the_lowest_scores_make_room_and_known_levels_are_renewed():
    made = buffer([1.0, 2.0, 3.0], capacity=3)
    made.add(levels([9.0], first=7))
    assert sorted(made.levels.score) == [2, 3, 9]
    again = levels([5.0], drawn=4, first=7)
    again.best[:] = 2.0
    made.add(again)
    assert len(made) == 3 and sorted(made.levels.score) == [2, 3, 5] and made.levels.best.max() == 2
    copy = LevelBuffer(3, 0.1, 0.1)
    copy.restore(made.state())
    assert np.array_equal(copy.probabilities(5), made.probabilities(5))
