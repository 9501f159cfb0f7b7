"""Episodes on chosen levels: those that would be drawn, with two chests for every key, or without."""

import numpy as np

import gmexp_envs
from gmexp_envs import split_levels
from gmexp_envs.chosen import AT_PROXY, AWAY, BY_SEED

from ..leaving_alone import assert_others_are_left_alone

N = 32


def make(rho=0.5, seed=5):
    env = gmexp_envs.make_vec("keys_and_chests", N, mode="easy", rho=rho, levels=split_levels("train"), seed=seed,
                              by_content=True)
    env.reset()
    return env


def everything(env):
    """What an instance holds of its level; its objects as far as there are any."""
    parts = env.state()
    return {name: parts[f"world.{name}"].copy() for name in ("facts", "grid", "classes", "clock", "body", "appearance")}


def assert_same(env, other):
    theirs = everything(other)
    for name, array in everything(env).items():
        np.testing.assert_array_equal(array, theirs[name], name)


def test_a_chosen_level_is_the_one_that_would_be_drawn():
    env, other = make(), make(seed=9)
    seeds = env.present.level_seed.copy()
    for places in (np.full((N, 2), BY_SEED), env.goal_places, np.full((N, 2), (2, 2))):  # a cell is no place for that
        other.step(np.full(N, 7, np.int32))
        seen = other.begin_at(other.rows, seeds, places)
        assert_same(env, other)
        np.testing.assert_array_equal(seen.window, env._observation(env.rows).window)


def test_keys_and_chests_are_as_many_as_they_are_told_to_be():
    env, seeds = make(), np.arange(100, 100 + N)
    for place, rho in ((AT_PROXY, 1.0), (AWAY, 0.0)):
        env.begin_at(env.rows, seeds, np.full((N, 2), (place, 0)))
        other = make(rho=rho)
        other.begin_at(other.rows, seeds, np.full((N, 2), BY_SEED))
        assert_same(env, other)
        assert (env.goal_places == (place, 0)).all() and (env.present.placement == (place == AT_PROXY)).all()


def test_streams_and_other_instances_are_left_alone():
    assert_others_are_left_alone(make(), make(), everything)
