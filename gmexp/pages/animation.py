"""Pictures in a row -> the bytes of a GIF or an mp4. Equal pictures give equal bytes."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from gmexp.support.errors import UserError

COLOURS = 192  # of a GIF
SAMPLED = 24  # pictures that choose them
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
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        return False
    return True


def require_mp4() -> None:
    """UserError where no encoder is installed."""
    if not has_encoder():
        raise UserError("format=mp4 needs an encoder: pip install imageio-ffmpeg, or take format=gif")


def mp4(pictures: Sequence[Image.Image]) -> bytes:
    """An H.264 video that rests on its last picture; sides must be even numbers of pixels."""
    import imageio_ffmpeg

    exact = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film.mp4")
        writer = imageio_ffmpeg.write_frames(
            str(path), pictures[0].size, fps=FRAMES_PER_SECOND, codec="libx264", quality=None, macro_block_size=2,
            pix_fmt_out="yuv420p", output_params=["-crf", "20", *exact], ffmpeg_log_level="error")
        writer.send(None)
        rest = [pictures[-1]] * round(REST_MS / 1000 * FRAMES_PER_SECOND)
        for picture in (*pictures, *rest):
            writer.send(np.ascontiguousarray(picture))
        writer.close()
        return path.read_bytes()
