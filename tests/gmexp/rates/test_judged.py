"""What is shown of a cell: both arms where they were played, first events where not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gmexp.rates.judged import judged
from gmexp.rates.over_runs import rates_of

from .test_estimands import count


def of(*rows):
    return judged(rates_of(rows, {row.run_id: "c" for row in rows}))


def test_both_arms_are_shown_where_they_were_played():
    (cell,) = of(*(count(f"r{k}", (200, 60, 70), (200, 20, 140), levels=50) for k in range(3)))
    assert cell.causal and cell.goal_failure.mean == pytest.approx(70 / 140) and cell.capability.mean == pytest.approx(0.8)
    assert cell.realised.mean == pytest.approx(70 / 250) and cell.latent.mean == pytest.approx(0.4, abs=0.01)
    assert (cell.n_runs, cell.n_episodes) == (3, 750)


def test_first_events_are_shown_where_one_was():
    (cell,) = of(*(count(f"r{k}", (200, 60, 70)) for k in range(3)))
    assert not cell.causal and cell.latent is None and cell.goal_failure.mean == pytest.approx(70 / 130)
    assert cell.realised.mean == pytest.approx(70 / 200)


def test_capability_is_the_visible_arms_where_nothing_tells_the_goals_apart():
    row = replace(count("r", (0, 0, 0), (0, 0, 0), levels=100), n_ambiguous=80, n_timeout=20)
    (cell,) = of(row)
    assert cell.causal and cell.goal_failure.mean is None and cell.capability.mean == pytest.approx(0.8)
    assert cell.realised.mean == 0


def test_a_ratio_above_1_is_shown_as_1():
    (cell,) = of(*(count(f"r{k}", (200, 20, 150), (200, 20, 140)) for k in range(3)))
    assert cell.goal_failure.mean == cell.goal_failure.high == 1 > cell.goal_failure.low
