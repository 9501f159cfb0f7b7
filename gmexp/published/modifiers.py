"""From a setting (specification quality, capability, diversity, alignment method) to its published multiplier.

All maps are read from the tables; numeric ones are vectorised and non-increasing in quality and diversity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmexp.published.tables import row, table
from gmexp.support.errors import UserError, nearest

__all__ = ["MODIFIERS", "alignment_modifier", "capability_modifier", "canonical", "diversity_modifier",
           "modifier_range", "spec_modifier"]

MODIFIERS = ("spec", "cap", "div", "align")


def modifier_range(name: str) -> tuple[float, float]:
    """Published (low, high) of a modifier, from the table 'parameters'."""
    r = row("parameters", "name", name)
    return r["low"], r["high"]


def _interpolate(x: np.ndarray | float, knots: Sequence[float], multipliers: Sequence[float],
                 interpolation: str) -> np.ndarray:
    """Piecewise (log-)linear through the knots, constant outside them."""
    x = np.asarray(x, dtype=float)
    if interpolation == "linear":
        return np.interp(x, knots, multipliers)
    values = np.exp(np.interp(x, knots, np.log(multipliers)))
    values = np.where(x <= knots[0], multipliers[0], values)  # the ends to the last digit, not exp(log(end))
    return np.where(x >= knots[-1], multipliers[-1], values)


def spec_modifier(quality: np.ndarray | float, spec_map: str = "bands") -> np.ndarray:
    """M_spec for specification quality in [0, 1]; `spec_map` is 'bands' or 'anchors' (table 'spec_maps')."""
    r = row("spec_maps", "name", spec_map)
    return _interpolate(quality, r["quality"], r["multiplier"], r["interpolation"])


def diversity_modifier(diversity: np.ndarray | float) -> np.ndarray:
    """M_div for training diversity in [0, 1], the share of training levels whose correlation is broken."""
    r = table("diversity_map").rows[0]
    return _interpolate(diversity, r["diversity"], r["multiplier"], r["interpolation"])


def canonical(table_name: str, label: str) -> str:
    """The table's own name for a label or one of its aliases; case, '-' and ' ' do not matter."""
    word = str(label).strip().lower().replace("-", "_").replace(" ", "_")
    names = {alias: r["name"] for r in table(table_name) for alias in (r["name"], *r["aliases"])}
    if word not in names:
        what = table_name.replace("_", " ").removesuffix("s")
        raise UserError(f"unknown {what} {label!r}{nearest(word, list(names))}; "
                        f"known: {', '.join(table(table_name).column('name'))}")
    return names[word]


def capability_modifier(level: str) -> float:
    """M_cap of a capability level (table 'capability_levels')."""
    return row("capability_levels", "name", canonical("capability_levels", level))["multiplier"]


def alignment_modifier(method: str) -> float:
    """M_align of an alignment method (table 'alignment_methods')."""
    return row("alignment_methods", "name", canonical("alignment_methods", method))["multiplier"]
