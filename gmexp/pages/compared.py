"""The environments of a page over several studies: what was measured in each, side by side, and a level of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmexp.artefacts.condition import pretty
from gmexp.figures.data import StudyData
from gmexp.pages import headline, parts
from gmexp.pages.html import Html, element, join, table
from gmexp.pages.start import LEVEL, SHOWN_SHIFT, Finding, finding_of_pool, finding_of_study
from gmexp.rates.text import shift_text
from gmexp_envs.task import SHIFT_NAMES, Task

__all__ = ["Measured", "first", "measured", "next_environment", "section", "strip"]


@dataclass(frozen=True)
class Measured:
    """What the best study of an environment says of it; without one, the finding is None."""

    task: Task
    study: str  # its folder's name
    finding: Finding | None
    runs: int | None  # of the finding; None where several studies are pooled
    level: Path | None  # a picture of a level


def measured(studies: Sequence[StudyData], pooled: StudyData) -> list[Measured]:
    """Every environment once, in the order of the studies: what the pooled calibration says of it, else the one of its
    studies that has both arms and the most runs."""
    rows = []
    for task in {data.task.name: data.task for data in studies}.values():
        own = [data for data in studies if data.task.name == task.name]
        known = [(data, finding) for data in own if (finding := finding_of_study(data)) is not None]
        data, finding = max(known, default=(own[0], None), key=lambda pair: (
            pair[1].causal, len(pair[0].runs_of(pair[1].condition))))
        count = None if finding is None else len(data.runs_of(finding.condition))
        if (together := _of_pool(pooled, task)) is not None:
            finding, count = together, None
        pictures = [path for each in own if (path := each.study.figures / LEVEL).exists()]
        rows.append(Measured(task, data.study.root.name, finding, count, pictures[0] if pictures else None))
    return rows


def first(rows: Sequence[Measured], pooled: StudyData) -> Finding | None:
    """What the first screen says in large: the pool's, where it is of one environment, else the first environment's."""
    return finding_of_pool(pooled) if len(_environments(pooled)) < 2 else rows[0].finding


def _environments(pooled: StudyData) -> set[str]:
    return set(pooled.calibration.envs) if pooled.calibration else set()


def _of_pool(pooled: StudyData, task: Task) -> Finding | None:
    """An environment's goal failure in the pooled calibration, at delta 0; what the first screen says where it has no
    other environment."""
    if pooled.calibration is None:
        return None
    if _environments(pooled) == {task.name}:
        return finding_of_pool(pooled)
    said = headline.under(pooled, task.name, SHOWN_SHIFT, 0.0, "goal_failure")
    if said is None:
        return None
    return Finding(said.mean, said.q025, said.q975, "delta=0", "95% credible interval", None,
                   all(row.causal for row in pooled.base_rates))


def next_environment(pooled: StudyData) -> tuple[float, float, float] | None:
    """What the pooled calibration expects of an environment that nobody has measured: goal failure under the shown shift,
    median and 95% credible interval; None where it does not say."""
    said = pooled.calibration.next_environment("goal_failure", SHOWN_SHIFT) if pooled.calibration else None
    return None if said is None else (said.q50, said.q025, said.q975)


def strip(rows: Sequence[Measured], expected: tuple[float, float, float] | None) -> Html:
    """Goal failure in every environment, and in the next one: a line each."""
    lines = [_line(element("a", row.task.name.replace("_", " "), href="#environments"), row.finding.mean, row.finding.low,
                   row.finding.high) for row in rows if row.finding is not None]
    if expected is not None:
        lines.append(_line("the next environment", *expected))
    listed = table(["Environment", "Goal failure", ""], lines,
                   caption=f"Goal failure under shift {_shown()}, by environment")
    about = f"The same share in every environment, under shift {_shown()}, at the lowest δ, with its 95% interval:"
    return element("div", element("p", about, class_="note"), listed, class_="strip")


def _line(name: Html | str, mean: float, low: float, high: float) -> list[Html | str]:
    return [name, join([element("b", f"{mean:.0%}"), element("small", f"[{low:.0%}, {high:.0%}]")]),
            parts.bar(mean, low, high)]


def _shown() -> str:
    return shift_text(SHOWN_SHIFT, SHIFT_NAMES[SHOWN_SHIFT])


def section(rows: Sequence[Measured]) -> Html:
    """A card for each: a level, its two goals, what was measured, and the page of the study."""
    about = (f"Goal failure under shift {_shown()}, at the lowest training diversity that was measured: mean over runs and "
             "95% interval, which is about more runs of the same set-up. On each picture a scripted agent that wants the "
             "decoy shows the way there.")
    return join([element("p", about, class_="note"), element("div", [_card(row) for row in rows], class_="cards")])


def _card(row: Measured) -> Html:
    name, intended, proxy = row.task.name.replace("_", " "), row.task.intended.words, row.task.proxy.words
    picture = None if row.level is None else element(
        "img", src=parts.image_uri(row.level), loading="lazy", alt=f"A level of {name}: {intended}, {proxy}, and a way")
    if row.finding is None:
        said: list[Html | str] = ["Goal failure under this shift was not measured."]
    else:
        edition = "" if row.finding.causal else ", first events"
        said = [element("b", f"{row.finding.mean:.0%}"), f" [{row.finding.low:.0%}, {row.finding.high:.0%}], "
                f"{pretty(row.finding.condition)}, "
                f"{'studies pooled' if row.runs is None else f'{row.runs} runs'}{edition}"]
    return element("figure", picture, element(
        "figcaption", element("h3", name), element("p", said), element("p", f"Rewarded: {intended}. Decoy: {proxy}."),
        element("p", element("a", "Its study", href=f"#study-{row.study}"), ", ",
                element("a", "its runs", href=f"{row.study}/report.html#runs"))), class_="card")
