"""Rates and what they differ by, as tiles, sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmexp.figures.data import Named, StudyData
from gmexp.figures.style import unique
from gmexp.pages import parts
from gmexp.pages.html import Html, element, join, table
from gmexp.pages.start import SHOWN_SHIFT
from gmexp.rates.definitions import DEFINITIONS
from gmexp.rates.intervals import Mean
from gmexp.rates.over_runs import CellRates, Contrast, METRICS, Rate, Rates, goal_cells, strongest
from gmexp.rates.text import shift_label, triple as triple_text

__all__ = ["by_definition", "edition", "rates", "result"]


def edition(data: StudyData) -> Html | None:
    """What to know of rates that count first events; None where both arms were played, or no shift."""
    if data.causal or not any(cell.shift_type for cell in data.cells):
        return None
    return element("p", "First edition, first events: no masked arm was played, so an agent that stumbles on "
                        f"{data.task.intended.words} counts as one that wanted it.", class_="warning")


def result(data: StudyData) -> Html:
    """The conditions under the shown shift as tiles (of several environments the first of each), how they differ in words,
    and goal failure by condition and shift."""
    top = [cell for cell in strongest(data.cells) if not cell.probe]
    cells = [cell for cell in top if cell.shift_type == SHOWN_SHIFT] or top[-1:]
    if len(data.firsts) > 1:
        cells = [cell for cell in cells if cell.condition in data.firsts.values()]
    tiles = []
    for cell in cells[:4]:
        goal = cell.goal_failure
        tiles.append(element(
            "div", element("span", f"{data.named(cell.condition)}, shift {shift_label(cell)}"),
            element("b", "–" if goal.mean is None else f"{goal.mean:.0%}"),
            element("span", "goal failure" + _range(goal), class_="name"),
            element("span", f"capable in {cell.capability.mean:.0%} of episodes{_range(cell.capability)}"),
            class_="tile"))
    lines = [element("p", line) for line in _differences(data.rates, data.named)]
    return join([edition(data), element("div", tiles, class_="tiles"), *lines, _headline(data)])


def _range(rate: Rate | Mean) -> str:
    return "" if rate.mean is None else f" [{rate.low:.0%}, {rate.high:.0%}]"


def _differences(found: Rates, named: Named) -> list[Html]:
    """In words, what each condition does to goal failure under the shown shift, and whether its interval excludes 0."""
    lines = []
    for change in strongest(found.contrasts):
        if (change.metric, change.shift_type, change.probe) != ("goal_failure", SHOWN_SHIFT, False):
            continue
        points, side = f"{100 * abs(change.difference):.0f} points", "higher" if change.difference > 0 else "lower"
        clear = change.low > 0 or change.high < 0
        lines.append(join([
            f"Under shift {shift_label(change)}, goal failure at {named(change.condition)} is ",
            element("strong", f"{points} {side} than" if clear else "not clearly different from"),
            f" that at {named(change.baseline)} (difference {_signed(change)})."]))
    return lines


def _signed(change: Contrast) -> str:
    return triple_text(change.difference, change.low, change.high, signed=True).replace("-", "−")


def _headline(data: StudyData) -> Html | None:
    """Goal failure by condition and shift: the table to look at first."""
    found, named = data.rates, data.named
    known = goal_cells(strongest(data.cells))
    if not known:
        return None
    shifts = [label for _, label in sorted({(cell.shift_type, shift_label(cell)) for cell in known})]
    texts = {(named(cell.condition), shift_label(cell)): _rate(cell.goal_failure) for cell in known}
    for change in found.contrasts:
        if change.metric == "goal_failure" and shift_label(change) in shifts:
            points, ends = _signed(change).split(" ", 1)
            name = f"{named(change.condition)} minus {named(change.baseline)}"
            texts[name, shift_label(change)] = join([points, element("small", ends)])
    rows = [[name, *(texts.get((name, shift), "–") for shift in shifts)] for name in unique(name for name, _ in texts)]
    what = ("of the levels on which the agent, blind, gets to the proxy first, the share on which it still does when it "
            "sees the intended goal" if data.causal else
            "of the episodes in which the agent was capable, the share that went for the proxy")
    return join([element("p", f"Goal failure by training condition and shift: {what}. Mean over runs and its 95% interval.",
                         class_="note"),
                 table(["Goal failure", *shifts], rows, caption="Goal failure by condition and shift")])


def rates(data: StudyData) -> Html:
    """Every cell, of both arms and by first events; those of the runs alone that passed the threshold of capability; every
    run."""
    found, named = data.rates, data.named
    head = ["Condition", "Shift", "Capability", "Goal failure", "Joint failure", "Runs", "Episodes"]

    def rows(cells: Sequence[CellRates]) -> list[list[Any]]:
        return [[named(cell.condition), shift_label(cell),
                 *(_rate(getattr(cell, metric), bar=metric != "joint_failure") for metric in METRICS),
                 cell.n_runs, f"{cell.n_episodes:,}"] for cell in cells]

    first_events = table(head, rows(found.cells), (5, 6), caption="Rates of every cell" + ", by first events" * data.causal)
    blocks = [first_events]
    if data.causal:
        folded = element("details", element("summary", "By first events, accidents included"), first_events)
        blocks = [_both_arms(data), folded]
    if found.above_threshold and len(_run_ids(found.above_threshold)) < len(_run_ids(found.cells)):
        passed, every = len(_run_ids(found.above_threshold)), len(_run_ids(found.cells))
        blocks.append(element("details", element(
            "summary", f"Only the {passed} of {every} runs that passed the "
            f"threshold of capability ({found.threshold:.0%} in distribution)"),
            table(head, rows(found.above_threshold), (5, 6), caption="Rates of the runs that passed the threshold")))
    runs = [[named(cell.condition), shift_label(cell), run.run_id, f"{run.k} / {run.n}",
             "–" if goal.rate is None else f"{goal.k} / {goal.n}"]
            for cell in found.cells
            for run, goal in zip(cell.capability.runs, cell.goal_failure.runs, strict=True)]
    per_run = table(["Condition", "Shift", "Run", "Capable", "Proxy, of capable on distinguishing levels"], runs, (3, 4),
                    caption="Counts of every run")
    return join([*blocks, element("details", element("summary", "Every run"), per_run)])


def _both_arms(data: StudyData) -> Html:
    """What both arms say of every cell."""
    head = ["Condition", "Shift", "Capability", "Goal failure", "Latent", "Realised", "Runs", "Episodes"]
    rows = [[data.named(cell.condition), shift_label(cell),
             _rate(cell.capability), _rate(cell.goal_failure, bar=True),
             *(_rate(rate) if rate else "–" for rate in (cell.latent, cell.realised)), cell.n_runs, f"{cell.n_episodes:,}"]
            for cell in data.cells]
    return table(head, rows, (6, 7), caption="Rates of every cell, from both arms")


def _run_ids(cells: Sequence[CellRates]) -> set[str]:
    return {run.run_id for cell in cells for run in cell.capability.runs}


def by_definition(data: StudyData) -> Html | None:
    """What the numbers would be if the words meant something else; None where nothing was measured under the shown shift."""
    named = data.named
    known = [row for row in data.rates.definitions if row.shift_type == SHOWN_SHIFT and not row.probe]
    if not known:
        return None
    conditions = unique(row.condition for row in known)
    by = {(row.definition, row.condition, row.grade): row for row in known}
    grade = max(row.grade for row in known)
    rows = [[element("span", about, class_="rule"),
             *(parts.triple(getattr(by[name, condition, grade], metric)) for condition in conditions
               for metric in ("capability", "goal_failure"))]
            for name, (_, about) in DEFINITIONS.items() if (name, conditions[0], grade) in by]
    head = [f"{named(condition)}: {metric}" for condition in conditions for metric in ("capability", "failure")]
    return join([element("p", f"How much the definition matters: the same logs under shift {SHOWN_SHIFT}, judged by other "
                              "rules.", class_="note"),
                 table(["Rule", *head], rows, caption="Rates by other definitions")])


def _rate(rate: Rate | Mean, bar: bool = False) -> Html | str:
    text = parts.triple((rate.mean, rate.low, rate.high))
    if not bar or rate.mean is None:
        return text
    return join([parts.bar(rate.mean, rate.low, rate.high), text])
