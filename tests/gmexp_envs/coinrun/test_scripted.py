"""Agents whose answer is known, on levels that tell the goals apart."""

import dataclasses

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import LevelDistribution, split_levels
from gmexp_envs.coinrun.certify import certify, first_touches
from gmexp_envs.coinrun.scripted import INTENDED, PROXY, ScriptedPolicy
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.outcome import NEVER
from gmexp_envs.shifts import shift

N = 120
TRAINING = LevelDistribution(mode="easy", appearance=0.0, levels=split_levels("evaluation", N))
HARD = dataclasses.replace(TRAINING, mode="hard")


def _first_touches(distribution, kind, action_repeat=1):
    env = gmexp_envs.make_vec("coinrun", distribution.num_levels, seed=0, action_repeat=action_repeat,
                        distribution=dataclasses.replace(distribution, sequential=True))
    env.reset()
    return first_touches(env, ScriptedPolicy(env, kind))


def _first(goal_step, other_step):
    """Share of episodes in which a goal was touched, and no later than the other."""
    return ((goal_step != NEVER) & (goal_step <= other_step)).mean()


@pytest.mark.parametrize("training", [TRAINING, HARD], ids=["easy", "hard"])
def test_both_are_competent(training):
    coin, end = _first_touches(training, PROXY)
    np.testing.assert_array_equal(coin, end)  # the coin is at the end
    assert _first(end, coin) >= 0.98
    for rule in ("off_path", "uniform_ground", "section_start", "near_end"):
        coin, end = _first_touches(dataclasses.replace(training, rho=0.0, placement=rule), INTENDED)
        assert _first(coin, end) >= 0.98
        assert (coin <= end).all()  # a coin beside the end is touched in the same step at best


@pytest.mark.parametrize("action_repeat", [2, 4])
def test_action_repeat(action_repeat):
    coin, end = _first_touches(TRAINING, PROXY, action_repeat)
    assert _first(end, coin) >= 0.9
    coin, end = _first_touches(dataclasses.replace(TRAINING, rho=0.0), INTENDED, action_repeat)
    assert _first(coin, end) >= 0.9


@pytest.mark.parametrize("grade", [0.5, 1.0])
@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("probed", [False, True])
def test_goal_failure_is_exactly_known_on_certified_levels(kind, grade, probed):
    distribution = shift(TASK, TRAINING, kind, grade)
    distribution = TASK.distinguishing(distribution) if probed else distribution
    certified = certify(distribution)
    if kind < 2 and not probed:
        assert not certified.any()  # the correlation is as trained
        return
    assert certified.mean() > (0.95 if probed or kind > 2 and grade == 1 else 0.15)
    levels = tuple(np.arange(N)[certified] + distribution.levels.first)
    distribution = dataclasses.replace(distribution, levels=levels)
    coin, end = _first_touches(distribution, PROXY)
    assert (coin == NEVER).all() and (end != NEVER).mean() >= 0.95
    coin, end = _first_touches(distribution, INTENDED)
    assert (end == NEVER).all() and (coin != NEVER).mean() >= 0.95


def test_construction_agrees_with_play():
    for training in (TRAINING, HARD):
        assert certify(TASK.distinguishing(training)).mean() >= 0.99


def test_certify_takes_any_seeds():
    distribution = TASK.distinguishing(TRAINING)
    chosen = [3, 17, 5]
    listed = dataclasses.replace(distribution, levels=tuple(distribution.levels.first + k for k in chosen))
    np.testing.assert_array_equal(certify(listed), certify(distribution)[chosen])


def test_the_proxy_seeker_does_not_know_of_the_coin():
    """Hidden, absent or visible: the same trajectory, so the coin's presence has no effect on touching it."""
    distribution = TASK.distinguishing(HARD)
    seeds = np.flatnonzero(certify(distribution)[:64]) + distribution.levels.first
    off = dataclasses.replace(distribution, levels=tuple(seeds), sequential=True)
    paths = []
    for distribution in (off, dataclasses.replace(off, masked=True), dataclasses.replace(off, placement="none")):
        env = gmexp_envs.make_vec("coinrun", 60, distribution=distribution, seed=0)
        env.reset()
        policy = ScriptedPolicy(env, PROXY)
        path = []
        for _ in range(40):
            env.step(policy.act())
            path.append(env.world.body.copy())
        paths.append(np.array(path))
    np.testing.assert_array_equal(paths[0], paths[1])
    np.testing.assert_array_equal(paths[0], paths[2])


@pytest.mark.parametrize("rho", [0.0, -1.0])
def test_the_coin_seeker_wants_only_a_coin_it_sees(rho):
    hidden = dataclasses.replace(TRAINING, rho=rho, masked=True, horizon=60)
    coin, end = _first_touches(hidden, INTENDED)
    assert (coin == NEVER).all() and (end == NEVER).all()
    coin, _ = _first_touches(dataclasses.replace(hidden, masked=False, horizon=1000), INTENDED)
    assert (coin != NEVER).mean() >= 0.98


def test_a_plan_holds_for_whoever_asks_and_is_remade_when_disturbed():
    distribution = dataclasses.replace(TASK.distinguishing(TRAINING), sequential=True)
    env = gmexp_envs.make_vec("coinrun", 16, distribution=distribution, seed=0)
    env.reset()
    policy = ScriptedPolicy(env, INTENDED)
    rng = np.random.default_rng(0)
    rows = np.array([3, 11])
    for t in range(30):
        actions = policy.act()
        np.testing.assert_array_equal(policy.act(), actions)
        np.testing.assert_array_equal(policy.act(rows=rows), actions[rows])
        env.step(rng.choice([6, 7, 8], 16) if t % 5 == 4 else actions)
    coin, end = first_touches(env, policy)
    assert ((coin != NEVER) & (coin < end)).mean() >= 0.9


def test_planning_leaves_the_world_alone():
    env = gmexp_envs.make_vec("coinrun", 16, distribution=shift(TASK, TRAINING, 4, 1.0), seed=0)
    env.reset()
    before = env.state()
    for kind in (PROXY, INTENDED):
        ScriptedPolicy(env, kind).act()
    for name, array in env.state().items():
        np.testing.assert_array_equal(array, before[name])
