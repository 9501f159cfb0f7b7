"""What is written on pictures of the game: where the goals are, the time, the critic's value, the outcome.

Colours are Okabe and Ito's, and nothing is told by colour alone: goals are named, round and square, outcomes are words.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from gmexp.evaluation.replay import Film, Moment, STEPS_PER_PICTURE
from gmexp.pages.goal_marks import mark_picture
from gmexp.pages.lettering import INK, LINE, PAPER, SMALLEST, SOFT, font, linesize
from gmexp_envs.outcome import Outcome
from gmexp_envs.task import Task

OUTCOMES = {Outcome.INTENDED_GOAL: "#0072B2", Outcome.PROXY_GOAL: "#D55E00", Outcome.DEATH: "#17222b",
            Outcome.TIMEOUT: "#777777", Outcome.AMBIGUOUS: "#8C4A75"}


def palette(task: Task) -> tuple[str, ...]:
    """The colours of everything that is written on the pictures of a task."""
    return task.intended.colour, task.proxy.colour, INK, SOFT, LINE, *OUTCOMES.values()


def in_words(task: Task, outcome: Outcome) -> str:
    """What happened in an episode."""
    return {Outcome.INTENDED_GOAL: f"{task.intended.words} first", Outcome.PROXY_GOAL: f"{task.proxy.words} first",
            Outcome.DEATH: "died before either", Outcome.TIMEOUT: "reached neither in time",
            Outcome.AMBIGUOUS: "a goal, but the level does not tell which"}[outcome]


# --- a frame of a film ------------------------------------------------------------------------------------------------

def frame(film: Film, index: int, title: str | None = None) -> Image.Image:
    """A moment's picture with everything marked: title above, step, outcome so far and the critic's values below."""
    moment = film.moments[index]
    picture = Image.fromarray(moment.picture.image)
    mark_picture(picture, film.task, moment.picture, moment.intended_step, moment.proxy_step)
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
            mark_picture(picture, film.task, moment.picture, moment.intended_step, moment.proxy_step)
            canvas.paste(picture, (left, round(top + 2.2 * text)))
            below = top + 2.2 * text + size + 0.8 * text
            draw.text((left, below), f"{name}, step {moment.step}", INK, font(text), anchor="lm")
            told = [] if moment.value is None else [f"value {moment.value:.1f}"]
            draw.text((left, below + 1.3 * text), "; ".join([*told, happened(film.task, moment)] if index else told), SOFT,
                      font(round(0.85 * text)), anchor="lm")
    return canvas
