"""Frames where nothing needs to be compared with procgen: kept pictures, styles, what shows, pictures for people."""

import dataclasses

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import FrameStyle, split_levels
from gmexp_envs.maze import layout as L
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.procgen_family import binary as procgen

FLAT = FrameStyle(use_backgrounds=False, use_monochrome_assets=True)
N = 32
needs_sprites = pytest.mark.skipif(not procgen.installed(), reason="procgen's sprites are not installed")
MIXED = MazeDistribution(mode="easy", rho=0.0, placement="uniform", appearance=0.5, supervision=0.5, sizes=(3, 7),
                         horizon=30)


def _make(distribution=MIXED, style=FLAT, **options):
    env = gmexp_envs.make_vec("maze", N, distribution=distribution, seed=3, observation="pixels", style=style, **options)
    env.reset()
    return env


def _drawn_anew(env):
    """The frames of an environment that never drew the levels it shows."""
    fresh = gmexp_envs.make_vec("maze", N, distribution=list(env.distributions), seed=4, observation="pixels",
                                style=env.style)
    fresh.restore(env.state())
    return fresh.frames()


@pytest.mark.parametrize("channels_first", [False, True])
@pytest.mark.parametrize("game", ["cheese", "line_and_gem"])
def test_kept_pictures_are_what_would_be_drawn_anew(game, channels_first):
    env = _make(dataclasses.replace(MIXED, game=game), dataclasses.replace(FLAT, channels_first=channels_first))
    rng = np.random.default_rng(0)
    for t in range(60):
        rows = np.flatnonzero(rng.random(N) < 0.8)
        frames = env.step(rng.integers(0, 15, N), rows, autoreset=bool(t % 2)).observation
        if t % 6 == 0:
            np.testing.assert_array_equal(frames, _drawn_anew(env))


def test_orders_of_axes():
    last, first = _make().frames(), _make(style=dataclasses.replace(FLAT, channels_first=True)).frames()
    assert last.shape == (N, 64, 64, 3) and last.dtype == np.uint8
    np.testing.assert_array_equal(first, last.transpose(0, 3, 1, 2))


def test_only_the_worlds_that_moved_are_drawn():
    env = _make(dataclasses.replace(MIXED, rho=1.0, horizon=500))
    before, place = env.frames(), env.world.clock[:, [L.X, L.Y]].copy()
    after = env.step(np.full(N, 7), np.arange(0, N, 2)).observation
    moved = (env.world.clock[:, [L.X, L.Y]] != place).any(axis=1)
    assert moved.any() and not moved.all()
    np.testing.assert_array_equal((after != before).any(axis=(1, 2, 3)), moved)


@pytest.mark.parametrize("style", [FLAT, pytest.param(FrameStyle(), marks=needs_sprites)])
def test_what_shows_is_what_makes_a_difference(style):
    """A goal or gem counts as shown exactly where the frame without it is another."""
    for mode in L.SIZES:
        env = _make(MazeDistribution(mode=mode, game="line_and_gem", rho=0.0, placement="uniform"), style)
        shown = env.frames()
        for (x, y), column, kind in (((L.GOAL_X, L.GOAL_Y), L.GOAL_SHOWN, L.GOAL),
                                     ((L.PROXY_X, L.PROXY_Y), L.SECOND_SHOWN, L.SECOND)):
            facts, cells = env.world.facts, (np.arange(N), env.world.facts[:, y], env.world.facts[:, x])
            assert (env.world.grid[cells] == kind).all()
            env.world.grid[cells] = L.SPACE
            env.world.clock[:, L.STALE] = 1
            differs = (env.frames() != shown).any(axis=(1, 2, 3))
            np.testing.assert_array_equal(differs, facts[:, column] == 1)
            env.world.grid[cells] = kind
            env.world.clock[:, L.STALE] = 1


@pytest.mark.slow
@needs_sprites
def test_line_and_gem_are_often_not_drawn_in_hard_mode():
    """Of 1,500 levels counted in the fork's binary, 45.9% hid the line (7.6% in easy mode), 21.3% the gem (0%)."""
    n = 10_000
    for mode, line, gem in (("hard", 0.459, 0.213), ("easy", 0.076, 0.0)):
        env = gmexp_envs.make_vec("maze_line_and_gem", n, mode=mode, rho=0.0, placement="uniform", observation="pixels",
                                  levels=gmexp_envs.SeedRange(100_000, n), sequential=True, seed=0, style=FrameStyle())
        env.reset()
        facts = env.world.facts
        assert abs((facts[:, L.GOAL_SHOWN] == 0).mean() - line) < 0.03
        assert abs((facts[:, L.SECOND_SHOWN] == 0).mean() - gem) < 0.03
    corner = gmexp_envs.make_vec("maze", 200, observation="pixels", seed=0, style=FrameStyle())
    corner.reset()
    assert (corner.world.facts[:, L.GOAL_SHOWN] == 1).all()


def test_colours_tell_line_and_gem_in_any_style():
    pair = _make(MazeDistribution(mode="easy", game="line_and_gem", rho=0.0))
    alone = _make(MazeDistribution(mode="easy", game="line_and_gem", rho=1.0))

    def has(env, colour):
        return (env.frames() == colour).all(axis=-1).any(axis=(1, 2))

    yellow, red = (255, 216, 0), (255, 0, 0)
    assert has(pair, red).mean() > 0.8 and has(pair, yellow).all()
    assert not has(alone, red).any() and has(alone, yellow).mean() > 0.8


@pytest.mark.parametrize("name", ["maze", "maze_line_and_gem"])
def test_pictures_for_people(name):
    task = gmexp_envs.find_task(name)
    env = gmexp_envs.make_vec(task, 4, mode="easy", rho=0.0, levels=split_levels("evaluation", 4), sequential=True,
                              drawable=True, seed=0, sizes=(5, 5))
    env.reset()
    picture = task.picture(env, 1, 300)
    assert picture.image.shape == (300, 300, 3) and picture.cell == 20
    small = picture.image.reshape(60, 5, 60, 5, 3).mean(axis=(1, 3))
    assert small.std() > 10
    x, y = env.world.facts[1, [L.GOAL_X, L.GOAL_Y]]
    assert picture.intended == ((x + 0.5) * 20, (15 - y - 0.5) * 20)
    assert task.level_size(env, 1) == (7, 7)
    level = task.level_picture(env, 1, 16)
    assert level.image.shape == (112, 112, 3)
    # the level is the part of the picture around the maze
    np.testing.assert_allclose(np.subtract(level.intended, level.proxy) / 16,
                               np.subtract(picture.intended, picture.proxy) / 20)
    high = task.level_picture(env, 1, 16, rows=9)
    assert high.image.shape == (144, 112, 3) and (high.image[32:] == level.image).all()
    assert high.intended[1] - level.intended[1] == 32


def test_what_a_shift_changed_in_words():
    task = gmexp_envs.find_task("maze")
    plain = task.knobs(split_levels("evaluation", 1), mode="easy", appearance=0.0, sizes=(3, 9), sequential=True)

    def env(**changes):
        made = gmexp_envs.make_vec(task, 1, distribution=dataclasses.replace(plain, **changes), seed=0)
        made.reset()
        return made

    assert task.changes(env(), env(), 0) == "as in training"
    words = task.changes(env(), env(appearance=1.0, context=1.0, rho=-1.0, supervision=1.0), 0)
    for part in ("new look", "a maze of size 1", "cheese moved", "decoy", "goes on after the goal"):
        assert part in words, words
