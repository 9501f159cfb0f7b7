"""Stage `report`: everything a study found, on one page that needs no network and no other file.

The page shows artefacts and computes nothing: numbers come from rates.json, estimate.json and calibration.json,
pictures from the figures folder. Only its calculator computes, in the browser, from the calibration's draws. What a
study has not made yet is left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.figures.catalogue import draw_all
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Section
from gmexp.figures.style import unique
from gmexp.figures.words import words_of
from gmexp.pages import parts, rate_tables, runs
from gmexp.pages.calculator_page import embedded
from gmexp.pages.document import document
from gmexp.pages.html import Html, element, glossary, join, table
from gmexp.pages.start import LEVEL, finding_of_study, start
from gmexp.pages.words import definitions
from gmexp.rates import learning
from gmexp.statistics.calibration import Calibration, loadable
from gmexp.support.errors import UserError

__all__ = ["build_report", "page"]

HERE = "Commands are to be run in the folder of this page."


def build_report(study: StudyData | Path) -> Path:
    """Write report.html, drawing the figures first if the study has none."""
    data = study if isinstance(study, StudyData) else StudyData(study)
    if not data.study.rates.exists():
        raise UserError(f"{data.study.root} has no rates.json to report; run the stage `rates` first")
    if not any(data.study.figures.glob("*.svg")):
        draw_all(data)
    return artefacts.write_text(data.study.report, page(data))


def page(data: StudyData) -> str:
    """The report as HTML."""
    sections = {
        "result": ("Result", join([rate_tables.result(data), *parts.charts(data, Section.RESULT)])),
        "rates": ("Rates", rate_tables.rates(data)),
        "shifts": ("What is shifted", parts.shifts(data.task, data.study.figures)),
        "causes": ("Causes", join(parts.charts(data, Section.CAUSES))),
        "episodes": ("Episodes to look at", _clips(data)),
        "runs": ("Runs", runs.section(data)),
        "calibration": ("Calibration", _calibration(data)),
        "calculator": ("Calculator", _calculator(data)),
        "training": ("Training", _training(data)),
        "definitions": ("Definitions", join([glossary(definitions([data.task], data.causal)),
                                             rate_tables.by_definition(data)])),
        "provenance": ("Provenance", _provenance(data.index)),
    }
    tasks = unique([data.task, *map(words_of, data.firsts)])
    first = start(tasks, data.study.figures / LEVEL, finding_of_study(data), _size(data),
                  [run.train_steps for run in data.runs])
    return document("Goal misgeneralization, measured", data.index["experiment"], first,
                    {key: section for key, section in sections.items() if section[1]})


def _size(data: StudyData) -> str:
    """How much was measured."""
    counted = {run.run_id for cell in data.rates.cells for run in cell.capability.runs}
    conditions = unique(cell.condition for cell in data.cells)
    return (f"{len(counted)} independent training runs under {len(conditions)} "
            f"condition{'s' * (len(conditions) > 1)} ({'; '.join(map(data.named, conditions))}), "
            f"{sum(cell.n_episodes for cell in data.cells):,} evaluation episodes.")


def _clips(data: StudyData) -> Html | None:
    cards = parts.clip_cards(data)
    return element("div", cards, class_="clips") if cards else None


def _calibration(data: StudyData) -> Html | None:
    """Base rates as a table and figures, the model's own figures, modifiers, what is uncertain, the sampler's word."""
    calibration = data.calibration
    if calibration is None and not data.base_rates:
        return None
    blocks = [_base_rates(data)]
    if calibration is not None:
        blocks += [element("p", warning, class_="warning") for warning in calibration.warnings]
    blocks += parts.charts(data, Section.CALIBRATION)
    if small := parts.charts(data, Section.MODEL):
        blocks.append(element("div", small, class_="charts"))
    if calibration is not None:
        blocks += [parts.modifier_table(calibration.modifiers), _variance_shares(data)]
        if calibration.diagnostics:
            blocks.append(element("details", element("summary", "Diagnostics of the sampler"), glossary(
                (key, parts.short(value)) for key, value in calibration.diagnostics.items())))
    return join(blocks) or None


def _base_rates(data: StudyData) -> Html | None:
    if not data.base_rates:
        return None
    names = {"capability": "P(capability)", "goal_failure": "P(goal fails | capability)",
             "p_misgen": "P(misgeneralization)"}
    rows: list[list[Any]] = []
    for row in data.base_rates:
        label = f"type {row.shift}"
        rows.append([label, "published", *(f"{row.published[key]:.2f}" for key in names)])
        for condition in row.conditions:
            posteriors = [getattr(condition, key) for key in names]
            rows.append([label, f"calibrated, {data.named(condition.label)}",
                         *(parts.triple([rate.mean, rate.q025, rate.q975]) for rate in posteriors)])
    return join([element("p", "The model's base rates: published, and calibrated on this study (posterior mean over "
                              "runs and 95% credible interval).", class_="note"),
                 table(["Shift", "Source", *names.values()], rows, caption="Base rates, published and calibrated")])


def _calculator(data: StudyData) -> Html | None:
    """The interactive calculator with this study's posterior."""
    path = data.study.calibration
    if not loadable(path):
        return None
    return join([element("p", f"The published model, the same read as odds, and what this study makes of it. {HERE}",
                         class_="note"), embedded(Calibration.load(path), path.name)])


def _variance_shares(data: StudyData) -> Html | None:
    """What the calibrated P(harmful misgeneralization) is uncertain about."""
    shares = data.sensitivity.shares if data.sensitivity else ()
    if not shares:
        return None
    names = [name for name in shares[0] if name != "shift"]
    rows = [[f"type {row['shift']}", *(f"{row[name]:.0%}".replace("-", "−") for name in names)] for row in shares]
    return join([element("p", "What makes the calibrated P(harmful misgeneralization) uncertain: shares of the "
                              "variance of its logarithm. Harm is assumed, so no experiment here can shrink its share.",
                         class_="note"),
                 table(["Shift", *(name.replace("_", " ") for name in names)], rows, caption="Shares of the variance")])


def _training(data: StudyData) -> Html | None:
    """The learning curves, and a row per condition with when they reached what."""
    pictures = parts.charts(data, Section.TRAINING)
    rows = [[data.named(row.condition), row.runs, f"{row.steps / 1e6:.1f}M", f"{row.seconds:.0f}", f"{row.success:.2f}",
             *("–" if goal is None else join([f"{goal.steps / 1e6:.1f}M", element("small", f"{goal.seconds:.0f} s")])
               for goal in row.goals)] for row in learning.by_condition(data.learning)]
    if not rows:
        return join(pictures) or None
    head = ["Condition", "Runs", "Steps", "Seconds", "Success at the end", *(f"{goal:.0%} after" for goal in learning.GOALS)]
    about = "Medians over runs; a share counts as reached where more than half of the runs reached it."
    return join([*pictures, element("p", about, class_="note"),
                 table(head, rows, (1, 2, 3, 4, 5, 6, 7), caption="How fast the runs learned")])


def _provenance(index: dict[str, Any]) -> Html:
    origin = dict(index.get("provenance") or {})
    versions = origin.pop("versions", {})
    pairs = [(key.replace("_", " "), parts.short(value)) for key, value in origin.items()]
    pairs.append(("packages", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return join([glossary(pairs), element("details", element("summary", "Resolved configuration"), element(
        "pre", json.dumps(index["config"], indent=2, ensure_ascii=False)))])
