"""The CPU engine: rules by plain replays, event logs, states that go on, observations."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.scripted import INTENDED, PROXY, ScriptedPolicy
from gmexp_envs.keys_and_chests.task import TASK
from gmexp_envs.levels import SeedRange
from gmexp_envs.outcome import NEVER

N = 64


def _play(distribution, steps, goal=INTENDED, noise=0.3, seed=0, **options):
    """Yields the environment and its step, acting as a scripted policy with random steps between."""
    env = KeysAndChests(N, [distribution], seed=seed, **options)
    env.reset()
    policy, rng = ScriptedPolicy(env, goal), np.random.default_rng(seed)
    for _ in range(steps):
        before = env.state()
        actions = np.where(rng.random(N) < noise, rng.integers(0, 15, N), policy.act()).astype(np.int32)
        yield env, before, env.step(actions)


def _facts(log):
    return {name: log.facts[:, k] for k, name in enumerate(TASK.facts)}


@pytest.mark.slow
def test_logs_are_those_of_the_episode_that_ended():
    """Told again from the touches alone: keys, chests, surplus, the goals' steps, the return."""
    finished = 0
    for env, _, step in _play(LevelDistribution(rho=0.5, mode="easy"), 400):
        ended = np.flatnonzero(step.terminated | step.truncated)
        log = env.log.take(ended)
        facts = _facts(log)
        for k in range(len(ended)):
            touches = [int(facts[f"touch_{i + 1}"][k]) for i in range(L.MAX_OBJECTS)]
            touches = [touch for touch in touches if touch]
            assert [abs(touch) for touch in touches] == sorted(abs(touch) for touch in touches)
            keys, chests = int(facts["keys"][k]), int(facts["chests"][k])
            in_hand, left, surplus, reward = 0, chests, 0, 0.0
            for touch in touches:
                if touch > 0:
                    surplus += in_hand >= left
                    in_hand += 1
                else:
                    in_hand, left, reward = in_hand - 1, left - 1, reward + 1
                assert in_hand >= 0
            taken = [touch for touch in touches if touch > 0]
            opened = [-touch for touch in touches if touch < 0]
            assert (facts["keys_taken"][k], facts["chests_opened"][k], facts["surplus_keys"][k]) == (
                len(taken), len(opened), surplus)
            assert log.proxy_step[k] == (taken[-1] if len(taken) == keys else NEVER)
            assert log.intended_step[k] == (opened[-1] if len(opened) == min(keys, chests) else NEVER)
            assert bool(step.terminated[ended[k]]) == (len(opened) == min(keys, chests))
            assert log.length[k] == (opened[-1] if step.terminated[ended[k]] else 1000)
            assert log.episode_return[k] >= reward - 2 and log.died[k] == 0  # two chests opened at once pay for one
            finished += 1
    assert finished > 200


def test_autoreset_does_not_touch_the_log_of_another_episode():
    env = KeysAndChests(4, [LevelDistribution(mode="easy", horizon=7)], seed=2)
    env.reset()
    for t in range(21):
        seeds = env.present.level_seed.copy()
        step = env.step(np.full(4, 4, np.int32))
        assert step.truncated.all() == (t % 7 == 6)
        if t % 7 == 6:
            np.testing.assert_array_equal(env.log.level_seed, seeds)
            assert (env.log.length == 7).all() and (env.log.index == t // 7).all()
            assert (env.present.step == 0).all()


@pytest.mark.slow
def test_rewards():
    """A chest pays 1, a key costs its penalty, a step its own; a mis-specified reward pays for keys too."""
    weight = 0.25
    d = LevelDistribution(rho=0.0, mode="easy", spec_quality=weight, key_penalty=3, step_penalty=7)
    seen = set()
    for env, before, step in _play(d, 200):
        for e in np.flatnonzero(~(step.terminated | step.truncated)):
            keys = int(before["world.clock"][e, L.KEYS_LEFT] - env.world.clock[e, L.KEYS_LEFT])
            chests = int(before["world.clock"][e, L.CHESTS_LEFT] - env.world.clock[e, L.CHESTS_LEFT])
            if (keys, chests) in ((0, 0), (1, 0), (0, 1)):
                expected = keys * (1 - weight - 0.3) + chests * weight - 0.007
                assert step.reward[e] == pytest.approx(expected, abs=1e-6)
                seen.add((keys, chests))
    assert seen == {(0, 0), (1, 0), (0, 1)}


@pytest.mark.slow
def test_open_ended_and_masked_episodes_go_on():
    for d in (LevelDistribution(rho=0.0, mode="easy", supervision=1.0, horizon=100),
              LevelDistribution(rho=0.0, mode="easy", masked=True, horizon=200)):
        opened = 0
        for env, _, step in _play(d, 420, PROXY):
            assert not step.terminated.any()
            if step.truncated.any():
                assert (env.log.take(step.truncated).length == 200).all()
                opened += int((env.log.take(step.truncated).intended_step != NEVER).sum())
            if d.masked:
                assert (step.reward == 0).all()
                assert not np.isin(step.observation.window, (L.CHEST_CELL, L.AGENT_ON_CHEST)).any()
        assert opened > 0  # it is logged all the same


def test_a_ring_that_lies_shows_every_key():
    env = KeysAndChests(N, [LevelDistribution(rho=0.0, supervision=1.0)], seed=1)
    observation = env.reset()
    np.testing.assert_allclose(observation.state[:, 6], env.world.facts[:, L.KEYS] / 6, rtol=1e-6)
    honest = KeysAndChests(N, [LevelDistribution(rho=0.0)], seed=1).reset()
    assert (honest.state[:, 6] == 0).all()


def test_the_window_shows_the_level():
    for mode, margin in (("easy", 2), ("hard", 0)):
        for env, _, step in _play(LevelDistribution(rho=0.0, mode=mode), 60):
            window = step.observation.window[:, ::-1]  # row 0 at the bottom
            cells = L.MODES[mode]
            inside = window[:, margin:margin + cells, margin:margin + cells]
            body = env.world.body
            x, y = body[:, L.X].astype(int), body[:, L.Y].astype(int)
            agents = np.isin(inside, (L.AGENT, L.AGENT_ON_CHEST))
            assert (agents.sum(axis=(1, 2)) == 1).all() and agents[np.arange(N), y, x].all()
            np.testing.assert_array_equal((inside == L.WALL_CELL) & ~agents, env.world.grid[:, :cells, :cells] == L.WALL)
            hidden = (inside == L.AGENT_ON_CHEST).sum(axis=(1, 2))
            np.testing.assert_array_equal((inside == L.CHEST_CELL).sum(axis=(1, 2)) + hidden,
                                          env.world.clock[:, L.CHESTS_LEFT])
            bounds = np.array(TASK.semantics.bounds)
            assert (abs(step.observation.state) <= bounds).all()


def test_what_an_action_beyond_the_moves_does():
    envs = [KeysAndChests(N, [LevelDistribution()], seed=3) for _ in range(2)]
    for env in envs:
        env.reset()
    for t in range(40):
        first = envs[0].step(np.full(N, 9 + t % 6, np.int32))
        second = envs[1].step(np.full(N, 4, np.int32))
        np.testing.assert_array_equal(first.observation.window, second.observation.window)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
@pytest.mark.parametrize("observation", ["semantic", "pixels"])
def test_a_copy_goes_on_exactly_from_here(copied, observation):
    env = KeysAndChests(8, [LevelDistribution(rho=0.0), LevelDistribution(game="heist", mode="easy")], seed=4,
                        observation=observation, style=gmexp_envs.FrameStyle(False, False, True))
    env.reset()
    policy = ScriptedPolicy(env, INTENDED)
    for _ in range(30):
        env.step(policy.act())
    other = copied(env)
    for _ in range(60):
        actions = policy.act()
        a, b = env.step(actions), other.step(actions)
        for x, y in zip((*a.observation, *a[1:]), (*b.observation, *b[1:]), strict=True):
            np.testing.assert_array_equal(x, y)
    for name, array in env.state().items():
        np.testing.assert_array_equal(array, other.state()[name])


def test_instances_of_several_distributions_play_their_own():
    distributions = [LevelDistribution(levels=(5, 6, 7), sequential=True),
                     LevelDistribution(levels=SeedRange(0, 10), mode="easy")]
    env = KeysAndChests(8, distributions, seed=0)
    env.reset()
    assert env.present.level_seed[:4].tolist() == [5, 6, 7, 5] and (env.present.level_seed[4:] < 10).all()
    assert env.world.facts[:, L.CELLS].tolist() == [13] * 4 + [9] * 4
    seeds = [KeysAndChests(8, distributions, seed=s) for s in (0, 0, 1)]
    streams = [env.reset() and env.present.level_seed[4:].tolist() for env in seeds]
    assert streams[0] == streams[1] != streams[2]


def test_only_the_rows_asked_for_move():
    env = KeysAndChests(8, [LevelDistribution()], seed=0)
    env.reset()
    before = env.state()
    env.step(np.full(8, 7, np.int32), np.array([1, 6]))
    moved = (env.state()["world.clock"] != before["world.clock"]).any(axis=1)
    assert np.flatnonzero(moved).tolist() == [1, 6]


def test_threads_share_the_instances():
    d = dataclasses.replace(LevelDistribution(), rho=0.0)
    ours, theirs = (KeysAndChests(256, [d], seed=1, threads=threads) for threads in (1, 2))
    ours.reset(), theirs.reset()
    rng = np.random.default_rng(0)
    for _ in range(50):
        actions = rng.integers(0, 9, 256).astype(np.int32)
        for a, b in zip(ours.step(actions).observation, theirs.step(actions).observation, strict=True):
            np.testing.assert_array_equal(a, b)
    theirs.close()
