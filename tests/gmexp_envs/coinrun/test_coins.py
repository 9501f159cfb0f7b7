"""Where the coin goes, by rule, correlation and level."""

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import LevelDistribution, split_levels
from gmexp_envs.coinrun import layout as L

N = 512


def _worlds(count=N, **knobs):
    env = gmexp_envs.make_vec("coinrun", count, seed=0, levels=split_levels("evaluation", count), sequential=True, **knobs)
    env.reset()
    return env.world


def _ground_at_coin(world):
    facts = world.facts
    return world.surface[np.arange(len(facts)), facts[:, L.COIN_X]].astype(int)


@pytest.mark.parametrize("mode", ["easy", "hard"])
@pytest.mark.parametrize("rule", [r for r in L.PLACEMENTS if r not in ("none", "cell")])
def test_the_coin_is_one_free_cell_before_the_end(mode, rule):
    world = _worlds(mode=mode, rho=0.0, placement=rule)
    facts = world.facts
    there = facts[:, L.COIN_X] >= 0
    if rule == "langosco":  # its section may have been cut off at the right border
        world = L.World(*(array[there] for array in world))
        facts = world.facts
    assert there.all() or rule == "langosco"
    assert ((world.grid == L.GOAL).sum((1, 2)) == 1).all()
    assert (world.grid[np.arange(len(facts)), facts[:, L.COIN_Y], facts[:, L.COIN_X]] == L.GOAL).all()
    assert (facts[:, L.COIN_X] <= facts[:, L.END_X]).all() and (facts[:, L.COIN_X] >= 1).all()
    at_end = (facts[:, [L.COIN_X, L.COIN_Y]] == facts[:, [L.END_X, L.END_Y]]).all(1)
    assert at_end.all() if rule == "end" else not at_end.any()
    saws = [{(x, y) for x, y, kind in statics[:count] if kind == 0}
            for statics, count in zip(world.statics, facts[:, L.NUM_STATICS], strict=True)]
    assert not any((x, y) in cells for cells, x, y in zip(saws, facts[:, L.COIN_X], facts[:, L.COIN_Y], strict=True))


@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_ground_rules(mode):
    for rule in ("section_start", "uniform_ground", "near_end"):
        world = _worlds(mode=mode, rho=0.0, placement=rule)
        np.testing.assert_array_equal(world.facts[:, L.COIN_Y], _ground_at_coin(world))
        assert not world.facts[:, L.DISTINGUISHING].any()  # whoever runs to the end passes along the ground
    near = _worlds(mode=mode, rho=0.0, placement="near_end").facts
    uniform = _worlds(mode=mode, rho=0.0, placement="uniform_ground").facts
    assert (near[:, L.COIN_X] >= 5).all() and (near[:, L.COIN_X] >= uniform[:, L.COIN_X]).mean() > 0.7


@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_off_path(mode):
    world = _worlds(mode=mode, rho=0.0, placement="off_path")
    height = world.facts[:, L.COIN_Y] - _ground_at_coin(world)
    assert world.facts[:, L.DISTINGUISHING].all()
    assert height.min() >= 2 and height.max() <= 6  # over a walker's head, within a jump
    assert (world.facts[:, L.COIN_X] < 5).mean() < 0.35
    assert len({tuple(cell) for cell in world.facts[:, [L.COIN_X, L.COIN_Y]]}) > 100


def test_layout_does_not_depend_on_the_coin():
    """The paired design: the same level, only the coin is elsewhere. (langosco draws for itself, as its fork did.)"""
    reference = _worlds(rho=1.0)
    for rule in ("section_start", "off_path", "none"):
        world = _worlds(rho=0.0, placement=rule)
        for name in ("terrain", "enemies", "statics", "appearance", "twister"):
            np.testing.assert_array_equal(getattr(world, name), getattr(reference, name))


def test_langosco_without_a_broken_level_keeps_the_end():
    facts = _worlds(rho=1.0, placement="langosco").facts
    assert (facts[:, [L.COIN_X, L.COIN_Y]] == facts[:, [L.END_X, L.END_Y]]).all() and facts[:, L.CORRELATED].all()


@pytest.mark.parametrize("rho", [1.0, 0.7, 0.25, 0.0, -0.4, -1.0])
def test_share_of_broken_levels(rho):
    count = 4000
    facts = _worlds(count, mode="easy", rho=rho).facts
    at_end = (facts[:, [L.COIN_X, L.COIN_Y]] == facts[:, [L.END_X, L.END_Y]]).all(1)
    opposite = facts[:, L.COIN_X] == 1
    opposite &= facts[:, L.COIN_Y] == 1
    tolerance = 4 * np.sqrt(abs(rho) * (1 - abs(rho)) / count)
    assert abs(at_end.mean() - max(rho, 0)) <= tolerance
    assert abs(opposite.mean() - max(-rho, 0)) <= tolerance
    np.testing.assert_array_equal(facts[:, L.CORRELATED] == 1, at_end | opposite)
    np.testing.assert_array_equal(facts[:, L.DISTINGUISHING] == 1, ~at_end)
    assert LevelDistribution(rho=rho).diversity == 1 - rho


def test_opposite_the_end_the_agent_starts_beside_the_coin():
    world = _worlds(rho=-1.0)
    assert (world.body[:, L.X] == L.OPPOSITE_START_X).all()
    assert world.facts[:, L.DISTINGUISHING].all()


def test_no_coin_a_cell_and_a_hidden_coin():
    world = _worlds(8, rho=0.0, placement="none")
    assert (world.facts[:, L.COIN_X] == -1).all() and not (world.grid == L.GOAL).any()
    world = _worlds(8, rho=0.0, placement="cell", cell=(3, 4))
    assert (world.grid[:, 4, 3] == L.GOAL).all() and (world.facts[:, L.COIN_X] == 3).all()
    world = _worlds(8, rho=0.0, masked=True)
    assert not (world.grid == L.GOAL).any() and (world.facts[:, L.COIN_X] > 0).all()
    assert not (world.classes == L.COIN).any()
