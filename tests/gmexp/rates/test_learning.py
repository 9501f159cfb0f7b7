"""How fast runs learned, from curves whose answer is known."""

import numpy as np
import pytest

from gmexp.artefacts.table import Table
from gmexp.rates import learning
from gmexp.rates.learning import GOALS, Learning, Reached, WINDOW, by_condition, learned, smoothed

from ..fabricate import fabricate


def curve(success: list[float | None], episodes: list[int] | None = None) -> Table:
    n = len(success)
    return Table.from_pydict({"steps": np.arange(1, n + 1) * 1000, "seconds": np.arange(1, n + 1) * 0.5,
                              "episodes": episodes or [10] * n, "success": np.array(success, float)})


def test_an_episode_counts_as_an_episode():
    table = curve([0.0, 1.0] * 30, [30, 10] * 30)
    assert smoothed(table)[WINDOW:] == pytest.approx(0.25)


def test_iterations_without_episodes_count_nothing():
    table = curve([None, 1.0] * 30)
    assert np.isnan(smoothed(table)[0]) and smoothed(table)[1:] == pytest.approx(1.0)


def test_a_goal_is_reached_when_the_whole_window_says_so():
    """A run that always succeeds has reached everything after the first full window, not at its first episode."""
    found = learned("a", "c", curve([1.0] * 50))
    assert found == Learning("a", "c", 50_000, 25.0, 1.0, tuple(Reached(g, WINDOW * 1000, WINDOW / 2) for g in GOALS))


def test_the_first_time_counts_and_the_end_is_the_end():
    found = learned("a", "c", curve([0.82] * 30 + [0.1] * 40))
    assert [r.success for r in found.reached] == [0.8] and found.success == pytest.approx(0.1)


def test_what_was_never_counted_is_unknown():
    assert learned("a", "c", curve([None] * 50)) is None


@pytest.mark.slow
def test_a_study_says_how_fast_its_runs_learned(tmp_path):
    study = fabricate(tmp_path)
    learning.write(study)
    found = learning.read(study)
    assert {item.run_id for item in found} == {run.run_id for run in study.runs()}
    text = learning.table(found)
    assert text.count("\n") == 2 and "delta=0.3" in text
    for item in found:
        assert item.steps == 2_000_000 and all(item.success >= 0.75 for _ in item.reached)


def test_a_condition_reached_what_most_of_its_runs_reached():
    """Medians count the runs that never got there as slower than the others."""
    runs = [Learning(f"r{s}", "delta=0", 3_000_000, 60.0, 0.8, (Reached(0.8, 10**6 * s, 10.0 * s),) * (s < 3))
            for s in (1, 2, 3)]
    (row,) = by_condition(runs)
    assert row.goals == (Reached(0.8, 2_000_000, 20.0), None, None) and (row.runs, row.success) == (3, pytest.approx(0.8))
    assert by_condition(runs[1:])[0].goals == (None, None, None)
    assert "2.0M, 20 s" in learning.table(runs)
