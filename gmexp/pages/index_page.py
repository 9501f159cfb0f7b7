"""`gmexp report results=results`: all studies on one page that needs no network and no other file.

    results/headline.md, figures/headline.png   published beside measured: what the README shows
    results/figures/level.png                   a level on which the goals part, and an agent's way: likewise
    results/report.html                         what was found, the studies with their figures, published beside measured,
                                                the domain scenarios, the published model's flaws, films, the calculator

Like a study's page it shows artefacts and computes nothing: numbers come from the studies' READMEs and JSON files and
from results/calibration, which `gmexp calibrate studies=[...]` makes. What is not there yet is left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.figures import base_rates, environments, style
from gmexp.figures.catalogue import known
from gmexp.figures.data import StudyData
from gmexp.figures.figure import Figure, Section
from gmexp.figures.words import words_of
from gmexp.pages import compared, headline, markdown, parts, pooled_sections, rate_tables
from gmexp.pages.document import document
from gmexp.pages.html import Html, element, glossary, join, table
from gmexp.pages.start import LEVEL, start
from gmexp.pages.words import definitions, listed
from gmexp.support.errors import UserError
from gmexp_envs.task import Task

__all__ = ["POOLED", "build", "found_studies", "page"]

POOLED = "calibration"  # the folder of the pooled calibration
SHOWN = 1  # figures per study: the page holds any number of them, and all figures are on the study's own
CLIPS = 2  # per study
MOST_CLIPS = 7


def build(root: Path) -> list[Path]:
    """Write the page, the headline's table and its figure."""
    studies, pooled = [StudyData(study) for study in found_studies(root)], StudyData(root / POOLED)
    if not studies:
        raise UserError(f"{root} holds no studies: each is a folder with a study.json and a rates.json")
    written = []
    if pooled.base_rates:
        written.append(artefacts.write_text(root / "headline.md", headline.table(pooled)))
        with matplotlib.rc_context(style.STYLE):
            files = style.render(headline.draw(pooled), ["png"])
        written.append(artefacts.write_bytes(root / "figures" / "headline.png", files["png"]))
    return [*written, artefacts.write_text(root / "report.html", page(root, studies, pooled))]


def found_studies(root: Path) -> list[Study]:
    """The studies of a results folder in the order in which its README names them, the others after them by name."""
    readme = _text(root / "README.md")
    studies = [Study(path.parent) for path in sorted(root.glob("*/study.json")) if Study(path.parent).rates.exists()]
    named = [readme.find(f"]({study.root.name}/") for study in studies]
    return [study for _, study in sorted(zip(named, studies, strict=True), key=lambda pair: (pair[0] < 0, pair[0]))]


def page(root: Path, studies: Sequence[StudyData], pooled: StudyData) -> str:
    """The page as HTML."""
    tasks = list({data.task.name: data.task for data in studies}.values())
    measured = compared.measured(studies, pooled)
    sections = {
        "environments": ("Environments", compared.section(measured)),
        "shifts": ("What is shifted", _shifts(tasks)),
        "measured": ("Published and measured", _measured(root, pooled)),
        **{f"study-{data.study.root.name}": (_title(data.study), _study(data)) for data in studies},
        "modifiers": ("Do the modifiers hold?", pooled_sections.modifiers(pooled)),
        "domains": ("Domain scenarios, re-estimated", pooled_sections.domains(pooled)),
        "next": ("Which further runs would help most", pooled_sections.plan(pooled)),
        "flaws": ("Flaws of the published model", pooled_sections.flaws()),
        "films": ("Episodes to look at", _films(studies)),
        "calculator": ("Calculator", pooled_sections.calculator(pooled)),
        "definitions": ("Definitions", glossary(definitions(tasks, any(data.causal for data in studies)))),
        "provenance": ("Where it comes from", _provenance(studies, pooled)),
    }
    strip = compared.strip(measured, compared.next_environment(pooled)) if len(tasks) > 1 else None
    first = start(tasks, root / "figures" / LEVEL, compared.first(measured, pooled), _size(studies),
                  [run.train_steps for data in studies for run in data.runs], strip)
    return document("Goal misgeneralization, measured", "What experiments say to a published probability model", first,
                    {key: section for key, section in sections.items() if section[1]})


def _size(studies: Sequence[StudyData]) -> str:
    """How much was measured."""
    runs = {run.run_id for data in studies for run in data.runs}
    episodes = sum(cell.n_episodes for data in studies for cell in data.cells)
    return (f"{len(runs)} independent training runs in {len(studies)} studies, {episodes:,} evaluation episodes. Every "
            "number comes from an artefact in this folder, and every study from one command.")


# --- sections ---------------------------------------------------------------------------------------------------------

def _measured(root: Path, pooled: StudyData) -> Html | None:
    if not pooled.base_rates:
        return None
    tasks = [words_of(name) for name in (pooled.calibration.envs if pooled.calibration else ())] or [pooled.task]
    together = listed([f"{task.intended.words} always with {task.proxy.words}" for task in tasks], "or")
    return join([
        element("p", f"The model's base rates as published, and as measured on agents trained with {together} (the "
                     "lowest δ) and with part of the levels otherwise: posterior mean over runs and 95% credible interval.",
                class_="note"),
        markdown.html(_text(root / "headline.md")),
        parts.chart(pooled, environments.FIGURE), parts.chart(pooled, base_rates.FIGURE)])


def _shifts(tasks: Sequence[Task]) -> Html:
    """The ladder in the words of every environment; pictures are on the pages of the studies."""
    if len(tasks) == 1:
        return parts.shifts(tasks[0])
    folded = [element("details", element("summary", task.name.replace("_", " ")), parts.shifts(task)) for task in tasks]
    about = ("Four types, graded from 0 (training) to 1; what each changes is the environment's own. Levels under each "
             "shift are pictured on the pages of the studies.")
    return join([element("p", about, class_="note"), *folded])


def _text(path: Path) -> str:
    return artefacts.read_bytes(path).decode("utf-8", "replace") if path.exists() else ""  # whatever encoding it has


def _title(study: Study) -> str:
    return markdown.title(_text(study.root / "README.md")) or study.root.name.replace("_", " ")


def _ranked(data: StudyData) -> list[Figure]:
    """The figures of a study that are worth a page, in order; a study without shifts is about training."""
    shifted = any(cell.shift_type for cell in data.cells)
    figures = [figure for figure in known() if figure.rank is not None
               and (figure.section is not Section.TRAINING or not shifted)]
    return sorted(figures, key=lambda figure: (figure.section is not Section.TRAINING, figure.rank))


def _study(data: StudyData) -> Html:
    """A study's README and figures."""
    notes = [f"{len(data.index[key])} further run{'s' * (len(data.index[key]) > 1)} {word}." for key, word in
             (("failed", "failed"), ("rejected", "did not pass goal verification and are not counted"))
             if data.index.get(key)]
    page = f"{data.study.root.name}/{data.study.report.name}"
    charts = (chart for figure in _ranked(data) if (chart := parts.chart(data, figure, page)) is not None)
    more = element("p", element("a", "The study's own page", href=page), ": every figure, every run, episodes to look at.")
    return join([rate_tables.edition(data), markdown.html(_text(data.study.root / "README.md")),
                 *(element("p", note, class_="note") for note in notes), *itertools.islice(charts, SHOWN), more])


def _films(studies: Sequence[StudyData]) -> Html | None:
    clips: list[Any] = []
    for data in studies:
        clips += parts.clip_cards(data)[:CLIPS]
    return element("div", clips[:MOST_CLIPS], class_="clips") if clips else None


def _provenance(studies: Sequence[StudyData], pooled: StudyData) -> Html:
    origins = {data.study.root.name: data.index.get("provenance") for data in studies}
    if pooled.calibration is not None:
        origins[pooled.study.root.name] = pooled.calibration.provenance
    rows = []
    for name, origin in origins.items():
        origin = origin or {}
        command = element("code", origin.get("command", "unknown").removeprefix("__main__.py "))
        rows.append([name, element("span", command, class_="rule"), (origin.get("git_sha") or "unknown")[:10],
                     origin.get("created_utc", "")[:10], origin.get("hardware", "unknown")])
    return table(["Study", "Made by", "Commit", "On", "Hardware"], rows, caption="Which command made each study")
