"""Frames where nothing needs to be compared with procgen: styles, layouts, hidden coins, decoys, large pictures."""

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gmexp_envs
from gmexp_envs import FrameStyle
from gmexp_envs.coinrun import layout as L
from gmexp_envs.coinrun.draw import sprites as S
from gmexp_envs.coinrun.draw.large import render_large
from gmexp_envs.coinrun.draw.pixels import MAX_CELLS
from gmexp_envs.procgen_family import binary as procgen

FLAT = FrameStyle(use_backgrounds=False, use_monochrome_assets=True)
N = 8


def _frames(style=FLAT, **knobs):
    env = gmexp_envs.make_vec("coinrun", N, seed=3, observation="pixels", style=style, **knobs)
    return env, env.reset()


def test_orders_of_axes():
    _, last = _frames()
    _, first = _frames(FrameStyle(use_backgrounds=False, use_monochrome_assets=True, channels_first=True))
    assert last.shape == (N, 64, 64, 3) and last.dtype == np.uint8
    np.testing.assert_array_equal(first, last.transpose(0, 3, 1, 2))


def test_hidden_coin_is_not_drawn():
    _, plain = _frames(rho=0.0, placement="cell", cell=(4, 1))
    plain = plain.copy()
    _, hidden = _frames(rho=0.0, placement="cell", cell=(4, 1), masked=True)
    _, none = _frames(rho=0.0, placement="none")
    assert (plain != none).any(axis=(1, 2, 3)).all()
    np.testing.assert_array_equal(hidden, none)


def test_decoy_is_drawn_at_the_end():
    env, _ = _frames(rho=0.0, placement="cell", cell=(2, 1), supervision=1.0)
    world = env.world
    world.body[:, L.X] = world.facts[:, L.END_X] + 0.5
    world.body[:, L.Y] = world.facts[:, L.END_Y] + 3
    shown = env.restore(env.state()) or env._frames.copy()
    world.facts[:, L.DECOY] = 0
    env.restore(env.state())
    assert (shown != env._frames).any(axis=(1, 2, 3)).all()
    colour = S.load_sprites(*FLAT.options).image(S.DECOY_IMAGE)[0, 0, :3]
    assert (shown == colour).all(axis=-1).any(axis=(1, 2)).all()


def test_only_some_worlds_are_drawn_anew():
    env, frames = _frames()
    before = frames.copy()
    after, *_ = env.step(np.full(N, 7), np.array([1, 4]))
    changed = (after != before).any(axis=(1, 2, 3))
    assert changed.tolist() == [k in (1, 4) for k in range(N)]


def test_a_frame_may_take_one_more_column_of_tiles_than_it_shows():
    env, _ = _frames()
    x = np.float32(9.499999)
    assert int(x + np.float32(7.5)) - int(x - np.float32(7.5)) + 1 == MAX_CELLS
    env.world.body[:, L.X] = x
    drawn = env.frames()
    env.world.body[:, L.X] = np.nextafter(x, np.float32(9))
    assert (drawn == env.frames()).mean() > 0.95


@pytest.mark.slow
@pytest.mark.parametrize("style", [FLAT, FrameStyle()])
def test_large_pictures_show_the_same(style):
    if style.use_backgrounds and not procgen.installed():
        pytest.skip("procgen is not installed")
    env, frames = _frames(style)
    for _ in range(12):
        frames, *_ = env.step(np.full(N, 8))
    sprites = S.load_sprites(*style.options)
    for e in range(N):
        picture = render_large(env.world, e, sprites)
        assert picture.shape == (512, 512, 3)
        small = picture.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3))
        assert np.abs(small - frames[e]).mean() < 16


def test_images_survive_their_storage():
    sprites = S.load_sprites(*FLAT.options)
    assert sprites.image(S.GROUND).shape == (128, 128, 4)
    assert len(np.unique(sprites.image(S.GROUND).reshape(-1, 4), axis=0)) == 1
    if procgen.installed():
        sprites = S.load_sprites()
        np.testing.assert_array_equal(sprites.image(S.MIRRORED_PLAYER), sprites.image(S.STAND)[:, ::-1])
        sprites.require(np.array([3]))
        background = sprites.image(S.FIRST_BACKGROUND + 3)
        assert background.shape == (288, 512, 4) and (background[..., 3] == 255).all() and background.std() > 1


@lru_cache
def _background(number):
    return S.load_sprites().image(S.FIRST_BACKGROUND + number)


@pytest.mark.slow
@pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed")
@given(st.sampled_from([0, 9, 37, 49, 61]), st.integers(0, 63), st.floats(0, 1), st.floats(0, 1))
def test_every_line_of_a_background_is_a_piece_of_two_planes(number, line, where, part):
    """Wherever a frame begins: half of it before the level at most, half of it after."""
    sprites, k = S.load_sprites(), S.FIRST_BACKGROUND + number
    sprites.require(np.array([number]))
    images, picture = sprites.images, _background(number)
    height, width = picture.shape[:2]
    step = int(S.sky_step.py_func(height, width))
    columns = max(width / height, 1) * float(S.LEVEL)  # of the screen, over which the view moves
    start = int(step * (round(-30 + where * (columns - 4)) + part))
    row, skipped, rest = line * height // 64, start // step, start % step
    place = images.offset[k] + images.span[k] * (int(images.planes[k]) * row + (rest >> 16)) + images.first[k] + 3 * skipped
    planes = [images.sky[place + images.span[k] * next_one:][:192].reshape(64, 3) for next_one in range(2)]
    carried = (rest & 0xFFFF) + (step * (skipped + np.arange(64)) & 0xFFFF) >> 16
    samples = np.clip((start + step * np.arange(64)) >> 16, 0, width - 1)
    np.testing.assert_array_equal(np.where(carried[:, None], planes[1], planes[0]), picture[row, samples, :3])
