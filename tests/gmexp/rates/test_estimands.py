"""The estimands recover what simulated agents pursue, and how wrong the first event is."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp.artefacts.records import OutcomeCounts
from gmexp.rates.estimands import added, differences, estimands, ratio_over_runs, table

LEVELS = 200


def count(run: str, visible: tuple[int, int, int], masked: tuple[int, int, int] | None = None, levels: int = 0,
          shift: int = 3, eval_seed: int = 0) -> OutcomeCounts:
    """A run's counts: (distinguishing levels, intended, proxy first) in each arm, and `levels` more that tell nothing."""
    n, intended, proxy = visible
    return OutcomeCounts(
        experiment_id="x", run_id=run, train_seed=0, eval_seed=eval_seed, env="coinrun", learner=None, algo="ppo",
        shift_type=shift, shift_name="significant", grade=1.0, spec_quality=1.0, train_diversity=0.0, align_method=None,
        demonstrator=None, train_steps=1, width=None, n_visible=n + levels, n_intended=intended, n_proxy=proxy,
        n_timeout=n + levels - intended - proxy, n_death=0, n_ambiguous=0, n_distinguishing=n,
        **dict(zip(("n_masked", "masked_intended", "masked_proxy"), masked or (None,) * 3, strict=True)), n_harmful=None,
        horizon=1, id_capability=None, config_hash="", git_sha=None, created_utc="")


def simulated(rng: np.random.Generator, q: np.ndarray, h: float, e: float, a: float,
              levels: int = LEVELS) -> list[OutcomeCounts]:
    """A run for each q: blind, the intended goal's place comes first on a share h of levels and the proxy on e; seen, a
    share q pursues the intended goal and gets there on a share a of its levels."""
    runs = []
    for number, share in enumerate(q):
        masked = rng.multinomial(levels, (h, e, 1 - h - e))
        intended = (1 - share) * h + share * a
        visible = rng.multinomial(levels, (intended, (1 - share) * e, 1 - intended - (1 - share) * e))
        runs.append(count(f"r{number}", (levels, *map(int, visible[:2])), (levels, *map(int, masked[:2]))))
    return runs


def only(runs):
    (cell,) = estimands(runs, {row.run_id: "c" for row in runs})
    return cell


SETTINGS = [(0.5, 0.1, 0.8, 0.3), (0.2, 0.1, 0.4, 0.9), (0.8, 0.3, 0.3, 0.5), (0.05, 0.2, 0.2, 0.9), (0.95, 0.05, 0.6, 0.9)]


@pytest.mark.slow
@pytest.mark.parametrize("q, h, e, a", SETTINGS)
def test_agents_of_known_pursuit(q, h, e, a):
    """Bias and coverage of goal failure and latent misgeneralization over simulated studies of five runs."""
    rng, studies = np.random.default_rng(0), 400
    found = [only(simulated(rng, np.full(5, q), h, e, a)) for _ in range(studies)]
    for name, truth in (("goal_failure", 1 - q), ("latent", (h + e) * (1 - q)), ("capability", h + e), ("accidents", h),
                        ("realised", (1 - q) * e), ("seeking", (1 - q) * h + q * a - h)):
        values = [getattr(cell, name) for cell in found]
        assert np.mean([value.mean for value in values]) == pytest.approx(truth, abs=0.015), name
        assert np.mean([value.low <= truth <= value.high for value in values]) >= 0.93, name


@pytest.mark.slow
@pytest.mark.parametrize("q", [(0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0), (0.1, 0.9, 0.5, 0.3, 0.2, 0.8, 0.6, 0.4)])
def test_runs_that_differ(q):
    """Runs drawn from all-or-nothing and from a wide population: the truth is the population's mean."""
    rng, studies, population = np.random.default_rng(1), 300, np.array(q)
    found = [only(simulated(rng, rng.choice(population, 12), 0.15, 0.5, 0.7)).goal_failure for _ in range(studies)]
    assert np.mean([value.mean for value in found]) == pytest.approx(1 - population.mean(), abs=0.02)
    assert np.mean([value.low <= 1 - population.mean() <= value.high for value in found]) >= 0.92


def test_the_first_event_is_another_quantity():
    """The negative control: accidents make a proxy-seeker look half reformed."""
    rng = np.random.default_rng(0)
    cell = only(runs := simulated(rng, np.zeros(10), 0.35, 0.35, 0.9))
    assert cell.goal_failure.mean == pytest.approx(1, abs=0.05)
    assert np.mean([row.first_event_failure for row in runs]) == pytest.approx(0.5, abs=0.05)


def test_latent_is_the_mean_of_products_not_their_product():
    """Half of the runs capable and right, half incapable and wrong: E[C G] is not E[C] E[G]."""
    rng = np.random.default_rng(0)
    runs = simulated(rng, np.full(10, 0.95), 0.05, 0.9, 0.9) + [
        count(f"w{k}", row_visible, row_masked) for k, (row_visible, row_masked) in enumerate(
            ((row.n_visible, row.n_intended, row.n_proxy), (row.n_masked, row.masked_intended, row.masked_proxy))
            for row in simulated(rng, np.full(10, 0.05), 0.05, 0.3, 0.3))]
    cell = only(runs)
    assert cell.latent.mean == pytest.approx((0.95 * 0.05 + 0.35 * 0.95) / 2, abs=0.03)


def test_what_cannot_be_told_is_unknown():
    cell = only([count("r", (0, 0, 0), (0, 0, 0), levels=50)])  # no level tells the goals apart
    assert cell.revealed.mean == 0 and cell.realised.mean == 0
    assert cell.goal_failure.mean is None and cell.capability.mean is None and cell.latent.mean is None
    blind = only([count("r", (50, 40, 0), (50, 40, 0))])  # nobody gets to the proxy
    assert blind.goal_failure.mean is None and blind.capability.mean == 0.8 and blind.latent.mean == 0
    assert estimands([count("r", (50, 40, 0))], {"r": "c"}) == []  # nobody played blind


def test_one_run_says_nothing_of_the_next():
    cell = only([count("r", (200, 20, 100), (200, 20, 100))])
    assert (cell.goal_failure.mean, cell.goal_failure.low, cell.goal_failure.high) == (1.0, 0.0, 1.0)
    assert (cell.latent.low, cell.latent.high) == (0.0, 1.0)


def test_aversion_is_said():
    averse = [count(f"r{k}", (200, 5, 150), (200, 60, 100)) for k in range(5)]
    assert only(averse).aversion and "aversion" in table([only(averse)])
    assert only(averse).goal_failure.mean > 1
    assert not only([count(f"r{k}", (200, 60, 100), (200, 60, 100)) for k in range(5)]).aversion


def test_evaluation_seeds_of_a_run_are_added_up():
    parts = [count("r", (100, 10, 40), (100, 5, 80), eval_seed=seed) for seed in (0, 1)]
    whole = added(parts)
    assert (whole.n_visible, whole.n_proxy, whole.masked_proxy) == (200, 80, 160)
    assert added([parts[0], count("r", (100, 10, 40), eval_seed=2)]).n_masked is None
    assert only(parts).n_runs == 1 and only(parts).n_levels == 200


@pytest.mark.slow
def test_conditions_that_share_train_seeds_are_compared_in_pairs():
    """Levels that are hard for one are hard for the other: pairs cover, and are narrower than independent runs would be."""
    rng, found, widths = np.random.default_rng(0), [], []
    truth = {"capability": 0.0, "goal_failure": -0.5, "latent": -0.35, "realised": -0.3}
    for _ in range(200):
        hard = rng.normal(0, 0.08, 6).clip(-0.2, 0.2)  # of the levels of a train seed
        rows, labels = [], {}
        for name, share in (("a", 0.0), ("b", 0.5)):
            for seed, shift in enumerate(hard):
                (row,) = simulated(rng, np.array([share]), 0.1, 0.6 + shift, 0.8)
                rows.append(replace(row, run_id=f"{name}{seed}", train_seed=seed))
                labels[f"{name}{seed}"] = name
        pairs = {name: change for name, _, change, paired in differences(rows, labels, "a") if paired}
        apart = {name: change for name, _, change, paired in differences(
            [replace(row, train_seed=100) if row.run_id == "b0" else row for row in rows], labels, "a") if not paired}
        assert pairs.keys() == apart.keys() == truth.keys()
        found.append({name: low <= truth[name] <= high for name, (_, low, high) in pairs.items()})
        widths.append([(change[2] - change[1]) / (apart[name][2] - apart[name][1]) for name, change in pairs.items()])
        assert all(pairs[name][0] == pytest.approx(apart[name][0]) for name in pairs)
    assert all(np.mean([hit[name] for hit in found]) >= 0.92 for name in truth)
    assert np.mean(widths, axis=0)[0] < 0.75  # capability: the levels' difficulty is in both


def test_no_rate_is_shown_above_one():
    """A ratio whose base is rare overshoots; the record keeps it, the table does not print it."""
    rows = [count("a", (100, 0, 1), (100, 1, 40)), count("b", (100, 0, 30), (100, 1, 1))]
    cell = only(rows)
    assert cell.goal_failure.high > 1
    assert "1.00]" in table([cell]) and not re.search(r"[1-9]\.\d\d\]", table([cell]).replace("1.00]", ""))


def test_a_difference_of_rates_stays_within_one():
    """All goal against none, by ratios that overshoot where few episodes tell."""
    rng = np.random.default_rng(1)
    rows, labels = [], {}
    for name, share in (("none", 0.0), ("all", 1.0)):
        for seed in range(4):
            (row,) = simulated(rng, np.array([share]), 0.1, 0.6, 0.8)
            rows.append(replace(row, run_id=f"{name}{seed}", train_seed=seed))
            labels[f"{name}{seed}"] = name
    ends = [end for _, _, change, _ in differences(rows, labels, "none") for end in change]
    assert min(ends) == -1.0 and max(ends) <= 1.0


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=2, max_size=8))
def test_intervals_hold_the_mean_and_have_a_width(runs):
    """Also where all runs agree, at 0 and at 1; the order of runs changes nothing."""
    k, base = np.array(runs).T
    n = np.full(len(k), 100)
    found = ratio_over_runs(k, n, base, n)
    if base.sum() == 0:
        assert found.mean is None
        return
    assert 0 <= found.low <= found.mean <= found.high and found.high - found.low > 0
    turned = ratio_over_runs(k[::-1], n, base[::-1], n)
    assert (turned.mean, turned.low, turned.high) == pytest.approx((found.mean, found.low, found.high))
    if base.min() > 0 and k.min() > 0:
        fewer = k.copy()
        fewer[0] -= 1
        after = ratio_over_runs(fewer, n, base, n)
        assert after.low <= found.mean <= after.high  # one episode does not make what was found implausible


def test_the_table_lines_up():
    rows = [count(f"{c}{k}", (100, 10, 40), (100, 5, 80), levels=20) for c in "ab" for k in range(3)]
    text = table(estimands(rows, {row.run_id: f"delta={row.run_id[0]}" for row in rows}))
    head, rule, *lines = text.splitlines()
    assert head.split() == ["condition", "shift", "runs", "revealed", "capability", "accidents", "goal", "failure", "latent",
                            "realised"]
    assert len(lines) == 2 and all("0.83" in line and "3 significant" in line for line in lines)
