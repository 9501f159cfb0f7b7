"""Rates of one run: known answers, intervals over its own episodes that cover, unknown stays unknown."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmexp.artefacts.records import OutcomeCounts
from gmexp.rates.of_run import rates_of_run

NOBODY = dict(
    experiment_id="e", run_id="r", train_seed=0, eval_seed=0, env="coinrun", learner=None, algo="ppo", shift_type=3,
    shift_name="significant", grade=1.0, spec_quality=1.0, train_diversity=0.0, align_method="standard", demonstrator=None,
    train_steps=1, width=1, n_harmful=None, horizon=1, id_capability=None, config_hash="c", git_sha=None, created_utc="")


def counts(intended: int, proxy: int, rest: int, masked: tuple[int, int, int] | None) -> OutcomeCounts:
    """Of a cell whose every level tells the goals apart; masked is (place, proxy, neither)."""
    blind = {"n_masked": None, "masked_intended": None, "masked_proxy": None} if masked is None else {
        "n_masked": sum(masked), "masked_intended": masked[0], "masked_proxy": masked[1]}
    total = intended + proxy + rest
    return OutcomeCounts(**NOBODY, n_visible=total, n_intended=intended, n_proxy=proxy, n_timeout=rest, n_death=0,
                         n_ambiguous=0, n_distinguishing=total, **blind)


def test_known_answers():
    proxy = rates_of_run(counts(0, 100, 0, (0, 100, 0)))
    assert proxy["goal_failure"].value == proxy["capability"].value == proxy["realised"].value == 1
    intended = rates_of_run(counts(100, 0, 0, (0, 100, 0)))
    assert intended["goal_failure"].value == intended["goal_failure"].low == intended["realised"].value == 0
    assert 0 < intended["goal_failure"].high < 0.1
    half = rates_of_run(counts(40, 40, 20, (0, 80, 20)))
    assert half["goal_failure"].value == pytest.approx(0.5) and half["capability"].value == pytest.approx(0.8)


def test_what_is_unknown_is_left_out():
    assert "goal_failure" not in rates_of_run(counts(0, 0, 9, (9, 0, 0)))
    assert rates_of_run(counts(0, 0, 9, None)).keys() == {"capability", "realised"}
    assert rates_of_run(counts(3, 6, 0, None))["goal_failure"].value == pytest.approx(2 / 3)  # first events
    aligned = dataclasses.replace(counts(0, 0, 2, (0, 0, 0)), n_ambiguous=8, n_visible=10, n_distinguishing=0)
    assert rates_of_run(aligned)["capability"].value == pytest.approx(0.8) and "goal_failure" not in rates_of_run(aligned)


@given(*[st.integers(0, 60) for _ in range(3)], st.tuples(*[st.integers(0, 60) for _ in range(3)]))
def test_values_lie_within_their_intervals(intended, proxy, rest, masked):
    for known in rates_of_run(counts(intended, proxy, rest, masked)).values():
        assert 0 <= known.low <= known.value <= known.high <= 1


def test_intervals_cover_simulated_truths():
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(400):
        failed, blind = rng.binomial(200, 0.35), rng.binomial(200, 0.7)  # goal failure 0.5
        known = rates_of_run(counts(200 - failed, failed, 0, (0, blind, 200 - blind)))["goal_failure"]
        hits.append(known.low <= 0.5 <= known.high)
    assert 0.92 <= np.mean(hits) <= 0.98
