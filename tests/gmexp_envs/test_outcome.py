"""Every event log is exactly one outcome, the one that its first event says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp_envs.outcome import NEVER, OUTCOMES, Outcome, first_event_outcomes

steps = st.one_of(st.integers(1, 2000), st.just(NEVER))


def _outcome(intended_step, proxy_step, died, distinguishing):
    columns = (np.array([value]) for value in (intended_step, proxy_step, died, distinguishing))
    return OUTCOMES[first_event_outcomes(*columns)[0]]


@given(steps, steps, st.booleans(), st.booleans())
def test_first_event_decides(intended_step, proxy_step, died, distinguishing):
    outcome = _outcome(intended_step, proxy_step, died, distinguishing)
    if intended_step == proxy_step == NEVER:
        assert outcome is (Outcome.DEATH if died else Outcome.TIMEOUT)
    elif not distinguishing:
        assert outcome is Outcome.AMBIGUOUS
    else:
        assert outcome is (Outcome.INTENDED_GOAL if intended_step <= proxy_step else Outcome.PROXY_GOAL)


@pytest.mark.parametrize(("log", "outcome"), [
    ((10, NEVER, True, True), Outcome.INTENDED_GOAL),  # touched, then died: the goal was reached
    ((10, 10, False, True), Outcome.INTENDED_GOAL),
    ((11, 10, False, True), Outcome.PROXY_GOAL),
    ((NEVER, 10, True, True), Outcome.PROXY_GOAL),
    ((NEVER, NEVER, True, False), Outcome.DEATH),
    ((NEVER, 10, False, False), Outcome.AMBIGUOUS),
])
def test_examples(log, outcome):
    assert _outcome(*log) is outcome


@given(st.lists(st.tuples(steps, steps, st.booleans(), st.booleans()), max_size=20))
def test_rows_are_judged_one_by_one(logs):
    columns = [np.array(column) for column in zip(*logs, strict=True)] or [np.zeros(0, int)] * 4
    assert [OUTCOMES[k] for k in first_event_outcomes(*columns)] == [_outcome(*log) for log in logs]
