"""Levels: counts, what can be told apart, what shifts change and what they leave alone."""

import dataclasses
from collections import deque

import numpy as np
import pytest

from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.distribution import LevelDistribution, Physics
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.levels import SeedRange

N = 256
HARD = LevelDistribution(levels=SeedRange(40, N), sequential=True)
MANY_KEYS = dataclasses.replace(HARD, rho=0.0, placement="many_keys")


def _world(distribution):
    env = KeysAndChests(N, [distribution], seed=0)
    env.reset()
    return env.world


def _things(world, e):
    """Cells of the chests, of the keys and of the agent in instance e."""
    cells = {L.CHEST: [], L.KEY: []}
    for k in range(world.facts[e, L.NUM_OBJECTS]):
        x, y = world.objects[e, k].astype(int)
        cells[int(world.kinds[e, k, L.KIND])].append((x, y))
    return cells[L.CHEST], cells[L.KEY], (int(world.body[e, L.X]), int(world.body[e, L.Y]))


def _ways(world, e, start):
    """Every free cell's previous one, breadth-first from a cell: told in plain Python."""
    grid, cells = world.grid[e], int(world.facts[e, L.CELLS])
    back, queue = {start: None}, deque([start])
    while queue:
        x, y = queue.popleft()
        for other in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
            if other not in back and 0 <= min(other) and max(other) < cells and grid[other[1], other[0]] == L.SPACE:
                back[other] = (x, y)
                queue.append(other)
    return back


def _on_ways(back, goals):
    cells = set()
    for cell in goals:
        while cell is not None:
            cells.add(cell)
            cell = back[cell]
    return cells


@pytest.mark.parametrize("d", [HARD, MANY_KEYS, dataclasses.replace(HARD, rho=-1.0, context=1.0),
                               dataclasses.replace(HARD, rho=0.0, mode="easy")], ids=["chests", "keys", "most keys", "easy"])
def test_what_lies_on_the_ways_is_counted_exactly(d):
    world = _world(d)
    facts = world.facts
    for e in range(N):
        chests, keys, start = _things(world, e)
        back = _ways(world, e, start)
        assert (len(chests), len(keys)) == (facts[e, L.CHESTS], facts[e, L.KEYS])
        on_chest_way, on_key_way = _on_ways(back, chests), _on_ways(back, keys)
        assert sum(key in on_chest_way for key in keys) == facts[e, L.KEYS_ON_WAY]
        assert sum(chest in on_key_way for chest in chests) == facts[e, L.CHESTS_ON_WAY]
        told_apart = (max(facts[e, L.KEYS_ON_WAY], len(chests)) < len(keys)) and facts[e, L.CHESTS_ON_WAY] < len(chests)
        assert told_apart == facts[e, L.DISTINGUISHING]


def test_mazes_are_trees_that_hold_everything_in_cells_of_its_own():
    world = _world(MANY_KEYS)
    for e in range(N):
        chests, keys, start = _things(world, e)
        assert len({*chests, *keys, start}) == len(chests) + len(keys) + 1
        d = int(world.facts[e, L.MAZE])
        assert len(_ways(world, e, start)) == 2 * ((d + 1) // 2) ** 2 - 1 == (world.grid[e] == L.SPACE).sum()


def test_correlation_decides_which_are_plentiful():
    for rho in (1.0, 0.5, 0.0, -0.5, -1.0):
        world = _world(dataclasses.replace(HARD, rho=rho))
        keys, chests, plenty = (world.facts[:, column] for column in (L.KEYS, L.CHESTS, L.PLENTY))
        expected = np.select([plenty == L.PLENTY_CHESTS, plenty == L.MOST_KEYS], [chests // 2, 3 * chests], 2 * chests)
        assert (keys == expected).all()
        assert abs((plenty == np.sign(rho)).mean() - abs(rho)) < 0.1 or rho == 0 and (plenty == 0).all()
    even = _world(dataclasses.replace(HARD, rho=0.0, placement="as_many")).facts
    assert (even[:, L.KEYS] == even[:, L.CHESTS]).all() and not even[:, L.DISTINGUISHING].any()


def test_many_keys_exchanges_the_roles_of_many_chests():
    """The same seeds have the same mazes, the same cells and the same agents; the first third of the chosen cells are
    chests instead of the first two thirds."""
    ours, theirs = _world(HARD), _world(MANY_KEYS)
    np.testing.assert_array_equal(ours.grid, theirs.grid)
    np.testing.assert_array_equal(ours.body[:, [L.X, L.Y]], theirs.body[:, [L.X, L.Y]])
    for e in range(N):
        (chests, keys, _), (fewer, plenty, _) = _things(ours, e), _things(theirs, e)
        assert {*chests, *keys} == {*fewer, *plenty} and set(fewer) < set(chests) and set(keys) < set(plenty)


@pytest.mark.parametrize("mode", ["easy", "hard"])
@pytest.mark.parametrize("rho", [0.0, -1.0])
def test_apart_levels_all_tell_the_goals_apart(mode, rho):
    d = dataclasses.replace(HARD, mode=mode, rho=rho)
    world, fork = _world(d), _world(dataclasses.replace(d, placement="many_keys"))
    assert world.facts[:, L.DISTINGUISHING].all()
    kept = world.facts[:, L.REARRANGED] == 0
    assert 0.5 < kept.mean() < 1 and (kept == (fork.facts[:, L.DISTINGUISHING] != 0)).all()
    np.testing.assert_array_equal(world.objects[kept], fork.objects[kept])
    np.testing.assert_array_equal(world.grid, fork.grid)


def test_common_random_numbers():
    """A seed that changes at some value of a factor stays changed at every higher one, and nothing else changes."""
    changed = np.zeros(N, bool)
    base = _world(dataclasses.replace(HARD, rho=0.0, placement="many_keys"))
    for context in (0.25, 0.5, 1.0):
        world = _world(dataclasses.replace(MANY_KEYS, context=context))
        now = (world.grid != base.grid).any(axis=(1, 2)) | (world.objects != base.objects).any(axis=(1, 2))
        assert (now >= changed).all() and now.mean() > changed.mean()
        changed = now
        assert np.allclose(world.body[:, L.MIXRATE], 0.5 * (1 - 0.3 * context))
    largest = (world.facts[:, L.MAZE] == 13).mean() - (base.facts[:, L.MAZE] == 13).mean()
    assert 0.3 < largest < 0.5


def test_appearance_shows_held_out_themes_only_when_shifted():
    trained, shifted = (_world(dataclasses.replace(HARD, appearance=a)).facts for a in (0.0, 1.0))
    for column, number in ((L.BACKGROUND, L.TRAIN_BACKGROUNDS), (L.WALL_THEME, L.TRAIN_WALLS),
                           (L.KEY_THEME, L.TRAIN_KEYS), (L.CHEST_THEME, L.TRAIN_CHESTS)):
        assert (trained[:, column] < number).all() and (shifted[:, column] >= number).all()
    ours, theirs = _world(dataclasses.replace(HARD, appearance=0.0)), _world(HARD)
    np.testing.assert_array_equal(ours.objects, theirs.objects)


def test_supervision():
    facts = _world(dataclasses.replace(HARD, rho=0.0, supervision=0.5)).facts
    assert 0.3 < facts[:, L.RING_LIES].mean() < 0.7 and 0.3 < facts[:, L.OPEN_ENDED].mean() < 0.7
    assert (facts[:, L.HORIZON] == 1500).all()


@pytest.mark.parametrize(("changes", "words"), [
    ({"mode": "memory"}, "easy, hard"), ({"placement": "end"}, "many_keys, apart, as_many"), ({"game": "maze"}, "heist"),
    ({"rho": 1.5}, "rho"), ({"supervision": -0.1}, "supervision"), ({"key_penalty": 0.5}, "whole number"),
    ({"horizon": 0}, "at least 1"), ({"levels": ()}, "empty"), ({"levels": (-1,)}, "not within"),
    ({"game": "heist", "rho": 0.0}, "game 'heist' has no rho")])
def test_what_does_not_fit_is_one_line(changes, words):
    with pytest.raises(ValueError, match=words) as error:
        LevelDistribution(**changes)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="max_speed"):
        Physics(max_speed=float("nan"))
