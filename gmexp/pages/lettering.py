"""Text on pictures: one font, its sizes and colours, and tags that stay inside the picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

__all__ = ["INK", "LINE", "PAPER", "SMALLEST", "SOFT", "font", "linesize", "tag", "tag_box", "tag_size"]

INK, SOFT, PAPER, LINE = "#17222b", "#55646f", "#ffffff", "#dde3e8"
SMALLEST = 11  # pixels of text that can still be read


@lru_cache(maxsize=32)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", name), size)


def linesize(size: int) -> int:
    """Pixels of text beside a picture of `size` pixels."""
    return max(SMALLEST, round(size / 30))


def tag(image: Image.Image, label: str, colour: str, x: float, top: float, size: int) -> None:
    """Black text on the colour, centred at x and kept inside the picture."""
    draw = ImageDraw.Draw(image)
    box = tag_box(image, label, x, top, size)
    draw.rectangle(box, fill=colour, outline="black")
    draw.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), label, "black", font(size), anchor="mm")


def tag_size(label: str, size: int) -> tuple[float, float]:
    """Width and height of a tag in pixels."""
    return font(size).getlength(label) + 0.6 * size, 1.35 * size


def tag_box(image: Image.Image, label: str, x: float, top: float, size: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a tag that is to be centred at x, moved to where the picture holds it."""
    width, height = tag_size(label, size)
    x = min(max(x, width / 2 + 1), image.width - width / 2 - 1)
    top = min(max(top, 1), image.height - height - 1)
    return x - width / 2, top, x + width / 2, top + height
