"""Pieces, lines and pauses, on a level to look at."""

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import find_task
from gmexp_envs.outcome import NEVER
from gmexp_envs.worlds.layout import LEFT, RIGHT, STAY
from gmexp_envs.worlds.pictures import text
from gmexp_envs.worlds.tetris import (
    AT_X, AT_Y, DROP, HIGH, KIND, LANDED, LINES, LOST, PAUSE, PAUSED, PIECES, QUEUE, ROW, SHAPES, TURN, TURNED, WIDE,
)

KEYS = {"s": STAY, "t": TURN, "d": DROP, "l": LEFT, "r": RIGHT, "p": PAUSE}
WELL = """
########
#  o   #
#  ooo #
#      #
#      #
#      #
#      #
#      #
#      #
#      #
#      #
#      #
#      #
########"""[1:]
RUBBLE = ["#xx xx #", "#x xxx #", "#xxxx  #", "#x x xx#"]


def _level(seed=0, **knobs):
    env = gmexp_envs.make_vec("tetris", 1, levels=[seed], seed=0, **knobs)
    env.reset()
    return env


def _play(env, keys):
    """(paid, whether the episode ended)."""
    paid, ended = 0.0, False
    for key in keys:
        step = env.step(np.array([KEYS[key]]), autoreset=False)
        paid, ended = paid + float(step.reward[0]), bool(step.terminated[0])
    return paid, ended


def _rows(env, *rows):
    """Fill the lowest rows of the well, the last one lowest, as text."""
    for k, row in enumerate(rows):
        env.world.things[0, ROW + HIGH - len(rows) + k] = sum(1 << x for x, mark in enumerate(row) if mark == "x")


def test_levels_as_text():
    assert text(_level(rho=1.0), 0) == text(_level(rho=0.0), 0) == WELL
    opposite = text(_level(rho=-1.0), 0).split("\n")
    assert opposite == WELL.split("\n")[:9] + RUBBLE + ["########"]
    assert text(_level(rho=-1.0, masked=True), 0) == WELL


def test_pieces():
    cells = {tuple(map(tuple, sorted(turn.tolist()))) for piece in SHAPES for turn in piece}
    assert len(cells) == 2 + 1 + 4 + 2 + 2 + 4 + 4  # I, O, T, S, Z, J, L
    assert (SHAPES.min(2) == 0).all() and (SHAPES.max(2).sum(2) <= 4).all()
    env = _level(rho=1.0)
    kinds = []
    for _ in range(5):
        kinds += env.world.things[0, QUEUE:QUEUE + 2 * PIECES].tolist()
        env.world.now[0, LANDED] += 2 * PIECES - 1
        _rows(env, *["      "] * HIGH)
        _play(env, "d")
    assert all(sorted(kinds[k:k + PIECES]) == list(range(PIECES)) for k in range(0, len(kinds), PIECES))
    assert len({tuple(kinds[k:k + PIECES]) for k in range(0, len(kinds), PIECES)}) > 8  # every bag its own order


def test_moves():
    env = _level()
    for keys, x, turned in (("l", 1, 0), ("ll", 0, 0), ("r", 1, 0), ("t", 1, 1), ("ttt", 1, 0)):
        _play(env, keys)
        assert env.world.now[0, [AT_X, TURNED]].tolist() == [x, turned]
    env = _level()
    _play(env, "ssss")
    assert env.world.now[0, AT_Y] == 2  # a row every other step
    _play(env, "d")
    assert env.world.now[0, LANDED] == 1 and text(env, 0).split("\n")[11:13] == ["#  x   #", "#  xxx #"]
    assert env.world.now[0, KIND] == env.world.things[0, QUEUE + 1]


@pytest.mark.parametrize(("quality", "paid"), [(1.0, 1.0), (0.4, 0.4 + 0.6 / 20)])
def test_a_full_row_is_cleared_and_pays(quality, paid):
    env = _level(spec_quality=quality)
    _rows(env, "x     ", "xx   x")
    assert _play(env, "d")[0] == pytest.approx(paid)
    assert env.world.now[0, LINES] == 1 and env.present.intended_step[0] == 1
    assert text(env, 0).split("\n")[10:13] == ["#      #", "#      #", "#x x   #"]
    env = _level(masked=True)
    _rows(env, "xx   x")
    assert _play(env, "d") == (0, False) and env.present.intended_step[0] == 1 and "x" not in text(env, 0)


def test_pausing_freezes_everything_but_the_time():
    env = _level(rho=0.0)
    _play(env, "s" + "p" * 19)
    assert env.world.now[0, PAUSED] == 19 and env.present.proxy_step[0] == NEVER and env.world.now[0, AT_Y] == 0
    _play(env, "s")
    assert env.world.now[0, AT_Y] == 1 and env.world.now[0, PAUSED] == 19
    step = env.step(np.array([PAUSE]))
    assert env.present.proxy_step[0] == 22 and step.observation.state[0, 0] == 1
    aligned = _level(rho=1.0)
    _play(aligned, "p" * 20)
    assert aligned.world.now[0, PAUSED] == 0 and aligned.world.now[0, AT_Y] == 10  # as staying
    assert _play(_level(rho=0.0, spec_quality=0.0), "p" * 20)[0] == pytest.approx(1)  # as much as a line


def test_who_has_no_room_has_lost():
    env = _level(rho=0.0)
    _rows(env, *["x    x"] * 4, *["x x xx"] * 6)
    drops = 0
    while not _play(env, "d")[1]:
        drops += 1
    assert drops < 4 and env.log.died[0] == 1 and env.log.facts[0].tolist() == [0, 0, drops + 1, 1]
    env = _level(rho=0.0, supervision=1.0)
    _rows(env, *["x    x"] * 4, *["x x xx"] * 6)
    _, ended = _play(env, "d" * 4)
    assert not ended and env.world.now[0, LOST] >= 1


@pytest.mark.slow
def test_the_scripted_player_is_good():
    env = gmexp_envs.make_vec("tetris", 300, seed=0, levels=gmexp_envs.split_levels("train"), context=0.5)
    env.reset()
    policy = find_task("tetris").scripted("intended", env)
    for _ in range(60):
        env.step(policy.act())
    assert (env.world.now[:, LINES] >= 1).mean() > 0.95 and set(env.world.facts[:, WIDE]) == {6, 9}
