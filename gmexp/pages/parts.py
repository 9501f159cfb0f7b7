"""What the page of a study and the page of all studies are made of."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image, UnidentifiedImageError

from gmexp import artefacts
from gmexp.figures import style
from gmexp.figures.catalogue import known
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.records import Modifier
from gmexp.pages import svg
from gmexp.pages.clips import Clip, read_clips
from gmexp.pages.html import Html, data_uri, element, join, table
from gmexp.pages.ladder import published_rates
from gmexp.pages.words import MODIFIERS
from gmexp.rates.text import interval
from gmexp_envs.task import Task

MAX_CLIPS = 12
QUALITY = 82  # of pictures, of 100
OPENS = {"#run-": "A mark of a run opens it.", "#condition-": "A mark opens the runs of its condition."}


# --- figures ----------------------------------------------------------------------------------------------------------

def chart(data: StudyData, figure: Figure, page: str = "") -> Html | None:
    """A figure of a study with its caption, None where it was not drawn. Marks of runs open the run on the study's page,
    whose address is `page`; empty on that page itself."""
    path = data.study.figures / f"{figure.name}.svg"
    if not path.exists():
        return None
    caption = figure.caption_of(data.task)
    if figure.runs and data.runs:
        with matplotlib.rc_context(style.STYLE):
            picture = data.pictures.get(figure.name) or figure.draw(data)
        if picture is not None:
            prefix = re.sub(r"\W+", "-", f"{page.partition('/')[0]}-{figure.name}-").lstrip("-")
            linked = svg.inline(style.linked(picture), caption, prefix, page)
            opens = next((words for mark, words in OPENS.items() if mark in linked), "")
            return _framed(Html(linked), f"{caption} {opens}".rstrip(), figure.narrow)
    return _figure(svg.data_uri(svg.small(artefacts.read_text(path))), caption, figure.narrow)


def charts(data: StudyData, section: Section) -> list[Html]:
    """The figures of a section, in the table's order."""
    drawn = (chart(data, figure) for figure in known() if figure.section is section)
    return [shown for shown in drawn if shown is not None]


def picture(path: Path, caption: str) -> Html | None:
    """A PNG with a caption; None where it was not made."""
    return _figure(image_uri(path), caption) if path.exists() else None


def image_uri(path: Path) -> str:
    """A PNG as the address of an image, in a tenth of its bytes; as it is where Pillow cannot read it."""
    content, packed = artefacts.read_bytes(path), io.BytesIO()
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.convert("RGB").save(packed, "WEBP", quality=QUALITY, method=4)
    except (UnidentifiedImageError, OSError):
        return data_uri(content, "image/png")
    return data_uri(packed.getvalue(), "image/webp")


def _figure(source: str, caption: str, narrow: bool = False) -> Html:
    return _framed(element("img", src=source, alt=caption, loading="lazy"), caption, narrow)


def _framed(picture: Html, caption: str, narrow: bool) -> Html:
    return element("figure", element("div", picture, class_="picture", tabindex=0), element("figcaption", caption),
                   class_="chart narrow" if narrow else "chart")


# --- shifts -----------------------------------------------------------------------------------------------------------

def shifts(task: Task, folder: Path | None = None) -> Html:
    """The ladder in the words of an environment, beside what the model says of each type; in pictures where `gmexp show`
    has drawn them into a study's folder of figures."""
    rows = [[shift.type, shift.key_factor, element("span", shift.words, class_="rule"), *published_rates(shift.type)]
            for shift in task.shifts]
    head = ["Shift", "Key factor", "What changes here", "Published capability", "Published goal failure"]
    drawn = None if folder is None else picture(
        folder / "shifts.png", "The same levels under each shift, from grade to grade, with the goals marked.")
    return join([table(head, rows, (3, 4), caption=f"The shifts, in the words of {task.name.replace('_', ' ')}"), drawn])


# --- episodes ---------------------------------------------------------------------------------------------------------

def clip_cards(data: StudyData) -> list[Html]:
    """The filmed episodes of a study, each with its caption. Nothing moves before it is asked to."""
    named = {run_id: data.named(condition) for run_id, condition in data.conditions.items()}
    clips = [clip for run in data.runs for clip in read_clips(data.study, run.run_id, named[run.run_id])]
    return [element("figure", _film(clip), element(
        "figcaption", element("span", clip.outcome.replace("_", " "), class_=f"badge {clip.outcome}"),
        element("br"), clip.caption, element("br"), ", ".join(clip.where))) for clip in clips[:MAX_CLIPS]]


def _film(clip: Clip) -> Html:
    """A video with controls; an animation below its still, where there is one, to be unfolded."""
    source, words = data_uri(artefacts.read_bytes(clip.film), clip.kind), clip.caption or clip.outcome
    still = None if clip.still is None else data_uri(artefacts.read_bytes(clip.still), "image/jpeg")
    if clip.kind.startswith("video"):
        return element("video", element("source", src=source, type=clip.kind), controls="", loop="", muted="",
                       playsinline="", preload="none", poster=still, aria_label=words)
    title = "play" if still is None else element("img", src=still, alt=f"The end of the episode: {words}")
    return element("details", element("summary", title), element("img", src=source, alt=words, loading="lazy"))


# --- modifiers and numbers --------------------------------------------------------------------------------------------

def modifier_table(modifiers: Sequence[Modifier]) -> Html | None:
    """What the experiments varied, as a factor on the odds of goal failure, beside the published range."""
    rows = [[f"{MODIFIERS.get(m.name, m.name)}, {short(m.settings[0])} to {short(m.settings[-1])}",
             triple([m.odds_ratio["goal_failure"][key] for key in ("q50", "q025", "q975")]),
             " to ".join(map(short, m.published_range))] for m in modifiers if m.measured]
    if not rows:
        return None
    return join([element("p", "What the experiments varied, between the published low-risk and high-risk settings. "
                              "Published modifiers are ratios of probabilities, so the two columns differ in kind.",
                         class_="note"),
                 table(["Modifier", "Odds of goal failure ×", "Published M"], rows, caption="Measured modifiers")])


def bar(mean: float, low: float, high: float) -> Html:
    """A share and its interval, drawn."""
    return element("svg", element("rect", class_="track", y=4, width=100, height=1.5),
                   element("rect", class_="range", x=100 * low, y=1.5, width=100 * (high - low), height=6.5),
                   element("rect", class_="mean", x=99 * mean - 1, width=2.5, height=9.5),
                   class_="bar", viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")


def triple(values: Sequence[float | None]) -> Html | str:
    """A mean and its interval; a dash where it is unknown."""
    mean, low, high = values
    return "–" if mean is None else join([f"{mean:.2f}", element("small", interval(low, high))])


def short(value: Any) -> str:
    """A value as a reader wants it."""
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
