"""The page of a study while it runs: its learning curves, drawn anew every few seconds by a script of its own."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from gmexp.pages.document import head_of, packaged
from gmexp.pages.html import Html, element
from gmexp.training.progress import progress

__all__ = ["curves", "page"]


def page() -> str:
    """The page as HTML; it asks `live.json` beside it for what there is."""
    body = element(
        "main", element("p", "Goal misgeneralization, measured", class_="eyebrow"), element("h1", "Training now"),
        element("p", "Share of training episodes that reached the intended goal, over 20 iterations; a line is a run. Runs "
                     "that train are read from what they save every minute.", class_="note"),
        element("p", "Waiting for the first curve.", id="state", role="status"),
        element("figure", element("div", element("svg", id="curves", viewBox="0 0 640 260", role="img",
                                                 aria_label="Learning curves"), class_="picture"), class_="chart"),
        element("div", element("table", element("caption", "Runs, and how far each is"), element("thead", element(
            "tr", [element("th", title, scope="col") for title in ("Run", "State", "Steps", "Success")])),
            element("tbody", id="runs")), class_="scroll"),
        element("p", element("a", "The results", href="./"), class_="note"),
        element("script", Html(packaged("pages/data/live.js"))))
    return "<!doctype html>\n" + element("html", head_of("Training now"), element("body", body), lang="en") + "\n"


def curves(studies: Sequence[Path]) -> bytes:
    """What the page shows, of the studies that train, or else of all, as JSON.

    {"runs": [{"study", "run_id", "state", "curve": [[steps, success], ...]}, ...]}
    """
    found = {study.name: runs for study in studies if (runs := progress(study))}
    busy = {name: runs for name, runs in found.items() if any(run.state == "training" for run in runs)}
    shown = busy or found
    runs = [{"study": name, **dataclasses.asdict(run)} for name in shown for run in shown[name]]
    return json.dumps({"runs": runs}, separators=(",", ":")).encode()
