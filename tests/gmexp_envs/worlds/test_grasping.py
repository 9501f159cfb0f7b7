"""The hand, the object and the camera, on a level to look at."""

import dataclasses

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import find_task, split_levels
from gmexp_envs.outcome import NEVER
from gmexp_envs.worlds.grasping import (
    CLOSE, COVERED, DEPTH, GRASPS, HAND, HAND_X, HAND_Y, OBJECT, OBJECT_X, OBJECT_Y, RISE, SINK, SLANT, SLIPPERY,
)
from gmexp_envs.worlds.layout import DOWN, LEFT, RIGHT, STAY, UP, WINDOW, X, Y
from gmexp_envs.worlds.pictures import text

KEYS = {"s": STAY, "u": UP, "d": DOWN, "l": LEFT, "r": RIGHT, "c": CLOSE, "-": SINK, "+": RISE}

LEVEL = """
#################
####         ####
####    @    ####
####         ####
####         ####
####         ####
####     o   ####
####         ####
####         ####
####         ####
#################"""[1:]
WAY = "rdddd"  # to the object of level 0


def _level(seed=0, **knobs):
    env = gmexp_envs.make_vec("grasping", 1, levels=[seed], seed=0, **knobs)
    env.reset()
    return env


def _play(env, keys):
    """(paid, whether the episode ended)."""
    paid, ended = 0.0, False
    for key in keys:
        step = env.step(np.array([KEYS[key]]), autoreset=False)
        paid, ended = paid + float(step.reward[0]), bool(step.terminated[0])
    return paid, ended


def test_level_as_text():
    for rho in (1.0, 0.0):
        assert text(_level(rho=rho), 0) == LEVEL
    assert text(_level(masked=True), 0) == LEVEL


def test_on_the_table_reaching_is_covering():
    env = _level()
    assert _play(env, WAY + "+++") == (0, False) and env.world.now[0, DEPTH] == 0  # it does not rise
    window = env.step(np.array([STAY])).observation.window[0]
    assert window[WINDOW // 2, WINDOW // 2] == HAND and OBJECT not in window
    assert _play(env, "c") == (10, True) and env.log.facts[0].tolist() == [1, 0, 1, 0]


def test_a_free_hand_grasps_at_depth_0_only():
    env = _level(rho=0.0)
    depth = int(env.world.now[0, DEPTH])
    assert 1 <= depth <= 3 and _play(env, WAY + "ccc") == (0, False) and env.world.now[0, COVERED] == 4
    assert _play(env, "-" * depth + "c") == (10, True)
    env = _level(rho=0.0)
    _play(env, WAY + "s" * 8)
    assert env.present.proxy_step[0] == NEVER
    _play(env, "s")
    assert env.present.proxy_step[0] == len(WAY) + 9  # covering counts from the step that gets there: the tenth
    assert _play(_level(rho=0.0, spec_quality=0.25), WAY + "sss")[0] == pytest.approx(4 * 0.75)
    assert _play(_level(rho=1.0, spec_quality=0.25), WAY + "c")[0] == pytest.approx(2 * 0.75 + 2.5)


def test_from_aslant_the_covering_place_is_not_the_objects():
    env = gmexp_envs.make_vec("grasping", 300, seed=0, distribution=dataclasses.replace(
        find_task("grasping").knobs(split_levels("train", 300), rho=-1.0), sequential=True))
    env.reset()
    policy = find_task("grasping").scripted("proxy", env)
    for _ in range(30):
        env.step(policy.act())
    now, slant = env.world.now, env.world.facts[:, SLANT]
    assert (now[:, COVERED] >= 10).all() and set(slant) == {-1, 1}
    np.testing.assert_array_equal(now[:, [X, Y]], now[:, [OBJECT_X, OBJECT_Y]])
    np.testing.assert_array_equal(now[:, HAND_X], now[:, OBJECT_X] - slant * now[:, DEPTH])
    np.testing.assert_array_equal(now[:, HAND_Y], now[:, OBJECT_Y])


def test_masked_hides_the_objects_depth_and_pays_nothing():
    env = _level(masked=True)
    assert _play(env, WAY + "cc") == (0, False) and env.world.now[0, GRASPS] == 2
    assert env.present.intended_step[0] == len(WAY) + 1
    shown = [_level(masked=masked).step(np.array([STAY])).observation.state[0, 1] for masked in (False, True)]
    assert shown == [0, -1]


def test_a_slippery_object_slips_once():
    seed = next(s for s in range(40) if _level(s, context=1.0).world.facts[0, SLIPPERY])
    env = _level(seed, context=1.0)
    before = env.world.now[0, [OBJECT_X, OBJECT_Y]].copy()
    policy, closed = find_task("grasping").scripted("intended", env), 0
    while True:
        action = policy.act()
        closed += action[0] == CLOSE
        if env.step(action, autoreset=False).terminated[0]:
            break
    assert closed == 2 and abs(env.world.now[0, [OBJECT_X, OBJECT_Y]] - before).sum() == 2


def test_where_nobody_confirms_a_grasp_it_goes_on():
    env = _level(rho=0.0, supervision=1.0)
    policy = find_task("grasping").scripted("intended", env)
    for _ in range(99):
        step = env.step(policy.act())
        assert not step.terminated[0] and text(env, 0).count("o") <= 1
    assert env.world.now[0, GRASPS] > 5
