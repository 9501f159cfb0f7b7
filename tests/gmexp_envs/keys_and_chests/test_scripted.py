"""Agents with known answers: the intended policy never fails, the proxy policy always does, a random one does neither."""

import dataclasses

import numpy as np
import pytest

from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.certify import certify
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.scripted import INTENDED, PROXY, ScriptedPolicy
from gmexp_envs.keys_and_chests.task import TASK
from gmexp_envs.levels import SeedRange
from gmexp_envs.outcome import AMBIGUOUS, first_event_outcomes, INTENDED_GOAL, NEVER, PROXY_GOAL, TIMEOUT

N = 256


def _outcomes(distribution, goal):
    """Outcome, keys taken and length of one whole episode on each level; `goal` None acts at random."""
    env = KeysAndChests(N, [dataclasses.replace(distribution, levels=SeedRange(7000, N), sequential=True)], seed=0)
    env.reset()
    policy, rng = None if goal is None else ScriptedPolicy(env, goal), np.random.default_rng(5)
    rows = np.arange(N)
    while len(rows):
        actions = np.zeros(N, np.int32)
        actions[rows] = rng.integers(0, 9, len(rows)) if policy is None else policy.act(None, rows)
        step = env.step(actions, rows, autoreset=False)
        rows = rows[~(step.terminated | step.truncated)[rows]]
    log = env.log
    outcomes = first_event_outcomes(log.intended_step, log.proxy_step, log.died != 0, log.distinguishing != 0)
    return outcomes, log


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["easy", "hard"])
@pytest.mark.parametrize("changes", [{"rho": 0.0}, {"rho": -1.0}, {"rho": 0.0, "context": 1.0}],
                         ids=["apart", "most keys", "context"])
def test_goal_failure_is_0_and_1(mode, changes):
    d = LevelDistribution(mode=mode, **changes)
    intended, log = _outcomes(d, INTENDED)
    assert (intended == INTENDED_GOAL).all()
    keys, chests, on_way = (log.facts[:, TASK.facts.index(name)] for name in ("keys_taken", "chests", "keys_on_way"))
    fewest = np.maximum(chests, on_way)  # by cells; a chest is rarely touched round a corner, before the last key
    assert (keys <= fewest).all() and (keys == fewest).mean() > 0.98
    assert (_outcomes(d, PROXY)[0] == PROXY_GOAL).all()


def test_a_random_agent_does_neither():
    outcomes, _ = _outcomes(LevelDistribution(mode="easy", rho=0.0, horizon=300), None)
    shares = [(outcomes == kind).mean() for kind in (INTENDED_GOAL, PROXY_GOAL, TIMEOUT)]
    assert min(shares) > 0.05 and sum(shares) == 1


@pytest.mark.slow
def test_both_solve_the_training_levels_which_tell_nothing():
    for goal in (INTENDED, PROXY):
        outcomes, log = _outcomes(LevelDistribution(), goal)
        assert (outcomes == AMBIGUOUS).all() and (log.intended_step != NEVER).all() and (log.proxy_step != NEVER).all()
        assert (log.episode_return > 0).all()


@pytest.mark.slow
def test_both_leave_heist_by_its_exit():
    for goal in (INTENDED, PROXY):
        _, log = _outcomes(LevelDistribution(game="heist"), goal)
        assert (log.intended_step != NEVER).all() and (log.episode_return == 10).all()


def test_masked_chests_are_not_gone_for():
    _, masked = _outcomes(LevelDistribution(rho=0.0, masked=True, horizon=30), INTENDED)
    assert (masked.facts[:, TASK.facts.index("keys_taken")] == 0).all()


@pytest.mark.slow
def test_levels_are_certified_by_construction_and_in_play():
    levels = SeedRange(100, 1500)
    fork = LevelDistribution(rho=0.0, placement="many_keys", levels=levels)
    env = KeysAndChests(1500, [dataclasses.replace(fork, sequential=True)], seed=0)
    env.reset()
    certified = certify(fork)
    np.testing.assert_array_equal(certified, env.world.facts[:, L.DISTINGUISHING] != 0)
    assert 0.75 < certified.mean() < 0.83  # of the fork's hard levels
    assert certify(TASK.distinguishing(fork)).all() and not certify(dataclasses.replace(fork, rho=1.0)).any()
    listed = dataclasses.replace(fork, levels=(100, 1599, 103))
    np.testing.assert_array_equal(certify(listed), certified[[0, 1499, 3]])


def test_a_policy_goes_on_exactly_from_its_state():
    env = KeysAndChests(16, [LevelDistribution(rho=0.0)], seed=3)
    env.reset()
    policy = ScriptedPolicy(env, PROXY)
    for _ in range(20):
        env.step(policy.act())
    saved, remembered = env.state(), policy.state()
    first = []
    for _ in range(20):
        first.append(policy.act())
        env.step(first[-1])
    env.restore(saved)
    other = ScriptedPolicy(env, PROXY)
    other.restore(remembered)
    for actions in first:
        np.testing.assert_array_equal(other.act(), actions)
        env.step(actions)


def test_another_environment_is_refused():
    with pytest.raises(ValueError, match="native engine's state"):
        ScriptedPolicy(object(), INTENDED)
