"""Pictures in a row -> the bytes of a GIF or an mp4. Equal pictures give equal bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageColor

from gmexp.support.errors import UserError

COLOURS = 192  # of a GIF
SAMPLED = 24  # pictures that choose them
ENCODER = "libx264"  # of PyAV, whose wheels bring it
FRAMES_PER_SECOND = 14
REST_MS = 1600  # what a GIF rests on its last picture before it starts over


def gif(pictures: Sequence[Image.Image], keep: Sequence[str] = ()) -> bytes:
    """An endless GIF with one palette for all its pictures, so that what stands still does not flicker.

    `keep` are colours that must come out as they are.
    """
    chosen = [pictures[round(i)] for i in np.linspace(0, len(pictures) - 1, min(SAMPLED, len(pictures)))]
    together = np.concatenate([np.asarray(picture)[::2, ::2] for picture in chosen])
    palette = Image.fromarray(together).quantize(COLOURS - len(keep), Image.Quantize.MAXCOVERAGE)
    palette.putpalette(palette.getpalette()[:3 * (COLOURS - len(keep))]
                       + [part for colour in keep for part in ImageColor.getrgb(colour)])
    images = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    durations = [round(1000 / FRAMES_PER_SECOND)] * (len(images) - 1) + [REST_MS]
    buffer = io.BytesIO()
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)
    return buffer.getvalue()


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def has_encoder() -> bool:
    """Whether `mp4` can work here."""
    try:
        import av
    except ImportError:
        return False
    return ENCODER in av.codecs_available


def require_mp4() -> None:
    """UserError where no encoder is installed."""
    if not has_encoder():
        raise UserError("format=mp4 needs an encoder: pip install av (of the extra video), or take format=gif")


def mp4(pictures: Sequence[Image.Image]) -> bytes:
    """An H.264 video that rests on its last picture; an odd side loses a pixel, as the format knows even ones."""
    import av

    width, height = (side - side % 2 for side in pictures[0].size)
    rest = [pictures[-1]] * round(REST_MS / 1000 * FRAMES_PER_SECOND)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        options = {"crf": "20", "flags": "+bitexact", "threads": "1"}
        stream = container.add_stream(ENCODER, rate=FRAMES_PER_SECOND, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for picture in (*pictures, *rest):
            pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()
