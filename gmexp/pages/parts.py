"""What the page of a study and the page of all studies are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.artefacts.condition import condition_labels, pretty
from gmexp.artefacts.study import Study
from gmexp.pages.html import Html, data_uri, element, join, table
from gmexp.pages.ladder import published_rates
from gmexp_envs import task_of

MAX_CLIPS = 12
CAPTIONS = {
    "rates": "Dots are runs; the large dot is their mean, the line its 95% interval (clustered Wilson). Diamonds are "
             "the model's published values. Capability counts every level, goal failure the distinguishing ones; it is "
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
    "attribution": "What the coin causes, on the same levels: coins touched by accident on the way count for no effect. An "
                   "agent that does not know of the coin is at 0, one that wants nothing else at 1. Dots are runs, lines "
                   "95% intervals of their mean.",
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
GLOSSARY = (
    ("Intended goal", "What the reward specifies: the coin."),
    ("Proxy goal", "The alternative that training correlates with it: the end of the level."),
    ("Separated level", "A level that can tell the two apart: where the coin is not on the way to the end."),
    ("Training diversity δ", "The share of training levels whose correlation is broken; 1 minus the training "
                             "correlation ρ."),
    ("Outcome", "By the first event: intended goal, proxy goal, death, time-out, or ambiguous when a goal was reached "
                "on a level that separates nothing."),
    ("Capability", "Episodes that reached a goal, of all episodes. Deaths and time-outs count as not capable."),
    ("Goal failure", "Episodes that went for the proxy, of those on distinguishing levels that reached either goal. "
                     "Unknown, shown as a dash, where there are none."),
    ("Joint failure", "Episodes that went for the proxy, of all on distinguishing levels."),
    ("Goal probe", "The same shift on levels that all separate coin from end: shows the goal where the shift itself "
                   "cannot."),
    ("Intervals", "The training run is the replicate: episodes of one run are not independent. Across runs the "
                  "clustered Wilson interval is shown; a t interval and a bootstrap are in rates.json."),
)  # fmt: skip
MODIFIERS = {"spec": "specification quality", "cap": "capability level", "div": "training diversity",
             "align": "alignment method"}


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
    return resources.files("gmexp").joinpath("pages", "data", name).read_text(encoding="utf-8")


def shifts(study: Study) -> Html:
    """The ladder in the words of a study's environment, beside what the model says of each type; in pictures where `gmexp
    show` has drawn them."""
    task = task_of(study.runs()[0].env)
    rows = [[shift.type, shift.key_factor, element("span", shift.words, class_="rule"), *published_rates(shift.type)]
            for shift in task.shifts]
    parts = [table(["Shift", "Key factor", "What changes here", "Published capability", "goal failure"], rows, (3, 4))]
    if (picture := study.figures / "shifts.png").exists():
        about = "The same levels under each shift, from grade to grade, with the goals marked."
        image = element("img", src=data_uri(artefacts.read_bytes(picture), "image/png"), alt=about)
        parts.append(element("figure", image, element("figcaption", about), class_="chart"))
    return join(parts)


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


def modifier_table(modifiers: Sequence[Mapping[str, Any]]) -> Html | None:
    """What the experiments varied, as a factor on the odds of goal failure, beside the published range."""
    rows = [[f"{MODIFIERS.get(m['name'], m['name'])}, {short(m['settings'][0])} to {short(m['settings'][-1])}",
             triple([m["odds_ratio"]["goal_failure"][key] for key in ("q50", "q025", "q975")]),
             " to ".join(map(short, m["published_range"]))] for m in modifiers if m["measured"]]
    if not rows:
        return None
    return join([element("p", "What the experiments varied, between the published low-risk and high-risk settings. "
                              "Published modifiers are ratios of probabilities, so the two columns differ in kind.",
                         class_="note"), table(["Modifier", "Odds of goal failure ×", "Published M"], rows)])


def chart(study: Study, name: str, narrow: bool = False) -> Html | None:
    """A figure of a study with its caption, None where it was not drawn."""
    return chart_of(study.figures / f"{name}.svg", CAPTIONS[name], narrow)


def chart_of(path: Path, caption: str, narrow: bool = False) -> Html | None:
    """An SVG with a caption, None where there is none."""
    if not path.exists():
        return None
    return element("figure", element("img", src=data_uri(artefacts.read_bytes(path), "image/svg+xml"), alt=caption),
                   element("figcaption", caption), class_="chart narrow" if narrow else "chart")


def triple(values: Sequence[float | None]) -> Html | str:
    """A mean and its interval; a dash where it is unknown."""
    mean, low, high = values
    return "–" if mean is None else join([f"{mean:.2f}", element("small", f"[{low:.2f}, {high:.2f}]")])


def short(value: Any) -> str:
    """A value as a reader wants it."""
    if value is None:
        return "unknown"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
