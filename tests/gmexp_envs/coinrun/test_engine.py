"""The vector engine: reproducible, resumable, the same however its worlds are grouped."""

import dataclasses
import multiprocessing
import re
from pathlib import Path

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import LevelDistribution, Physics, SeedRange, split_levels
from gmexp_envs.coinrun import layout as L
from gmexp_envs.coinrun.scripted import PROXY, ScriptedPolicy
from gmexp_envs.outcome import NEVER
from gmexp_envs.procgen_family import binary as procgen
from gmexp_envs.vec import EpisodeLog

MIXED = LevelDistribution(levels=split_levels("train", 50), rho=0.3, appearance=0.2, context=0.4, supervision=0.3,
                          spec_quality=0.5, horizon=80)


def _actions(count, steps, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random((steps, count)) < 0.8, rng.integers(6, 9, (steps, count)),
                    rng.integers(0, 15, (steps, count)))


def _record(env, actions):
    """Everything the environment shows while it plays, copied."""
    shown = []
    for row in actions:
        step = env.step(row)
        shown.append([a.copy() for a in (*step.observation, *step[1:], *env.log)])
    return shown


def _assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


def _make(count=16, distribution=MIXED, seed=5, **options):
    env = gmexp_envs.make_vec("coinrun", count, distribution=distribution, seed=seed, **options)
    env.reset()
    return env


@pytest.mark.slow
def test_same_seed_same_everything():
    actions = _actions(16, 200)
    _assert_same(_record(_make(), actions), _record(_make(), actions))
    one, other = _make(seed=5), _make(seed=6)
    assert (one.world.facts[:, L.SEED] != other.world.facts[:, L.SEED]).any()
    other.reset(seed=5)
    _assert_same(_record(one, actions), _record(other, actions))


def test_seed_0_is_a_seed_and_no_seed_is_told():
    np.testing.assert_array_equal(_make(seed=0).world.facts, _make(seed=0).world.facts)
    free = _make(seed=None)
    np.testing.assert_array_equal(free.world.facts, _make(seed=free.seed).world.facts)


@pytest.mark.slow
def test_state_and_restore():
    actions = _actions(16, 300)
    env = _make()
    _record(env, actions[:100])
    saved = env.state()
    expected = _record(env, actions[100:])
    env.restore(saved)
    _assert_same(_record(env, actions[100:]), expected)
    fresh = _make(seed=77)
    fresh.restore(saved)
    _assert_same(_record(fresh, actions[100:]), expected)
    with pytest.raises(ValueError, match="same arguments"):
        _make(8).restore(saved)


@pytest.mark.slow
def test_distributions_in_one_environment_equal_separate_ones():
    """Sequential levels do not depend on an environment's seed, so worlds can be compared one by one."""
    distributions = [dataclasses.replace(MIXED, rho=rho, mode=mode, sequential=True)
                     for rho, mode in ((1.0, "easy"), (0.0, "hard"), (-1.0, "easy"))]
    actions = _actions(12, 200)
    together = _record(_make(12, distributions), actions)
    cell = 6 + EpisodeLog._fields.index("cell")  # where it is among what is recorded
    for i, distribution in enumerate(distributions):
        part = slice(4 * i, 4 * i + 4)
        alone = _record(_make(4, distribution), actions[:, part])
        for a, b in zip(together, alone, strict=True):
            for k, (x, y) in enumerate(zip(a, b, strict=True)):
                if k != cell:
                    np.testing.assert_array_equal(x[part], y)
    assert set(together[-1][cell]) == {0, 1, 2}


def test_threads_do_not_matter():
    actions = _actions(256, 40)
    _assert_same(_record(_make(256, threads=1), actions), _record(_make(256, threads=2), actions))


def test_rows():
    """Worlds that are not asked to move stay as they are, and moving worlds do not notice."""
    actions = _actions(16, 120)
    whole, half = (_make(distribution=dataclasses.replace(MIXED, sequential=True)) for _ in range(2))
    rows = np.arange(0, 16, 2)
    still = {k: v[1::2].copy() for k, v in half.world._asdict().items()}
    for row in actions:
        a, b = whole.step(row), half.step(row, rows)
        np.testing.assert_array_equal(a.observation.window[rows], b.observation.window[rows])
        np.testing.assert_array_equal(a.reward[rows], b.reward[rows])
    for name, array in half.world._asdict().items():
        np.testing.assert_array_equal(array[1::2], still[name])


def test_action_repeat():
    single, repeated = (_make(distribution=LevelDistribution(levels=(7,)), action_repeat=k) for k in (1, 3))
    for row in _actions(16, 20):
        step = repeated.step(row)
        running = np.ones(16, bool)
        rewards = np.zeros(16, np.float32)
        for _ in range(3):
            one = single.step(row, np.flatnonzero(running))
            rewards[running] += one.reward[running]
            running &= ~(one.terminated | one.truncated)
        np.testing.assert_array_equal(step.reward, rewards)
        np.testing.assert_array_equal(single.world.body, repeated.world.body)


@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_sequential_levels(mode):
    """Slot s of S plays levels s, s + S, ...: every level once, equally many per slot."""
    levels = SeedRange(1000, 24)
    env = _make(6, LevelDistribution(levels=levels, mode=mode, horizon=5, sequential=True))
    seeds = [[] for _ in range(6)]
    while min(map(len, seeds)) < 4:
        step = env.step(np.full(6, L.NUM_ACTIONS - 1))
        for e in np.flatnonzero(step.terminated | step.truncated):
            assert env.log.index[e] == len(seeds[e])
            seeds[e].append(int(env.log.level_seed[e]))
    assert seeds == [[1000 + s + 6 * k for k in range(4)] for s in range(6)]
    listed = _make(2, LevelDistribution(levels=(9, 0, 5), sequential=True, mode=mode))
    assert listed.world.facts[:, L.SEED].tolist() == [9, 0]


def test_random_levels_come_from_the_list():
    env = _make(64, LevelDistribution(levels=(3, 99, 0), horizon=2))
    seen = set()
    for _ in range(20):
        env.step(np.full(64, 4))
        seen |= set(env.world.facts[:, L.SEED].tolist())
    assert seen == {0, 3, 99}


def test_log_is_that_of_the_finished_episode():
    env = _make(32, LevelDistribution(levels=split_levels("train"), mode="easy", horizon=90))
    playing = env.world.facts[:, L.SEED].copy()
    returns = np.zeros(32)
    ended_ever = 0
    for row in _actions(32, 300):
        step = env.step(row)
        returns += step.reward
        ended = step.terminated | step.truncated
        np.testing.assert_array_equal(env.log.level_seed[ended], playing[ended])
        np.testing.assert_array_equal(env.log.episode_return[ended], returns[ended])
        returns[ended] = 0
        ended_ever += ended.sum()
        playing = env.world.facts[:, L.SEED].copy()
    assert ended_ever > 32


def test_open_ended_levels_go_on_after_the_coin():
    distribution = LevelDistribution(rho=0.0, placement="cell", cell=(3, 1), supervision=1.0, horizon=30, mode="easy")
    env = _make(4, distribution)
    rewards = np.zeros(4)
    for t in range(1, 61):
        step = env.step(np.full(4, 7 if t < 20 else 4))
        rewards += step.reward
        assert not step.terminated.any() and step.truncated.all() == (t == 60)
    assert (rewards == 10).all()
    assert (env.log.intended_step < 20).all() and (env.log.length == 60).all() and env.log.truncated.all()


def test_a_hidden_coin_is_touched_but_neither_paid_nor_final():
    distribution = LevelDistribution(rho=0.0, placement="cell", cell=(3, 1), horizon=40, mode="easy", masked=True)
    env = _make(4, distribution)
    seen = dataclasses.replace(distribution, masked=False)
    for t in range(1, 41):
        step = env.step(np.full(4, 7 if t < 10 else 4))
        assert not step.reward.any() and not step.terminated.any()
        assert not (step.observation.window == L.COIN).any()
    assert (env.log.intended_step < 10).all() and (env.log.length == 40).all()
    ending = _make(4, seen)
    for _ in range(int(env.log.intended_step[0])):
        step = ending.step(np.full(4, 7))
    assert step.terminated.all() and (step.reward == 10).all()


def test_timeout_is_truncation():
    env = _make(4, LevelDistribution(horizon=3))
    for _ in range(3):
        step = env.step(np.full(4, 4))
    assert step.truncated.all() and not step.terminated.any()
    assert (env.log.length == 3).all() and (env.log.intended_step == NEVER).all() and not env.log.died.any()


def test_without_autoreset_the_last_observation_is_seen():
    distribution = LevelDistribution(levels=(5,), horizon=12)
    env, reference = _make(4, distribution), _make(4, dataclasses.replace(distribution, horizon=1000))
    for _ in range(12):
        step = env.step(np.full(4, 7), autoreset=False)
        expected = reference.step(np.full(4, 7))
    assert step.truncated.all()
    np.testing.assert_array_equal(step.observation.window, expected.observation.window)
    np.testing.assert_array_equal(step.observation.state, expected.observation.state)
    first = env.begin(np.arange(4))
    np.testing.assert_array_equal(first.window, _make(4, distribution)._observation(np.arange(4)).window)


def test_worlds_draw_different_levels():
    env = _make(64, LevelDistribution(), seed=1)
    assert len(set(env.world.facts[:, L.SEED].tolist())) == 64


@pytest.mark.parametrize("quality", [1.0, 0.6, 0.2, 0.0])
def test_a_misspecified_reward_pays_for_progress(quality):
    """Whoever reaches the coin at the end is paid 10, whatever part of it is for the coin."""
    levels = split_levels("evaluation", 64)
    env = _make(64, LevelDistribution(levels=levels, mode="easy", sequential=True, spec_quality=quality))
    policy = ScriptedPolicy(env, PROXY)
    rewards, reached = np.zeros(64), np.zeros(64, bool)
    rows = np.arange(64)
    while len(rows):
        before = rewards[rows]
        actions = np.zeros(64, np.int32)
        actions[rows] = policy.act(rows=rows)
        step = env.step(actions, rows)
        rewards[rows] += step.reward[rows]
        assert (rewards[rows] >= before).all()
        ended = (step.terminated | step.truncated)[rows]
        reached[rows] |= ended & (env.log.intended_step[rows] != NEVER)
        rows = rows[~ended]
    assert reached.mean() > 0.95
    np.testing.assert_allclose(rewards[reached], 10, atol=1e-4)
    np.testing.assert_allclose(env.log.episode_return, rewards, atol=1e-4)


@pytest.mark.parametrize(("knobs", "message"), [
    ({"mode": "medium"}, "mode 'medium'"),
    ({"placement": "everywhere"}, "placement 'everywhere'"),
    ({"placement": "cell"}, "cell"),
    ({"cell": (1, 2)}, "cell"),
    ({"placement": "cell", "cell": (64, 2)}, "outside"),
    ({"rho": 1.5}, "rho = 1.5"),
    ({"rho": float("nan")}, "rho = nan"),
    ({"rho": -0.5, "placement": "langosco"}, "langosco"),
    ({"appearance": -0.1}, "appearance"),
    ({"context": 2}, "context"),
    ({"supervision": -1}, "supervision"),
    ({"spec_quality": 1.1}, "spec_quality"),
    ({"horizon": 0}, "horizon 0"),
    ({"levels": []}, "empty"),
    ({"levels": [-3]}, "-3"),
    ({"levels": 0}, "not within"),
    ({"num_envs": 0}, "num_envs = 0"),
    ({"observation": "text"}, "observation 'text'"),
    ({"action_repeat": 0}, "action_repeat = 0"),
    ({"backend": "cuda"}, "backend 'cuda'"),
    ({"device": "tpu"}, "device 'tpu'"),
    ({"name": "labyrinth"}, "environment 'labyrinth'"),
    ({"distribution": LevelDistribution(), "rho": 0.5}, "not both"),
    ({"distribution": [LevelDistribution()] * 3}, "evenly"),
    ({"distribution": []}, "evenly"),
])
def test_bad_arguments(knobs, message):
    knobs = {"name": "coinrun", "num_envs": 4} | knobs
    with pytest.raises(ValueError, match=message) as error:
        gmexp_envs.make_vec(**knobs)
    assert "\n" not in str(error.value)


def test_bad_physics_splits_and_actions():
    for value in (0.0, -1.0, float("nan"), float("inf"), 5.1):
        with pytest.raises(ValueError, match="gravity"):
            Physics(gravity=value)
    with pytest.raises(ValueError, match="no level split"):
        split_levels("test")
    with pytest.raises(ValueError, match="do not fit"):
        split_levels("validation", 10**9)
    env = _make(4)
    with pytest.raises(ValueError, match="within 0..14"):
        env.step(np.array([0, 0, 0, 15]))
    with pytest.raises(ValueError, match="shape"):
        env.step(np.zeros(3, np.int32))
    with pytest.raises(IndexError, match="rows"):
        env.step(np.zeros(4), np.array([4]))


def _play_in_child(queue, env):
    env.step(np.full(256, 7))
    queue.put(env.world.body[:, L.X].copy())


def test_an_environment_with_threads_survives_a_fork():
    env, other = _make(256, threads=2), _make(256)
    for e in (env, other):
        e.step(np.full(256, 7))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_play_in_child, args=(queue, env))
    child.start()
    played = queue.get(timeout=60)
    child.join(timeout=60)
    other.step(np.full(256, 7))
    np.testing.assert_array_equal(played, other.world.body[:, L.X])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux how much memory the process takes")
@pytest.mark.parametrize(("backend", "count", "observation"), [
    ("native", 256, "semantic"), ("native", 256, "pixels"), ("procgen", 16, "semantic"), ("procgen", 16, "pixels")])
def test_making_and_closing_takes_no_memory(backend, count, observation):
    if backend == "procgen" and not procgen.installed():
        pytest.skip("procgen is not installed")

    def resident():
        return int(re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])

    taken = []
    for k in range(18):
        env = gmexp_envs.make_vec("coinrun", count, mode="easy", seed=k, threads=2, backend=backend, observation=observation)
        env.reset()
        env.step(np.full(count, 7))
        env.close()
        taken.append(resident())
    world = 800 if backend == "procgen" else 17  # kB
    assert max(taken[12:]) - max(taken[:6]) < 3 * count * world  # twelve more, and not the memory of three
