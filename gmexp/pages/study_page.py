"""Stage `report`: everything a study found, on one page that needs no network and no other file.

The page shows artefacts and computes nothing: numbers come from rates.json, estimate.json and calibration.json,
pictures from the figures folder. Only its calculator computes, in the browser, from the calibration's draws. What a
study has not made yet is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts.condition import pretty
from gmexp.artefacts.study import Study
from gmexp.calculator.page import embedded
from gmexp.figures import figures
from gmexp.figures.style import unique
from gmexp.pages import parts
from gmexp.pages.html import Html, element, glossary, join, table
from gmexp.rates import learning
from gmexp.rates.definitions import DEFINITIONS
from gmexp.rates.over_runs import CellRates, Contrast, METRICS, Rate, Rates, goal_cells, read_rates, shift_label, strongest
from gmexp.statistics.calibration import Calibration
from gmexp.support.errors import UserError

MODEL_FIGURES = ("chart", "prior_to_posterior", "reliability", "tornado")


def build_report(study: Path) -> Path:
    """Write report.html, drawing the figures first if the study has none."""
    paths = Study(Path(study))
    if not paths.rates.exists():
        raise UserError(f"{paths.root} has no rates.json to report; run the stage `rates` first")
    if not any(paths.figures.glob("*.svg")):
        figures.draw_all(paths.root)
    return artefacts.write_text(paths.report, page(paths))


def page(study: Study) -> str:
    """The report as HTML."""
    index, rates = study.read_index(), read_rates(study.rates)
    sections = {
        "result": ("Result", _result(study, rates)),
        "rates": ("Rates", _rates(rates)),
        "shifts": ("What is shifted", parts.shifts(study)),
        "causes": ("Causes", _causes(study)),
        "episodes": ("Episodes to look at", _clips(study)),
        "calibration": ("Calibration", _calibration(study)),
        "calculator": ("Calculator", _calculator(study)),
        "training": ("Training", _training(study)),
        "definitions": ("Definitions", _definitions(rates)),
        "provenance": ("Provenance", _provenance(index)),
    }
    sections = {key: found for key, found in sections.items() if found[1]}
    return parts.document("Goal misgeneralization, measured", index["experiment"], _summary(rates), sections)


# --- sections ---------------------------------------------------------------------------------------------------------


def _summary(rates: Rates) -> str:
    runs = {run.run_id for cell in rates.cells for run in cell.capability.runs}
    episodes = sum(cell.n_episodes for cell in rates.cells)
    conditions = unique(cell.condition for cell in rates.cells)
    return (f"{len(runs)} independent training runs under {len(conditions)} "
            f"condition{'s' * (len(conditions) > 1)} ({'; '.join(map(pretty, conditions))}), "
            f"{episodes:,} evaluation episodes.")


def _result(study: Study, rates: Rates) -> Html:
    top = [cell for cell in strongest(rates.cells) if not cell.probe]
    cells = [cell for cell in top if cell.shift_type == 3] or top[-1:]
    tiles = []
    for cell in cells[:4]:
        goal = cell.goal_failure
        tiles.append(element(
            "div", element("span", f"{pretty(cell.condition)}, shift {shift_label(cell)}"),
            element("b", "–" if goal.mean is None else f"{goal.mean:.0%}"),
            element("span", "goal failure" + _range(goal), class_="name"),
            element("span", f"capable in {cell.capability.mean:.0%} of episodes{_range(cell.capability)}"),
            class_="tile"))
    return join([element("div", tiles, class_="tiles"), *(element("p", line) for line in _findings(rates)),
                 _headline(rates), parts.chart(study, "rates"), parts.chart(study, "diversity", narrow=True),
                 parts.chart(study, "figure2", narrow=True),
                 parts.chart(study, "grades"), parts.chart(study, "spread")])


def _range(rate: Rate) -> str:
    return "" if rate.mean is None else f" [{rate.low:.0%}, {rate.high:.0%}]"


def _findings(rates: Rates) -> list[Html]:
    """In words, what each condition does to goal failure under shift 3, and whether its interval excludes nothing."""
    lines = []
    for change in strongest(rates.contrasts):
        if (change.metric, change.shift_type, change.probe) != ("goal_failure", 3, False):
            continue
        points, side = f"{100 * abs(change.difference):.0f} points", "higher" if change.difference > 0 else "lower"
        clear = change.low > 0 or change.high < 0
        lines.append(join([
            f"Under shift {shift_label(change)}, goal failure at {pretty(change.condition)} is ",
            element("strong", f"{points} {side} than" if clear else "not clearly different from"),
            f" that at {pretty(change.baseline)} (difference {_signed(change)})."]))
    return lines


def _signed(change: Contrast) -> str:
    return f"{change.difference:+.2f} [{change.low:+.2f}, {change.high:+.2f}]".replace("-", "−")


def _headline(rates: Rates) -> Html | None:
    """Goal failure by condition and shift: the table to look at first."""
    known = goal_cells(strongest(rates.cells))
    if not known:
        return None
    shifts = [label for _, label in sorted({(cell.shift_type, shift_label(cell)) for cell in known})]
    found = {(pretty(cell.condition), shift_label(cell)): _rate(cell.goal_failure) for cell in known}
    found |= {(f"{pretty(change.condition)} minus {pretty(change.baseline)}", shift_label(change)): _signed(change)
              for change in rates.contrasts if change.metric == "goal_failure" and shift_label(change) in shifts}
    rows = [[name, *(found.get((name, shift), "–") for shift in shifts)]
            for name in unique(name for name, _ in found)]
    return join([element("p", "Goal failure by training condition and shift: of the episodes in which the agent was "
                              "capable, the share that went for the proxy. Mean over runs and its 95% interval.",
                         class_="note"), table(["Goal failure", *shifts], rows)])


def _rates(rates: Rates) -> Html:
    head = ["Condition", "Shift", "Capability", "Goal failure", "Joint failure", "Runs", "Episodes"]

    def rows(cells: Sequence[CellRates]) -> list[list[Any]]:
        return [[pretty(cell.condition), shift_label(cell),
                 *(_rate(getattr(cell, metric), bar=metric != "joint_failure") for metric in METRICS),
                 cell.n_runs, f"{cell.n_episodes:,}"] for cell in cells]

    runs = [[pretty(cell.condition), shift_label(cell), run.run_id, f"{run.k} / {run.n}",
             "–" if goal.rate is None else f"{goal.k} / {goal.n}"]
            for cell in rates.cells
            for run, goal in zip(cell.capability.runs, cell.goal_failure.runs, strict=True)]
    per_run = table(["Condition", "Shift", "Run", "Capable", "Proxy, of capable on distinguishing levels"], runs, (3, 4))
    blocks = [table(head, rows(rates.cells), (5, 6)),
             element("details", element("summary", "Every run"), per_run)]
    if rates.above_threshold and len(_run_ids(rates.above_threshold)) < len(_run_ids(rates.cells)):
        blocks.insert(1, element("details", element(
            "summary", f"Only the {len(_run_ids(rates.above_threshold))} of {len(_run_ids(rates.cells))} runs that passed the "
            f"capability threshold ({rates.threshold:.0%} in distribution)"), table(head, rows(rates.above_threshold), (5, 6))))
    return join(blocks)


def _run_ids(cells: Sequence[CellRates]) -> set[str]:
    return {run.run_id for cell in cells for run in cell.capability.runs}


def _causes(study: Study) -> Html | None:
    """What the coin causes, and what the critic makes of it."""
    found = [parts.chart(study, name) for name in ("attribution", "critic", "factors", "magnitudes")]
    charts = [figure for figure in found if figure is not None]
    return join(charts) if charts else None


def _clips(study: Study) -> Html | None:
    cards = parts.clip_cards(study)
    return element("div", cards, class_="clips") if cards else None


def _calibration(study: Study) -> Html | None:
    blocks = []
    if study.estimate.exists():
        names = {"capability": "P(capability)", "goal_failure": "P(goal fails | capability)",
                 "p_misgen": "P(misgeneralization)"}
        rows = []
        for shift in artefacts.read_json(study.estimate, required=["shifts"])["shifts"]:
            label = f"type {shift['shift']}"
            rows.append([label, "published", *(f"{shift['published'][key]:.2f}" for key in names)])
            rows += [[label, f"calibrated, {_delta(rates)}",
                      *(parts.triple([rates[key][end] for end in ("mean", "q025", "q975")]) for key in names)]
                     for rates in shift["conditions"]]
        blocks += [element("p", "The model's base rates: published, and calibrated on this study (posterior mean over "
                               "runs and 95% credible interval).", class_="note"),
                  table(["Shift", "Source", *names.values()], rows), parts.chart(study, "base_rates")]
    if study.calibration.exists():
        calibration = artefacts.read_json(study.calibration)
        blocks += [element("p", str(warning), class_="warning") for warning in calibration.get("warnings", ())]
        blocks.append(parts.chart(study, "forest"))
        blocks.append(element("div", [parts.chart(study, name) for name in MODEL_FIGURES], class_="charts"))
        blocks.append(parts.chart(study, "modifiers"))
        blocks.append(parts.modifier_table(calibration.get("modifiers", ())))
        blocks.append(_variance_shares(study))
        if diagnostics := calibration.get("diagnostics"):
            blocks.append(element("details", element("summary", "Diagnostics of the sampler"),
                                 glossary((key, parts.short(value)) for key, value in diagnostics.items())))
    return join(blocks) if blocks else None


def _calculator(study: Study) -> Html | None:
    """The interactive calculator with this study's posterior."""
    if not study.calibration.with_suffix(".npz").exists():
        return None
    return join([element("p", "The published model, the same read as odds, and what this study makes of it.",
                         class_="note"), embedded(Calibration.load(study.calibration), study.calibration.name)])


def _variance_shares(study: Study) -> Html | None:
    """What the calibrated P(harmful misgeneralization) is uncertain about."""
    found = artefacts.read_json(study.sensitivity).get("shares") if study.sensitivity.exists() else None
    if not found:
        return None
    names = [name for name in found[0] if name != "shift"]
    rows = [[f"type {row['shift']}", *(f"{row[name]:.0%}".replace("-", "−") for name in names)] for row in found]
    return join([element("p", "What makes the calibrated P(harmful misgeneralization) uncertain: shares of the "
                              "variance of its logarithm. Harm is elicited, so no experiment here can shrink its share.",
                         class_="note"), table(["Shift", *(name.replace("_", " ") for name in names)], rows)])


def _training(study: Study) -> Html | None:
    """The learning curves, and a row per condition with when they reached what."""
    picture = parts.chart(study, "training", narrow=True)
    rows = [[pretty(row.condition), row.runs, f"{row.steps / 1e6:.1f}M", f"{row.seconds:.0f}", f"{row.success:.2f}",
             *("–" if goal is None else join([f"{goal.steps / 1e6:.1f}M", element("small", f"{goal.seconds:.0f} s")])
               for goal in row.goals)] for row in learning.by_condition(learning.read(study))]
    if not rows:
        return picture
    head = ["Condition", "Runs", "Steps", "Seconds", "Success at the end", *(f"{goal:.0%} after" for goal in learning.GOALS)]
    about = "Medians over runs; a share counts as reached where more than half of the runs reached it."
    return join([picture, element("p", about, class_="note"), table(head, rows, (1, 2, 3, 4, 5, 6, 7))])


def _definitions(rates: Rates) -> Html:
    """What the words mean, and what the numbers would be if they meant something else."""
    found = [row for row in rates.definitions if row.shift_type == 3 and not row.probe]
    shown = [glossary(parts.GLOSSARY)]
    if found:
        conditions = unique(row.condition for row in found)
        by = {(row.definition, row.condition, row.grade): row for row in found}
        grade = max(row.grade for row in found)
        rows = [[element("span", about, class_="rule"),
                 *(parts.triple(getattr(by[name, condition, grade], metric)) for condition in conditions
                   for metric in ("capability", "goal_failure"))]
                for name, (_, about) in DEFINITIONS.items() if (name, conditions[0], grade) in by]
        head = [f"{pretty(condition)}: {metric}" for condition in conditions for metric in ("capability", "failure")]
        shown += [element("p", "How much the definition matters: the same logs under shift 3, judged by other rules.",
                          class_="note"), table(["Rule", *head], rows)]
    return join(shown)


def _provenance(index: Mapping[str, Any]) -> Html:
    origin = dict(index.get("provenance") or {})
    versions = origin.pop("versions", {})
    pairs = [(key.replace("_", " "), parts.short(value)) for key, value in origin.items()]
    pairs.append(("packages", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return join([glossary(pairs), element("details", element("summary", "Resolved configuration"), element(
        "pre", json.dumps(index["config"], indent=2, ensure_ascii=False)))])


def _rate(rate: Rate, bar: bool = False) -> Html | str:
    text = parts.triple((rate.mean, rate.low, rate.high))
    if not bar or rate.mean is None:
        return text
    picture = element("svg", element("rect", class_="track", y=4, width=100, height=1.5),
                      element("rect", class_="range", x=100 * rate.low, y=1.5, width=100 * (rate.high - rate.low),
                              height=6.5),
                      element("rect", class_="mean", x=99 * rate.mean - 1, width=2.5, height=9.5),
                      class_="bar", viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")
    return join([picture, text])


def _delta(condition: Mapping[str, Any]) -> str:
    return pretty(f"delta={condition['train_diversity']:g}")
