"""The calibrated mode: a posterior from experiments in place of the published numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from gmexp.published.formula import harm_values
from gmexp.published.scenario import Contribution, Estimate, Scenario
from gmexp.statistics.calibration import Calibration
from gmexp.support.errors import UserError

__all__ = ["SHIPPED", "estimate_calibrated", "load_calibration"]

SHIPPED = Path(__file__).parent / "data" / "calibration.json"
FACTORS = {"spec_quality": "M_spec", "capability": "M_cap", "diversity": "M_div", "alignment": "M_align"}


def load_calibration(calibration: Calibration | str | Path | None) -> Calibration:
    """The calibration given, read from a path, or the shipped one."""
    if isinstance(calibration, Calibration):
        return calibration
    if calibration is None and not SHIPPED.exists():
        raise UserError("no calibration is shipped with this version: give calibration=PATH (gmexp calibrate makes "
                        "one), or use mode=published or mode=odds")
    return Calibration.load(SHIPPED if calibration is None else calibration)


def harm_draws(calibration: Calibration, harm: str | float | None, shift: int, n: int) -> tuple[np.ndarray, str]:
    """Draws [n] of P(harm | misgeneralization) and what they are."""
    if harm is None or harm == "elicited":
        a, b = calibration.harm["a"], calibration.harm["b"]
        rng = np.random.default_rng([calibration.posterior.seed, 5])
        return rng.beta(a, b, size=n), f"elicited, Beta({a:.2f}, {b:.2f})"
    if harm == "printed" and shift == 0:
        raise UserError("harm=printed exists for shift types 1 to 4; use elicited, stated, pooled or a number")
    value = float(harm_values(harm)[max(shift, 1) - 1])
    return np.full(n, value), f"{harm}" if isinstance(harm, str) else "given"


def estimate_calibrated(scenario: Scenario, calibration: Calibration, harm: str | float | None,
                        kind: str) -> Estimate:
    """Posterior mean of P(capable, goal fails) x harm with its 95% credible interval."""
    prediction = calibration.predict(scenario, kind)
    misgen = prediction.draws["misgen"]
    harms, harm_name = harm_draws(calibration, harm, scenario.shift, len(misgen))
    harmful = misgen * harms
    value = float(harmful.mean())
    low, high = (float(q) for q in np.quantile(harmful, (0.025, 0.975)))
    base = float(np.mean(_misgen_without(scenario, calibration, kind, tuple(FACTORS)) * harms))
    grade = scenario.grade if scenario.shift else 0
    contributions = [Contribution("base", f"type {scenario.shift}, grade {grade:g}, settings at the mean of the "
                                  "experiments", base, base, "measured")]
    for setting in FACTORS:
        if getattr(scenario, setting) is not None:
            without = _misgen_without(scenario, calibration, kind, (setting,))
            contributions.append(_contribution(scenario, calibration, setting, float(misgen.mean() / without.mean()),
                                               value - float(np.mean(without * harms))))
    contributions.append(Contribution("harm", harm_name, float(harms.mean()), value - float(misgen.mean()), "prior"))
    notes = [f"calibration: {note}" for note in calibration.warnings]
    return Estimate(
        mode="calibrated", raw=value, value=value, p_misgen=float(misgen.mean()), p_harmful=value,
        interval=(low, high), interval_kind=f"95% credible, {kind}", clipped=False,
        contributions=tuple(contributions), warnings=(*prediction.warnings, *notes))


def _misgen_without(scenario: Scenario, calibration: Calibration, kind: str, settings: tuple[str, ...]) -> np.ndarray:
    """Draws of p_misgen with some settings left at the mean of the experiments."""
    return calibration.predict(replace(scenario, **{name: None for name in settings}), kind).draws["misgen"]


def _contribution(scenario: Scenario, calibration: Calibration, setting: str, multiplier: float,
                  effect: float) -> Contribution:
    value = getattr(scenario, setting)
    x = calibration.covariates(Scenario(scenario.shift, **{setting: value}))[0]
    varied = bool(np.any(np.ptp(calibration.posterior.x, axis=0)[x != 0] > 0))
    shown = f"{value:g}" if isinstance(value, int | float) else value
    return Contribution(FACTORS[setting], f"{setting}={shown}", multiplier, effect, "measured" if varied else "prior")
