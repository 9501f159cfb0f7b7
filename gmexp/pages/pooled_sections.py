"""Sections about the pooled calibration of a results folder, and about the published model."""

from __future__ import annotations

from collections.abc import Sequence

from gmexp import artefacts
from gmexp.calculator.audit import audit
from gmexp.figures import modifiers as modifier_figure
from gmexp.figures.data import StudyData
from gmexp.pages import parts
from gmexp.pages.calculator_page import embedded
from gmexp.pages.html import Html, element, join, table
from gmexp.pages.words import MODIFIERS
from gmexp.statistics.calibration import Calibration, loadable

__all__ = ["calculator", "domains", "flaws", "modifiers", "plan"]


def modifiers(pooled: StudyData) -> Html | None:
    """The measured modifiers beside the published ones, and whether they multiply."""
    calibration = pooled.calibration
    if calibration is None:
        return None
    lines = [element("p", f"{MODIFIERS[a].capitalize()} and {MODIFIERS[b]} together change P(misgeneralization) "
                          f"{cross.risk_ratio['q50']:.2f} times as much as their product says "
                          f"[{cross.risk_ratio['q025']:.2f}, {cross.risk_ratio['q975']:.2f}].")
             for cross in calibration.crosses for a, b in [cross.modifiers]]
    chart, slopes = parts.chart(pooled, modifier_figure.FIGURE), parts.modifier_table(calibration.modifiers)
    return join([chart, slopes, *lines]) if chart or slopes else None


def domains(pooled: StudyData) -> Html | None:
    """The published domain scenarios, re-estimated."""
    path = pooled.study.root / "domains.json"
    if not path.exists():
        return None
    content = artefacts.read_json(path, required=["domains", "caveat"])

    def ends(pair: Sequence[float]) -> str:
        return f"{pair[0]:.0%} – {pair[1]:.0%}"

    rows = [[d["title"], " – ".join(map(str, d["types"])), f"{d['spec_quality']:g}",
             *(ends(d[key]) for key in ("printed", "published", "odds")),
             join([ends(d["calibrated"]), element("small", f"[{d['interval'][0]:.0%}, {d['interval'][1]:.0%}]")]),
             ends(d["p_misgen"])] for d in content["domains"]]
    head = ["Domain", "Shifts", "Specification", "Printed", "Recomputed", "Odds", "Calibrated", "Without harm"]
    return join([
        element("p", "P(harmful misgeneralization) at the two ends of each domain's shift types: as printed, as the "
                     "published formula gives it, read as odds, and calibrated on all studies of the shifts here (with "
                     "assumed harm; in brackets the 95% limits of both ends; last, without harm).", class_="note"),
        table(head, rows, caption="Domain scenarios, printed and re-estimated"),
        element("p", content["caveat"], class_="warning")])


def plan(pooled: StudyData) -> Html | None:
    """Which further runs would help most."""
    path = pooled.study.root / "plan.json"
    if not path.exists():
        return None
    content = artefacts.read_json(path, required=["candidates", "runs", "scenario"])
    rows = [[c["label"].replace("_", " "), f"{c['width_now']:.3f}", f"{c['expected_width']:.3f}", f"{c['gain']:.0%}"]
            for c in content["candidates"]]
    about = (f"Expected width of the 95% interval of P(misgeneralization) under shift {content['scenario']['shift']} after "
             f"{content['runs']} more runs in one cell, by simulation.")
    return join([element("p", about, class_="note"),
                 table(["Cell", "Now", "Then", "Gain"], rows, (1, 2, 3), caption="What further runs would gain")])


def flaws() -> Html:
    """What is wrong with the published model."""
    rows = [[flaw.item, *(element("span", text, class_="rule") for text in (flaw.finding, flaw.treatment))]
            for flaw in audit()]
    return join([element("p", "What is wrong with the published model, item by item, and what the calculator does about it "
                              "(gmexp audit prints the numbers).", class_="note"),
                 table(["Item", "Finding", "Here"], rows, caption="Flaws of the published model")])


def calculator(pooled: StudyData) -> Html | None:
    """The interactive calculator with the pooled posterior."""
    path = pooled.study.calibration
    if not loadable(path):
        return None
    about = ("The published model, the same read as odds, and what the studies of the shifts here make of it. Commands are "
             "to be run in the folder of this page.")
    return join([element("p", about, class_="note"), embedded(Calibration.load(path), f"{path.parent.name}/{path.name}")])
