"""Scores of levels, against the three bugs of the published code: an inverted oracle branch, staleness + 1 (test_buffer), a
discount off by one."""

import numpy as np
import pytest

import gmexp_envs
from gmexp.mitigations.chosen_levels import ChosenLevels
from gmexp.mitigations.regret import Returns, scripted_returns
from gmexp_envs import find_task, split_levels
from gmexp_envs.chosen import BY_SEED
from gmexp_envs.outcome import NEVER

GAMMA, REPEAT, N, PATIENCE = 0.99, 2, 12, 100


def test_returns_discount_from_the_second_step_on():
    returns = Returns(2, 0.5)
    returns.add(np.array([[8.0, 0], [0, 8]]), np.array([[True, False], [False, True]]))
    assert returns.latest.tolist() == [8, 4] and returns.best.tolist() == [8, 4]
    returns.add(np.array([[0.0, 2], [8, 0]]), np.array([[False, True], [True, False]]))
    assert returns.latest.tolist() == [(8 + 8 / 4) / 2, (4 + 2) / 2]  # over a break between rollouts
    assert returns.ended.tolist() == [2, 2]
    again = Returns(2, 0.5)
    again.restore(returns.state())
    assert again.latest.tolist() == returns.latest.tolist()


@pytest.fixture(scope="module")
def env():
    return gmexp_envs.make_vec("coinrun", N, mode="easy", rho=0.5, levels=split_levels("train"), seed=3,
                               action_repeat=REPEAT)


@pytest.fixture(scope="module")
def played(env):
    """The scripted policy's own returns on levels, as a trainer's rollouts would show them."""
    task, seeds, places = find_task("coinrun"), np.arange(N) * 7, np.full((N, 2), BY_SEED)
    shown = ChosenLevels(env)
    shown.choose(seeds, places)
    policy, returns, first = task.scripted("intended", env), Returns(N, GAMMA), np.full(N, NEVER)
    for _ in range(PATIENCE):
        step = shown.step(policy.act(None, env.rows))
        done = step.terminated | step.truncated
        first = np.where(done & (first == NEVER) & (returns.ended == 0), shown.log.intended_step, first)
        returns.add(np.where(returns.ended == 0, step.reward, 0)[None], (done & (returns.ended == 0))[None])
    return shown.seeds.copy(), shown.places.copy(), returns, first


@pytest.mark.slow
def test_the_oracle_regret_of_the_scripted_policy_is_0(env, played):
    seeds, places, returns, first = played
    oracle = scripted_returns(find_task("coinrun"), env, seeds, places, GAMMA, PATIENCE)
    reached = first != NEVER
    assert reached.sum() > N / 2
    assert oracle[reached] == pytest.approx(returns.total[reached])  # regret 0, neither inverted nor shifted
    decisions = np.ceil(first[reached] / REPEAT)
    assert oracle[reached] == pytest.approx(10 * GAMMA ** (decisions - 1))
    assert (oracle[~reached] == 0).all()


def test_what_cannot_be_reached_in_time_has_no_return(env):
    oracle = scripted_returns(find_task("coinrun"), env, np.arange(N), np.full((N, 2), BY_SEED), GAMMA, 2)
    assert (oracle == 0).mean() > 0.8  # but where the goal is beside the start


@pytest.mark.slow
@pytest.mark.parametrize("world", ["boat_race", "grasping"])
def test_in_small_worlds_too_the_oracle_regret_of_the_scripted_policy_is_0(world):
    """In boat race reaching the goal ends nothing: the scripted policy is paid until the horizon."""
    env, task = gmexp_envs.make_vec(world, N, rho=0.5, levels=split_levels("train"), seed=3, horizon=30), find_task(world)
    seeds, places = np.arange(N) * 7, np.full((N, 2), BY_SEED)
    env.begin_at(env.rows, seeds, places)
    policy, total, over = task.scripted("intended", env), np.zeros(N), np.zeros(N, bool)
    for k in range(30):
        step = env.step(policy.act(None, env.rows))
        total += np.where(over, 0, GAMMA**k * step.reward)
        over |= step.terminated | step.truncated
    assert over.all() and total.max() > 0
    assert scripted_returns(task, env, seeds, places, GAMMA, PATIENCE) == pytest.approx(np.maximum(total, 0))
