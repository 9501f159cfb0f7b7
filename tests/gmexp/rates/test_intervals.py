"""Intervals: textbook values, degenerate data, and coverage where runs differ."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gmexp.rates.intervals import (
    UNKNOWN, betting, bootstrap, clustered_wilson, difference, mean_of_effects, paired_difference,
    ratio_over_runs, t_on_runs, wilson,
)


def test_wilson_matches_scipy():
    for k, n in ((0, 10), (3, 10), (10, 10), (431, 1000)):
        expected = stats.binomtest(k, n).proportion_ci(0.95, "wilson")
        assert wilson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_t_matches_scipy():
    k, n = np.array([10, 30, 20, 44]), np.array([50, 50, 40, 55])
    expected = stats.ttest_1samp(k / n, 0).confidence_interval(0.95)
    assert t_on_runs(k, n) == pytest.approx((expected.low, expected.high))


def test_nothing_known_gives_no_interval():
    none = np.array([0, 0]), np.array([0, 0])
    rng = np.random.default_rng(0)
    assert wilson(0, 0) == clustered_wilson(*none) == t_on_runs(*none) == bootstrap(*none, rng) == UNKNOWN


def test_runs_without_episodes_say_nothing():
    k, n = np.array([10, 30, 20]), np.array([50, 50, 40])
    assert clustered_wilson(np.append(k, 0), np.append(n, 0)) == clustered_wilson(k, n)


@pytest.mark.parametrize("runs", [1, 2, 4, 10])
@pytest.mark.parametrize("share", [0, 1])
def test_runs_that_agree_completely_still_leave_doubt(runs, share):
    """200 episodes without a failure in each of ten runs do not show that every run is like that."""
    low, high = clustered_wilson(np.full(runs, 200 * share), np.full(runs, 200))
    assert 0 <= low <= high <= 1 and high - low > 0.08
    assert bootstrap(np.full(runs, 200 * share), np.full(runs, 200), np.random.default_rng(0)) == (share, share)


@given(st.lists(st.integers(0, 114), min_size=2, max_size=10), st.data())
@settings(max_examples=200, deadline=None)
def test_removing_one_success_never_shrinks_an_interval_markedly(k, data):
    k, n = np.array(k), np.full(len(k), 114)
    if k.max() == 0:
        return
    fewer = k.copy()
    fewer[data.draw(st.sampled_from(np.flatnonzero(k).tolist()))] -= 1
    before, after = (high - low for low, high in (clustered_wilson(k, n), clustered_wilson(fewer, n)))
    assert after > 0.9 * before - 0.01


def test_five_full_runs_and_one_episode_fewer():
    """The first edition gave [.566, 1] and [.983, .9998]."""
    full = clustered_wilson(np.full(5, 114), np.full(5, 114))
    fewer = clustered_wilson(np.array([114] * 4 + [113]), np.full(5, 114))
    assert full[0] == pytest.approx(fewer[0], abs=0.01) and full[0] < 0.7


def test_coverage_where_a_run_rarely_collapses():
    found = coverage(lambda rng, runs: np.where(rng.random(runs) < 0.1, 0.95, 0.01), 0.104, runs=6, studies=200)
    assert found["clustered"] > 0.9 and found["t"] < 0.6 and found["pooled"] < 0.2


def test_betting_assumes_nothing_and_does_not_mind_the_order():
    k, n = np.array([10, 30, 20, 44]), np.array([50, 50, 40, 55])
    low, high = betting(k, n)
    assert (low, high) == betting(k[::-1], n[::-1]) and low < np.mean(k / n) < high
    assert high - low > np.subtract(*clustered_wilson(k, n)[::-1])
    assert betting(np.array([0]), np.array([0])) == UNKNOWN
    many = betting(np.full(200, 30), np.full(200, 100))
    assert many[0] > 0.2 and many[1] < 0.4
    rng, hits = np.random.default_rng(0), 0
    for _ in range(60):
        low, high = betting(rng.binomial(200, rng.beta(0.05, 0.45, 5)), np.full(5, 200))
        hits += low <= 0.1 <= high
    assert hits >= 57


def test_the_ratio_of_two_arms_is_one_of_means():
    proxy, masked, n = np.array([40, 5, 90]), np.array([80, 10, 100]), np.full(3, 200)
    ratio, low, high = ratio_over_runs(proxy, n, masked, n)
    assert ratio == pytest.approx(135 / 190) and low < ratio < high  # not the mean of .5, .5 and .9
    assert ratio_over_runs(proxy[:1], n[:1], masked[:1], n[:1]) == (0.5, None, None)
    assert ratio_over_runs(proxy, n, 0 * masked, n) == (None, None, None)
    alike = ratio_over_runs(np.full(4, 50), np.full(4, 200), np.full(4, 100), np.full(4, 200))
    assert alike[2] - alike[1] > 0.1  # never less than the episodes' own noise


def test_one_run_is_worth_one_episode():
    low, high = clustered_wilson(np.array([120]), np.array([200]))
    assert low < 0.2 and high > 0.9


def test_order_of_runs_changes_nothing():
    k, n = np.array([10, 30, 20, 44]), np.array([50, 50, 40, 55])
    turned = clustered_wilson(k[::-1], n[::-1])
    assert clustered_wilson(k, n) == pytest.approx(turned, abs=1e-12)


def test_equal_runs_are_no_better_than_independent_episodes():
    low, high = clustered_wilson(np.full(4, 100), np.full(4, 200))
    assert high - low >= np.subtract(*wilson(400, 800)[::-1])


def test_difference_of_two_means():
    """Newcombe's method 10 on his published example: 56/70 against 48/80 gives 0.2 (0.0524, 0.3339)."""
    found = difference((56 / 70, *wilson(56, 70)), (48 / 80, *wilson(48, 80)))
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def coverage(draw, mean: float, runs: int, studies: int = 400, seed: int = 0) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    n = np.full(runs, 200)
    hits = dict.fromkeys(("clustered", "t", "bootstrap", "pooled"), 0)
    for _ in range(studies):
        k = rng.binomial(n, draw(rng, runs))
        for name, (low, high) in {"clustered": clustered_wilson(k, n), "t": t_on_runs(k, n),
                                  "bootstrap": bootstrap(k, n, rng, draws=500),
                                  "pooled": wilson(k.sum(), n.sum())}.items():
            hits[name] += low - 1e-9 <= mean <= high + 1e-9
    return {name: hit / studies for name, hit in hits.items()}


def test_coverage_where_runs_differ():
    """Pooling episodes as independent is the negative control; the bootstrap is short with few runs."""
    found = coverage(lambda rng, runs: rng.beta(0.5, 0.5, runs), 0.5, runs=5)
    assert found["clustered"] > 0.92
    assert found["bootstrap"] < 0.9
    assert found["pooled"] < 0.3


def test_coverage_where_runs_are_all_or_nothing():
    found = coverage(lambda rng, runs: (rng.random(runs) < 0.3).astype(float), 0.3, runs=8)
    assert found["clustered"] > 0.9
    assert found["pooled"] < 0.5


@pytest.mark.slow
def test_coverage_where_runs_are_alike():
    found = coverage(lambda rng, runs: np.full(runs, 0.9), 0.9, runs=8)
    assert found["clustered"] > 0.94
    assert 0.9 < found["pooled"] <= 1


def test_the_bootstrap_draws_runs_and_episodes():
    """Its variance is that of the runs plus that of the episodes within them."""
    k, n = np.array([20, 100, 180]), np.array([200, 200, 200])
    low, high = bootstrap(k, n, np.random.default_rng(0))
    assert low == pytest.approx(0.1, abs=0.03) and high == pytest.approx(0.9, abs=0.03)
    low, high = bootstrap(np.full(3, 100), n, np.random.default_rng(0))
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.25 / 600), rel=0.1)


# --- paired effects ---------------------------------------------------------------------------------------------------

def test_a_paired_difference_has_the_coverage_it_claims():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        u = rng.random(60)
        first, second = u < 0.7, (u + 0.5 * rng.random(60)) % 1 < 0.5
        _, low, high = paired_difference(first, second)
        covered += low <= 0.2 <= high
    assert 0.93 <= covered / 2000 <= 0.98


def test_a_paired_difference_never_loses_its_width():
    same = np.ones(20, bool)
    difference, low, high = paired_difference(same, same)
    assert difference == 0 and low < 0 < high
    difference, low, high = paired_difference(same, ~same)
    assert difference == 1 == high and 0.7 < low < 1
    assert paired_difference(same[:0], same[:0]) == (None, None, None)


def test_the_mean_of_effects_knows_runs_and_their_own_uncertainty():
    mean, low, high = mean_of_effects(np.array([0.1, 0.3]), np.array([0.01, 0.01]))
    assert mean == pytest.approx(0.2) and high - low > 1  # two runs: Student's quantile is 12.7
    assert mean_of_effects(np.array([0.2] * 4), np.array([0.1] * 4))[1:] == pytest.approx((0.15, 0.25))
    assert mean_of_effects(np.array([0.2]), np.array([0.1])) == (0.2, -1.0, 1.0)
