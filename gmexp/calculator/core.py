"""The calculator: scenario in, P(harmful misgeneralization) out, with every contribution and warning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmexp.published import formula
from gmexp.published.inputs import above_human, columns_as_arrays, factors_of
from gmexp.published.modifiers import MODIFIERS, modifier_range
from gmexp.published.scenario import Contribution, Estimate, Estimates, Scenario
from gmexp.published.tables import row, shift_types, table
from gmexp.support.errors import UserError, nearest

if TYPE_CHECKING:
    from gmexp.statistics.calibration import Calibration

__all__ = ["MODES", "Calculator"]

MODES = ("published", "odds", "calibrated")
NO_INTERVAL = "none: the source quotes ranges for the bases only"


@dataclass(frozen=True)
class Calculator:
    """P(harmful misgeneralization) in one of three modes.

    mode         'published' multiplies as printed, 'odds' multiplies odds (ours), 'calibrated' uses a posterior
    harm         'printed' (inferred per type), 'stated' (60%), 'pooled' (45%) or a number; calibrated mode:
                 also 'assumed', its default, a Beta that no reinforcement-learning data update
    spec_map     'bands' or 'anchors': which of the source's two maps gives M_spec
    strict       raise a UserError where the published product exceeds 1, instead of clipping with a warning
    rl_to_llm    odds mode: widen the interval by the source's +-50% for carrying RL results over to LLMs
    calibration  calibrated mode: a Calibration, a path to one, or None for the one shipped
    kind, env, learner, transport   calibrated mode: whom to predict (`gmexp.calculator.calibrated.Population`)
    """

    mode: str = "published"
    harm: str | float | None = None
    spec_map: str = "bands"
    strict: bool = False
    rl_to_llm: bool = False
    calibration: Calibration | str | Path | None = None
    kind: str | None = None
    env: str | None = None
    learner: str | None = None
    transport: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise UserError(f"mode must be one of {', '.join(MODES)}, not {self.mode!r}"
                            f"{nearest(str(self.mode), MODES)}")
        row("spec_maps", "name", self.spec_map)
        if self.mode == "calibrated":
            from gmexp.calculator.calibrated import load_calibration

            object.__setattr__(self, "calibration", load_calibration(self.calibration))
            return
        for name in ("calibration", "kind", "env", "learner", "transport"):
            if getattr(self, name):
                raise UserError(f"mode={self.mode} uses no {name}; say mode=calibrated")
        formula.harm_values(self._harm)

    @property
    def _harm(self) -> str | float:
        return "printed" if self.harm is None else self.harm

    def estimate(self, scenario: Scenario) -> Estimate:
        """The estimate for one scenario."""
        if self.mode == "calibrated":
            from gmexp.calculator.calibrated import Population, estimate_calibrated

            return estimate_calibrated(scenario, self.calibration, self.harm,
                                       Population(self.kind, self.env, self.learner, self.transport))
        factors = factors_of(scenario, self.spec_map)
        shift, multipliers = np.array([scenario.shift]), np.array([[f.multiplier for f in factors]])
        many = self._evaluate(shift, multipliers, np.array([above_human(scenario)]))
        contributions = [self._base_contribution(scenario.shift)]
        reached = contributions[0].effect
        for j, factor in enumerate(factors):
            so_far = np.where(np.arange(len(factors)) <= j, multipliers, 1.0)
            after = float(np.minimum(formula.combine(formula.base_harmful(self._harm)[shift - 1], so_far, self.mode), 1)[0])
            contributions.append(replace(factor, effect=after - reached))
            reached = after
        interval = None if np.isnan(many.low[0]) else (float(many.low[0]), float(many.high[0]))
        return Estimate(
            mode=self.mode, raw=float(many.raw[0]), value=float(many.value[0]), p_misgen=float(many.p_misgen[0]),
            p_harmful=float(many.p_harmful[0]), interval=interval, interval_kind=self._interval_kind(interval),
            clipped=bool(many.clipped[0]), contributions=tuple(contributions),
            warnings=self._warnings(scenario, factors, bool(many.clipped[0]), float(many.raw[0])))

    def estimate_many(self, **columns: Any) -> Estimates:
        """Estimates for aligned columns, named as the fields of `Scenario`, broadcast against each other.

        Columns are scalars or arrays [n]; labels are strings. A column left out is neutral.
        """
        unknown = [key for key in columns if key not in Scenario.__dataclass_fields__]
        if unknown:
            raise UserError(f"unknown column {unknown[0]!r}{nearest(unknown[0], list(Scenario.__dataclass_fields__))}")
        if "shift" not in columns:
            raise UserError("column 'shift' is missing")
        columns = {key: value for key, value in columns.items() if value is not None}
        try:
            broadcast = np.broadcast_arrays(*(np.atleast_1d(v) for v in columns.values()))
        except ValueError as error:
            raise UserError(f"columns of different lengths: {error}") from None
        arrays = dict(zip(columns, broadcast, strict=True))
        if self.mode == "calibrated":
            return _stack([self.estimate(Scenario(**{k: v[i].item() for k, v in arrays.items()}))
                           for i in range(len(arrays["shift"]))])
        shift, multipliers, above = columns_as_arrays(arrays, self.spec_map)
        return self._evaluate(shift, multipliers, above)

    def _evaluate(self, shift: np.ndarray, multipliers: np.ndarray, above_human: np.ndarray) -> Estimates:
        """shift [n] in 1..4, multipliers [n, 4] in the order of MODIFIERS."""
        if np.any((shift < 1) | (shift > 4)):
            raise UserError(f"mode={self.mode} knows shift types 1 to 4; type 0 needs mode=calibrated")
        raw = formula.combine(formula.base_harmful(self._harm)[shift - 1], multipliers, self.mode)
        value = np.minimum(raw, 1.0)
        p_misgen = np.minimum(formula.combine(formula.base_misgen()[shift - 1], multipliers, self.mode), 1.0)
        if self.strict and np.any(raw > 1):
            i = int(np.argmax(raw))
            raise UserError(f"the published product is {raw[i]:.4f}, not a probability; "
                            "use mode=odds, or strict=false to clip it")
        low, high = self._intervals(shift, multipliers, above_human, value)
        return Estimates(self.mode, raw, value, p_misgen, value, low, high, raw > 1)

    def _intervals(self, shift: np.ndarray, multipliers: np.ndarray, above_human: np.ndarray,
                   value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Published: the quoted range at neutral settings. Odds: logit-normal, as wide as the quoted range."""
        if self.mode == "published":
            neutral = np.all(multipliers == 1, axis=1) & (self._harm == "printed")
            ends = np.array([(r["range_low"], r["range_high"]) for r in shift_types()])[shift - 1]
            ends = np.where(neutral[:, None], ends, np.nan)
            return ends[:, 0], ends[:, 1]
        variance = formula.quoted_logit_sd()[shift - 1] ** 2
        cap = np.log(multipliers[:, MODIFIERS.index("cap")])
        variance = variance + np.where(above_human, (cap / formula.Z90) ** 2, 0.0)
        if self.rl_to_llm:
            variance = variance + (np.log(table("uncertainties").rows[0]["factor"]) / formula.Z90) ** 2
        factor = np.exp(formula.Z90 * np.sqrt(variance))[:, None]
        low, high = (formula.combine(value, m, "odds") for m in (1 / factor, factor))
        return np.minimum(low, value), np.maximum(high, value)  # rounding apart

    def _interval_kind(self, interval: tuple[float, float] | None) -> str:
        if interval is None:
            return NO_INTERVAL
        return "quoted range" if self.mode == "published" else "90%, as wide on the logit scale as the quoted range"

    def _base_contribution(self, shift: int) -> Contribution:
        r = shift_types()[shift - 1]
        base = float(formula.base_harmful(self._harm)[shift - 1])
        source = "published" if self._harm == "printed" else "given"
        return Contribution("base", f"type {shift}, {r['name']}", base, base, source)

    def _warnings(self, scenario: Scenario, factors: tuple[Contribution, ...], clipped: bool,
                  raw: float) -> tuple[str, ...]:
        notes = []
        if clipped:
            notes.append(f"the published product is {raw:.4f}, above 1: clipped; mode=odds stays below 1")
        elif self.mode == "published":
            misgen = formula.base_misgen()[scenario.shift - 1] * np.prod([f.multiplier for f in factors])
            if misgen > 1:
                notes.append(f"P(capability) x P(goal fails) x modifiers is {misgen:.4f}: p_misgen is clipped to 1")
        if self.mode == "odds":
            notes.append("odds mode is a reinterpretation: the source does not say whether a modifier multiplies "
                         "risk or odds")
        for factor in factors:
            low, high = modifier_range(factor.name.removeprefix("M_"))
            if not low <= factor.multiplier <= high:
                notes.append(f"{factor.name} = {factor.multiplier:g} is outside its published range {low:g}-{high:g}")
        if scenario.diversity is not None:
            notes.append("diversity is read as the share of training levels with the correlation broken; the source "
                         "gives thresholds without units")
        if above_human(scenario):
            notes.append("above human level the source calls the direction of M_cap unknown"
                         + ("; the interval is widened both ways" if self.mode == "odds" else ""))
        if self._harm == "printed":
            notes.append(f"harm {shift_types()[scenario.shift - 1]['harm_inferred']:g} is inferred from the printed "
                         "base; the source states 50-70%")
        return tuple(notes)


def _stack(estimates: list[Estimate]) -> Estimates:
    columns = {name: np.array([getattr(e, name) for e in estimates])
               for name in ("raw", "value", "p_misgen", "p_harmful", "clipped")}
    ends = np.array([e.interval for e in estimates], dtype=float).reshape(-1, 2)
    return Estimates(mode=estimates[0].mode if estimates else "calibrated", low=ends[:, 0], high=ends[:, 1], **columns)
