"""From counts to arrays: what counts, what is added up, what must not matter, what stays unknown."""

import random
from dataclasses import replace

import numpy as np
import pytest

from gmexp.statistics.design import FIRST_EVENT, TWO_ARMS, build_design
from gmexp.statistics.simulate import synthetic_counts
from gmexp.support.errors import UserError

COUNTS = synthetic_counts(runs=3, episodes=50, envs=2)


def test_both_arms_of_every_run_and_level():
    design = build_design(COUNTS)
    assert design.estimand == TWO_ARMS
    for i in range(len(design.run)):
        level, c = design.shifts[design.shift[i]], design.conditions[design.condition[i]]
        row, = (r for r in COUNTS if (r.env, r.shift_type, r.train_diversity, r.run_id)
                == (c.env, level.type, c.train_diversity, design.run_ids[design.run[i]]))
        assert tuple(design.masked[i]) == (
            row.masked_intended,
            row.masked_proxy,
            row.n_masked - row.masked_intended - row.masked_proxy,
        )
        assert tuple(design.visible[i]) == (row.n_intended, row.n_proxy, row.n_distinguishing - row.capable)
        assert design.revealed[design.shift[i], design.condition[i]] == pytest.approx(
            np.mean(
                [
                    r.revealed
                    for r in COUNTS
                    if (r.env, r.shift_type, r.train_diversity) == (c.env, level.type, c.train_diversity)
                ]
            )
        )


def test_without_a_masked_arm_first_events_are_used_and_named():
    design = build_design(synthetic_counts(runs=2, masked=False))
    assert design.estimand == FIRST_EVENT and not design.masked.any() and design.reached.sum() > 0


def test_order_and_names_change_nothing():
    names = {"env0": "zebra", "env1": "apple"}
    shuffled = [replace(row, env=names[row.env], run_id=f"x{row.run_id}", experiment_id="other") for row in COUNTS]
    random.Random(3).shuffle(shuffled)
    one, other = build_design(COUNTS), build_design(shuffled)
    for name in (
        "x",
        "run_condition",
        "run_seed",
        "run",
        "shift",
        "masked",
        "visible",
        "reached",
        "revealed",
        "condition_env",
    ):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True)
    assert [names[e] for e in one.envs] == list(other.envs)


def test_evaluation_seeds_are_added_up_and_rows_without_episodes_say_nothing():
    again = [replace(row, eval_seed=1) for row in COUNTS]
    assert np.array_equal(build_design([*COUNTS, *again]).visible, 2 * build_design(COUNTS).visible)
    empty = replace(COUNTS[0], run_id="none", n_visible=0, n_intended=0, n_proxy=0, n_timeout=0, n_death=0, n_ambiguous=0,
                    n_distinguishing=0, n_masked=0, masked_intended=0, masked_proxy=0)
    assert np.array_equal(build_design([*COUNTS, empty]).masked, build_design(COUNTS).masked)


def test_a_distinguishing_set_speaks_only_where_the_shift_itself_cannot():
    plain = [row for row in COUNTS if row.shift_type in (1, 3) and row.env == "env0" and row.train_diversity == 0]
    probes = [replace(row, shift_type=1, shift_name="superficial", probe=True) for row in plain if row.shift_type == 3]
    design = build_design([*plain, *probes])
    assert np.array_equal(design.visible[design.shift == 0], design.visible[design.shift == 1])
    assert np.nanmax(design.revealed[0]) == 0  # the shift's own levels still tell nothing apart
    both = build_design([*plain, *(replace(row, shift_type=3, shift_name="significant") for row in probes)])
    assert np.array_equal(both.visible, build_design(plain).visible)


def test_what_differs_besides_the_seed_is_another_condition():
    other = [replace(row, learner="ppo, another rate") if row.run_id.endswith("r1") else row for row in COUNTS]
    assert len(build_design(other).conditions) == 2 * len(build_design(COUNTS).conditions)
    assert build_design(other).learners != build_design(COUNTS).learners


def test_unknown_stays_unknown():
    unknown = [replace(row, train_diversity=None) for row in COUNTS if row.train_diversity == 0]
    design = build_design(unknown)
    assert design.conditions[0].train_diversity is None and design.covariates.held["div"] is None
    partly = build_design([*unknown, *(row for row in COUNTS if row.train_diversity), *(
        replace(row, run_id="z", train_diversity=0.1) for row in COUNTS if row.run_id == "d0-r0")])
    assert np.isnan(partly.x).any() and np.isfinite(partly.x).any()


def test_seeds_count_only_where_conditions_share_them():
    assert build_design(COUNTS).run_seed.max() == 5
    assert build_design([replace(row, train_seed=0) for row in COUNTS]).run_seed.max() == -1


def test_a_run_under_two_conditions_is_refused():
    with pytest.raises(UserError, match="two training conditions"):
        build_design([*COUNTS, replace(COUNTS[0], train_diversity=0.7)])
    with pytest.raises(UserError, match="no counts"):
        build_design([])


def test_a_budget_is_counted_from_the_usual_one_of_its_environment():
    """Half a million steps are the usual budget of a maze: no less training than a platform game's three million."""
    plain = replace(COUNTS[0], train_diversity=0.0)
    rows = [replace(plain, env=env, run_id=f"{env}{i}", train_steps=steps)
            for env, steps in (("maze", 500_000), ("coinrun", 3_000_000)) for i in range(3)]
    assert "steps" not in build_design(rows).covariates.names
    design = build_design([*rows, replace(plain, env="coinrun", run_id="short", train_steps=300_000)])
    assert design.covariates.steps == {"maze": 500_000, "coinrun": 3_000_000}
    places = {(c.env, c.train_steps): design.x[i, design.covariates.names.index("steps")]
              for i, c in enumerate(design.conditions)}
    assert places == pytest.approx({("maze", 500_000): 0.0, ("coinrun", 3_000_000): 0.0, ("coinrun", 300_000): -1.0})
