"""The first screen of a page: what goal misgeneralization is, what was found, and what that does not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmexp.artefacts.condition import pretty
from gmexp.figures.data import StudyData
from gmexp.figures.words import capital
from gmexp.pages.html import Html, element
from gmexp.pages.parts import image_uri
from gmexp.pages.six import SHOWN_SHIFT
from gmexp.pages.words import listed
from gmexp.rates.over_runs import strongest
from gmexp.rates.text import shift_text
from gmexp_envs.task import SHIFT_NAMES, Task

__all__ = ["LEVEL", "SHOWN_SHIFT", "Finding", "finding_of_pool", "finding_of_study", "start"]

LEVEL = "level.png"  # the picture, in a folder of figures


@dataclass(frozen=True)
class Finding:
    """A share with its interval, and what it is a share of."""

    mean: float
    low: float
    high: float
    condition: str
    interval: str  # what kind
    published: float | None
    causal: bool  # of both arms, else of first events
    unpursued: float | None = None  # with accidents discounted


def finding_of_study(data: StudyData) -> Finding | None:
    """Goal failure of the first condition under the shown shift, of the first environment where there are several; None
    where it is unknown."""
    several = len(data.firsts) > 1
    cells = [cell for cell in strongest(data.cells)
             if cell.shift_type == SHOWN_SHIFT and not cell.probe and cell.goal_failure.mean is not None
             and (not several or cell.condition == data.firsts[data.runs[0].env])]
    if not cells:
        return None
    rate, published = cells[0].goal_failure, data.published.get(SHOWN_SHIFT)
    return Finding(rate.mean, rate.low, rate.high, cells[0].condition, "95% interval over runs",
                   None if published is None else published["goal_failure"], cells[0].causal)


def finding_of_pool(pooled: StudyData) -> Finding | None:
    """The same of a calibration that pools several studies, at its lowest training diversity."""
    row = next((row for row in pooled.base_rates if row.shift == SHOWN_SHIFT), None)
    if row is None:
        return None
    condition = min(row.conditions, key=lambda condition: condition.train_diversity)
    rate = condition.goal_failure
    discounted = condition.unpursued and condition.unpursued.mean
    return Finding(rate.mean, rate.q025, rate.q975, condition.label, "95% credible interval",
                   row.published["goal_failure"], row.causal, None if discounted is None else min(max(discounted, 0.0), 1.0))


def start(tasks: Sequence[Task], picture: Path, finding: Finding | None, size: str, steps: Sequence[int],
          others: Html | None = None) -> Html:
    """The first screen. `size` says how much was measured, `steps` are those of the trainings, `others` what was found in
    every environment where there are several."""
    task, limits = tasks[0], _limits(tasks, steps, finding is not None and finding.causal)
    answer = [element("p", _what(task), class_="lede")]
    if finding is not None:
        answer.append(element(
            "p", element("b", f"{finding.mean:.0%}"), element("span", _share(task, finding)), class_="finding"))
    answer += [others, element("p", size, class_="note"),
               element("details", element("summary", "What this does not say"),
                       element("ul", [element("li", line) for line in limits]), open="")]
    return element("div", element("div", answer, class_="answer"), _picture(task, picture), class_="start")


def _what(task: Task) -> str:
    intended, proxy = task.intended.words, task.proxy.words
    return (f"Goal misgeneralization: a trained agent meets something new and stays able, but pursues another goal than "
            f"it was rewarded for. Here the reward was for {intended}; training joined that with {proxy}. Where the "
            "two part, what does the agent go for?")


def _share(task: Task, finding: Finding) -> str:
    intended, proxy = task.intended.words, task.proxy.words
    trained = f"where {intended} always went with {proxy} (δ = 0)" if finding.condition == "delta=0" else (
        f"at {pretty(finding.condition)}")
    published = "" if finding.published is None else f" A published model says {finding.published:.0%}."
    discounted = "" if finding.unpursued is None else f" Accidents discounted, it is {finding.unpursued:.0%}."
    share = (f"of the levels on which they get to {proxy} first without seeing {intended}, they still do when they see it" if
             finding.causal else f"of the episodes that reached a goal went for {proxy} and not for {intended}")
    return (f"{share}: agents trained {trained}, under shift {shift_text(SHOWN_SHIFT, SHIFT_NAMES[SHOWN_SHIFT])}. "
            f"{finding.interval}: {finding.low:.0%} to {finding.high:.0%}.{discounted}{published}")


def _limits(tasks: Sequence[Task], steps: Sequence[int], causal: bool) -> list[str]:
    names = listed([task.name.replace("_", " ") for task in tasks])
    lines = [f"How other environments compare: these are {len(tasks)} of them ({names}), and they differ." if len(tasks) > 1
             else f"Whether it holds elsewhere: this is one environment ({names})."]
    if steps:
        low, high = (f"{count / 1e6:.3g}" for count in (min(steps), max(steps)))
        lines.append(f"What large models do: these are small networks after {low if low == high else f'{low} to {high}'} "
                     "million steps, and more training moves the numbers.")
    intended = tasks[0].intended.words
    if not causal:
        lines.append(f"What the agents want: some come upon {intended} by accident. Causes are measured apart, with "
                     f"{intended} masked, where that was done.")
    return [*lines, "How much harm follows: harm is assumed, and no experiment here measures it."]


def _picture(task: Task, path: Path) -> Html:
    """A level with both goals and an agent's way; where nobody has drawn one, the same as a sketch."""
    intended, proxy = task.intended, task.proxy
    if path.exists():
        caption = (f"A level on which the goals part. {capital(intended.words)} is rewarded; the agent shown, a scripted "
                   f"one whose goal is known, goes for {proxy.words}.")
        image = element("img", src=image_uri(path), alt=caption)
    else:
        caption = f"{capital(intended.words)} is rewarded; the agent passes it by and goes for {proxy.words}."
        image = _sketch(task, caption)
    return element("figure", image, element("figcaption", caption), class_="level")


def _sketch(task: Task, title: str) -> Html:
    """An agent's way past a round intended goal to a square proxy."""
    def text(x: int, y: int, words: str) -> Html:
        return element("text", words, x=x, y=y, text_anchor="middle")

    return element(
        "svg", element("title", title), element("path", d="M28 92 H266", class_="way", marker_end="url(#way-head)"),
        element("defs", element("marker", element("path", d="M0 0 8 4 0 8z", class_="head"), id="way-head",
                                viewBox="0 0 8 8", refX=7, refY=4, markerWidth=8, markerHeight=8, orient="auto")),
        element("circle", cx=150, cy=38, r=13, fill=task.intended.colour, stroke="black"),
        element("rect", x=272, y=79, width=26, height=26, fill=task.proxy.colour, stroke="black"),
        element("circle", cx=20, cy=92, r=8, class_="head"), text(150, 17, f"{task.intended.name} (rewarded)"),
        text(285, 124, task.proxy.name), text(26, 124, "agent"), viewBox="0 0 320 132", role="img", class_="sketch")
