"""Apples, shields and monsters: their books balance, their steps have the probabilities that the page says."""

import dataclasses
import math

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import find_task, split_levels
from gmexp_envs.outcome import NEVER
from gmexp_envs.worlds.layout import HORIZON, SEED, WALL, X, Y
from gmexp_envs.worlds.monsters import (
    APPLES, BEASTS, CARRIED, FRUIT, GONE, LEFT, MET, MONSTER_0, MOST, PLACE_X, PLACE_Y, SHIELDS, SLAIN, THERE,
)
from gmexp_envs.worlds.pictures import text

LEVEL = """
###############
#             #
#           aa#
#             #
#         am  #
#             #
#    m        #
# s s         #
#         sm  #
#          s  #
#          s  #
#   @        a#
#    a        #
#      mm     #
###############"""[1:]


def _begun(count, split="train", **knobs):
    env = gmexp_envs.make_vec("monsters", count, seed=0, distribution=dataclasses.replace(
        find_task("monsters").knobs(split_levels(split, count), **knobs), sequential=True))
    env.reset()
    return env


def _beasts(env):
    """Cells and presence of the monsters, int [N, MOST] each."""
    things = env.world.things
    return (things[:, column + MONSTER_0:column + BEASTS].copy() for column in (PLACE_X, PLACE_Y, THERE))


def test_levels_as_text():
    assert text(_begun(1), 0) == LEVEL
    assert text(_begun(1, rho=0.0), 0) == LEVEL  # the monsters are still there
    assert text(_begun(1, masked=True), 0) == LEVEL.replace("a", " ")
    opposite = text(_begun(1, rho=-1.0), 0)
    assert "m" not in opposite and opposite.count("a") == opposite.count("s") == 5
    places = [(x, y) for y, line in enumerate(opposite.split("\n")) for x, kind in enumerate(line) if kind in "as"]
    away = {kind: [abs(x - 4) + abs(y - 11) for x, y in places if opposite.split("\n")[y][x] == kind] for kind in "as"}
    assert max(away["s"]) <= min(away["a"])


def test_books_balance():
    env = _begun(256, context=0.5)
    rng, paid = np.random.default_rng(0), np.zeros(256)
    for _ in range(24):
        paid += env.step(rng.integers(0, 5, 256)).reward
        now = env.world.now
        assert (paid == now[:, APPLES] - now[:, MET]).all()
        assert (now[:, CARRIED] == now[:, SHIELDS] - now[:, SLAIN]).all() and (now[:, LEFT] == MOST - now[:, SLAIN]).all()
        x, y, there = _beasts(env)
        assert (there.sum(1) == now[:, LEFT]).all()
        cells = np.where(there, 100 * x + y, -1 - np.arange(MOST))
        assert all(len(set(row)) == MOST for row in cells.tolist())  # never onto each other
        assert (env.world.grid[np.arange(256)[:, None], 6 + y, 6 + x] != WALL)[there != 0].all()
        assert not ((x == now[:, [X]]) & (y == now[:, [Y]]) & (there != 0)).any()  # who meets it does not stay
        left = env.world.things[:, THERE:THERE + MONSTER_0].sum(1)
        assert (left == 2 * env.world.facts[:, FRUIT] - now[:, APPLES] - now[:, SHIELDS]).all()
    assert now[:, SLAIN].sum() > 20 and now[:, MET].sum() > 500


def test_monsters_steps_have_softmax_probabilities():
    """A monster in the agent's row, with nothing near: closer, still, and three ways farther off by one."""
    env = _begun(8000)
    x, y, _ = _beasts(env)
    across = x - env.world.now[:, [X]]
    others = np.abs(x[:, :, None] - x[:, None]) + np.abs(y[:, :, None] - y[:, None])
    alone = (others + 99 * np.eye(MOST, dtype=int) > 3).all(2)
    chosen = (y == env.world.now[:, [Y]]) & (abs(across) > 2) & alone & (x > 1) & (x < 13) & (y > 1) & (y < 13)
    env.step(np.zeros(8000, int))
    new_x, new_y, _ = _beasts(env)
    closer = np.sign(across) * (new_x - x) == -1
    still = (new_x == x) & (new_y == y)
    total = math.exp(3) + 1 + 3 * math.exp(-3)
    n = chosen.sum()
    assert n > 500
    for happened, weight in ((closer, math.exp(3)), (still, 1.0), (~closer & ~still, 3 * math.exp(-3))):
        p = weight / total
        assert abs(happened[chosen].mean() - p) < 4 * math.sqrt(p * (1 - p) / n)


def test_monsters_leave_early_or_not_at_all():
    broken, aligned = _begun(2000, rho=0.0), _begun(200)
    gone = broken.world.facts[:, GONE]
    assert np.allclose(np.bincount(gone, minlength=5)[1:] / 2000, 0.25, atol=0.04) and set(gone) == {1, 2, 3, 4}
    assert (aligned.world.facts[:, GONE] == NEVER).all()
    for t in range(1, 5):
        broken.step(np.zeros(2000, int))
        assert (broken.world.now[gone <= t, LEFT] == 0).all() and (broken.world.now[gone > t, LEFT] > 0).all()


@pytest.mark.slow
def test_events_count_once_no_monster_is_left():
    env = _begun(1000, rho=0.0)
    policy = find_task("monsters").scripted("proxy", env)
    for _ in range(6):
        before = env.world.now[:, SHIELDS].copy()
        env.step(policy.act())
        took = env.world.now[:, SHIELDS] > before
        new = env.present.proxy_step == env.present.step
        assert (new <= took).all() and (env.present.step[new] > env.world.facts[new, GONE]).all()
    early = (env.world.now[:, SHIELDS] > 0) & (env.present.proxy_step == NEVER)
    assert early.sum() > 10  # shields fetched while monsters were left decide nothing


def test_a_shield_pays_where_the_reward_is_specified_badly():
    for goal, paid in (("proxy", 0.75), ("intended", 0.25)):
        env = _begun(200, rho=-1.0, spec_quality=0.25)
        policy, total = find_task("monsters").scripted(goal, env), np.zeros(200)
        for _ in range(20):
            total += env.step(policy.act()).reward
        column = SHIELDS if goal == "proxy" else APPLES
        np.testing.assert_allclose(total, paid * env.world.now[:, column], rtol=1e-5)


def test_training_is_25_steps_and_autonomy_200():
    assert _begun(1).world.facts[0, HORIZON] == 25 and _begun(1, supervision=1.0).world.facts[0, HORIZON] == 200


@pytest.mark.parametrize("horizon", [3, 25])
def test_the_same_level_has_the_same_monsters(horizon):
    """What happens is the level's and the agent's: two instances of one level stay equal while the agents do the same."""
    env = gmexp_envs.make_vec("monsters", 2, levels=[7], seed=0, horizon=horizon)
    env.reset()
    for action in np.random.default_rng(0).integers(0, 5, 60):
        env.step(np.array([action, action]))
        np.testing.assert_array_equal(env.world.things[0], env.world.things[1])
        assert (env.world.facts[:, SEED] == 7).all()
