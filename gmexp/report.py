"""Stage `report`: everything a study found, on one page that needs no network and no other file.

The page shows artefacts and computes nothing: numbers come from rates.json, estimate.json and calibration.json,
pictures from the figures folder. Only its calculator computes, in the browser, from the calibration's draws. What a
study has not made yet is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from gmexp import artefacts, figures, learning
from gmexp.calculator.page import embedded
from gmexp.definitions import DEFINITIONS
from gmexp.errors import UserError
from gmexp.html import Html, data_uri, element, glossary, join, table
from gmexp.ladder import read_ladder
from gmexp.plotting import unique
from gmexp.rates import (
    METRICS,
    CellRates,
    Contrast,
    Rate,
    Rates,
    goal_cells,
    read_rates,
    shift_label,
    strongest,
)
from gmexp.statistics.calibration import Calibration
from gmexp.study import Study, condition_labels, pretty

MAX_CLIPS = 12
CAPTIONS = {
    "rates": "Dots are runs; the large dot is their mean, the line its 95% interval (clustered Wilson). Diamonds are "
             "the model's published values. Capability counts every level, goal failure the separated ones; it is "
             "that of a shift's probe where it has one.",
    "forest": "The hierarchical model: thick lines are 95% credible intervals of the mean over runs, thin ones of the "
              "next run; a hollow mean has no run behind it. Goal failure counts a shift's probe with the shift.",
    "base_rates": "The model's base rates; P(misgeneralization) is capability times goal failure, without harm. Lines "
                  "are 95% credible intervals of the mean over runs.",
    "grades": "Against the grade of each shift: thin lines are runs, the thick one their mean in its 95% interval, the "
              "pale band is for the next run; grade 0 is the training distribution. Goal failure is that of a shift's "
              "probe where it has one.",
    "diversity": "Goal failure against training diversity: dots are runs, lines join the means of one shift.",
    "figure2": "Figure 2 of Langosco et al. (2022) from our runs: blue, the marker at the end touched with every coin moved "
               "(of all episodes, deaths included); orange, no coin in distribution. Good seeds are levels on which agents "
               "of the lowest diversity do not touch an invisible marker at the coin's other place; the grey line is how "
               "often they then reach the end.",
    "attribution": "What the coin causes, on the same levels with the same luck: coins touched by accident on the way count "
                   "for no effect. An agent that does not know of the coin is at 0, one that wants nothing else at 1. "
                   "Dots are runs, lines 95% intervals of their mean.",
    "critic": "The critic's value of the same states with the coin drawn in at the level's end and without, against the "
              "distance to the end. The agents play without a coin, and the wall behind the end can be walked through.",
    "factors": "Each factor of the ladder shifted alone, on the same levels; goal failure is that of the probe. Dots are "
               "runs, lines 95% intervals of their mean.",
    "magnitudes": "Capability and goal failure against the measured distance of each cell from training; a line joins the "
                  "grades of a shift, bars are 95% intervals.",
    "chart": "The published quadrant chart (letters), the published type table (diamonds) and what was measured "
             "(circles, 95% credible intervals), joined type by type. Most letters lie off their type's diamond.",
    "prior_to_posterior": "Base rates at the mean of the conditions when the published rates count as evidence worth "
                          "up to two runs (a₀ = 1): thin lines are priors, thick ones posteriors, 95%.",
    "reliability": "Each run against the prediction made without it. Reliable predictions follow the diagonal; a curve "
                   "leaves the band with probability 5% if they do.",
    "tornado": "What the published model depends on, read as odds: the estimate with one input at either end of its "
               "published range, and the input's share of the variance with all its interactions.",
    "modifiers": "Each measured setting against the baseline: odds ratios of the two stages and the ratio of "
                 "P(misgeneralization), averaged over the shifts, with 95% credible intervals. Diamonds are the published "
                 "multiplier of the same step, bands the published range of M. Below, two modifiers together over the "
                 "product of each alone: 1 if they multiply.",
    "spread": "Left, every run in order with the 95% interval of its own episodes, and the intervals of the mean: "
              "of episodes pooled as if independent, and of runs as replicates. Right, how often either interval covers "
              "the mean over all runs when only some are drawn; thin lines are rates under shifts.",
    "training": "Share of training episodes that touched the coin, over 20 iterations: thin lines are runs, thick lines "
                "their mean; diamonds, the published learning curve of PPO on frames.",
}
MODEL_FIGURES = ("chart", "prior_to_posterior", "reliability", "tornado")
GLOSSARY = (
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
        "shifts": ("What is shifted", shifts(study)),
        "causes": ("Causes", _causes(study)),
        "episodes": ("Episodes to look at", _clips(study)),
        "calibration": ("Calibration", _calibration(study)),
        "calculator": ("Calculator", _calculator(study)),
        "training": ("Training", _training(study)),
        "definitions": ("Definitions", _definitions(rates)),
        "provenance": ("Provenance", _provenance(index)),
    }
    sections = {key: found for key, found in sections.items() if found[1]}
    return document("Goal misgeneralization, measured", index["experiment"], _summary(rates), sections)


def document(eyebrow: str, heading: str, lede: str, sections: Mapping[str, tuple[str, Html]]) -> str:
    """A page: its heading, the pipeline, and sections of (title, body) by the anchor that the contents link to."""
    content = element(
        "main",
        element("p", eyebrow, class_="eyebrow"),
        element("h1", heading),
        element("p", lede, class_="lede"),
        element("nav", [element("a", title.partition(":")[0], href=f"#{key}") for key, (title, _) in sections.items()]),
        element("div", element("img", src=data_uri(_packaged("pipeline.svg").encode(), "image/svg+xml"),
                               alt="The pipeline: train, evaluate, rates, calibrate, estimate"),
                class_="pipeline scroll"),
        [element("section", element("h2", title), body, id=key) for key, (title, body) in sections.items()],
    )
    head = element("head", element("meta", charset="utf-8"),
                   element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                   element("title", f"{heading}: {eyebrow[0].lower()}{eyebrow[1:]}"),
                   element("style", Html(_packaged("report.css"))))
    return "<!doctype html>\n" + element("html", head, element("body", content), lang="en") + "\n"


def _packaged(name: str) -> str:
    return resources.files("gmexp").joinpath("data", name).read_text(encoding="utf-8")


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
                 _headline(rates), chart(study, "rates"), chart(study, "diversity", narrow=True),
                 chart(study, "figure2", narrow=True),
                 chart(study, "grades"), chart(study, "spread")])


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
    per_run = table(["Condition", "Shift", "Run", "Capable", "Proxy, of capable on separated levels"], runs, (3, 4))
    parts = [table(head, rows(rates.cells), (5, 6)),
             element("details", element("summary", "Every run"), per_run)]
    if rates.gated and len(_run_ids(rates.gated)) < len(_run_ids(rates.cells)):
        parts.insert(1, element("details", element(
            "summary", f"Only the {len(_run_ids(rates.gated))} of {len(_run_ids(rates.cells))} runs that passed the "
            f"capability gate ({rates.gate:.0%} in distribution)"), table(head, rows(rates.gated), (5, 6))))
    return join(parts)


def _run_ids(cells: Sequence[CellRates]) -> set[str]:
    return {run.run_id for cell in cells for run in cell.capability.runs}


def shifts(study: Study) -> Html:
    """The ladder in words, beside what the model says of each type; in pictures where `gmexp show` has drawn them."""
    rows = []
    for text in read_ladder():
        rates = ["–" if text.published is None else f"{text.published[key]:.2f}" for key in ("capability", "goal_failure")]
        rows.append([text.type, text.key_factor, element("span", text.here, class_="rule"), *rates])
    parts = [table(["Shift", "Key factor", "What changes here", "Published capability", "goal failure"], rows, (3, 4))]
    if (picture := study.figures / "shifts.png").exists():
        about = "The same levels under each shift, from grade to grade, with coin and end marked."
        image = element("img", src=data_uri(artefacts.read_bytes(picture), "image/png"), alt=about)
        parts.append(element("figure", image, element("figcaption", about), class_="chart"))
    return join(parts)


def _causes(study: Study) -> Html | None:
    """What the coin causes, and what the critic makes of it."""
    found = [chart(study, name) for name in ("attribution", "critic", "factors", "magnitudes")]
    charts = [figure for figure in found if figure is not None]
    return join(charts) if charts else None


def _clips(study: Study) -> Html | None:
    cards = clip_cards(study)
    return element("div", cards, class_="clips") if cards else None


def clip_cards(study: Study) -> list[Html]:
    """The animated episodes of a study, each with its caption."""
    runs = study.runs()
    labels = condition_labels(runs)
    clips = [(labels[run.run_id], clip) for run in runs for clip in sorted(study.clips(run.run_id).glob("*.gif"))]
    cards = []
    for condition, clip in clips[:MAX_CLIPS]:
        sidecar = clip.with_suffix(".json")
        about = artefacts.read_json(sidecar) if sidecar.exists() else {}
        outcome, caption = about.get("outcome", "unknown"), about.get("caption", "")
        where = [pretty(condition), *(f"{word} {about[key]}" for key, word in (("shift_name", "shift"),
                                                                              ("level_seed", "level")) if key in about)]
        cards.append(element(
            "figure",
            element("img", src=data_uri(artefacts.read_bytes(clip), "image/gif"), alt=caption or outcome),
            element("figcaption", element("span", outcome.replace("_", " "), class_=f"badge {outcome}"),
                    element("br"), caption, element("br"), ", ".join(where))))
    return cards


def _calibration(study: Study) -> Html | None:
    parts = []
    if study.estimate.exists():
        names = {"capability": "P(capability)", "goal_failure": "P(goal fails | capability)",
                 "p_misgen": "P(misgeneralization)"}
        rows = []
        for shift in artefacts.read_json(study.estimate, required=["shifts"])["shifts"]:
            label = f"type {shift['shift']}"
            rows.append([label, "published", *(f"{shift['published'][key]:.2f}" for key in names)])
            rows += [[label, f"calibrated, {_delta(rates)}",
                      *(_triple([rates[key][end] for end in ("mean", "q025", "q975")]) for key in names)]
                     for rates in shift["conditions"]]
        parts += [element("p", "The model's base rates: published, and calibrated on this study (posterior mean over "
                               "runs and 95% credible interval).", class_="note"),
                  table(["Shift", "Source", *names.values()], rows), chart(study, "base_rates")]
    if study.calibration.exists():
        calibration = artefacts.read_json(study.calibration)
        parts += [element("p", str(warning), class_="warning") for warning in calibration.get("warnings", ())]
        parts.append(chart(study, "forest"))
        parts.append(element("div", [chart(study, name) for name in MODEL_FIGURES], class_="charts"))
        parts.append(chart(study, "modifiers"))
        parts.append(modifier_table(calibration.get("modifiers", ())))
        parts.append(_variance_shares(study))
        if diagnostics := calibration.get("diagnostics"):
            parts.append(element("details", element("summary", "Diagnostics of the sampler"),
                                 glossary((key, _value(value)) for key, value in diagnostics.items())))
    return join(parts) if parts else None


def _calculator(study: Study) -> Html | None:
    """The interactive calculator with this study's posterior."""
    if not study.calibration.with_suffix(".npz").exists():
        return None
    return join([element("p", "The published model, the same read as odds, and what this study makes of it.",
                         class_="note"), embedded(Calibration.load(study.calibration), study.calibration.name)])


MODIFIERS = {"spec": "specification quality", "cap": "capability level", "div": "training diversity",
             "align": "alignment method"}


def modifier_table(modifiers: Sequence[Mapping[str, Any]]) -> Html | None:
    """What the experiments varied, as a factor on the odds of goal failure, beside the published range."""
    rows = [[f"{MODIFIERS.get(m['name'], m['name'])}, {_value(m['settings'][0])} to {_value(m['settings'][-1])}",
             _triple([m["odds_ratio"]["goal_failure"][key] for key in ("mean", "q025", "q975")]),
             " to ".join(map(_value, m["published_range"]))] for m in modifiers if m["measured"]]
    if not rows:
        return None
    return join([element("p", "What the experiments varied, between the published low-risk and high-risk settings. "
                              "Published modifiers are ratios of probabilities, so the two columns differ in kind.",
                         class_="note"), table(["Modifier", "Odds of goal failure ×", "Published M"], rows)])


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
    picture = chart(study, "training", narrow=True)
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
    parts = [glossary(GLOSSARY)]
    if found:
        conditions = unique(row.condition for row in found)
        by = {(row.definition, row.condition, row.grade): row for row in found}
        grade = max(row.grade for row in found)
        rows = [[element("span", about, class_="rule"),
                 *(_triple(getattr(by[name, condition, grade], metric)) for condition in conditions
                   for metric in ("capability", "goal_failure"))]
                for name, (_, about) in DEFINITIONS.items() if (name, conditions[0], grade) in by]
        head = [f"{pretty(condition)}: {metric}" for condition in conditions for metric in ("capability", "failure")]
        parts += [element("p", "How much the definition matters: the same logs under shift 3, judged by other rules.",
                          class_="note"), table(["Rule", *head], rows)]
    return join(parts)


def _provenance(index: Mapping[str, Any]) -> Html:
    origin = dict(index.get("provenance") or {})
    versions = origin.pop("versions", {})
    pairs = [(key.replace("_", " "), _value(value)) for key, value in origin.items()]
    pairs.append(("packages", ", ".join(f"{name} {version}" for name, version in versions.items())))
    return join([glossary(pairs), element("details", element("summary", "Resolved configuration"), element(
        "pre", json.dumps(index["config"], indent=2, ensure_ascii=False)))])


# --- pieces -----------------------------------------------------------------------------------------------------------

def chart(study: Study, name: str, narrow: bool = False) -> Html | None:
    """A figure of a study with its caption, None where it was not drawn."""
    return chart_of(study.figures / f"{name}.svg", CAPTIONS[name], narrow)


def chart_of(path: Path, caption: str, narrow: bool = False) -> Html | None:
    """An SVG with a caption, None where there is none."""
    if not path.exists():
        return None
    return element("figure", element("img", src=data_uri(artefacts.read_bytes(path), "image/svg+xml"), alt=caption),
                   element("figcaption", caption), class_="chart narrow" if narrow else "chart")


def _rate(rate: Rate, bar: bool = False) -> Html | str:
    text = _triple((rate.mean, rate.low, rate.high))
    if not bar or rate.mean is None:
        return text
    picture = element("svg", element("rect", class_="track", y=4, width=100, height=1.5),
                      element("rect", class_="range", x=100 * rate.low, y=1.5, width=100 * (rate.high - rate.low),
                              height=6.5),
                      element("rect", class_="mean", x=99 * rate.mean - 1, width=2.5, height=9.5),
                      class_="bar", viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true")
    return join([picture, text])


def _triple(values: Sequence[float | None]) -> Html | str:
    mean, low, high = values
    return "–" if mean is None else join([f"{mean:.2f}", element("small", f"[{low:.2f}, {high:.2f}]")])


def _delta(condition: Mapping[str, Any]) -> str:
    return pretty(f"delta={condition['train_diversity']:g}")


def _value(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
