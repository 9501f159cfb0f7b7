"""Policies whose answer is known, on levels that tell the goals apart."""

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import split_levels
from gmexp_envs.outcome import INTENDED_GOAL, NEVER, PROXY_GOAL, TIMEOUT, first_event_outcomes
from gmexp_envs.shifts import shift

N = 200


def _outcomes(task, distribution, name):
    """Outcomes of one episode a level, and which levels are certified."""
    env = gmexp_envs.make_vec(task, N, distribution=distribution, seed=0)
    env.reset()
    rng, running = np.random.default_rng(0), np.ones(N, bool)
    scripted = None if name == "random" else task.scripted(name, env)
    steps = np.full((2, N), NEVER)
    while running.any():
        step = env.step(rng.integers(0, env.num_actions, N) if scripted is None else scripted.act())
        ended = running & (step.terminated | step.truncated)
        steps[:, ended] = env.log.intended_step[ended], env.log.proxy_step[ended]
        running &= ~ended
    certified = task.certify(distribution)
    return first_event_outcomes(*steps, np.zeros(N, bool), certified), certified, env


@pytest.mark.parametrize("name", ["maze", "maze_line_and_gem"])
@pytest.mark.parametrize(("mode", "kind"), [("easy", 0), ("hard", 3), ("easy", 4)])
def test_goal_failure_is_exactly_known(name, mode, kind):
    task = gmexp_envs.find_task(name)
    training = task.knobs(split_levels("evaluation", N), mode=mode, appearance=0.0, sequential=True)
    distribution = task.distinguishing(shift(task, training, kind, 1.0))
    for policy, expected in (("intended", INTENDED_GOAL), ("proxy", PROXY_GOAL)):
        outcomes, certified, _ = _outcomes(task, distribution, policy)
        assert certified.mean() > 0.9 and set(outcomes[certified]) == {expected}
    outcomes, certified, _ = _outcomes(task, distribution, "random")
    assert {INTENDED_GOAL, TIMEOUT} <= set(outcomes[certified])
    assert (outcomes[certified] == PROXY_GOAL).mean() < 0.9


def test_trained_levels_certify_none():
    for name in ("maze", "maze_line_and_gem"):
        task = gmexp_envs.find_task(name)
        assert not task.certify(task.knobs(100, mode="easy", sequential=True)).any()


def test_without_a_goal_they_stand_still():
    task = gmexp_envs.find_task("maze")
    env = gmexp_envs.make_vec(task, 4, levels=[942, 20577, 33143, 942], rho=0.0, placement="region", region=1, seed=0)
    env.reset()
    assert task.scripted("intended", env).act().tolist() == [4] * 4
    assert set(task.scripted("proxy", env).act().tolist()) <= {5, 7}
    masked = gmexp_envs.make_vec("maze_line_and_gem", 4, masked=True, seed=0)
    masked.reset()
    for goal in ("intended", "proxy"):
        assert task.scripted(goal, masked).act().tolist() == [4] * 4


def test_only_the_native_engine_can_be_read():
    with pytest.raises(ValueError, match="native engine"):
        gmexp_envs.find_task("maze").scripted("proxy", gmexp_envs.make_vec("coinrun", 1))
