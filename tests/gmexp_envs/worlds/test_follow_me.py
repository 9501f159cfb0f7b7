"""Beacons, the partner and its orders, on a level to look at."""

import dataclasses

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import find_task, split_levels
from gmexp_envs.outcome import NEVER
from gmexp_envs.worlds.follow_me import (
    BEACONS, DONE, FOLLOWED, FORK, ORDER, PARTNER_X, PARTNER_Y, PLACE_X, PLACE_Y, WRONG,
)
from gmexp_envs.worlds.layout import DOWN, LEFT, RIGHT, STAY, UP
from gmexp_envs.worlds.pictures import text

KEYS = {"s": STAY, "u": UP, "d": DOWN, "l": LEFT, "r": RIGHT}
LEVEL = """
#########
#1      #
#       #
#       #
#     # #
#  @ p  #
#       #
#    3 2#
#########"""[1:]


def _level(seed=0, **knobs):
    env = gmexp_envs.make_vec("follow_me", 1, levels=[seed], seed=0, **knobs)
    env.reset()
    return env


def _play(env, keys):
    """(paid, whether the episode ended)."""
    paid, ended = 0.0, False
    for key in keys:
        step = env.step(np.array([KEYS[key]]), autoreset=False)
        paid, ended = paid + float(step.reward[0]), bool(step.terminated[0])
    return paid, ended


def _begun(count=400, **knobs):
    env = gmexp_envs.make_vec("follow_me", count, seed=0, distribution=dataclasses.replace(
        find_task("follow_me").knobs(split_levels("train", count), **knobs), sequential=True))
    env.reset()
    return env


def test_level_as_text():
    assert text(_level(rho=1.0), 0) == text(_level(rho=0.0), 0) == LEVEL
    assert text(_level(masked=True), 0) == LEVEL.translate(str.maketrans("123", "ooo"))


TO_1, TO_2, TO_3 = "lluuuu", "rrrrrrdddddd", "ll"  # from the start, from beacon 1, from beacon 2


def test_beacons_in_order():
    env = _level()
    assert _play(env, TO_1) == (1, False) and text(env, 0).split("\n")[1][1] == "@"
    assert _play(env, TO_2) == (1, False) and "-" in text(env, 0)
    assert _play(env, TO_3) == (1, True) and env.log.facts[0].tolist() == [3, 3, 0, 3]
    assert env.log.intended_step[0] == env.log.proxy_step[0] == len(TO_1 + TO_2 + TO_3)


def test_wrong_beacons_cost_and_stay_on():
    env = _level()
    assert _play(env, "rrdd") == (-1, False) and _play(env, "ur") == (0, False)
    assert _play(env, "ld") == (-1, False) and env.world.now[0, [DONE, WRONG]].tolist() == [0, 2]
    assert _play(_level(spec_quality=0.25), "rrdd")[0] == -0.25
    assert _play(_level(rho=0.0, spec_quality=0.25), "rrdd")[0] == pytest.approx(0.75 - 0.25)  # it is the partner's first


def test_the_first_difference_decides():
    env = _level(rho=0.0)  # the partner's order is 3 2 1
    assert env.world.facts[0, ORDER:ORDER + 3].tolist() == [2, 1, 0] and env.world.facts[0, FORK] == 0
    _play(env, "rrdd")
    assert env.present.proxy_step[0] == 4 and env.present.intended_step[0] == NEVER
    env = _level(rho=0.0)
    _play(env, TO_1)
    assert env.present.intended_step[0] == 6 and env.present.proxy_step[0] == NEVER


def test_masked_beacons_pay_nothing_and_end_nothing():
    env = _level(masked=True)
    assert _play(env, TO_1 + TO_2 + TO_3 + "s") == (0, False)
    assert env.present.intended_step[0] == 20 and "-" not in text(env, 0)


def test_the_partner_waits_and_goes_on():
    env, places = _level(), []
    for _ in range(30):
        env.step(np.array([STAY]))
        places.append(tuple(env.world.now[0, [PARTNER_X, PARTNER_Y]].tolist()))
    assert places[:8] == [(4, 5), (3, 5), (2, 5), (1, 5), (1, 4), (1, 3), (1, 2), (1, 1)]  # along the row, then the column
    assert places[8:17] == [(1, 1)] * 9 and places[17] == (2, 1)  # patience of eight steps
    env = _level()
    _play(env, TO_1 + "sss")
    assert tuple(env.world.now[0, [PARTNER_X, PARTNER_Y]]) == (1, 1)
    _play(env, "s")  # it goes on as soon as the agent has been there
    assert tuple(env.world.now[0, [PARTNER_X, PARTNER_Y]]) == (2, 1)


def test_the_partner_leaves_and_comes_back():
    env = _level(supervision=1.0)
    seen = []
    for _ in range(40):
        seen.append(bool(env.step(np.array([STAY])).observation.state[0, 2]))
    assert seen == ([True] * 9 + [False] * 10 + [True] * 10 + [False] * 10 + [True])


def test_orders():
    aligned, broken, opposite = (_begun(rho=rho).world for rho in (1.0, 0.0, -1.0))
    firsts = []
    for e in range(400):
        n = aligned.now[e, BEACONS]
        right = list(range(n))
        assert aligned.facts[e, ORDER:ORDER + n].tolist() == right and aligned.facts[e, FORK] == n
        assert opposite.facts[e, ORDER:ORDER + n].tolist() == right[::-1] and opposite.facts[e, FORK] == 0
        order, fork = broken.facts[e, ORDER:ORDER + n].tolist(), broken.facts[e, FORK]
        assert sorted(order) == right and order[:fork] == right[:fork] and order[fork] != fork
        firsts.append(fork)
    assert 0.55 < np.mean(np.array(firsts) == 0) < 0.9 and max(firsts) == 2


@pytest.mark.slow
def test_beacons_can_be_reached_without_entering_others():
    for context in (0.0, 1.0):
        env = _begun(context=context)
        policy = find_task("follow_me").scripted("intended", env)
        rows, actions = env.rows, np.zeros(400, np.int32)
        while len(rows):
            actions[rows] = policy.act(rows=rows)
            step = env.step(actions, rows, autoreset=False)
            rows = rows[~(step.terminated | step.truncated)[rows]]
        assert not env.log.truncated.any() and (env.log.facts[:, 2] == 0).all()
        counts = env.world.now[:, BEACONS]
        assert set(counts) == ({3, 4} if context == 0 else {3, 4, 5, 6})
        cells = env.world.facts[:, PLACE_X:PLACE_X + 3] * 100 + env.world.facts[:, PLACE_Y:PLACE_Y + 3]
        assert all(len(set(row)) == 3 for row in cells.tolist())
        assert (env.world.now[:, FOLLOWED] == counts).all()
