"""Levels: which mazes, where the goals are, and which levels tell the goals apart."""

import dataclasses
from collections import deque

import numpy as np
import pytest

from gmexp_envs import SeedRange
from gmexp_envs.maze import layout as L
from gmexp_envs.maze.certify import certify
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.engine import Maze

N = 400
PROCGENS = MazeDistribution(rho=0.0, placement="uniform", levels=SeedRange(0, N), sequential=True)


def _worlds(distribution=PROCGENS, **changes):
    distribution = dataclasses.replace(distribution, **changes)
    env = Maze(distribution.num_levels, [distribution], seed=0)
    env.reset()
    return env.world


def _cells(world):
    return world.facts[:, [L.GOAL_X, L.GOAL_Y]], world.facts[:, [L.PROXY_X, L.PROXY_Y]]


def _way(grid, start, end):
    """Cells on the shortest way, both ends included; by brute force."""
    before, todo = {start: None}, deque([start])
    while todo:
        cell = todo.popleft()
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            x, y = cell[0] + dx, cell[1] + dy
            if 0 <= x < len(grid) and 0 <= y < len(grid) and grid[y, x] != L.WALL_CELL and (x, y) not in before:
                before[x, y] = cell
                todo.append((x, y))
    way = [end]
    while before[way[-1]] is not None:
        way.append(before[way[-1]])
    return way


def test_a_level_as_a_picture():
    world = _worlds(levels=(4,), mode="easy", sizes=(5, 5))
    signs = {L.WALL_CELL: "#", L.SPACE: ".", L.GOAL: "c"}
    rows = ["".join(signs[cell] for cell in row) for row in world.grid[0, 5:10, 5:10][::-1].tolist()]
    assert "".join(rows).count("c") == 1 and world.clock[0, [L.X, L.Y]].tolist() == [5, 5]
    assert "".join(rows).count("#") == 25 - (2 * 9 - 1)  # a tree of nine rooms


@pytest.mark.slow
@pytest.mark.parametrize("changes", [
    {}, {"mode": "easy"}, {"placement": "off_path"}, {"rho": -1.0}, {"game": "line_and_gem"},
    {"game": "line_and_gem", "placement": "off_path"}, {"game": "line_and_gem", "rho": -1.0, "mode": "easy"}])
def test_distinguishing_is_neither_on_the_way_to_the_other(changes):
    world = _worlds(**changes, levels=SeedRange(1000, 150))
    goals, proxies = _cells(world)
    for e in range(150):
        start = (int(world.facts[e, L.MARGIN]),) * 2
        size = L.SIZES["easy" if world.facts[e, L.EASY] else "hard"]
        goal, proxy = tuple(goals[e].tolist()), tuple(proxies[e].tolist())
        to_goal, to_proxy = (_way(world.grid[e, :size, :size], start, end) for end in (goal, proxy))
        assert (len(to_goal) - 1, len(to_proxy) - 1) == tuple(world.facts[e, [L.GOAL_DISTANCE, L.PROXY_DISTANCE]])
        assert bool(world.facts[e, L.DISTINGUISHING]) == (goal not in to_proxy and proxy not in to_goal), e
    certified = certify(dataclasses.replace(PROCGENS, **changes, levels=SeedRange(1000, 150)))
    np.testing.assert_array_equal(certified, world.facts[:, L.DISTINGUISHING] != 0)


@pytest.mark.slow
def test_shares_of_distinguishing_levels_are_the_known_ones():
    """Of 20,000 levels: 62.2% in hard mode, 52.3% in easy, 58.5% with line and gem."""
    some = SeedRange(0, 20_000)
    for expected, changes in ((0.622, {}), (0.523, {"mode": "easy"}), (0.585, {"game": "line_and_gem"})):
        assert round(certify(dataclasses.replace(PROCGENS, levels=some, **changes)).mean(), 3) == expected


@pytest.mark.parametrize(("game", "mode"), [("cheese", "hard"), ("cheese", "easy"), ("line_and_gem", "hard")])
def test_distinguishing_by_construction(game, mode):
    """All but a few mazes have cells that tell the goals apart; of those of size 3, half have none."""
    for rho in (0.0, -1.0):
        world = _worlds(placement="off_path", rho=rho, game=game, mode=mode, levels=SeedRange(0, 3000))
        small, apart = world.facts[:, L.SIZE] == L.SMALLEST, world.facts[:, L.DISTINGUISHING] != 0
        assert apart[~small].mean() > 0.99
        assert 0.35 < apart[small].mean() < 0.65


def test_rho_is_a_probability_and_levels_leave_the_corner_once():
    placed = {rho: _worlds(rho=rho, placement="off_path", levels=SeedRange(0, 4000)).facts[:, L.PLACED]
              for rho in (1.0, 0.7, 0.3, 0.0, -0.4, -1.0)}
    for rho, at in placed.items():
        assert abs((at == L.ALIGNED).mean() - max(rho, 0)) < 0.03 and abs((at == L.OPPOSITE).mean() - max(-rho, 0)) < 0.03
    values = list(placed)
    for more, less in zip(values, values[1:], strict=False):
        assert ((placed[more] == L.ALIGNED) >= (placed[less] == L.ALIGNED)).all()
        assert ((placed[more] == L.OPPOSITE) <= (placed[less] == L.OPPOSITE)).all()


def test_opposite_is_far_for_the_cheese_and_near_for_the_gem():
    far, anywhere = (_worlds(rho=rho, placement="off_path") for rho in (-1.0, 0.0))

    def apart(world):
        goals, proxies = _cells(world)
        return np.array([len(_way(world.grid[e], tuple(goals[e].tolist()), tuple(proxies[e].tolist()))) for e in range(60)])

    assert (apart(far) >= apart(anywhere)).all() and (apart(far) > apart(anywhere)).any()
    facts = _worlds(game="line_and_gem", rho=-1.0, placement="off_path").facts
    large = facts[:, L.SIZE] > L.SMALLEST
    assert (facts[large, L.PROXY_DISTANCE] < facts[large, L.GOAL_DISTANCE]).mean() > 0.99


def test_variants_of_a_seed_share_the_maze():
    maze, corner, line, pair = (_worlds(**changes) for changes in (
        {}, {"rho": 1.0}, {"game": "line_and_gem", "rho": 1.0}, {"game": "line_and_gem"}))
    for other in (corner, line, pair):
        np.testing.assert_array_equal(maze.grid == L.WALL_CELL, other.grid == L.WALL_CELL)
    np.testing.assert_array_equal(_cells(maze)[0], _cells(line)[0])
    np.testing.assert_array_equal(_cells(maze)[0], _cells(pair)[0])
    np.testing.assert_array_equal(*_cells(corner))
    assert set(line.facts[:, L.GOAL_IMAGE]) == {L.YELLOW_LINE} and set(pair.facts[:, L.GOAL_IMAGE]) == {L.RED_LINE}


def test_a_region_may_be_missed():
    facts = _worlds(placement="region", region=1, levels=(941, 942, 20577, 33143)).facts
    assert facts[:, L.GOAL_X].tolist()[1:] == [-1] * 3 and facts[0, L.GOAL_X] == facts[0, L.PROXY_X]
    assert not facts[:, L.DISTINGUISHING].any()
    facts = _worlds(placement="region", region=5).facts
    assert (facts[:, L.PROXY_X] - facts[:, L.GOAL_X]).max() == 4


def test_sizes_and_context():
    sizes = _worlds(levels=SeedRange(0, 2000)).facts[:, L.SIZE]
    assert set(sizes) == set(range(3, 26, 2))
    small = _worlds(sizes=(3, 9), levels=SeedRange(0, 2000)).facts[:, L.SIZE]
    half = _worlds(sizes=(3, 9), context=0.5, levels=SeedRange(0, 2000)).facts[:, L.SIZE]
    assert set(small) == {3, 5, 7, 9} and set(half) == set(sizes) and 0.45 < (half > 9).mean() < 0.55
    assert ((half == small) | (half > 9)).all()
    assert set(_worlds(context=1.0).facts[:, L.SIZE]) == {25} == set(_worlds(sizes=(25, 25)).facts[:, L.SIZE])


def test_appearance_holds_themes_out():
    trained, held_out = (_worlds(appearance=value).facts for value in (0.0, 1.0))
    for column, themes in ((L.BACKGROUND, L.TRAIN_BACKGROUNDS), (L.WALL_THEME, L.TRAIN_WALLS),
                           (L.AGENT_THEME, L.TRAIN_AGENTS)):
        assert set(trained[:, column]) == set(range(themes)) and held_out[:, column].min() == themes
    plain = _worlds()
    assert set(plain.facts[:, L.WALL_THEME]) == {L.SAND} and (plain.appearance.sum(axis=1) == 3).all()
