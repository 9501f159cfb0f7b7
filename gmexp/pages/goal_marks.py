"""Goals marked in pictures: frames where they are in view, else arrows at the border; what goes on unseen, in words.

Nothing is told by colour alone: goals are named, round and square.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from gmexp.pages.lettering import PAPER, font, linesize, tag, tag_box, tag_size
from gmexp_envs.task import Goal, Picture, Task

__all__ = ["Shown", "frame_cells", "mark", "mark_level", "mark_picture", "shown_goals"]


class Shown(NamedTuple):
    """A goal in a picture."""

    name: str
    goal: Goal
    place: tuple[float, float]  # its middle, in pixels
    span: tuple[float, float] = (1.0, 1.0)  # what is framed, in cells across and down


def shown_goals(task: Task, picture: Picture, intended_step: int | None = None,
                proxy_step: int | None = None) -> list[Shown]:
    """The goals in a picture, with a tick those that were reached; of aligned ones, one for both."""
    def named(name: str, step: int | None) -> str:
        return name if step is None else f"{name} ✓"

    (own, other), together = picture.spans, picture.intended is not None and picture.intended == picture.proxy
    if together and own == other:
        both = f"{task.intended.name} = {task.proxy.name}"
        return [Shown(named(both, intended_step), task.intended, picture.intended, own)]
    goals = ((task.proxy, picture.proxy, other, proxy_step), (task.intended, picture.intended, own, intended_step))
    return [Shown(named(goal.name, step), goal, place, span) for goal, place, span, step in goals if place is not None]


def mark_picture(image: Image.Image, task: Task, picture: Picture, intended_step: int | None = None,
                 proxy_step: int | None = None) -> None:
    """Mark the goals of what an agent sees, with a tick those that were reached, and say what goes on."""
    mark(image, shown_goals(task, picture, intended_step, proxy_step), picture.cell)
    say(image, picture.now, linesize(image.width))


def mark_level(image: Image.Image, task: Task, picture: Picture, text: int) -> None:
    """The same of a whole level, with letters of `text` pixels."""
    frame_cells(image, shown_goals(task, picture), picture.cell, text)
    say(image, picture.now, text)


def say(image: Image.Image, words: str, size: int) -> None:
    """What goes on, in the lower left corner."""
    if words:
        tag(image, words, PAPER, 0, image.height, size)


def mark(image: Image.Image, goals: Sequence[Shown], scale: float) -> None:
    """Mark goals: a frame where they are in view, else an arrow at the border and how many cells away."""
    margin, near, arrows = 0.4 * scale, [], []
    for shown in goals:
        x, y = shown.place
        if margin <= x <= image.width - margin and margin <= y <= image.height - margin:
            near.append(shown)
        else:
            offset = (x - image.width / 2) / scale, (image.height / 2 - y) / scale  # in cells, right and up
            _arrow(image, f"{shown.name} {float(np.hypot(*offset)):.0f}", shown.goal.colour, offset, arrows)
    frame_cells(image, near, scale, linesize(image.width))


def frame_cells(image: Image.Image, goals: Sequence[Shown], scale: float, text: int) -> None:
    """A round or square frame around each goal, as the goal has it, and its name beside it, where it hides neither a frame
    nor another name: above if there is room, else below, to the right or left, or further off."""
    draw = ImageDraw.Draw(image)
    width = max(2, round(scale / 13))
    halves = [tuple((side / 2 + 0.12) * scale for side in shown.span) for shown in goals]
    taken = []
    for shown, (across, down) in zip(goals, halves, strict=True):
        (x, y), goal = shown.place, shown.goal
        box = (x - across, y - down, x + across, y + down)
        outer = tuple(v + w for v, w in zip(box, (-width, -width, width, width), strict=True))
        for edge, colour, thick in ((outer, "black", 3 * width), (box, goal.colour, width)):
            if not goal.round:
                draw.rectangle(edge, outline=colour, width=thick)
            elif across == down:
                draw.ellipse(edge, outline=colour, width=thick)
            else:
                draw.rounded_rectangle(edge, min(across, down), outline=colour, width=thick)
        taken.append(outer)
    for shown, (across, down) in zip(goals, halves, strict=True):
        (x, y), (wide, high) = shown.place, tag_size(shown.name, text)
        away, aside, middle = down + width, across + width + wide / 2, y - high / 2
        places = [(x, y - away - high), (x, y + away), (x + aside, middle), (x - aside, middle),
                  (x, y - away - 2.1 * high), (x, y + away + 1.1 * high)]
        boxes = [tag_box(image, shown.name, *place, text) for place in places]
        hidden = [sum(_overlap(box, other) for other in taken) for box in boxes]
        best = min(range(len(boxes)), key=lambda i: (round(hidden[i]), i))
        tag(image, shown.name, shown.goal.colour, *places[best], text)
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
    tag(image, label, colour, float(middle[0]), float(middle[1] - 0.7 * size), size)
