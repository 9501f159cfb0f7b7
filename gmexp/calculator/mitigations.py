"""Mitigations applied to a scenario, in every mode.

published, odds   prevention replaces its modifier by 1 - the printed reduction, or keeps the scenario's if that is lower;
                  a response with a printed effect multiplies harm; what has no number changes nothing
calibrated        prevention is put at its modifier's low-risk setting where the experiments varied that; what was measured
                  otherwise (`evidence`) takes away the share of P(misgeneralization) that it took away there, a response of
                  the harm; a response that nobody measured acts as printed, and says so

Several at once count as they were measured together, if they were; else what each does alone is combined, with a warning:
here diversity and specification together were not the product of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gmexp.calculator.core import Calculator
from gmexp.calculator.evidence import STANDS_FOR, Evidence, evidence, load_mitigations, together
from gmexp.published.inputs import SETTINGS
from gmexp.published.modifiers import modifier_range
from gmexp.published.scenario import AfterMitigations, Estimate, Scenario
from gmexp.published.tables import row
from gmexp.rates.mitigated import Mitigated

__all__ = ["Portfolio", "estimate_with", "mitigate"]

LOW_RISK: dict[str, dict[str, Any]] = {  # the published low-risk end of each modifier that prevention acts on
    "spec": {"spec_quality": 0.9}, "div": {"diversity": 0.3}, "align": {"alignment": "interpretability_verified"}}
Range = tuple[float, float]


@dataclass(frozen=True)
class Portfolio:
    """Mitigations applied to a scenario. Ranges are (weakest, strongest) effect of the reductions.

    `naive` is what multiplying every printed reduction would claim, for comparison: it counts a modifier twice.
    """

    mitigations: tuple[str, ...]
    before: Estimate
    p_misgen: Range
    harm_factor: Range
    p_harmful: Range
    naive: Range
    warnings: tuple[str, ...]


def mitigate(scenario: Scenario, mitigations: Sequence[str], calculator: Calculator | None = None,
             content: Mitigated | None = None) -> Portfolio:
    """Apply mitigations of the table 'mitigations'; `content` is what was measured of them (the shipped file for None)."""
    calculator = calculator or Calculator()
    chosen = [row("mitigations", "name", name) for name in dict.fromkeys(mitigations)]
    before = calculator.estimate(scenario)
    naive = (before.value, before.value)
    for r in chosen:
        naive = _times(naive, _factors(r["reduction"])) if r["reduction"] else naive
    content = load_mitigations() if content is None else content
    apply = _as_measured if calculator.mode == "calibrated" else _as_printed
    after, misgen, harm, notes = apply(scenario, chosen, calculator, before, content)
    p_misgen = _times(tuple(min(e.p_misgen, 1.0) for e in after), misgen)
    p_harmful = tuple(e.p_harmful * m * h for e, m, h in zip(after, misgen, harm, strict=True))
    return Portfolio(tuple(r["name"] for r in chosen), before, p_misgen, harm, p_harmful, naive,
                     tuple(dict.fromkeys((*before.warnings, *after[0].warnings, *notes))))


def estimate_with(scenario: Scenario, mitigations: Sequence[str], calculator: Calculator) -> Estimate:
    """The estimate of a scenario, with what mitigations make of it beside it (`Estimate.after`)."""
    if not mitigations:
        return calculator.estimate(scenario)
    found = mitigate(scenario, mitigations, calculator)
    after = AfterMitigations(found.mitigations, found.p_misgen, found.harm_factor, found.p_harmful, found.naive)
    return replace(found.before, after=after, warnings=found.warnings)


# --- as printed -------------------------------------------------------------------------------------------------------

def _as_printed(scenario: Scenario, chosen: Sequence[Mapping[str, Any]], calculator: Calculator, before: Estimate,
                content: Mitigated) -> tuple[list[Estimate], Range, Range, list[str]]:
    multiplier_of = {c.name.removeprefix("M_"): c.multiplier for c in before.contributions}
    notes, replaced, harm = [], ({}, {}), (1.0, 1.0)
    for r in chosen:
        if r["reduction"] is None:
            notes.append(f"{r['name']}: the source prints '{r['printed']}' and no number; nothing changes")
            continue
        factors = _factors(r["reduction"])
        if r["acts_on"] == "harm":
            harm = _times(harm, factors)
            continue
        name = r["acts_on"]
        floor = modifier_range(name)[0]
        for end, factor in enumerate(factors):
            replaced[end][name] = min(factor, multiplier_of[name])
        if factors[1] < floor:
            notes.append(f"{r['name']}: 1 - {r['reduction'][1]:g} = {factors[1]:g} undercuts M_{name}'s published "
                         f"floor of {floor:g}")
        if multiplier_of[name] <= factors[1]:
            notes.append(f"{r['name']}: the scenario's M_{name} = {multiplier_of[name]:g} is as low already")
    acting = [r["name"] for r in chosen if r["reduction"]]
    if len(acting) > 1:
        notes.append(f"{', '.join(acting)}: combined as the model combines its factors, which is no measurement"
                     + _pair_note(content, acting, scenario.shift))
    return [calculator.estimate(_replace(scenario, changes)) for changes in replaced], (1.0, 1.0), harm, notes


def _pair_note(content: Mitigated, names: Sequence[str], shift: int) -> str:
    found = together(content, [STANDS_FOR[name] for name in names], shift)
    return "" if found is None else f"; measured together ({_said(found)})"


def _replace(scenario: Scenario, multipliers: dict[str, float]) -> Scenario:
    changes: dict[str, float | None] = {}
    for name, multiplier in multipliers.items():
        changes |= {SETTINGS[name]: None, f"m_{name}": multiplier}
    return replace(scenario, **changes)


# --- as measured ------------------------------------------------------------------------------------------------------

def _as_measured(scenario: Scenario, chosen: Sequence[Mapping[str, Any]], calculator: Calculator, before: Estimate,
                 content: Mitigated) -> tuple[list[Estimate], Range, Range, list[str]]:
    misgen, harm, notes, changes = (1.0, 1.0), (1.0, 1.0), [], {}
    names = [r["name"] for r in chosen]
    joint = together(content, [STANDS_FOR[name] for name in names], scenario.shift) if len(names) > 1 else None
    if joint is not None:
        return [before, before], _factors(joint.reduction[1:]), harm, [f"{' and '.join(names)}: measured together, "
                                                                       f"{_said(joint)}"]
    acting = []
    for r in chosen:
        found = evidence(content, STANDS_FOR[r["name"]], scenario.shift, scenario.grade)
        if r["acts_on"] in LOW_RISK and _varied(scenario, LOW_RISK[r["acts_on"]], r["acts_on"], calculator):
            changes |= LOW_RISK[r["acts_on"]]
        elif found is not None and found.layer == "response":
            harm = _times(harm, _factors(found.reduction[1:]))
            notes.append(f"{r['name']}: acts on harm as {found.method} was measured, {_said(found)}")
        elif found is not None:
            misgen = _times(misgen, _factors(found.reduction[1:]))
            notes.append(f"{r['name']}: takes away what {found.method} was measured to, {_said(found)}")
        elif r["acts_on"] == "harm":
            harm = _times(harm, _factors(r["reduction"]))
            notes.append(f"{r['name']}: its effect on harm is the printed one, which nothing here measures")
        else:
            reason = (f"the experiments did not vary {next(iter(LOW_RISK[r['acts_on']]))}" if r["acts_on"] in LOW_RISK else
                      f"nothing was measured under shift {scenario.shift}")
            notes.append(f"{r['name']}: {reason}; nothing changes")
            continue
        acting.append(r["name"])
    if len(acting) > 1:
        notes.append(f"{', '.join(acting)}: not measured together; their combination assumes that they act apart")
    after = calculator.estimate(replace(scenario, **changes))
    return [after, after], misgen, harm, notes


def _varied(scenario: Scenario, setting: Mapping[str, Any], name: str, calculator: Calculator) -> bool:
    """Whether the calibration's experiments varied a modifier."""
    tried = calculator.estimate(replace(scenario, **setting))
    return next(c.source for c in tried.contributions if c.name == f"M_{name}") == "measured"


def _said(found: Evidence) -> str:
    value, low, high = found.reduction
    games = f"{found.environments} environment{'s' * (found.environments > 1)}"
    first = " (first events)" if found.edition != "both arms" else ""
    return (f"{value:.2f} [{low:.2f}, {high:.2f}] of {found.risk}{first} at {found.setting}, {found.runs} pairs of runs in "
            f"{games}")


def _factors(reduction: Sequence[float]) -> Range:
    """What remains, at the weakest and at the strongest."""
    low, high = reduction
    return 1 - low, 1 - high


def _times(first: Range, second: Range) -> Range:
    return first[0] * second[0], first[1] * second[1]
