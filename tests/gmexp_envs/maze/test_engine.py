"""The vector engine: reproducible, resumable, the same however its worlds are grouped."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import split_levels
from gmexp_envs.maze import layout as L
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.scripted import INTENDED, PROXY, ScriptedPolicy
from gmexp_envs.outcome import NEVER
from gmexp_envs.vec import EpisodeLog

MIXED = MazeDistribution(levels=split_levels("train", 50), rho=0.3, appearance=0.2, context=0.2, supervision=0.3,
                         spec_quality=0.5, horizon=40, sizes=(3, 9))


def _actions(count, steps, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random((steps, count)) < 0.7, rng.choice([5, 7], (steps, count)),
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
    env = gmexp_envs.make_vec("maze", count, distribution=distribution, seed=seed, **options)
    env.reset()
    return env


def test_same_seed_same_everything():
    actions = _actions(16, 150)
    _assert_same(_record(_make(), actions), _record(_make(), actions))
    one, other = _make(seed=5), _make(seed=6)
    assert (one.world.facts[:, L.SEED] != other.world.facts[:, L.SEED]).any()
    other.reset(seed=5)
    _assert_same(_record(one, actions), _record(other, actions))
    free = _make(seed=None)
    np.testing.assert_array_equal(free.world.facts, _make(seed=free.seed).world.facts)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_copies_go_on(copied):
    env = _make()
    actions = _actions(16, 120)
    _record(env, actions[:50])
    _assert_same(_record(copied(env), actions[50:]), _record(env, actions[50:]))


def test_state_and_restore():
    actions = _actions(16, 120)
    env = _make(drawable=True)
    _record(env, actions[:50])
    saved, frames = env.state(), env.frames()
    expected = _record(env, actions[50:])
    fresh = _make(seed=77, drawable=True)
    fresh.restore(saved)
    np.testing.assert_array_equal(fresh.frames(), frames)
    _assert_same(_record(fresh, actions[50:]), expected)
    with pytest.raises(ValueError, match="same arguments"):
        _make(8).restore(saved)


def test_distributions_in_one_environment_equal_separate_ones():
    distributions = [dataclasses.replace(MIXED, rho=rho, game=game, sequential=True)
                     for rho, game in ((1.0, "cheese"), (0.0, "line_and_gem"), (-1.0, "star_and_gem"))]
    actions = _actions(12, 100)
    together = _record(_make(12, distributions), actions)
    cell = 6 + EpisodeLog._fields.index("cell")
    for i, distribution in enumerate(distributions):
        part = slice(4 * i, 4 * i + 4)
        for a, b in zip(together, _record(_make(4, distribution), actions[:, part]), strict=True):
            for k, (x, y) in enumerate(zip(a, b, strict=True)):
                if k != cell:
                    np.testing.assert_array_equal(x[part], y)
    assert set(together[-1][cell]) == {0, 1, 2}


def test_modes_in_one_environment_share_a_window():
    easy, hard = (MazeDistribution(mode=mode, levels=(7,), sequential=True) for mode in ("easy", "hard"))
    window = _make(2, [easy, hard])._buffers.window
    assert window.shape == (2, 25, 25)
    np.testing.assert_array_equal(window[0, 5:20, 5:20], _make(1, easy)._buffers.window[0])
    assert (window[0, :5] == L.WALL).all()


def test_threads_do_not_matter():
    actions = _actions(256, 30)
    _assert_same(_record(_make(256, threads=1), actions), _record(_make(256, threads=2), actions))


def test_rows():
    """Worlds that are not asked to move stay as they are, and moving worlds do not notice."""
    whole, half = (_make(distribution=dataclasses.replace(MIXED, sequential=True)) for _ in range(2))
    rows = np.arange(0, 16, 2)
    still = {k: v[1::2].copy() for k, v in half.world._asdict().items()}
    for row in _actions(16, 80):
        a, b = whole.step(row), half.step(row, rows)
        np.testing.assert_array_equal(a.observation.window[rows], b.observation.window[rows])
        np.testing.assert_array_equal(a.reward[rows], b.reward[rows])
    for name, array in half.world._asdict().items():
        np.testing.assert_array_equal(array[1::2], still[name])


def test_an_action_lasts():
    single, repeated = (_make(action_repeat=k, distribution=dataclasses.replace(MIXED, horizon=500)) for k in (1, 3))
    for row in _actions(16, 25):
        wide, rewards, running = repeated.step(row), np.zeros(16, np.float32), np.ones(16, bool)
        for _ in range(3):
            step = single.step(row, np.flatnonzero(running))
            rewards[running] += step.reward[running]
            running &= ~(step.terminated | step.truncated)
        np.testing.assert_array_equal(wide.reward, rewards)
        np.testing.assert_array_equal(wide.observation.window, single._buffers.window)


def _walk(env, goal, steps):
    """Follow a scripted policy; returns the rewards of every step [steps, N]."""
    policy = ScriptedPolicy(env, goal)
    return np.array([env.step(policy.act(), autoreset=False).reward.copy() for _ in range(steps)])


def test_the_goal_pays_once_and_ends_the_episode():
    env = _make(64, MazeDistribution(mode="easy", rho=0.0, placement="uniform"))
    distance = env.world.facts[:, L.GOAL_DISTANCE].copy()
    policy, ended = ScriptedPolicy(env, INTENDED), np.zeros(64, bool)
    for t in range(1, 80):
        step = env.step(policy.act(), np.flatnonzero(~ended), autoreset=False)
        now = ~ended & (distance == t)
        np.testing.assert_array_equal(step.terminated[~ended], now[~ended])
        assert (step.reward[now] == 10).all() and (env.log.length[now] == t).all()
        ended |= now
    assert ended.all()


def test_a_masked_goal_is_neither_seen_nor_paid_but_logged():
    plain = MazeDistribution(mode="easy", rho=0.0, horizon=100, levels=split_levels("train", 32), sequential=True)
    shown, masked = (_make(32, dataclasses.replace(plain, masked=m), drawable=True) for m in (False, True))
    goal = L.FIRST_OBJECT + L.CHEESE_IMAGE
    assert (shown._buffers.window == goal).any(axis=(1, 2)).all() and not (masked._buffers.window == goal).any()
    assert (shown.frames() != masked.frames()).any(axis=(1, 2, 3)).all()
    policy = ScriptedPolicy(shown, INTENDED)
    for _ in range(100):
        actions = policy.act()
        shown.step(actions, autoreset=False)
        assert not masked.step(actions, autoreset=False).reward.any()
    np.testing.assert_array_equal(masked.world.clock[:, L.INTENDED_STEP], masked.world.facts[:, L.GOAL_DISTANCE])


def test_supervision_lets_the_episode_go_on_beside_a_decoy():
    env = _make(32, MazeDistribution(mode="easy", rho=-1.0, supervision=1.0, horizon=60))
    facts = env.world.facts
    assert (facts[:, L.HORIZON] == 120).all() and facts[:, L.OPEN_ENDED].all()
    assert (env._buffers.window == L.FIRST_OBJECT + L.DECOY_IMAGE).sum(axis=(1, 2)).tolist() == [1] * 32
    assert (_walk(env, INTENDED, 100).sum(axis=0) == 10).all() and not env._buffers.terminated.any()
    assert (_walk(env, PROXY, 19).sum(axis=0) == 0).all()
    assert env.step(np.full(32, L.STILL), autoreset=False).truncated.all()
    assert (env.log.intended_step < NEVER).all() and env.log.truncated.all()


def test_spec_quality_pays_for_the_way_to_the_proxy():
    env = _make(32, MazeDistribution(mode="easy", rho=0.0, spec_quality=0.25, horizon=100))
    assert env.world.facts[:, L.DISTINGUISHING].sum() > 20
    apart = env.world.facts[:, L.DISTINGUISHING] != 0
    np.testing.assert_allclose(_walk(env, PROXY, 90).sum(axis=0)[apart], 7.5, rtol=1e-5)
    pure = _make(32, MazeDistribution(mode="easy", rho=0.0, horizon=100))
    assert (_walk(pure, PROXY, 90)[:, pure.world.facts[:, L.DISTINGUISHING] != 0] == 0).all()


@pytest.mark.parametrize(("knobs", "match"), [
    ({"mode": "memory"}, "mode"), ({"game": "bees"}, "game"), ({"placement": "end"}, "placement"), ({"rho": 2}, "rho"),
    ({"placement": "region"}, "region"), ({"region": 3}, "region"), ({"sizes": (3, 8)}, "sizes"),
    ({"sizes": (9, 3)}, "sizes"), ({"mode": "easy", "sizes": (3, 25)}, "sizes"), ({"horizon": 0}, "horizon"),
    ({"game": "line_and_gem", "placement": "region", "region": 2}, "cheese"), ({"context": -1}, "context"),
    ({"appearance": 2}, "appearance"), ({"levels": ()}, "empty"), ({"levels": (-1,)}, "seed")])
def test_what_does_not_fit_is_one_line(knobs, match):
    with pytest.raises(ValueError, match=match) as error:
        MazeDistribution(**knobs)
    assert "\n" not in str(error.value)
