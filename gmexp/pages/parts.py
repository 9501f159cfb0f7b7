"""What the page of a study and the page of all studies are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmexp import artefacts
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


# --- figures ----------------------------------------------------------------------------------------------------------

def chart(data: StudyData, figure: Figure) -> Html | None:
    """A figure of a study with its caption, None where it was not drawn."""
    path = data.study.figures / f"{figure.name}.svg"
    if not path.exists():
        return None
    source = svg.data_uri(svg.small(artefacts.read_text(path)))
    return _figure(source, figure.caption_of(data.task), figure.narrow)


def charts(data: StudyData, section: Section) -> list[Html]:
    """The figures of a section, in the table's order."""
    drawn = (chart(data, figure) for figure in known() if figure.section is section)
    return [shown for shown in drawn if shown is not None]


def picture(path: Path, caption: str) -> Html | None:
    """A PNG with a caption; None where it was not made."""
    return _figure(data_uri(artefacts.read_bytes(path), "image/png"), caption) if path.exists() else None


def _figure(source: str, caption: str, narrow: bool = False) -> Html:
    image = element("img", src=source, alt=caption, loading="lazy")
    return element("figure", element("div", image, class_="picture", tabindex=0), element("figcaption", caption),
                   class_="chart narrow" if narrow else "chart")


# --- shifts -----------------------------------------------------------------------------------------------------------

def shifts(task: Task, folder: Path) -> Html:
    """The ladder in the words of an environment, beside what the model says of each type; in pictures where `gmexp show`
    has drawn them into a study's folder of figures."""
    rows = [[shift.type, shift.key_factor, element("span", shift.words, class_="rule"), *published_rates(shift.type)]
            for shift in task.shifts]
    head = ["Shift", "Key factor", "What changes here", "Published capability", "Published goal failure"]
    return join([
        table(head, rows, (3, 4), caption=f"The shifts, in the words of {task.name.replace('_', ' ')}"),
        picture(folder / "shifts.png", "The same levels under each shift, from grade to grade, with the goals marked.")])


# --- episodes ---------------------------------------------------------------------------------------------------------

def clip_cards(data: StudyData) -> list[Html]:
    """The filmed episodes of a study, each with its caption. Nothing moves before it is asked to."""
    clips = [clip for run in data.runs for clip in read_clips(data.study, run.run_id, data.conditions[run.run_id])]
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
             triple([m.odds_ratio["goal_failure"][key] for key in ("mean", "q025", "q975")]),
             " to ".join(map(short, m.published_range))] for m in modifiers if m.measured]
    if not rows:
        return None
    return join([element("p", "What the experiments varied, between the published low-risk and high-risk settings. "
                              "Published modifiers are ratios of probabilities, so the two columns differ in kind.",
                         class_="note"),
                 table(["Modifier", "Odds of goal failure ×", "Published M"], rows, caption="Measured modifiers")])


def triple(values: Sequence[float | None]) -> Html | str:
    """A mean and its interval; a dash where it is unknown."""
    mean, low, high = values
    return "–" if mean is None else join([f"{mean:.2f}", element("small", interval(low, high))])


def short(value: Any) -> str:
    """A value as a reader wants it."""
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
