"""Pictures in a row as files; equal ones give equal bytes."""

import io

import pytest
from PIL import Image

from gmexp.pages import animation

PICTURES = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]


def test_an_mp4_where_there_is_an_encoder():
    pytest.importorskip("imageio_ffmpeg")
    data = animation.mp4(PICTURES)
    assert animation.has_encoder() and b"ftyp" in data[:32] and data == animation.mp4(PICTURES)


def test_without_an_encoder_there_is_none(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    assert not animation.has_encoder()


def test_a_gif_keeps_the_colours_it_must():
    data = animation.gif(PICTURES, keep=["#0072B2"])
    assert data == animation.gif(PICTURES, keep=["#0072B2"])
    with Image.open(io.BytesIO(data)) as film:
        assert film.n_frames == 3 and film.info["loop"] == 0
        film.seek(1)
        assert film.convert("RGB").getpixel((0, 0)) == (0, 128, 0)
