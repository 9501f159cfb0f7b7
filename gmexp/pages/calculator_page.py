"""`gmexp calculator`: the calculator as one HTML page that works offline, from the disk, without a server.

The arithmetic is web/model.js, a port of this package that a test holds against it in a browser; web/view.js shows
it. The page carries the published tables and evenly spaced draws of a calibration, so that in calibrated mode its
numbers are those of `Calculator("calibrated", calibration=calibration.thinned(DRAWS))`, for the next environment.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from gmexp import __version__
from gmexp.calculator.domains import CAVEAT
from gmexp.pages.document import head_of, packaged
from gmexp.pages.html import Html, element, join
from gmexp.published.tables import table
from gmexp.statistics.calibrate import SOURCE
from gmexp.statistics.calibration import FEW_ENVIRONMENTS
from gmexp.statistics.design import REFERENCE_METHOD

__all__ = ["DRAWS", "embedded", "page", "page_data"]

DRAWS = 400  # at most: the page stays below two megabytes and answers in a tenth of a second
TABLES = ("shift_types", "parameters", "spec_maps", "diversity_map", "capability_levels", "alignment_methods", "harm",
          "uncertainties", "domains")


def page(calibration: Any, source: str | None = None) -> str:
    """The calculator alone on a page.

    `calibration` is a `gmexp.statistics.calibration.Calibration`, `source` the path under which the page's command
    line names it; None for the shipped one, which needs no name.
    """
    head = head_of("Goal misgeneralization calculator")
    body = element("main", element("p", "Goal misgeneralization, measured", class_="eyebrow"),
                   element("h1", "How likely is harmful goal misgeneralization?"),
                   element("p", "An agent keeps its capabilities under a distribution shift but not its goal. A "
                                "published model puts a number on this; here beside it are the same model read as "
                                f"odds and a posterior from {calibration.provenance['n_runs']} training runs: "
                                f"{population(calibration)}.", class_="lede"),
                   element("p", CAVEAT, class_="warning caveat"), embedded(calibration, source),
                   element("p", made_of(calibration), class_="note origin"))
    return "<!doctype html>\n" + element("html", head, element("body", body), lang="en") + "\n"


def made_of(calibration: Any) -> str:
    """What the page's numbers come from: the published model, the data and who counted them, version, commit and date."""
    known = calibration.provenance
    data = [f"{known[key]:,} {words}" for key, words in (
        ("n_runs", "training runs"), ("n_environments", "environment(s)"), ("n_rows", "rows of counts"),
        ("n_episodes", "episodes")) if known.get(key) is not None]
    version = (known.get("versions") or {}).get("gmexp")
    made = [f"{words} {str(value)[:most]}" for words, value, most in (
        ("gmexp", version, 20), ("commit", known.get("git_sha"), 10), ("data", known.get("data_sha256"), 10),
        ("on", known.get("created_utc"), 10)) if value]
    return (f"Published model: {SOURCE['name']}, {SOURCE['publisher']}, {SOURCE['date']}, {SOURCE['url']}. Measured: "
            f"{', '.join(data)}; calibrated by {', '.join(made) or 'an unknown version'}. Page made by gmexp {__version__}.")


def population(calibration: Any) -> str:
    """Whom a calibration speaks of, in words that travel with its numbers."""
    n = len(calibration.posterior.envs)
    return f"reinforcement-learning agents in {n} game{'s' * (n != 1)}"


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
    """What the browser computes with: tables by name, and what the next environment's logits are made of, by draw.

    Per shift level: `base` [stage][draws] of a new environment at the reference, `sd` [stage][draws] of runs around it, and
    the share of distinguishing levels over training diversity. Per column: `effect` [stage][draws] of one unit.
    """
    from gmexp.calculator.calibrated import harm_draws
    from gmexp.statistics.design import DIVERSITY_SCALE
    from gmexp.statistics.posterior import run_nodes
    from gmexp.statistics.scenarios import CAPABILITY_POSITION

    thin = calibration.thinned(DRAWS)
    post = thin.posterior
    located = {kind: post.locate(kind, float(kind > 0)) for kind in range(5)}
    kept = sorted({level for chosen, _, _ in located.values() for level, _ in chosen} | {0})
    place = {level: order for order, level in enumerate(kept)}
    levels = {kind: {"chosen": [(place[level], weight) for level, weight in chosen], "status": status, "notes": notes,
                     "revealed": post.revealed_at(chosen, None)[1]} for kind, (chosen, status, notes) in located.items()}
    columns = post.covariates
    methods = [row["name"] for row in table("alignment_methods")]
    names = [*columns.names, *(n for n in ("spec", "div", "cap", *sorted({*columns.held, *(f"align:{m}" for m in methods)}))
                               if n not in columns.names and n not in ("steps", "width"))]
    names = list(dict.fromkeys(names))
    derived = {"base": np.stack([post.new_environment(level).T for level in kept]),
               "unmeasured": post.unmeasured().T, "sd": np.stack([post.run_sd(level).T for level in kept]),
               "effect": np.stack([post.effect(name).T for name in names]) if names else np.zeros(0),
               "coupling": post.coupling.T, "harm": harm_draws(thin, None, 1, post.size)[0]}
    known = {name: sorted({float(v) for v in post.x[:, j] if np.isfinite(v)}) for j, name in enumerate(columns.names)}
    provenance = calibration.provenance
    return {
        "tables": {name: [dict(row) for row in table(name)] for name in TABLES},
        "calibration": {
            "draws": post.size, "draws_of_all": calibration.posterior.size, "stages": post.stages, "levels": levels,
            "revealed": [{"table": post.revealed_table(level), "mean": _mean(post.revealed[level])} for level in kept],
            "estimand": post.estimand, "environments": len(post.envs), "few": FEW_ENVIRONMENTS,
            "measured": sorted({level.type for level in post.shifts}), "columns": names, "varied": list(columns.names),
            "held": columns.held, "known": known,
            "together": [[None if np.isnan(v) else float(v) for v in row] for row in post.x],
            "reference_method": REFERENCE_METHOD, "capability_position": CAPABILITY_POSITION,
            "diversity_scale": DIVERSITY_SCALE, "nodes": run_nodes(post.stages).tolist(),
            "harm": {"a": calibration.harm["a"], "b": calibration.harm["b"]}, "warnings": calibration.warnings,
            "origin": {key: provenance.get(key) for key in ("n_runs", "n_episodes", "n_environments", "created_utc",
                                                            "git_sha", "data_sha256", "published_model")},
            "derived": _encoded(derived, "<f8")}}


def _mean(shares: np.ndarray) -> float | None:
    finite = shares[np.isfinite(shares)]
    return float(finite.mean()) if len(finite) else None


def _encoded(arrays: dict[str, np.ndarray], dtype: str) -> dict[str, str]:
    return {name: base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode()
            for name, array in arrays.items()}
