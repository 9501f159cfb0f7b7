"""Episodes on chosen levels: the same levels as drawn ones, the goal where it is put, nothing else disturbed."""

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import split_levels
from gmexp_envs.chosen import AT_PROXY, AWAY, BY_SEED
from gmexp_envs.coinrun import layout as L

from ..leaving_alone import assert_others_are_left_alone

N = 32


def make(seed=5, **options):
    env = gmexp_envs.make_vec("coinrun", N, mode="easy", rho=0.5, appearance=0.0, levels=split_levels("train"), seed=seed,
                              by_content=True, **options)
    env.reset()
    return env


def everything(env):
    parts = env.state()
    names = ("body", "facts", "grid", "classes", "appearance")
    return {name: parts[f"world.{name}"] for name in names}


def test_a_chosen_level_is_the_one_that_would_be_drawn():
    env, other = make(), make(seed=9)
    seeds = env.present.level_seed.copy()
    expected, window = everything(env), env._observation(env.rows).window.copy()
    seen = other.begin_at(other.rows, seeds, np.full((N, 2), BY_SEED))
    for name, array in everything(other).items():
        np.testing.assert_array_equal(array, expected[name], name)
    np.testing.assert_array_equal(seen.window, window)
    other.begin_at(other.rows, seeds, env.goal_cells)  # by its cell
    for name in ("facts", "grid", "classes"):
        columns = slice(None) if name != "facts" else [L.SEED, L.COIN_X, L.COIN_Y, L.DISTINGUISHING]
        np.testing.assert_array_equal(everything(other)[name][:, columns], expected[name][:, columns], name)


def test_streams_and_other_instances_are_left_alone():
    assert_others_are_left_alone(make(), make(), everything)


def test_the_goal_is_where_it_is_put():
    env = make()
    seeds = env.present.level_seed.copy()
    env.begin_at(env.rows, seeds, np.full((N, 2), (AT_PROXY, 0)))
    assert (env.present.placement == 1).all() and not env.present.distinguishing.any()
    lots = np.stack([np.full(N, AWAY), np.arange(N)], 1)
    env.begin_at(env.rows, seeds, lots)
    first, apart = env.goal_cells.copy(), env.present.distinguishing.astype(bool)
    assert apart.mean() > 0.8
    env.begin_at(env.rows, seeds, lots + [0, 99])
    assert (first != env.goal_cells).any(1).mean() > 0.5  # another lot, another place
    env.begin_at(env.rows, seeds, np.full((N, 2), (2, 0)))  # in the ground: where the seed has it
    own = env.goal_cells.copy()
    env.begin_at(env.rows, seeds, np.full((N, 2), BY_SEED))
    np.testing.assert_array_equal(own, env.goal_cells)
    assert (env.agent_cells == [1, 1]).all()


@pytest.mark.parametrize("seeds, places, words", [
    ([1], np.zeros((2, 2)), "instances need"), ([1, -1], np.zeros((2, 2)), "not within"),
    ([1, 2], np.zeros((2, 3)), "instances need")])
def test_levels_that_do_not_fit_are_refused(seeds, places, words):
    with pytest.raises(ValueError, match=words):
        make().begin_at(np.array([0, 1]), np.array(seeds), places)
