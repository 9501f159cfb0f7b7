"""From a scenario to the model's columns: `None` is the declared reference, never the mean of whatever was run.

The reference: specification quality 1, training diversity 0, the standard method and the usual training budget.
"""

from __future__ import annotations

import numpy as np

from gmexp.published.modifiers import canonical
from gmexp.published.scenario import Scenario
from gmexp.statistics.design import REFERENCE_METHOD, Condition, canonical_method, diversity_position, spec_position
from gmexp.statistics.posterior import Posterior, Settings, worse
from gmexp.support.errors import UserError

__all__ = ["LABELS", "columns_of", "settings_of", "settings_of_condition"]

LABELS = {"spec": "specification quality", "cap": "capability level", "div": "training diversity"}
CAPABILITY_POSITION = {"below_human": -0.5, "human": 0.0, "superhuman": 0.5}
CLOSE = 1e-9


def columns_of(scenario: Scenario) -> dict[str, float]:
    """Positions of what a scenario sets, by column; refuses multipliers."""
    for name in ("m_spec", "m_cap", "m_div", "m_align"):
        if getattr(scenario, name) is not None:
            raise UserError(f"mode=calibrated measures the modifiers: give a setting instead of {name}")
    columns: dict[str, float] = {}
    if scenario.spec_quality is not None:
        columns["spec"] = spec_position(scenario.spec_quality)
    if scenario.diversity is not None:
        columns["div"] = diversity_position(scenario.diversity)
    if scenario.capability is not None:
        columns["cap"] = CAPABILITY_POSITION[canonical("capability_levels", scenario.capability)]
    if scenario.alignment is not None:
        method = canonical_method(scenario.alignment)
        if method != REFERENCE_METHOD:
            columns[f"align:{method}"] = 1.0
    return columns


def settings_of(post: Posterior, scenario: Scenario) -> Settings:
    """Where a scenario lies among the measured settings, with a warning for whatever only a prior speaks of."""
    asked, x, notes, status = columns_of(scenario), {}, [], "measured"
    columns = post.covariates
    for j, name in enumerate(columns.names):
        x[name] = asked.get(name, 0.0)
        known = post.x[:, j][np.isfinite(post.x[:, j])]
        if np.any(np.abs(known - x[name]) < CLOSE):
            continue
        if known.min() < x[name] < known.max():
            status = worse(status, "interpolated")
        else:
            status = "extrapolated"
            notes.append(f"{LABELS.get(name, name)} lies outside the measured range: extrapolated")
    for name in sorted({*columns.held, *asked} - set(columns.names)):
        held = columns.held.get(name, None if name in ("spec", "div") else 0.0)
        if held is None:
            if name in asked:
                x[name], status = asked[name], "extrapolated"
                notes.append(f"{LABELS.get(name, name)} of the experiments is unknown: its effect here is the prior's")
        elif abs(moved := asked.get(name, 0.0) - held) > CLOSE and name not in ("steps", "width"):
            x[name], status = moved, "extrapolated"
            what = LABELS.get(name, f"alignment method {name.removeprefix('align:')}")
            notes.append(f"{what} was not varied in the experiments: its effect here is the prior's")
    if not _together(post, x):
        status = worse(status, "interpolated")
    return Settings(x, status, tuple(notes), scenario.diversity)


def _together(post: Posterior, x: dict[str, float]) -> bool:
    """Whether some condition was measured at all these positions at once."""
    point = np.array([x[name] for name in post.covariates.names])
    return bool(np.any(np.all(np.abs(post.x - point) < CLOSE, axis=1))) if len(point) else True


def settings_of_condition(post: Posterior, condition: Condition) -> Settings:
    """The settings of a measured condition."""
    place = post.covariates.position(condition)
    return Settings({name: place.get(name) or 0.0 for name in post.covariates.names}, "measured", (), condition.train_diversity)
