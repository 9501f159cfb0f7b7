"""Pictures in a row as files; equal ones give equal bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from gmexp.pages import animation
from gmexp.support.errors import UserError

PICTURES = [Image.new("RGB", (65, 48), colour) for colour in ("red", "green", "blue")]


def test_an_mp4_shows_its_pictures_and_rests_on_the_last():
    av = pytest.importorskip("av")
    data = animation.mp4(PICTURES)
    assert animation.has_encoder() and data == animation.mp4(PICTURES)
    with av.open(io.BytesIO(data)) as film:
        stream = film.streams.video[0]
        assert (stream.width, stream.height, stream.codec_context.name, stream.codec_context.pix_fmt) == (
            64, 48, "h264", "yuv420p")  # what every browser plays
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    rest = round(animation.REST_MS / 1000 * animation.FRAMES_PER_SECOND)
    assert len(shown) == len(PICTURES) + rest
    for frame, picture in zip(shown, [*PICTURES, *[PICTURES[-1]] * rest], strict=True):
        assert np.abs(frame.astype(int) - np.asarray(picture)[:48, :64]).max() < 8


@pytest.mark.parametrize("lacking", ["package", "codec"])
def test_without_an_encoder_there_is_none(monkeypatch, lacking):
    if lacking == "package":
        monkeypatch.setitem(__import__("sys").modules, "av", None)
    else:
        monkeypatch.setattr(animation, "ENCODER", "none_of_this_name")
    assert not animation.has_encoder()
    with pytest.raises(UserError, match="pip install av"):
        animation.require_mp4()


def test_a_gif_keeps_the_colours_it_must():
    data = animation.gif(PICTURES, keep=["#0072B2"])
    assert data == animation.gif(PICTURES, keep=["#0072B2"])
    with Image.open(io.BytesIO(data)) as film:
        assert film.n_frames == 3 and film.info["loop"] == 0
        film.seek(1)
        assert film.convert("RGB").getpixel((0, 0)) == (0, 128, 0)
