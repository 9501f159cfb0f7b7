"""Episodes on chosen levels: the same mazes as drawn ones, the goal where it is put, nothing else disturbed."""

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import split_levels
from gmexp_envs.chosen import AT_PROXY, AWAY, BY_SEED
from gmexp_envs.maze import layout as L

from ..leaving_alone import assert_others_are_left_alone

N = 32


def make(game="maze", seed=5, **knobs):
    env = gmexp_envs.make_vec(game, N, mode="easy", rho=0.5, levels=split_levels("train"), seed=seed, by_content=True,
                              **knobs)
    env.reset()
    return env


def everything(env):
    parts = env.state()
    return {name: parts[f"world.{name}"].copy() for name in ("facts", "grid", "way", "clock", "gains", "appearance")}


def assert_same(env, expected):
    for name, array in everything(env).items():
        np.testing.assert_array_equal(array, expected[name], name)


@pytest.mark.parametrize("game, knobs", [
    ("maze", {}), ("maze", {"placement": "uniform", "spec_quality": 0.5}), ("maze_line_and_gem", {}),
    ("maze_line_and_gem", {"placement": "uniform"})])
def test_a_chosen_level_is_the_one_that_would_be_drawn(game, knobs):
    env, other = make(game, **knobs), make(game, seed=9, **knobs)
    seeds, expected, window = env.present.level_seed.copy(), everything(env), env._observation(env.rows).window.copy()
    other.step(np.full(N, 7, np.int32))
    for places in (np.full((N, 2), BY_SEED), env.goal_places):
        seen = other.begin_at(other.rows, seeds, places)
        assert_same(other, expected)
        np.testing.assert_array_equal(seen.window, window)


@pytest.mark.parametrize("game", ["maze", "maze_line_and_gem"])
def test_told_to_be_together_or_apart_they_are_as_a_correlation_of_one_or_none_has_them(game):
    env = make(game)
    seeds = np.arange(100, 100 + N)
    for place, rho in ((AT_PROXY, 1.0), (AWAY, 0.0)):
        env.begin_at(env.rows, seeds, np.full((N, 2), (place, 0)))
        other = gmexp_envs.make_vec(game, N, mode="easy", rho=rho, levels=split_levels("train"), seed=0, by_content=True)
        other.begin_at(other.rows, seeds, np.full((N, 2), BY_SEED))
        expected = everything(other)
        assert_same(env, expected)
        assert (env.present.placement == (place == AT_PROXY)).all()


def test_the_cheese_is_where_it_is_put():
    env = make()
    seeds, corner = env.present.level_seed.copy(), env.world.facts[:, [L.PROXY_X, L.PROXY_Y]].copy()
    env.begin_at(env.rows, seeds, corner)
    assert (env.present.placement == 1).all() and not env.present.distinguishing.any()
    lots = np.stack([np.full(N, AWAY), 1 + np.arange(N)], 1)
    env.begin_at(env.rows, seeds, lots)
    first, apart = env.goal_cells.copy(), env.present.distinguishing.astype(bool)
    assert apart.mean() > 0.8 and (env.present.placement[apart] == 0).all()
    np.testing.assert_array_equal(env.world.grid[env.rows, first[:, 1], first[:, 0]], L.GOAL)
    assert (env.world.grid == L.GOAL).sum() == N
    expected = everything(env)
    env.begin_at(env.rows, seeds, first)  # by its cell
    assert_same(env, expected)
    env.begin_at(env.rows, seeds, lots + [0, 99])
    assert (first != env.goal_cells).any(1).mean() > 0.5  # another lot, another place
    start = env.agent_cells.copy()
    env.begin_at(env.rows, seeds, np.full((N, 2), BY_SEED))
    expected = everything(env)
    for nowhere in (start, np.zeros((N, 2)), np.full((N, 2), 99)):  # where it starts, in a wall, outside: as the seed has it
        env.begin_at(env.rows, seeds, nowhere)
        assert_same(env, expected)


def test_streams_and_other_instances_are_left_alone():
    assert_others_are_left_alone(make(), make(), everything)
