"""Goal probing: exact weights, no gain from noise, the winner's curse shown."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp.mitigations.goal_probing import kept, measured, selected

from ..rates.rows import counts


@given(st.integers(2, 7), st.data())
def test_the_mean_over_all_choices_is_exact(runs, data):
    among = data.draw(st.integers(1, runs))
    keep = data.draw(st.integers(1, among))
    values = np.array(data.draw(st.lists(st.floats(0, 1), min_size=runs, max_size=runs)))
    scores = np.arange(runs, dtype=float)
    every = [values[list(chosen)[:keep]].mean() for chosen in combinations(range(runs), among)]
    assert kept(runs, among, keep).sum() == pytest.approx(1)
    assert selected(scores, values, among, keep) == pytest.approx(np.mean(every))


def test_equal_scores_choose_nobody():
    values = np.array([0.2, 0.9, 0.4])
    assert selected(np.ones(3), values, 2, 1) == pytest.approx(values.mean())


def test_choosing_by_noise_gains_nothing_and_flatters_itself():
    rng, fresh, shown = np.random.default_rng(0), [], []
    for _ in range(300):
        probed, later = rng.normal(0.6, 0.1, (2, 8))
        fresh.append(selected(probed, later, 8, 1))
        shown.append(selected(probed, probed, 8, 1))
    assert np.mean(fresh) == pytest.approx(0.6, abs=0.02) and np.mean(shown) < 0.5  # the winner's curse


@pytest.mark.slow
def test_runs_that_keep_the_goal_are_found():
    proxies = [70, 66, 60, 20, 10, 5]
    own = [counts(s, proxy=k, intended=80 - k) for s, k in enumerate(proxies)]
    probed = [counts(s, 0, proxy=k, intended=80 - k) for s, k in enumerate(proxies)]
    rows, traces = measured(own, probed, "s", "delta 0.3", 0)
    (row,) = rows
    assert row.latent.treated < row.latent.base / 3 and row.latent.relative[1] > 0 and row.price.train_steps == 5
    assert row.control_latent.relative == (0, 0, 0)
    best = {trace.x: trace.y for trace in traces if trace.setting.endswith("best 1") and trace.of.startswith("latent")}
    assert best[1] == pytest.approx(row.latent.base) and best[6] == min(best.values())
    assert measured(own[:2], probed[:2], "s", "delta 0.3", 0) == ([], [])
