"""procgen's binary as a backend: the same logs as the native engine, episodes that wait, and what it refuses."""

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.scripted import INTENDED, ScriptedPolicy
from gmexp_envs.keys_and_chests.task import TASK
from gmexp_envs.procgen_family import binary as procgen

needs_procgen = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed")


def _pair(distributions, n=8, **options):
    return [gmexp_envs.make_vec(TASK, n, distribution=distributions, seed=5, backend=backend, **options)
            for backend in ("native", "procgen")]


@needs_procgen
@pytest.mark.slow
@pytest.mark.parametrize("repeat", [1, 3])
def test_both_backends_play_alike(repeat):
    ours, theirs = _pair([LevelDistribution(rho=0.0, mode="easy", horizon=60),
                          LevelDistribution(game="heist", mode="easy", horizon=60)], action_repeat=repeat)
    a, b = ours.reset(), theirs.reset()
    policy, rng, ended = ScriptedPolicy(ours, INTENDED), np.random.default_rng(0), 0
    for _ in range(120):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
        actions = np.where(rng.random(8) < 0.2, rng.integers(0, 15, 8), policy.act()).astype(np.int32)
        first, second = ours.step(actions), theirs.step(actions)
        for x, y in zip(first[1:], second[1:], strict=True):
            np.testing.assert_array_equal(x, y)
        over = first.terminated | first.truncated
        for x, y in zip(ours.log.take(over), theirs.log.take(over), strict=True):
            np.testing.assert_array_equal(x, y)
        a, b, ended = first.observation, second.observation, ended + int(over.sum())
    assert ended > 20
    theirs.close()


@needs_procgen
@pytest.mark.slow
def test_a_state_goes_on_exactly():
    _, env = _pair([LevelDistribution(rho=0.0)], 4)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(10):
        env.step(rng.integers(0, 9, 4).astype(np.int32))
    saved = env.state()
    actions = rng.integers(0, 9, (15, 4)).astype(np.int32)
    runs = []
    for _ in range(2):
        env.restore(saved)
        runs.append([env.step(row).observation.state.copy() for row in actions])
    np.testing.assert_array_equal(*runs)
    env.close()


@needs_procgen
def test_what_it_cannot_express_is_one_line():
    for distributions, words in ([LevelDistribution(appearance=0.0)], "one wall"), (
            [LevelDistribution(), LevelDistribution(mode="easy")], "one mode at a time"):
        with pytest.raises(ValueError, match=words) as error:
            gmexp_envs.make_vec(TASK, 2, distribution=distributions, backend="procgen")
        assert "\n" not in str(error.value)
    assert TASK.why_not(LevelDistribution(appearance=0.5), "native") is None
    assert "appearance" in TASK.why_not(LevelDistribution(appearance=0.5), "procgen")
