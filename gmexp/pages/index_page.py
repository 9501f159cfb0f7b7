"""`gmexp report results=results`: all studies on one page that needs no network and no other file.

    results/headline.md, figures/headline.*   published beside measured: what the README shows
    results/report.html                       the pipeline, the studies with their figures, published beside measured, the
                                              domain scenarios, the published model's flaws, films, the calculator

Like a study's page it shows artefacts and computes nothing: numbers come from the studies' READMEs and JSON files and
from results/calibration, which `gmexp calibrate studies=[...]` makes. What is not there yet is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.calculator.audit import audit
from gmexp.calculator.page import embedded
from gmexp.figures import figures, style
from gmexp.pages import markdown, parts
from gmexp.pages.html import Html, element, glossary, join, table
from gmexp.rates.over_runs import read_rates
from gmexp.statistics.calibration import Calibration
from gmexp.support.errors import UserError
from gmexp_envs.task import SHIFT_NAMES

POOLED = "calibration"  # the folder of the pooled calibration
FIRST = ("diversity", "figure2", "modifiers", "spread", "grades", "rates", "attribution")  # figures worth a page, in order
SHOWN = 3  # of them per study; the rest is in a fold
CLIPS = 2  # per study
MOST_CLIPS = 7
METRICS = {"capability": "capability", "goal_failure": "goal failure, if capable",
           "unpursued": "goal failure, accidents discounted", "p_misgen": "misgeneralization"}


def build(root: Path) -> list[Path]:
    """Write the page, the headline's table and its figure."""
    studies, pooled = found_studies(root), Study(root / POOLED)
    if not studies:
        raise UserError(f"{root} holds no studies: each is a folder with a study.json and a rates.json")
    written = []
    if pooled.estimate.exists():
        written.append(artefacts.write_text(root / "headline.md", headline(pooled)))
        with matplotlib.rc_context(style.STYLE):
            drawn = figures.base_rates(pooled)
            written += [artefacts.write_bytes(root / "figures" / f"headline.{suffix}", style.render(drawn, suffix))
                        for suffix in ("png", "svg")]
    return [*written, artefacts.write_text(root / "report.html", page(root, studies, pooled))]


def found_studies(root: Path) -> list[Study]:
    """The studies of a results folder in the order in which its README names them, the others after them by name."""
    readme = _text(root / "README.md")
    found = [Study(path.parent) for path in sorted(root.glob("*/study.json")) if Study(path.parent).rates.exists()]
    named = [readme.find(f"]({study.root.name}/") for study in found]
    return [study for _, study in sorted(zip(named, found, strict=True), key=lambda pair: (pair[0] < 0, pair[0]))]


def headline(pooled: Study) -> str:
    """Published beside measured rates as a Markdown table: at the lowest training diversity, and at 0.3 or the highest."""
    rows = pooled.estimates()
    deltas = [condition["train_diversity"] for condition in rows[0]["conditions"]]
    shown = list(dict.fromkeys([min(deltas), 0.3 if 0.3 in deltas else max(deltas)]))
    head = ["shift", "probability of", "published", *(f"measured, δ = {delta:g}" for delta in shown)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        for metric, title in METRICS.items():
            rates = [next(c for c in row["conditions"] if c["train_diversity"] == delta).get(metric) for delta in shown]
            if metric == "unpursued":
                texts = ["", *map(_share, rates)] if any(rates) else []
            else:
                texts = [f"{row['published'][metric]:.2f}",
                         *(f"{rate['mean']:.2f} [{rate['q025']:.2f}, {rate['q975']:.2f}]" for rate in rates)]
            if texts:
                lines.append("| " + " | ".join([f"{row['shift']} {SHIFT_NAMES[row['shift']]}", title, *texts]) + " |")
    return "\n".join(lines) + "\n"


def _share(mean: Mapping[str, Any] | None) -> str:
    """A share that its estimate may overshoot by chance."""
    if mean is None:
        return "–"
    value, low, high = (min(max(mean[key], 0.0), 1.0) for key in ("mean", "low", "high"))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def page(root: Path, studies: Sequence[Study], pooled: Study) -> str:
    """The page as HTML."""
    sections = {
        "measured": ("Published and measured", _measured(root, pooled)),
        "shifts": ("What is shifted", parts.shifts(_pictured(studies))),
        **{f"study-{study.root.name}": (_title(study), _study(study)) for study in studies},
        "modifiers": ("Do the modifiers hold?", _modifiers(pooled)),
        "domains": ("Domain scenarios, re-estimated", _domains(pooled)),
        "next": ("Which further runs would help most", _plan(pooled)),
        "flaws": ("Flaws of the published model", _flaws()),
        "films": ("Episodes to look at", _films(studies)),
        "calculator": ("Calculator", _calculator(pooled)),
        "definitions": ("Definitions", glossary(parts.GLOSSARY)),
        "provenance": ("Where it comes from", _provenance(studies, pooled)),
    }
    return parts.document("Goal misgeneralization, measured", "What experiments say to a published probability model",
                           _lede(studies), {key: found for key, found in sections.items() if found[1]})


def _lede(studies: Sequence[Study]) -> str:
    runs, episodes = set(), 0
    for study in studies:
        runs |= {run.run_id for run in study.runs()}
        episodes += sum(cell.n_episodes for cell in read_rates(study.rates).cells)
    return (f"{len(runs)} independent training runs in {len(studies)} studies, {episodes:,} evaluation episodes. Every "
            "number comes from an artefact in this folder, and every study from one command.")


# --- sections ---------------------------------------------------------------------------------------------------------

def _measured(root: Path, pooled: Study) -> Html | None:
    if not pooled.estimate.exists():
        return None
    about = parts.CAPTIONS["base_rates"]
    return join([
        element("p", "The model's base rates as published, and as measured on agents trained with the coin always at the "
                     "end (the lowest δ) and with part of it moved: posterior mean over runs and 95% credible interval.",
                class_="note"),
        markdown.html(_text(root / "headline.md")),
        parts.chart_of(root / "figures" / "headline.svg", about)])


def _pictured(studies: Sequence[Study]) -> Study:
    """The first study with a picture of its shifts, or the first."""
    return next((study for study in studies if (study.figures / "shifts.png").exists()), studies[0])


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _title(study: Study) -> str:
    return markdown.title(_text(study.root / "README.md")) or study.root.name.replace("_", " ")


def _study(study: Study) -> Html:
    shifted = any(cell.shift_type for cell in read_rates(study.rates).cells)  # else it is about training
    charts = [name for name in (FIRST if shifted else ("training", *FIRST)) if (study.figures / f"{name}.svg").exists()]
    index = study.read_index()
    notes = [f"{len(index[key])} further run{'s' * (len(index[key]) > 1)} {word}." for key, word in
             (("failed", "failed"), ("rejected", "did not pass goal verification and are not counted"))
             if index.get(key)]
    rest = [parts.chart(study, name) for name in charts[SHOWN:]]
    return join([markdown.html(_text(study.root / "README.md")), *(element("p", note, class_="note") for note in notes),
                 *(parts.chart(study, name, narrow=name == "training") for name in charts[:SHOWN]),
                 element("details", element("summary", "More figures"), rest) if rest else None])


def _modifiers(pooled: Study) -> Html | None:
    if not pooled.calibration.exists():
        return None
    calibration = artefacts.read_json(pooled.calibration, required=["model", "modifiers"])
    chart = parts.chart(pooled, "modifiers")
    slopes = parts.modifier_table(calibration["modifiers"])
    if chart is None and slopes is None:
        return None
    crosses = calibration["model"].get("crosses", [])
    lines = [element("p", f"{parts.MODIFIERS[a].capitalize()} and {parts.MODIFIERS[b]} together change "
                          f"P(misgeneralization) {c['risk_ratio']['q50']:.2f} times as much as their product says "
                          f"[{c['risk_ratio']['q025']:.2f}, {c['risk_ratio']['q975']:.2f}].")
             for c in crosses for a, b in [c["modifiers"]]]
    return join([chart, slopes, *lines])


def _domains(pooled: Study) -> Html | None:
    path = pooled.root / "domains.json"
    if not path.exists():
        return None
    content = artefacts.read_json(path, required=["domains", "caveat"])

    def ends(pair: Sequence[float]) -> str:
        return f"{pair[0]:.0%} – {pair[1]:.0%}"

    rows = [[d["title"], " – ".join(map(str, d["types"])), f"{d['spec_quality']:g}",
             *(ends(d[key]) for key in ("printed", "published", "odds")),
             join([ends(d["calibrated"]), element("small", f"[{d['interval'][0]:.0%}, {d['interval'][1]:.0%}]")]),
             ends(d["p_misgen"])] for d in content["domains"]]
    return join([
        element("p", "P(harmful misgeneralization) at the two ends of each domain's shift types: as printed, as the "
                     "published formula gives it, read as odds, and calibrated on all studies of the shifts here (with "
                     "elicited harm; in brackets the 95% limits of both ends; last, without harm).", class_="note"),
        table(["Domain", "Shifts", "Specification", "Printed", "Recomputed", "Odds", "Calibrated", "Without harm"], rows),
        element("p", content["caveat"], class_="warning")])


def _plan(pooled: Study) -> Html | None:
    path = pooled.root / "plan.json"
    if not path.exists():
        return None
    content = artefacts.read_json(path, required=["candidates", "runs", "scenario"])
    rows = [[c["label"].replace("_", " "), f"{c['width_now']:.3f}", f"{c['expected_width']:.3f}", f"{c['gain']:.0%}"]
            for c in content["candidates"]]
    about = (f"Expected width of the 95% interval of P(misgeneralization) under shift {content['scenario']['shift']} after "
             f"{content['runs']} more runs in one cell, by simulation.")
    return join([element("p", about, class_="note"), table(["Cell", "Now", "Then", "Gain"], rows, (1, 2, 3))])


def _flaws() -> Html:
    rows = [[found.item, *(element("span", text, class_="rule") for text in (found.finding, found.treatment))]
            for found in audit()]
    return join([element("p", "What is wrong with the published model, item by item, and what the calculator does about it "
                              "(gmexp audit prints the numbers).", class_="note"), table(["Item", "Finding", "Here"], rows)])


def _films(studies: Sequence[Study]) -> Html | None:
    clips: list[Any] = []
    for study in studies:
        clips += parts.clip_cards(study)[:CLIPS]
    return element("div", clips[:MOST_CLIPS], class_="clips") if clips else None


def _calculator(pooled: Study) -> Html | None:
    if not pooled.calibration.with_suffix(".npz").exists():
        return None
    about = "The published model, the same read as odds, and what the studies of the shifts here make of it."
    return join([element("p", about, class_="note"),
                 embedded(Calibration.load(pooled.calibration), f"{POOLED}/{pooled.calibration.name}")])


def _provenance(studies: Sequence[Study], pooled: Study) -> Html:
    rows = []
    for path in [*(study.index for study in studies), *[pooled.calibration] * pooled.calibration.exists()]:
        origin = artefacts.read_json(path).get("provenance") or {}
        command = element("code", origin.get("command", "unknown").removeprefix("__main__.py "))
        rows.append([path.parent.name, element("span", command, class_="rule"), (origin.get("git_sha") or "unknown")[:10],
                     origin.get("created_utc", "")[:10], origin.get("hardware", "unknown")])
    return table(["Study", "Made by", "Commit", "On", "Hardware"], rows)
