"""Frames: what is kept is what would be drawn, in parts as in whole; pictures for people."""

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import FrameStyle
from gmexp_envs.compiled.jit import jit
from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.draw.pixels import draw_over, draw_scene
from gmexp_envs.keys_and_chests.draw.sprites import load_sprites
from gmexp_envs.keys_and_chests.draw.turned import turn
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.episode import opened
from gmexp_envs.keys_and_chests.rotations import ROTATIONS
from gmexp_envs.keys_and_chests.scripted import INTENDED, ScriptedPolicy
from gmexp_envs.keys_and_chests.task import TASK
from gmexp_envs.procgen_family import binary as procgen
from gmexp_envs.procgen_family.blit import FRAME, RESOLUTION

FLAT = FrameStyle(use_backgrounds=False, use_monochrome_assets=True)
STYLES = [FLAT, *[FrameStyle()] * procgen.installed()]
SHIFTED = LevelDistribution(rho=-1.0, appearance=0.5, supervision=0.5)


@jit
def _draw_in_parts(table, number, sprites, frame, parts):
    world, _, _ = opened(table)
    e = np.uint64(number)
    board = sprites.hard if world.facts[e, L.CELLS] == L.SIZE else sprites.easy
    for part in range(parts):
        low, high = RESOLUTION * part // parts, RESOLUTION * (part + 1) // parts
        draw_scene(world, e, sprites.images, board, frame, np.uint64(0), low, high)
        draw_over(world, e, sprites.images, frame, np.uint64(0), low, high)


@pytest.mark.parametrize("style", STYLES, ids=["flat", "procgen"][:len(STYLES)])
@pytest.mark.parametrize("d", [SHIFTED, LevelDistribution(game="heist", mode="easy")], ids=["shifted", "heist"])
def test_kept_scenes_are_what_is_drawn_in_one_or_many_parts(style, d):
    env = KeysAndChests(4, [d], seed=2, observation="pixels", style=style)
    env.reset()
    policy, rng = ScriptedPolicy(env, INTENDED), np.random.default_rng(0)
    for t in range(60):
        actions = np.where(rng.random(4) < 0.4, rng.integers(0, 9, 4), policy.act()).astype(np.int32)
        frames = env.step(actions).observation
        for parts in (1, 7) if t % 10 == 0 else (1,):
            for e in range(4):
                frame = np.zeros(FRAME + 1, np.uint8)
                _draw_in_parts(env._table, e, load_sprites(*style.options), frame, parts)
                np.testing.assert_array_equal(frame[:-1].reshape(64, 64, 3), frames[e])


def test_channels_first():
    ours, theirs = (KeysAndChests(4, [SHIFTED], seed=2, observation="pixels",
                                  style=FrameStyle(False, False, True, channels_first=first)) for first in (False, True))
    a, b = ours.reset(), theirs.reset()
    rng = np.random.default_rng(0)
    for _ in range(30):
        np.testing.assert_array_equal(a.transpose(0, 3, 1, 2), b)
        actions = rng.integers(0, 9, 4).astype(np.int32)
        a, b = ours.step(actions).observation, theirs.step(actions).observation


def test_a_frame_shows_what_there_is():
    """Masked chests are not seen; a ring that lies shows keys; the themes of a level are its look."""
    def frame(**changes):
        env = KeysAndChests(1, [LevelDistribution(rho=0.0, **changes)], seed=2, observation="pixels", style=FLAT)
        return env.reset()[0].copy()
    plain, masked, lies = frame(), frame(masked=True), frame(supervision=1.0)
    assert (plain != masked).any() and (plain != lies)[:12].any() and not (plain != lies)[12:].any()
    looks = [frame(appearance=a) for a in (0.0, 1.0)]
    assert (looks[0] != looks[1]).any()


def test_right_angles_are_exact():
    assert [turn(rotation) for rotation in (ROTATIONS[6], ROTATIONS[4])] == [(-1.0, 0.0), (1.0, 0.0)]
    sine, cosine = turn(ROTATIONS[2])  # left
    assert abs(sine) < 1e-12 and cosine == -1.0


def test_pictures():
    env = gmexp_envs.make_vec("keys_and_chests", 2, levels=4, mode="easy", rho=0.0, seed=0, drawable=True, style=FLAT)
    env.reset()
    picture = TASK.picture(env, 0, 270)
    assert picture.image.shape == (270, 270, 3) and picture.cell == 30
    for goal in (picture.intended, picture.proxy):
        assert goal is not None and all(0 < at < 270 for at in goal)
    columns, rows = TASK.level_size(env, 0)
    level = TASK.level_picture(env, 0, 20, rows + 2)
    assert level.image.shape == ((rows + 2) * 20, columns * 20, 3)
    other = gmexp_envs.make_vec("keys_and_chests", 2, levels=4, mode="easy", rho=1.0, seed=0)
    other.reset()
    assert TASK.changes(other, other, 0) == "as in training" and "key" in TASK.changes(other, env, 0)
