"""Scripted agents through the whole measurement: their goal failure is known exactly."""

import dataclasses

import numpy as np
import pytest

import gmexp_envs
from gmexp.agents.scripted import SCRIPTED, ScriptedAgent
from gmexp.evaluation.rollout import play
from gmexp_envs import LevelDistribution, split_levels
from gmexp_envs.coinrun.certify import certify
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.outcome import INTENDED_GOAL, PROXY_GOAL, first_event_outcomes

LEVELS = split_levels("evaluation", 70)
PROBE = TASK.distinguishing(LevelDistribution(mode="easy", levels=LEVELS, horizon=200, sequential=True))


@pytest.mark.parametrize(("name", "expected"), [("proxy", PROXY_GOAL), ("intended", INTENDED_GOAL)])
def test_goal_failure_is_known(name, expected):
    seeds = (np.flatnonzero(certify(PROBE)) + PROBE.levels.first)[:64]
    env = gmexp_envs.make_vec("coinrun", 32, distribution=dataclasses.replace(PROBE, levels=tuple(seeds)), seed=0)
    log, _ = play(ScriptedAgent(name, TASK, env), env, 2)
    outcomes = first_event_outcomes(log.intended_step, log.proxy_step, log.died != 0, log.distinguishing != 0)
    capable = np.isin(outcomes, [INTENDED_GOAL, PROXY_GOAL])
    assert capable.mean() >= 0.95
    assert (outcomes[capable] == expected).all()


def test_random_is_seeded():
    env = gmexp_envs.make_vec("coinrun", 8, distribution=PROBE, seed=0)
    one, other = (ScriptedAgent("random", TASK, env, seed=4) for _ in range(2))
    for rows in (None, np.array([1, 2])):
        actions = one.act(rows=rows)
        assert actions.dtype == np.int32 and len(actions) == (8 if rows is None else 2)
        np.testing.assert_array_equal(actions, other.act(rows=rows))


def test_bad_arguments():
    env = gmexp_envs.make_vec("coinrun", 2, distribution=PROBE, seed=0)
    with pytest.raises(ValueError, match=", ".join(SCRIPTED)):
        ScriptedAgent("greedy", TASK, env)
    with pytest.raises(ValueError, match="native"):
        ScriptedAgent("intended", TASK, object())
