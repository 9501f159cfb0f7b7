"""What is written on pictures of the game: where the goals are, the time, the critic's value, the outcome.

Colours are Okabe and Ito's, and nothing is told by colour alone: goals are named, round and square, outcomes are words.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from gmexp.evaluation.replay import Film, Moment, STEPS_PER_PICTURE
from gmexp_envs.outcome import Outcome
from gmexp_envs.task import Goal, Picture, Task

INK, SOFT, PAPER, LINE = "#17222b", "#55646f", "#ffffff", "#dde3e8"
OUTCOMES = {Outcome.INTENDED_GOAL: "#0072B2", Outcome.PROXY_GOAL: "#D55E00", Outcome.DEATH: "#17222b",
            Outcome.TIMEOUT: "#777777", Outcome.AMBIGUOUS: "#8C4A75"}
Named = tuple[str, Goal, tuple[float, float]]  # a goal's name, the goal, and its place in pixels
SMALLEST = 11  # pixels of text that can still be read


def palette(task: Task) -> tuple[str, ...]:
    """The colours of everything that is written on the pictures of a task."""
    return task.intended.colour, task.proxy.colour, INK, SOFT, LINE, *OUTCOMES.values()


def in_words(task: Task, outcome: Outcome) -> str:
    """What happened in an episode."""
    return {Outcome.INTENDED_GOAL: f"{task.intended.words} first", Outcome.PROXY_GOAL: f"{task.proxy.words} first",
            Outcome.DEATH: "died before either", Outcome.TIMEOUT: "reached neither in time",
            Outcome.AMBIGUOUS: "a goal, but the level does not tell which"}[outcome]


@lru_cache(maxsize=32)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", name), size)


def linesize(size: int) -> int:
    """Pixels of text beside a picture of `size` pixels."""
    return max(SMALLEST, round(size / 30))


# --- marks inside a picture -------------------------------------------------------------------------------------------

def mark_goals(image: Image.Image, film: Film, moment: Moment) -> None:
    """Mark the goals of a moment, with a tick those that were reached."""
    goals = shown_goals(film.task, moment.picture, moment.intended_step, moment.proxy_step)
    mark(image, [(name if reached is None else f"{name} ✓", goal, place) for name, goal, place, reached in goals],
         moment.picture.cell)


def mark(image: Image.Image, goals: Sequence[Named], scale: float) -> None:
    """Mark goals: a frame where they are in view, else an arrow at the border and how many cells away."""
    margin, near, arrows = 0.4 * scale, [], []
    for name, goal, (x, y) in goals:
        if margin <= x <= image.width - margin and margin <= y <= image.height - margin:
            near.append((name, goal, (x, y)))
        else:
            offset = (x - image.width / 2) / scale, (image.height / 2 - y) / scale  # in cells, right and up
            _arrow(image, f"{name} {float(np.hypot(*offset)):.0f}", goal.colour, offset, arrows)
    frame_cells(image, near, scale, linesize(image.width))


def shown_goals(task: Task, picture: Picture, intended_step: int | None = None, proxy_step: int | None = None,
                ) -> list[tuple[str, Goal, tuple[float, float], int | None]]:
    """(name, goal, place, step at which it was reached) of the goals in a picture; of aligned ones, one for both."""
    if picture.intended is not None and picture.intended == picture.proxy:
        return [(f"{task.intended.name} = {task.proxy.name}", task.intended, picture.intended, intended_step)]
    goals = [(task.proxy.name, task.proxy, picture.proxy, proxy_step),
             (task.intended.name, task.intended, picture.intended, intended_step)]
    return [goal for goal in goals if goal[2] is not None]


def frame_cells(image: Image.Image, goals: Sequence[Named], scale: float, text: int) -> None:
    """A round or square frame around each goal's cell, as the goal has it, and its name beside it, where it hides neither
    a frame nor another name: above if there is room, else below, to the right or left, or further off."""
    draw = ImageDraw.Draw(image)
    half, width = 0.62 * scale, max(2, round(scale / 13))
    taken = []
    for _, goal, (x, y) in goals:
        box = (x - half, y - half, x + half, y + half)
        shape = draw.ellipse if goal.round else draw.rectangle
        outer = tuple(v + w for v, w in zip(box, (-width, -width, width, width), strict=True))
        shape(outer, outline="black", width=3 * width)
        shape(box, outline=goal.colour, width=width)
        taken.append(outer)
    for label, goal, (x, y) in goals:
        wide, high = _tag_size(label, text)
        away = half + width
        aside, middle = away + wide / 2, y - high / 2
        places = [(x, y - away - high), (x, y + away), (x + aside, middle), (x - aside, middle),
                  (x, y - away - 2.1 * high), (x, y + away + 1.1 * high)]
        boxes = [_tag_box(image, label, *place, text) for place in places]
        hidden = [sum(_overlap(box, other) for other in taken) for box in boxes]
        best = min(range(len(boxes)), key=lambda i: (round(hidden[i]), i))
        _tag(image, label, goal.colour, *places[best], text)
        taken.append(boxes[best])


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """The area that two boxes (left, top, right, bottom) share."""
    across, down = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    return max(across, 0.0) * max(down, 0.0)


def _arrow(image: Image.Image, label: str, colour: str, offset: tuple[float, float],
           taken: list[np.ndarray]) -> None:
    draw = ImageDraw.Draw(image)
    size, half = linesize(image.width), image.width / 2
    length = 1.1 * size
    direction = np.array([offset[0], -offset[1]]) / max(np.hypot(*offset), 1e-6)
    reach = half - 0.3 * size
    tip = half + direction * reach / max(abs(direction))  # on the border, towards the goal
    sideways = np.array([0.0, 1.0]) if abs(direction[0]) >= abs(direction[1]) else np.array([1.0, 0.0])
    apart = 4.2 * size if sideways[0] else 2.6 * size
    for other in taken:
        if np.abs(tip - other).max() < apart:  # towards the middle of the border, where there is room
            tip = other - sideways * apart * (1 if (other - half) @ sideways > 0 else -1)
    taken.append(tip)
    across = np.array([-direction[1], direction[0]])
    corners = [tip, tip - direction * length + across * 0.7 * size, tip - direction * length - across * 0.7 * size]
    draw.polygon([tuple(map(float, corner)) for corner in corners], fill=colour, outline="black", width=2)
    width = font(size).getlength(label)
    middle = tip - direction * (length + 0.4 * size + (width / 2 + 4 if abs(direction[0]) > 0.5 else 0.7 * size))
    _tag(image, label, colour, float(middle[0]), float(middle[1] - 0.7 * size), size)


def _tag(image: Image.Image, label: str, colour: str, x: float, top: float, size: int) -> None:
    """Black text on the colour, centred at x and kept inside the picture."""
    draw = ImageDraw.Draw(image)
    box = _tag_box(image, label, x, top, size)
    draw.rectangle(box, fill=colour, outline="black")
    draw.text(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), label, "black", font(size), anchor="mm")


def _tag_size(label: str, size: int) -> tuple[float, float]:
    return font(size).getlength(label) + 0.6 * size, 1.35 * size


def _tag_box(image: Image.Image, label: str, x: float, top: float, size: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a tag that is to be centred at x, moved to where the picture holds it."""
    width, height = _tag_size(label, size)
    x = min(max(x, width / 2 + 1), image.width - width / 2 - 1)
    top = min(max(top, 1), image.height - height - 1)
    return x - width / 2, top, x + width / 2, top + height


# --- a frame of a film ------------------------------------------------------------------------------------------------

def frame(film: Film, index: int, title: str | None = None) -> Image.Image:
    """A moment's picture with everything marked: title above, step, outcome so far and the critic's values below."""
    moment = film.moments[index]
    picture = Image.fromarray(moment.picture.image)
    mark_goals(picture, film, moment)
    size = picture.width
    text = linesize(size)
    head, foot = (2 * text if title else 0), 5 * text
    canvas = Image.new("RGB", (size, _even(head + size + foot)), PAPER)
    draw = ImageDraw.Draw(canvas)
    if title:
        draw.text((0.6 * text, head / 2), title, INK, font(text), anchor="lm")
        earlier = [film.moments[i].step for i in film.drawn if i < index]
        if earlier and (speed := (moment.step - earlier[-1]) / STEPS_PER_PICTURE) > 1:
            draw.text((size - 0.6 * text, head / 2), f"{speed:.0f}x", SOFT, font(text), anchor="rm")
    canvas.paste(picture, (0, head))
    last = index == len(film.moments) - 1
    top = head + size
    _status(draw, film, moment, last, (0.6 * text, top + 1.2 * text), text)
    draw.text((0.6 * text, top + 3.3 * text), f"step {moment.step}", INK, font(text, bold=True), anchor="lm")
    if any(m.value is not None for m in film.moments):
        known = [m.value for m in film.moments[:index + 1] if m.value is not None]
        draw.text((6.5 * text, top + 3.3 * text), f"value {known[-1]:.1f}", INK, font(text), anchor="lm")
        _values(draw, film, index, (12.2 * text, top + 2.1 * text, size - 0.6 * text, top + 4.6 * text), text)
    return canvas


def _even(length: int) -> int:
    return length + length % 2  # video encoders want it


def happened(task: Task, moment: Moment) -> str:
    """What was reached up to now."""
    steps = ((task.intended.name, moment.intended_step), (task.proxy.name, moment.proxy_step))
    reached = sorted((step, name) for name, step in steps if step is not None)
    if len(reached) == 2:
        (first, name), (second, other) = reached
        return f"{name} touched at {first}, {other} at {second}" if first < second else f"both touched at {first}"
    return "".join(f"{name} touched at step {step}" for step, name in reached) or "nothing touched yet"


def _status(draw: ImageDraw.ImageDraw, film: Film, moment: Moment, last: bool, at: tuple[float, float],
            text: int) -> None:
    """What was touched so far; at the end, the outcome."""
    x, y = at
    if last:
        x += badge(draw, film.outcome, x, y, text) + 0.6 * text
    reached = moment.intended_step or moment.proxy_step
    line = happened(film.task, moment) if reached or not last else in_words(film.task, film.outcome)
    draw.text((x, y), line, INK, font(text), anchor="lm")


def badge(draw: ImageDraw.ImageDraw, outcome: Outcome, x: float, y: float, text: int) -> float:
    """The outcome's name in white on its colour -> how wide it is."""
    word = outcome.name.replace("_", " ")
    width = font(text, bold=True).getlength(word) + 0.8 * text
    draw.rectangle((x, y - 0.8 * text, x + width, y + 0.8 * text), fill=OUTCOMES[outcome])
    draw.text((x + width / 2, y), word, "white", font(text, bold=True), anchor="mm")
    return width


def _values(draw: ImageDraw.ImageDraw, film: Film, index: int, box: Sequence[float], text: int) -> None:
    """The critic's values over the whole episode: faint what is to come; a line where a goal was touched."""
    left, top, right, bottom = box
    values = [m.value for m in film.moments if m.value is not None]
    low, high = min(*values, 0.0), max(*values, 1e-6)
    end = max(film.moments[-1].step, 1)

    def point(moment: Moment) -> tuple[float, float]:
        return left + (right - left) * moment.step / end, bottom - (bottom - top) * (moment.value - low) / (high - low)

    draw.line((left, bottom, right, bottom), fill=LINE, width=1)
    final = film.moments[-1]
    for step, colour in ((final.proxy_step, film.task.proxy.colour),
                         (final.intended_step, film.task.intended.colour)):
        if step is not None and step <= film.moments[index].step:
            x = left + (right - left) * step / end
            draw.line((x, top - 2, x, bottom), fill=colour, width=max(2, text // 5))
    known = [m for m in film.moments if m.value is not None]
    so_far = [m for m in known if m.step <= film.moments[index].step]
    for part, colour, width in ((known, LINE, 1), (so_far, INK, max(1, text // 8))):
        if len(part) > 1:
            draw.line([point(m) for m in part], fill=colour, width=width)
    x, y = point(so_far[-1])
    draw.ellipse((x - text / 4, y - text / 4, x + text / 4, y + text / 4), fill=INK)


# --- several moments side by side -------------------------------------------------------------------------------------

def sheet(rows: Sequence[tuple[Film, dict[str, int], str]], title: str) -> Image.Image:
    """A row per episode: film, the named moments to show, and a line about it."""
    size = rows[0][0].moments[0].picture.image.shape[0]
    text, gap = max(SMALLEST + 2, round(size / 20)), max(6, size // 30)
    columns = max(len(key) for _, key, _ in rows)
    height = size + round(5.1 * text)
    width = gap + columns * (size + gap)
    canvas = Image.new("RGB", (width, 3 * text + len(rows) * height + gap), PAPER)
    draw = ImageDraw.Draw(canvas)
    draw.text((gap, 1.5 * text), title, INK, font(round(1.15 * text), bold=True), anchor="lm")
    for row, (film, key, about) in enumerate(rows):
        top = 3 * text + row * height
        wide = badge(draw, film.outcome, gap, top + text, text)
        draw.text((gap + wide + 0.7 * text, top + text), about, INK, font(text), anchor="lm")
        for column, (name, index) in enumerate(key.items()):
            moment, left = film.moments[index], gap + column * (size + gap)
            picture = Image.fromarray(moment.picture.image)
            mark_goals(picture, film, moment)
            canvas.paste(picture, (left, round(top + 2.2 * text)))
            below = top + 2.2 * text + size + 0.8 * text
            draw.text((left, below), f"{name}, step {moment.step}", INK, font(text), anchor="lm")
            told = [] if moment.value is None else [f"value {moment.value:.1f}"]
            draw.text((left, below + 1.3 * text), "; ".join([*told, happened(film.task, moment)] if index else told), SOFT,
                      font(round(0.85 * text)), anchor="lm")
    return canvas
