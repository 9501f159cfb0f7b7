"""The calibrated mode: a posterior from experiments in place of the published numbers.

What is measured beside what is published: capability beside P(capability), goal failure beside P(goal fails given
capability), realised beside P(misgeneralization). A factor is `measured` only if the experiments varied it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.published.formula import Z90, harm_values
from gmexp.published.scenario import Contribution, Estimate, Scenario
from gmexp.published.tables import table
from gmexp.statistics.calibration import FEW_ENVIRONMENTS, Calibration, Prediction
from gmexp.statistics.posterior import QUANTITIES
from gmexp.statistics.scenarios import columns_of
from gmexp.support.errors import UserError

__all__ = ["SHIPPED", "Population", "discount_curve", "estimate_calibrated", "harm_draws", "load_calibration", "transport_curve"]

SHIPPED = Path(__file__).parent / "data" / "calibration.json"
FACTORS = {"spec_quality": "M_spec", "capability": "M_cap", "diversity": "M_div", "alignment": "M_align"}
COLUMNS = {"spec_quality": "spec", "capability": "cap", "diversity": "div"}
TRANSPORTS = (0.0, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Population:
    """Whom a prediction is about: its kind (None: the next environment, or this setup where `env` is named), environment,
    learner, and the sd in logits between that population and a deployment."""

    kind: str | None = None
    env: str | None = None
    learner: str | None = None
    transport: float = 0.0


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
    if harm in (None, "assumed", "elicited"):  # the latter is its name in the first edition
        a, b = calibration.harm["a"], calibration.harm["b"]
        rng = np.random.default_rng([calibration.posterior.seed, 5])
        return rng.beta(a, b, size=n), f"assumed, Beta({a:.2f}, {b:.2f})"
    if harm == "printed" and shift == 0:
        raise UserError("harm=printed exists for shift types 1 to 4; use assumed, stated, pooled or a number")
    value = float(harm_values(harm)[max(shift, 1) - 1])
    return np.full(n, value), f"{harm}" if isinstance(harm, str) else "given"


def estimate_calibrated(scenario: Scenario, calibration: Calibration, harm: str | float | None,
                        population: Population = Population()) -> Estimate:
    """Posterior mean of realised misgeneralization x harm, with the 95% credible interval of every stage.

    The effects of the contributions add up to the value: the reference, then one setting after the other, then harm.
    """
    prediction = _predict(calibration, scenario, population)
    realised = prediction.draws["realised"]
    harms, harm_name = harm_draws(calibration, harm, scenario.shift, len(realised))
    harmful = realised * harms
    intervals = {name: _interval(prediction.draws[name]) for name in QUANTITIES} | {"harmful": _interval(harmful)}
    value = float(harmful.mean())
    return Estimate(
        mode="calibrated", raw=value, value=value, p_misgen=float(realised.mean()), p_harmful=value,
        interval=intervals["harmful"], interval_kind=prediction.interval_kind, clipped=False,
        contributions=_contributions(scenario, calibration, population, harms, harm_name),
        warnings=(*_about(prediction), *prediction.warnings, *(f"calibration: {note}" for note in calibration.warnings)),
        kind=prediction.kind, environments=prediction.environments, intervals=intervals)


def _predict(calibration: Calibration, scenario: Scenario, population: Population) -> Prediction:
    return calibration.predict(scenario, population.kind, population.env, population.learner, population.transport)


def _interval(draws: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def _about(prediction: Prediction) -> list[str]:
    if prediction.environments >= FEW_ENVIRONMENTS or not prediction.kind.startswith("next_environment"):
        return []
    games = "1 environment" if prediction.environments == 1 else f"{prediction.environments} environments"
    return [f"reinforcement-learning agents in {games}: fewer than {FEW_ENVIRONMENTS} say little about the next one"]


def _contributions(scenario: Scenario, calibration: Calibration, population: Population, harms: np.ndarray,
                   harm_name: str) -> tuple[Contribution, ...]:
    """The reference, every setting in turn, and harm: effects on the way from one to the next, multipliers as medians."""
    current = replace(scenario, **{name: None for name in FACTORS})
    before = _predict(calibration, current, population)
    base = float(before.draws["realised"].mean())
    measured = any(level.type == scenario.shift for level in calibration.posterior.shifts)
    grade = scenario.grade if scenario.shift else 0
    parts = [Contribution("base", f"type {scenario.shift}, grade {grade:g}, at the reference", base, base,
                          "measured" if measured else "prior")]
    for setting in FACTORS:
        if getattr(scenario, setting) is None:
            continue
        current = replace(current, **{setting: getattr(scenario, setting)})
        after = _predict(calibration, current, population)
        ratio = float(np.median(after.draws["latent"] / np.maximum(before.draws["latent"], np.finfo(float).tiny)))
        parts.append(_contribution(scenario, calibration, setting, ratio,
                                   float(after.draws["realised"].mean() - before.draws["realised"].mean())))
        before = after
    realised = before.draws["realised"]
    parts.append(Contribution("harm", harm_name, float(harms.mean()), float(np.mean(realised * harms) - realised.mean()),
                              "assumed" if harm_name.startswith("assumed") else "given"))
    return tuple(parts)


def _contribution(scenario: Scenario, calibration: Calibration, setting: str, multiplier: float,
                  effect: float) -> Contribution:
    value = getattr(scenario, setting)
    asked = columns_of(Scenario(scenario.shift, **{setting: value}))
    names = calibration.posterior.covariates.names
    if setting == "alignment" and not asked:  # the reference method itself
        varied = any(name.startswith("align:") for name in names)
    else:
        varied = all(name in names for name in (asked or {COLUMNS[setting]: 0}))
    shown = f"{value:g}" if isinstance(value, int | float) else value
    return Contribution(FACTORS[setting], f"{setting}={shown}", multiplier, effect, "measured" if varied else "prior")


def transport_curve(scenario: Scenario, calibration: Calibration, harm: str | float | None = None) -> list[dict[str, Any]]:
    """What a deployment's own difference does, sd psi in logits: 0, 0.5, 1, 2, and the source's +-50% read as 90%."""
    source = math.log(table("uncertainties").rows[0]["factor"]) / Z90
    rows = []
    for psi in sorted({*TRANSPORTS, source}):
        result = estimate_calibrated(scenario, calibration, harm, Population(transport=psi))
        rows.append({"psi": psi, "is": "the source's +-50%" if psi == source else "", "value": result.value,
                     "low": result.interval[0], "high": result.interval[1]})
    return rows


def discount_curve(scenario: Scenario, calibration: Calibration) -> list[dict[str, Any]]:
    """Capability and goal failure of the scenario's shift when these data count to the power a, against the published Beta."""
    shifts = calibration.posterior.shifts
    return [{"a": row["a"], "quantity": row["stage"], "published": row["published"], "mean": row["mean"], "low": row["q025"],
             "high": row["q975"]} for row in calibration.literature if shifts[row["shift"]].type == scenario.shift]
