"""From counts to arrays: what counts as a trial, what is added up, and what must not matter."""

import random
from dataclasses import replace

import numpy as np
import pytest

from gmexp.statistics.design import CAPABILITY, GOAL, build_design
from gmexp.statistics.simulate import synthetic_counts
from gmexp.support.errors import UserError

COUNTS = synthetic_counts(runs=3, episodes=50)


def same(a, b):
    return a.shifts == b.shifts and a.conditions == b.conditions and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("x", "run_condition", "stage", "run", "shift",
                                                                        "y", "n"))


def test_stages_follow_the_definitions():
    design = build_design(COUNTS)
    first = [c for c in COUNTS if c.run_id == "d0-r0"]
    totals = {}
    for s in range(5):
        plain, probe = ([c for c in first if c.shift_type == s and c.probe == p][0] for p in (False, True))
        totals[CAPABILITY, s] = (plain.n_intended + plain.n_proxy + plain.n_ambiguous, plain.n_episodes)
        n = plain.capable + probe.capable
        if n:
            totals[GOAL, s] = (plain.n_proxy + probe.n_proxy, n)
    run = [i for i in range(len(design.run_ids)) if design.run_ids[i] == "d0-r0"][0]
    rows = design.run == run
    found = {(int(k), int(s)): (int(y), int(n)) for k, s, y, n in zip(
        design.stage[rows], design.shift[rows], design.y[rows], design.n[rows], strict=True)}
    assert found == totals


def test_order_and_names_change_nothing():
    shuffled = list(COUNTS)
    random.Random(3).shuffle(shuffled)
    renamed = [replace(c, run_id=f"x{hash(c.run_id) % 997}-{c.run_id[::-1]}", experiment_id="other") for c in COUNTS]
    assert same(build_design(COUNTS), build_design(shuffled))
    assert same(build_design(COUNTS), build_design(renamed))


def test_splitting_a_run_by_evaluation_seed_changes_nothing():
    split = []
    for c in COUNTS:
        parts = {name: getattr(c, name) for name in ("n_intended", "n_proxy", "n_timeout", "n_death", "n_ambiguous")}
        half = {name: value // 2 for name, value in parts.items()}
        rest = {name: value - half[name] for name, value in parts.items()}
        split += [replace(c, eval_seed=seed, n_episodes=sum(part.values()), **part)
                  for seed, part in ((1, half), (2, rest))]
    assert same(build_design(COUNTS), build_design(split))


def test_rows_without_trials_are_left_out_and_unmeasured_shifts_kept():
    only = [c for c in COUNTS if c.shift_type == 1 and not c.probe and c.train_diversity == 0]
    design = build_design(only)  # superficial shift without diversity separates nothing
    assert set(design.stage) == {CAPABILITY}
    assert [level.type for level in design.shifts] == [0, 1, 2, 3, 4]


def test_one_run_has_one_condition():
    with pytest.raises(UserError, match="two training conditions"):
        build_design([COUNTS[0], replace(COUNTS[1], train_diversity=0.9)])


def test_the_same_run_id_in_two_experiments_is_two_runs():
    twice = [*COUNTS, *(replace(c, experiment_id="second") for c in COUNTS)]
    assert len(build_design(twice).run_ids) == 2 * len(build_design(COUNTS).run_ids)


def test_nothing_to_fit():
    with pytest.raises(UserError, match="no counts"):
        build_design([])


def test_covariates_are_signed_towards_risk_and_centred():
    design = build_design(COUNTS)
    c = design.covariates
    none = {"spec_quality": None, "capability": None, "diversity": None, "method": None, "steps": None}
    x = {name: dict(zip(c.names, c.columns(**{**none, **setting}), strict=True)) for name, setting in {
        "poor_spec": {"spec_quality": 0.2}, "good_spec": {"spec_quality": 0.9}, "narrow": {"diversity": 0.0},
        "diverse": {"diversity": 0.3}, "weak": {"capability": "below_human"}, "strong": {"capability": "superhuman"},
        "cloned": {"method": "behavioral_cloning"}, "novel": {"method": "prayer"}}.items()}
    assert x["poor_spec"]["spec"] - x["good_spec"]["spec"] == pytest.approx(1)
    assert x["narrow"]["div"] - x["diverse"]["div"] == pytest.approx(1)
    assert x["strong"]["cap"] - x["weak"]["cap"] == pytest.approx(1)
    assert x["cloned"]["align:behavioral_cloning"] == 1 and x["cloned"]["align:other"] == 0
    assert x["novel"]["align:other"] == 1 and x["novel"]["align:behavioral_cloning"] == 0
    assert np.allclose(design.x.mean(axis=0), 0)
