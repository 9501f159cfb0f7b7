"""What the shifts do to levels, as pictures: the same levels in whole, from grade to grade."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

import gmexp_envs
from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.evaluation.cells import held_out
from gmexp.pages import animation
from gmexp.pages.ladder import published
from gmexp.pages.goal_marks import mark_level
from gmexp.pages.lettering import INK, LINE, PAPER, SOFT, font
from gmexp.support.errors import UserError
from gmexp_envs import VecEnv, find_task
from gmexp_envs.levels import SeedRange
from gmexp_envs.shifts import find_factor, find_shift, shift, shift_factor
from gmexp_envs.task import Task

MARGIN, GAP, TEXT = 24, 16, 14  # pixels
COLUMN = 24 * TEXT  # pixels of a column that levels do not widen
CELLS = (12, 28)  # pixels across a cell that fills a column, at least and at most


def marked(task: Task, env: VecEnv, e: int, cell: int) -> Image.Image:
    """A whole level with the goals named."""
    picture = task.level_picture(env, e, cell)
    image = Image.fromarray(picture.image)
    mark_level(image, task, picture, TEXT - 2)
    return image


# --- a page -----------------------------------------------------------------------------------------------------------

def page(task: Task, training: Any, kind: int | None, factor: str | None, grades: Sequence[float], seeds: SeedRange,
         cell: int | None) -> Image.Image:
    """A row per level of `seeds`, a column per grade, of one shift type or of one factor alone; without `cell`, the pixels
    across a cell are those that fill a column."""
    levels = seeds.count
    try:
        distributions = [shift(task, training, kind, grade) if factor is None else
                         shift_factor(task, training, factor, grade)
                         for grade in (0.0, *grades)]
    except ValueError as error:
        raise UserError(f"the training distribution cannot be shifted so: {error}") from error
    plain, *shifted = [_begin(task, distribution, seeds, levels) for distribution in distributions]
    columns = max(task.level_size(env, e)[0] for env in shifted for e in range(levels))
    cell = cell or min(max(COLUMN // columns, CELLS[0]), CELLS[1])
    wide = max(columns * cell, COLUMN)
    pictures = [[marked(task, env, e, cell) for env in shifted] for e in range(levels)]
    captions = [[_wrapped(f"level {seeds.first + e}: {task.changes(plain, env, e)}", wide, TEXT - 2) for env in shifted]
                for e in range(levels)]
    for env in (plain, *shifted):
        env.close()
    heights = [max(picture.height for picture in row) for row in pictures]
    below = [round((1.1 * max(map(len, row)) + 1.3) * TEXT) for row in captions]
    width = 2 * MARGIN + len(grades) * wide + (len(grades) - 1) * GAP
    lines = _heading(task, kind, factor, width - 2 * MARGIN)
    head = MARGIN + sum(round(1.6 * size) for _, size, _, _ in lines) + round(4.4 * TEXT)
    canvas = Image.new("RGB", (width, head + sum(heights) + sum(below) + MARGIN // 2), PAPER)
    draw = ImageDraw.Draw(canvas)
    top = MARGIN
    for text, size, bold, colour in lines:
        draw.text((MARGIN, top), text, colour, font(size, bold))
        top += round(1.6 * size)
    for column, (grade, distribution) in enumerate(zip(grades, distributions[1:], strict=True)):
        left = MARGIN + column * (wide + GAP)
        name = f"grade {grade:g}" + ": the training distribution" * (grade == 0)
        draw.text((left, top + 0.4 * TEXT), name, INK, font(TEXT, True))
        draw.text((left, top + 1.9 * TEXT), _values(task, distribution), SOFT, font(TEXT - 2))
    top += round(4.4 * TEXT)
    for row, texts, height, space in zip(pictures, captions, heights, below, strict=True):
        for column, (picture, parts) in enumerate(zip(row, texts, strict=True)):
            left = MARGIN + column * (wide + GAP)
            canvas.paste(picture, (left, top + height - picture.height))
            for line, part in enumerate(parts):
                draw.text((left, top + height + (0.3 + 1.1 * line) * TEXT), part, SOFT, font(TEXT - 2))
        top += height + space
    return canvas


def _begin(task: Task, distribution: Any, seeds: SeedRange, levels: int) -> VecEnv:
    listed = tuple(range(seeds.first, seeds.first + levels))  # as they are, whichever split owns what they show
    drawn = dataclasses.replace(distribution, levels=listed, sequential=True)
    env = gmexp_envs.make_vec(task, levels, distribution=drawn, seed=0, drawable=True)
    env.reset()
    return env


def _values(task: Task, distribution: Any) -> str:
    """Where the factors are."""
    return ", ".join(f"{'ρ' if factor.name == 'correlation' else factor.name} {factor.get(distribution):g}"
                     for factor in task.factors)


def _heading(task: Task, kind: int | None, factor: str | None, width: int) -> list[tuple[str, int, bool, str]]:
    """(text, size, bold, colour) of each line."""
    if factor is not None:
        return [(f"Factor {factor}, alone", 2 * TEXT, True, INK),
                *((line, TEXT, False, INK) for line in _wrapped(find_factor(task, factor).words, width))]
    wanted = find_shift(task, kind)
    return [(f"{wanted.title} ({wanted.key_factor})", 2 * TEXT, True, INK),
            *((line, TEXT, False, INK) for line in _wrapped(wanted.words, width)),
            *((line, TEXT, False, SOFT) for line in _wrapped(published(kind), width))]


def _wrapped(text: str, width: int, size: int = TEXT) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(size).getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def of_study(study: Study, levels: int) -> tuple[Task, Any, SeedRange]:
    """What a study's first agents were trained on, and held-out levels of its first train seed."""
    config = study.read_index()["config"]
    try:
        env = config["env"]
        if (first := next(iter(study.runs()), None)) and first.env != env["name"]:  # where conditions name their own
            env = artefacts.read_json(study.run(first.run_id) / "run.json")["config"]["env"]
        task = find_task(env["name"])
        return (task, task.distribution(task.config(**env)),
                SeedRange(held_out(config["seeds"][0], config["evaluation"]["episodes"]).first, levels))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(f"{study.index} does not say what its agents were trained on: {error!r}") from error


def write(task: Task, training: Any, kinds: Sequence[int], factor: str | None, grades: Sequence[float],
          seeds: SeedRange, cell: int | None, out: Path) -> Path:
    """Write the pages of several types, or of a factor, as one PNG."""
    pages = [page(task, training, kind, factor, grades, seeds, cell) for kind in (kinds if factor is None else (None,))]
    whole = Image.new("RGB", (max(p.width for p in pages), sum(p.height for p in pages) + len(pages) - 1), LINE)
    top = 0
    for one in pages:
        whole.paste(Image.new("RGB", (whole.width, one.height), PAPER), (0, top))
        whole.paste(one, (0, top))
        top += one.height + 1
    return artefacts.write_bytes(out, animation.png(whole))
