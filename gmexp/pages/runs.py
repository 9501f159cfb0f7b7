"""The runs of a study, one by one: what each did under every shift, and six of its episodes by outcome.

A run folds up; the marks of runs in figures lead into it, which unfolds it. Films stay in files of their own beside the page
and load when they are played.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from gmexp.artefacts import tables
from gmexp.artefacts.records import Episode, OutcomeCounts, RunMeta
from gmexp.artefacts.study import Study
from gmexp.figures.data import StudyData
from gmexp.figures.marks import address, condition_anchor
from gmexp.figures.style import unique
from gmexp.pages import parts
from gmexp.pages.clips import Clip, read_clips
from gmexp.pages.html import Html, element, join, table
from gmexp.pages.six import SIX, Chosen, six
from gmexp.rates.of_run import Known, rates_of_run
from gmexp.rates.text import shift_label, shift_text
from gmexp.statistics.counts import read_counts

__all__ = ["again", "section"]

QUANTITIES = ("capability", "goal_failure", "realised")
OWN_PLACES = ("out=", "reuse=", "workers=", "logger=", "launcher=")  # of the machine that a study was made on
REDUCED = "(prefers-reduced-motion: reduce)"


def section(data: StudyData) -> Html | None:
    """Every run by condition; None where the study lists none."""
    if not data.runs:
        return None
    counts: dict[str, list[OutcomeCounts]] = defaultdict(list)
    for row in read_counts(data.study.counts) if data.study.counts.exists() else ():
        counts[row.run_id].append(row)
    blocks = []
    for condition in unique(data.conditions.values()):
        members = [run for run in data.runs if data.conditions[run.run_id] == condition]
        heading = element("h3", data.named(condition), id=condition_anchor(condition))
        blocks += [heading, *(_run(data, run, counts[run.run_id]) for run in members)]
    return join([_about(data), *blocks])


def _about(data: StudyData) -> Html:
    """What is to be seen, and the command that films it where films are missing."""
    runs = [run.run_id for run in data.runs]
    filmed = all(any(data.study.clips(run_id).glob("*.json")) for run_id in runs)
    lines = [f"Every run under every shift, with 95% intervals over its own episodes, and up to {SIX} of its episodes by "
             "outcome."]
    command = element("code", f"gmexp report study=. films={SIX}")
    if filmed:
        films: list[Any] = ["Films load when they are played."]
    elif all(data.study.checkpoint(run_id).exists() for run_id in runs):
        films = ["Not every run is filmed: ", command, ", in the folder of this page, films these episodes."]
    else:
        films = ["Checkpoints are not kept with a study's results. In the folder of this page, ",
                 element("code", again(data.index)), " trains the runs once more, and then ", command,
                 " films these episodes."]
    return element("p", lines[0], " ", films, class_="note")


def again(index: dict[str, Any]) -> str:
    """The command that makes a study of this index in the folder where it is run."""
    command = (index.get("provenance") or {}).get("command") or ""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    kept = [shlex.quote(word) for word in words if "=" in word and not word.startswith(OWN_PLACES)]
    kept = kept if any(word.startswith("experiment=") for word in kept) else [f"experiment={index['experiment']}"]
    return " ".join(["gmexp run", *kept, "out=."])


def _run(data: StudyData, run: RunMeta, counts: Sequence[OutcomeCounts]) -> Html:
    shown = [row for row in counts if not row.probe and row.grade in (0.0, 1.0)] or counts
    found = [(row, rates_of_run(row)) for row in sorted(shown, key=lambda row: (row.shift_type, row.grade, row.probe))]
    rows = [[shift_label(row), *(_known(rates.get(name)) for name in QUANTITIES), f"{row.n_visible:,}"]
            for row, rates in found]
    named = data.named(data.conditions[run.run_id])
    body = [element("p", f"{named}, train seed {run.train_seed}, {run.train_steps / 1e6:.3g} million steps of {run.algo}.",
                    class_="note")]
    if rows:
        body.append(table(["Shift", "Capability", "Goal failure", "Realised", "Episodes"], rows, (4,),
                          caption=f"Rates of the run {run.run_id}"))
    return element("details", element("summary", run.run_id), element(
        "div", body, _episodes(data, run), id=address(run.run_id)[1:], class_="run"))


def _known(rate: Known | None) -> Html | str:
    return "–" if rate is None else parts.triple(rate)


def _episodes(data: StudyData, run: RunMeta) -> Html | None:
    """Six episodes by outcome, each with its film where it was filmed."""
    path = data.study.episodes(run.run_id)
    if not path.exists():
        return None
    films = {(clip.outcome, clip.level_seed): clip for clip in read_clips(data.study, run.run_id, "")}
    chosen = six(tables.read_table(path, Episode))
    rows = [[element("span", each.outcome.value.replace("_", " "), class_=f"badge {each.outcome.value}"),
             each.row["level_seed"], each.row["length"], element("span", _reached(data, each), class_="lines"),
             *[_film(data.study, films.get((each.outcome.value, each.row["level_seed"])))] * bool(films)] for each in chosen]
    if not rows:
        return None
    first = chosen[0].row
    under = shift_text(first["shift_type"], first["shift_name"], first["grade"])
    return table(["Outcome", "Level", "Steps", "What happened", *["Film"] * bool(films)], rows, (1, 2),
                 caption=f"Episodes of the run {run.run_id} under shift {under}")


def _reached(data: StudyData, chosen: Chosen) -> str:
    """What was touched, and how it ended."""
    goals = ((chosen.row["intended_step"], data.task.intended.words), (chosen.row["proxy_step"], data.task.proxy.words))
    touched = [f"{words} at step {step}" for step, words in sorted(goal for goal in goals if goal[0] is not None)]
    end = ["died"] if chosen.row["death_step"] is not None else ["out of time"] if chosen.row["truncated"] else []
    return ", then ".join([*touched, *end]) or "nothing"


def _film(study: Study, clip: Clip | None) -> Html | str:
    """A film in a file beside the page: a video with controls, or an animation that is unfolded, still for who wants no
    motion."""
    if clip is None:
        return "–"
    source, words = clip.film.relative_to(study.root).as_posix(), clip.caption or clip.outcome
    still = None if clip.still is None else clip.still.relative_to(study.root).as_posix()
    if clip.kind.startswith("video"):
        shown = element("video", element("source", src=source, type=clip.kind), controls="", muted="", playsinline="",
                        preload="none", poster=still, aria_label=words)
    else:
        image = element("img", src=source, alt=words, loading="lazy")
        shown = image if still is None else element("picture", element("source", srcset=still, media=REDUCED), image)
    return element("details", element("summary", "film"), shown, class_="film")
