"""Stage `report`: everything a study found, on one page that needs no network and no other file.

The page shows artefacts and computes nothing: numbers come from rates.json, estimate.json and calibration.json,
pictures from the figures folder. What a study has not made yet is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from gmexp import artefacts, figures
from gmexp.errors import UserError
from gmexp.html import Html, data_uri, definitions, element, join, table
from gmexp.rates import METRICS, CellRates, Rate, Rates, read_rates, shift_label
from gmexp.study import Study

MAX_CLIPS = 12
CAPTIONS = {
    "rates": "Dots are runs; the large dot is their mean, the line its 95% interval (clustered Wilson). Diamonds are "
             "the model's published values. Capability counts every level, goal failure the separated ones.",
    "forest": "Dots are runs; the line is the 95% interval of the hierarchical model for the mean over runs. Diamonds "
              "are the published values.",
    "base_rates": "The model's base rates. Published P(misgeneralization) already contains a factor for harm, so it "
                  "is not the product of the first two panels.",
    "training": "Share of training episodes that touched the coin: thin lines are runs, thick lines their mean.",
}
DEFINITIONS = (
    ("Intended goal", "What the reward specifies: the coin."),
    ("Proxy goal", "The alternative that training correlates with it: the end of the level."),
    ("Separated level", "A level that can tell the two apart: where the coin is not on the way to the end."),
    ("Training diversity δ", "The share of training levels whose correlation is broken; 1 minus the training "
                             "correlation ρ."),
    ("Outcome", "By the first event: intended goal, proxy goal, death, time-out, or ambiguous when a goal was reached "
                "on a level that separates nothing."),
    ("Capability", "Episodes that reached a goal, of all episodes. Deaths and time-outs count as not capable."),
    ("Goal failure", "Episodes that went for the proxy, of those on separated levels that reached either goal. "
                     "Unknown, shown as a dash, where there are none."),
    ("Joint failure", "Episodes that went for the proxy, of all on separated levels."),
    ("Goal probe", "The same shift on levels that all separate coin from end: shows the goal where the shift itself "
                   "cannot."),
    ("Intervals", "The training run is the replicate: episodes of one run are not independent. Across runs the "
                  "clustered Wilson interval is shown; a t interval and a bootstrap are in rates.json."),
)  # fmt: skip


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
        "episodes": ("Episodes to look at", _clips(study)),
        "calibration": ("Calibration", _calibration(study)),
        "training": ("Training", _chart(study, "training", narrow=True)),
        "definitions": ("Definitions", definitions(DEFINITIONS)),
        "provenance": ("Provenance", _provenance(index)),
    }
    sections = {key: (title, body) for key, (title, body) in sections.items() if body}
    style = _packaged("report.css")
    content = element(
        "main",
        element("p", "Goal misgeneralization, measured", class_="eyebrow"),
        element("h1", index["experiment"]),
        element("p", _summary(rates), class_="lede"),
        element("nav", [element("a", title, href=f"#{key}") for key, (title, _) in sections.items()]),
        element("div", element("img", src=data_uri(_packaged("pipeline.svg").encode(), "image/svg+xml"),
                               alt="The pipeline: train, evaluate, rates, calibrate, estimate"),
                class_="pipeline scroll"),
        [element("section", element("h2", title), body, id=key) for key, (title, body) in sections.items()],
    )
    head = element("head", element("meta", charset="utf-8"),
                   element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                   element("title", f"{index['experiment']}: goal misgeneralization, measured"),
                   element("style", Html(style)))
    return "<!doctype html>\n" + element("html", head, element("body", content), lang="en") + "\n"


def _packaged(name: str) -> str:
    return resources.files("gmexp").joinpath("data", name).read_text(encoding="utf-8")


# --- sections ---------------------------------------------------------------------------------------------------------

def _summary(rates: Rates) -> str:
    runs = {run.run_id for cell in rates.cells for run in cell.capability.runs}
    episodes = sum(cell.n_episodes for cell in rates.cells)
    conditions = list(dict.fromkeys(cell.condition for cell in rates.cells))
    return (f"{len(runs)} independent training runs under {len(conditions)} "
            f"condition{'s' * (len(conditions) > 1)} ({'; '.join(map(_pretty, conditions))}), "
            f"{episodes:,} evaluation episodes.")


def _result(study: Study, rates: Rates) -> Html:
    cells = [cell for cell in rates.cells if cell.shift_type == 3 and not cell.probe] or list(rates.cells)[-1:]
    tiles = []
    for cell in cells:
        for metric, name in (("capability", "capable"), ("goal_failure", "of the capable go for the proxy")):
            rate: Rate = getattr(cell, metric)
            if rate.mean is not None:
                tiles.append(element("div", element("b", f"{rate.mean:.0%}"),
                                     element("span", f"{name} [{rate.low:.0%}, {rate.high:.0%}]"),
                                     element("span", f"{_pretty(cell.condition)}, shift {shift_label(cell)}"),
                                     class_="tile"))
    return join([element("div", tiles, class_="tiles"), _headline(rates), _chart(study, "rates")])


def _headline(rates: Rates) -> Html:
    """Goal failure by condition and shift: the table to look at first."""
    known = [cell for cell in rates.cells if cell.goal_failure.mean is not None]
    if not known:
        return Html("")
    shifts = list(dict.fromkeys(shift_label(cell) for cell in known))
    found = {(cell.condition, shift_label(cell)): cell.goal_failure for cell in known}
    conditions = list(dict.fromkeys(cell.condition for cell in known))
    rows = [[_pretty(c), *(_rate(found[c, s]) if (c, s) in found else "–" for s in shifts)] for c in conditions]
    return join([element("p", "Goal failure by training condition and shift: of the episodes in which the agent was "
                              "capable, the share that went for the proxy. Mean over runs and its 95% interval.",
                         class_="note"), table(["Goal failure", *shifts], rows)])


def _rates(rates: Rates) -> Html:
    head = ["Condition", "Shift", "Runs", "Episodes", "Capability", "Goal failure", "Joint failure"]

    def rows(cells: Sequence[CellRates]) -> list[list[Any]]:
        return [[_pretty(cell.condition), shift_label(cell), cell.n_runs, f"{cell.n_episodes:,}",
                 *(_rate(getattr(cell, metric), bar=True) for metric in METRICS)] for cell in cells]

    runs = [[_pretty(cell.condition), shift_label(cell), run.run_id, f"{run.k} / {run.n}",
             "–" if goal.rate is None else f"{goal.k} / {goal.n}"]
            for cell in rates.cells
            for run, goal in zip(cell.capability.runs, cell.goal_failure.runs, strict=True)]
    per_run = table(["Condition", "Shift", "Run", "Capable", "Proxy, of capable on separated levels"], runs, (3, 4))
    parts = [table(head, rows(rates.cells), (2, 3)),
             element("details", element("summary", "Every run"), per_run)]
    if rates.gated and len(_run_ids(rates.gated)) < len(_run_ids(rates.cells)):
        parts.insert(1, element("details", element(
            "summary", f"Only the {len(_run_ids(rates.gated))} of {len(_run_ids(rates.cells))} runs that passed the "
            f"capability gate ({rates.gate:.0%} in distribution)"), table(head, rows(rates.gated), (2, 3))))
    return join(parts)


def _run_ids(cells: Sequence[CellRates]) -> set[str]:
    return {run.run_id for cell in cells for run in cell.capability.runs}


def _clips(study: Study) -> Html | None:
    found = []
    for run in study.runs():
        for picture in sorted(study.clips(run.run_id).glob("*.gif")):
            sidecar = picture.with_suffix(".json")
            found.append((picture, artefacts.read_json(sidecar) if sidecar.exists() else {}))
    if not found:
        return None
    cards = []
    for picture, about in found[:MAX_CLIPS]:
        outcome = about.get("outcome", "unknown")
        where = f"shift: {about.get('shift_name', 'unknown')}, level {about.get('level_seed', 'unknown')}"
        cards.append(element(
            "figure",
            element("img", src=data_uri(artefacts.read_bytes(picture), "image/gif"), alt=about.get("caption", outcome)),
            element("figcaption", element("span", outcome.replace("_", " "), class_=f"badge {outcome}"),
                    element("br"), about.get("caption", ""), element("br"), where)))
    return element("div", cards, class_="clips")


def _calibration(study: Study) -> Html | None:
    parts = []
    if study.estimate.exists():
        names = {"capability": "P(capability)", "goal_failure": "P(goal fails | capability)",
                 "p_misgen": "P(misgeneralization)"}
        rows = [[f"type {row['shift']}", *(cell for key in names for cell in (
            f"{row['published'][key]:.1%}", _posterior((row.get("calibrated") or {}).get(key))))]
            for row in artefacts.read_json(study.estimate, required=["shifts"])["shifts"]]
        head = ["Shift", *(title for name in names.values() for title in (f"{name} published", "calibrated"))]
        parts += [table(head, rows), _chart(study, "base_rates")]
    if study.calibration.exists():
        calibration = artefacts.read_json(study.calibration)
        parts += [element("p", str(warning), class_="warning") for warning in calibration.get("warnings", ())]
        parts.append(_chart(study, "forest"))
        if diagnostics := calibration.get("diagnostics"):
            parts.append(element("details", element("summary", "Diagnostics of the sampler"),
                                 definitions((key, _value(value)) for key, value in diagnostics.items())))
    return join(parts) if parts else None


def _provenance(index: Mapping[str, Any]) -> Html:
    origin = dict(index.get("provenance") or {})
    versions = origin.pop("versions", {})
    pairs = [(key.replace("_", " "), _value(value)) for key, value in origin.items()]
    pairs.append(("packages", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return join([definitions(pairs), element("details", element("summary", "Resolved configuration"), element(
        "pre", json.dumps(index["config"], indent=2, ensure_ascii=False)))])


# --- pieces -----------------------------------------------------------------------------------------------------------

def _chart(study: Study, name: str, narrow: bool = False) -> Html | None:
    path = study.figures / f"{name}.svg"
    if not path.exists():
        return None
    return element("figure", element("img", src=data_uri(artefacts.read_bytes(path), "image/svg+xml"),
                                     alt=CAPTIONS[name]),
                   element("figcaption", CAPTIONS[name]), class_="chart narrow" if narrow else "chart")


def _rate(rate: Rate, bar: bool = False) -> Html | str:
    if rate.mean is None:
        return "–"
    text = [f"{rate.mean:.2f}", element("small", f"[{rate.low:.2f}, {rate.high:.2f}]")]
    if not bar:
        return join(text)
    picture = element("svg", element("rect", class_="track", y=4, width=100, height=1.5),
                      element("rect", class_="range", x=100 * rate.low, y=1.5, width=100 * (rate.high - rate.low),
                              height=6.5),
                      element("rect", class_="mean", x=99 * rate.mean - 1, width=2.5, height=9.5),
                      class_="bar", viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")
    return join([picture, *text])


def _posterior(values: Mapping[str, float] | None) -> Html | str:
    if not values:
        return "–"
    return join([f"{values['mean']:.1%}", element("small", f"[{values['q025']:.1%}, {values['q975']:.1%}]")])


def _value(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _pretty(label: str) -> str:
    return label.replace("delta=", "δ = ")
