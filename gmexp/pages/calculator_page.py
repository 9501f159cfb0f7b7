"""`gmexp calculator`: the calculator as one HTML page that works offline, from the disk, without a server.

The arithmetic is calculator/web/model.js, a port of `gmexp.calculator` that a test holds against it in a browser;
calculator/web/view.js shows it. The page carries the published tables and evenly spaced draws of a calibration, so that
in calibrated mode its numbers are those of `Calculator("calibrated", calibration=calibration.thinned(DRAWS))`, for the
mean over runs.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from gmexp.pages.document import head_of, packaged
from gmexp.pages.html import Html, element, join
from gmexp.published.tables import table

__all__ = ["DRAWS", "embedded", "page", "page_data"]

DRAWS = 1000  # at most: the page stays below two megabytes and answers in a tenth of a second
TABLES = ("shift_types", "parameters", "spec_maps", "diversity_map", "capability_levels", "alignment_methods", "harm",
          "uncertainties")


def page(calibration: Any, source: str | None = None) -> str:
    """The calculator alone on a page.

    `calibration` is a `gmexp.statistics.calibration.Calibration`, `source` the path under which the page's command
    line names it; None for the shipped one, which needs no name.
    """
    provenance = calibration.provenance
    head = head_of("Goal misgeneralization calculator")
    body = element("main", element("p", "Goal misgeneralization, measured", class_="eyebrow"),
                   element("h1", "How likely is harmful goal misgeneralization?"),
                   element("p", "An agent keeps its capabilities under a distribution shift but not its goal. A "
                                "published model puts a number on this; here beside it are the same model read as "
                                f"odds and a posterior from {provenance['n_runs']} training runs.", class_="lede"),
                   embedded(calibration, source))
    return "<!doctype html>\n" + element("html", head, element("body", body), lang="en") + "\n"


def embedded(calibration: Any, source: str | None = None) -> Html:
    """The calculator as a piece of a page that has the styles of data/report.css."""
    data = json.dumps({**page_data(calibration), "source": source}, allow_nan=False, separators=(",", ":"))
    return join([element("style", Html(packaged("calculator/web/calculator.css"))),
                 Html(packaged("calculator/web/calculator.html")),
                 element("script", Html(data.replace("<", "\\u003c")), type="application/json",
                         class_="calculator-data"),
                 element("script", Html(packaged("calculator/web/model.js"))),
                 element("script", Html(packaged("calculator/web/view.js")))])


def page_data(calibration: Any) -> dict[str, Any]:
    """What the browser computes with: tables by name, the calibration's arrays [draws, ...] and their structure."""
    from gmexp.calculator.calibrated import harm_draws
    from gmexp.statistics.design import CAPABILITY_POSITION, DIVERSITY_SCALE
    from gmexp.statistics.model import MARGINAL
    from gmexp.statistics.posterior import NODES, WEIGHTS

    thin = calibration.thinned(DRAWS)
    post = thin.posterior
    n, located = len(post.rho), {kind: post.locate(kind, float(kind > 0)) for kind in range(5)}
    kept = sorted({level for chosen, _ in located.values() for level, _ in chosen})  # levels that the page can ask for
    place = {level: order for order, level in enumerate(kept)}
    levels = {kind: {"chosen": [(place[level], weight) for level, weight in chosen], "notes": notes}
              for kind, (chosen, notes) in located.items()}
    here = [order for order, (_, level, _) in enumerate(post.cells) if level in place]
    cells = [(stage, place[level], condition) for stage, level, condition in (post.cells[order] for order in here)]
    arrays = {name: array for name, array in post.draws.items() if name != "phi"}
    arrays |= {"alpha": post.alpha[:, :, kept], "u": post.u[:, here], "tau": post.tau[:, :, kept]}
    lines = [post.line(stage) for stage in range(2)] if post.condition_cells else []
    derived = {"line": np.stack(lines) if lines else np.zeros(0), "harm": harm_draws(thin, None, 1, n)[0],
               "new_condition": np.stack([post.new_condition(stage) for stage in range(2)]),
               "new_cell": np.stack([[post.new_cell(stage, level) for level in kept] for stage in range(2)])}
    provenance = calibration.provenance
    return {
        "tables": {name: [dict(row) for row in table(name)] for name in TABLES},
        "calibration": {
            "draws": n, "draws_of_all": len(calibration.posterior.rho), "shifts": len(kept), "levels": levels,
            "names": post.covariates.names, "centre": post.covariates.centre,
            "reference_method": post.covariates.reference_method, "x": post.x.tolist(),
            "condition_cells": post.condition_cells, "cells": cells,
            "capability_position": CAPABILITY_POSITION, "diversity_scale": DIVERSITY_SCALE,
            "nodes": NODES.tolist(), "weights": WEIGHTS.tolist(), "marginal": MARGINAL,
            "harm": {"a": calibration.harm["a"], "b": calibration.harm["b"]}, "warnings": calibration.warnings,
            "origin": {key: provenance.get(key) for key in ("n_runs", "n_episodes", "created_utc", "git_sha")},
            "arrays": _encoded(arrays, "<f4"), "derived": _encoded(derived, "<f8")}}


def _encoded(arrays: dict[str, np.ndarray], dtype: str) -> dict[str, str]:
    return {name: base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode()
            for name, array in arrays.items()}
