"""From settings, one scenario or columns of them, to the four multipliers of the published model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gmexp.published.modifiers import (
    MODIFIERS, alignment_modifier, canonical, capability_modifier, diversity_modifier, spec_modifier,
)
from gmexp.published.scenario import Contribution, Scenario
from gmexp.published.tables import row
from gmexp.support.errors import UserError

__all__ = ["SETTINGS", "above_human", "columns_as_arrays", "factors_of"]

SETTINGS = {"spec": "spec_quality", "cap": "capability", "div": "diversity", "align": "alignment"}


def above_human(scenario: Scenario) -> bool:
    """Whether the scenario puts capability above human level."""
    if scenario.capability is not None:
        return canonical("capability_levels", scenario.capability) == "superhuman"
    return scenario.m_cap is not None and scenario.m_cap > 1


def factors_of(scenario: Scenario, spec_map: str) -> tuple[Contribution, ...]:
    """The four modifiers of a scenario, effects still 0."""
    factors = []
    for name in MODIFIERS:
        setting, given = getattr(scenario, SETTINGS[name]), getattr(scenario, f"m_{name}")
        if given is not None:
            factors.append(Contribution(f"M_{name}", "given", float(given), 0.0, "given"))
        elif setting is None:
            factors.append(Contribution(f"M_{name}", "neutral", 1.0, 0.0, "neutral"))
        else:
            multiplier, source = _multiplier(name, setting, spec_map)
            shown = f"{setting:g}" if isinstance(setting, int | float) else setting
            factors.append(Contribution(f"M_{name}", f"{SETTINGS[name]}={shown}", multiplier, 0.0, source))
    return tuple(factors)


def _multiplier(name: str, setting: Any, spec_map: str) -> tuple[float, str]:
    """(multiplier, source) of one setting."""
    if name == "spec":
        return float(spec_modifier(setting, spec_map)), "interpolated"
    if name == "div":
        return float(diversity_modifier(setting)), "interpolated" if 0.1 < setting < 0.3 else "published"
    table_name = {"cap": "capability_levels", "align": "alignment_methods"}[name]
    r = row(table_name, "name", canonical(table_name, setting))
    return r["multiplier"], "published" if r["published"] else "interpolated"


def columns_as_arrays(arrays: Mapping[str, np.ndarray], spec_map: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(shift [n], multipliers [n, 4], above human [n]) from validated columns."""
    shift = arrays["shift"]
    if shift.dtype.kind not in "iu":
        raise UserError("column 'shift' must hold whole numbers from 1 to 4")
    multipliers, above = np.ones((len(shift), len(MODIFIERS))), np.zeros(len(shift), dtype=bool)
    maps = {"spec": lambda x: spec_modifier(x, spec_map), "div": diversity_modifier}
    labels = {"cap": capability_modifier, "align": alignment_modifier}
    for j, name in enumerate(MODIFIERS):
        setting, given = arrays.get(SETTINGS[name]), arrays.get(f"m_{name}")
        if setting is not None and given is not None:
            raise UserError(f"give {SETTINGS[name]} or m_{name}, not both")
        if given is not None:
            given = _numbers(f"m_{name}", given)
            if not np.all(np.isfinite(given) & (given > 0)):
                raise UserError(f"column m_{name} must hold finite multipliers above 0")
            multipliers[:, j] = given
        elif setting is not None and name in maps:
            setting = _numbers(SETTINGS[name], setting)
            if not np.all((setting >= 0) & (setting <= 1)):
                raise UserError(f"column {SETTINGS[name]} must hold numbers from 0 to 1")
            multipliers[:, j] = maps[name](setting)
        elif setting is not None:
            words, index = np.unique(setting.astype(str), return_inverse=True)
            multipliers[:, j] = np.array([labels[name](word) for word in words])[index.reshape(-1)]
    above |= multipliers[:, MODIFIERS.index("cap")] > 1
    return shift.astype(int), multipliers, above


def _numbers(name: str, values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "iuf":
        raise UserError(f"column {name} must hold numbers")
    return values.astype(float)
