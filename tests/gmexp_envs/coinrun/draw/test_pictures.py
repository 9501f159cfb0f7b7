"""Whole levels are what the views of them show; changes are told in words."""

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs.coinrun.draw.large import render_large
from gmexp_envs.coinrun.draw.pictures import changes, extent, view, whole_level
from gmexp_envs.coinrun.draw.sprites import default_style, load_sprites
from gmexp_envs.coinrun.layout import COIN_X, COIN_Y, END_X, END_Y, X, Y
from gmexp_envs.coinrun.task import TASK
from gmexp_envs.shifts import shift

LEVELS = gmexp_envs.split_levels("evaluation", 4)
TRAINING = gmexp_envs.LevelDistribution(mode="easy", appearance=0.0, levels=LEVELS, sequential=True)
SPRITES = load_sprites(*default_style().options)


def begun(distribution):
    env = gmexp_envs.make_vec("coinrun", 4, distribution=distribution, seed=0, drawable=True)
    env.reset()
    return env


@pytest.mark.parametrize("grade", [0.0, 1.0])
def test_a_whole_level_is_what_its_views_show(grade):
    env, cell = begun(shift(TASK, TRAINING, 4, grade)), 8
    for e in range(4):
        columns, rows = extent(env, e)
        whole = whole_level(env, e, cell).image
        assert whole.shape == (rows * cell, columns * cell, 3)
        world = env.world._replace(body=env.world.body.copy())
        world.body[e, X], world.body[e, Y] = 8.5, 9.5  # columns 2..14 and rows 3..15, the agent in column 8
        seen, top, right = render_large(world, e, SPRITES, 13 * cell), min(rows, 16), min(columns, 15)
        seen = seen[(16 - top) * cell:, :(right - 2) * cell]
        same = (whole[(rows - top) * cell:(rows - 3) * cell, 2 * cell:right * cell] == seen).all(2)
        same[:, 6 * cell:7 * cell] = True
        assert same.size > 20 * cell**2 and same.mean() > 0.95  # backgrounds are scaled view by view
        facts = env.world.facts[e]
        assert columns > max(facts[END_X], facts[COIN_X]) and rows > max(facts[END_Y], facts[COIN_Y])


def test_the_goals_are_where_the_facts_say():
    env, cell = begun(shift(TASK, TRAINING, 3, 1.0)), 10
    for e in range(4):
        picture, facts = whole_level(env, e, cell, rows=30), env.world.facts[e]
        assert picture.image.shape[0] == 300 and picture.cell == cell
        assert picture.intended == ((facts[COIN_X] + 0.5) * cell, (30 - facts[COIN_Y] - 0.5) * cell)
        assert picture.proxy == ((facts[END_X] + 0.5) * cell, (30 - facts[END_Y] - 0.5) * cell)
        around = view(env, e, 130)
        right, up = facts[END_X] + 0.5 - env.world.body[e, X], facts[END_Y] + 0.5 - env.world.body[e, Y]
        assert around.proxy == pytest.approx((65 + 10 * right, 65 - 10 * up)) and around.image.shape == (130, 130, 3)


def test_the_agent_stands_where_it_starts():
    env, cell = begun(TRAINING), 16
    body = env.world.body.copy()
    whole = whole_level(env, 0, cell, rows=13).image[:, :13 * cell].astype(int)
    env.world.body[0, X] = 40.5
    without = whole_level(env, 0, cell, rows=13).image[:, :13 * cell].astype(int)
    y, x = np.nonzero(np.abs(whole - without).sum(2) > 30)
    assert len(x) and abs(x.mean() / cell - body[0, X]) < 0.3 and abs(13 - y.mean() / cell - body[0, Y]) < 0.7


@pytest.mark.parametrize("kind, grade, e, expected", [(0, 0.0, 0, "as in training"), (1, 1.0, 0, "new look")])
def test_changes_in_words(kind, grade, e, expected):
    assert changes(begun(TRAINING), begun(shift(TASK, TRAINING, kind, grade)), e) == expected


def test_changes_name_everything_that_the_extreme_shift_does():
    words = changes(begun(TRAINING), begun(shift(TASK, TRAINING, 4, 1.0)), 0)
    for part in ("new look", "gravity +15%", "coin moved", "decoy", "goes on after the coin"):
        assert part in words
