"""Episodes on chosen levels in every small world: the levels that would be drawn, with the correlation kept or broken."""

import copy

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import split_levels
from gmexp_envs.chosen import AT_PROXY, AWAY, BY_SEED

from ..leaving_alone import assert_others_are_left_alone

N = 16
WORLDS = ("boat_race", "supervisor", "follow_me", "monsters", "grasping", "tetris")


def make(world, seed=5, rho=0.5):
    env = gmexp_envs.make_vec(world, N, rho=rho, levels=split_levels("train"), seed=seed)
    env.reset()
    return env


def everything(env):
    """What an instance holds of its level; follow me leaves what an earlier level wrote where it has fewer beacons."""
    parts, names = env.state(), ("grid", "now", "look", "returns", "facts", "things")
    return {name: parts[f"world.{name}"].copy() for name in names[:4 if env.rules.name == "follow_me" else 6]}


def played(env, steps=40):
    """Rewards of a fixed play, and what is seen after it."""
    actions = np.random.default_rng(3).integers(env.num_actions, size=(steps, N))
    rewards = [env.step(each.astype(np.int32)).reward.copy() for each in actions]
    return np.stack(rewards), env._observation(env.rows).window.copy()


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_a_chosen_level_is_the_one_that_would_be_drawn(world):
    env, other = make(world), make(world, seed=9)
    seeds, expected = env.present.level_seed.copy(), everything(env)
    played(other, 5)  # it comes from the middle of other episodes
    for places in (np.full((N, 2), BY_SEED), env.goal_places, np.full((N, 2), (2, 2))):  # a cell is no place for a goal
        seen = other.begin_at(other.rows, seeds, places)
        for name, array in everything(other).items():
            np.testing.assert_array_equal(array, expected[name], name)
        np.testing.assert_array_equal(seen.window, env._observation(env.rows).window)
    for one, two in zip(played(copy.deepcopy(env), 5), played(other, 5), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("world", WORLDS)
def test_the_correlation_is_as_it_is_put(world):
    env, aligned, broken = make(world), make(world, rho=1.0), make(world, rho=0.0)
    seeds = np.arange(100, 100 + N)
    for place, other, placement in ((AT_PROXY, aligned, 1), (AWAY, broken, 0)):
        env.begin_at(env.rows, seeds, np.full((N, 2), (place, 0)))
        assert (env.present.placement == placement).all() and (env.present.distinguishing == (placement != 1)).all()
        assert (env.goal_places == (place, 0)).all()
        other.begin_at(other.rows, seeds, np.full((N, 2), BY_SEED))  # whose own draw it is
        for (name, one), two in zip(everything(env).items(), everything(other).values(), strict=True):
            np.testing.assert_array_equal(one, two, name)
        first, second = played(env, 5), played(other, 5)
        np.testing.assert_array_equal(first[0], second[0])


def test_streams_and_other_instances_are_left_alone():
    assert_others_are_left_alone(make("boat_race"), make("boat_race"), everything)


def test_levels_that_training_does_not_have_are_refused():
    env = make("monsters", rho=-0.5)
    with pytest.raises(ValueError, match="rho must not be negative"):
        env.begin_at(np.array([0]), np.array([1]), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="not within"):
        make("monsters").begin_at(np.array([0]), np.array([-1]), np.zeros((1, 2)))
