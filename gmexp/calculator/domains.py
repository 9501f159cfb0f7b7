"""Application domains and timeline projections of the published model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmexp.calculator.core import Calculator
from gmexp.published.formula import harm_values
from gmexp.published.scenario import Estimate, Scenario
from gmexp.published.tables import row, table
from gmexp.support.errors import UserError

if TYPE_CHECKING:
    from gmexp.statistics.calibration import Calibration

__all__ = ["CAVEAT", "Compared", "Domain", "Projection", "compare", "compare_all", "project", "recompute",
           "recompute_all"]


@dataclass(frozen=True)
class Domain:
    """A printed domain range beside base x M_spec at the ends of its shift types.

    residual = printed - recomputed, ratio = printed / recomputed, growth = printed 2027 / printed current; each
    (low end, high end).
    """

    name: str
    title: str
    types: tuple[int, int]
    spec_quality: float
    printed: tuple[float, float]
    recomputed: tuple[float, float]
    residual: tuple[float, float]
    ratio: tuple[float | None, float | None]  # None where nothing is left of the recomputed end, as with harm=0
    printed_2027: tuple[float, float]
    growth: tuple[float, float]


def recompute(name: str, calculator: Calculator | None = None) -> Domain:
    """The domain's range from the calculator (published mode unless another is given)."""
    r = row("domains", "name", name)
    calculator = calculator or Calculator()
    ends = tuple(calculator.estimate(Scenario(t, spec_quality=r["spec_quality"])).value for t in r["types"])
    printed, later = r["current"], r["projected_2027"]
    pairs = list(zip(printed, ends, strict=True))
    return Domain(name, r["title"], r["types"], r["spec_quality"], printed, ends,
                  tuple(p - e for p, e in pairs), tuple(p / e if e else None for p, e in pairs), later,
                  tuple(b / a for a, b in zip(printed, later, strict=True)))


def recompute_all(calculator: Calculator | None = None) -> tuple[Domain, ...]:
    """Every domain of the table."""
    return tuple(recompute(name, calculator) for name in table("domains").column("name"))


CAVEAT = ("The calibrated numbers are those of small reinforcement-learning agents in a few games, for the next such "
          "environment, carried over to deployed systems by nothing but the model's own shift types and specification "
          "quality. No experiment here tests that step: read them as what the model says once its opinions are replaced by "
          "these measurements.")


@dataclass(frozen=True)
class Compared:
    """A domain's P(harmful misgeneralization) from each mode, at the (low, high) ends of its shift types."""

    name: str
    title: str
    types: tuple[int, int]
    spec_quality: float
    printed: tuple[float, float]
    published: tuple[float, float]
    odds: tuple[float, float]
    calibrated: tuple[float, float]  # posterior means
    interval: tuple[float, float]  # from the lower 95% limit of the one end to the upper one of the other
    p_misgen: tuple[float, float]  # calibrated, without harm


def compare(name: str, calibration: Calibration | str | Path | None = None) -> Compared:
    """A domain re-estimated from a calibration (the shipped one for None), beside both readings of the published model.

    The ends are in the order of risk, which in experiments need not be that of the shift types.
    """
    r = row("domains", "name", name)
    calculator = Calculator("calibrated", calibration=calibration)
    ends = sorted((calculator.estimate(Scenario(t, spec_quality=r["spec_quality"])) for t in r["types"]),
                  key=lambda estimate: estimate.value)
    published, odds = (recompute(name, Calculator(mode)).recomputed for mode in ("published", "odds"))
    return Compared(name, r["title"], r["types"], r["spec_quality"], r["current"], published, odds,
                    tuple(e.value for e in ends), (min(e.interval[0] for e in ends), max(e.interval[1] for e in ends)),
                    tuple(e.p_misgen for e in ends))


def compare_all(calibration: Calibration | str | Path | None = None) -> tuple[Compared, ...]:
    """Every domain of the table."""
    calibration = Calculator("calibrated", calibration=calibration).calibration  # read once
    return tuple(compare(name, calibration) for name in table("domains").column("name"))


@dataclass(frozen=True)
class Projection:
    """A scenario carried to a period: the estimate multiplied by the period's low and high factor."""

    period: str
    multipliers: tuple[float, float]
    now: Estimate
    raw: tuple[float, float]
    value: tuple[float, float]
    warnings: tuple[str, ...]


def project(scenario: Scenario, period: str, calculator: Calculator | None = None,
            allow_double_count: bool = False) -> Projection:
    """Project a scenario to a period of the table 'timeline'.

    The timeline's drivers are capability gains, so a scenario that already sets the capability modifier is refused
    unless `allow_double_count`. Published mode multiplies the raw product and clips, odds mode multiplies the odds.
    """
    calculator = calculator or Calculator()
    if calculator.mode == "calibrated":
        raise UserError("timeline multipliers belong to the published model: use mode=published or mode=odds")
    r = row("timeline", "name", period)
    multipliers = (r["low"], r["high"])
    sets_capability = scenario.capability is not None or scenario.m_cap not in (None, 1.0)
    notes = []
    if sets_capability and multipliers != (1.0, 1.0):
        if not allow_double_count:
            raise UserError(f"the scenario sets capability, and {period}'s multiplier is driven by capability too: "
                            "drop one, or set allow_double_count=true")
        notes.append("capability is counted twice: in M_cap and in the timeline multiplier")
    now = calculator.estimate(scenario)
    if calculator.mode == "published":
        raw = tuple(now.raw * m for m in multipliers)
    else:
        raw = tuple(now.raw * m / (1 + now.raw * (m - 1)) for m in multipliers)
    if max(raw) > 1:
        if calculator.strict:
            raise UserError(f"the projected product is {max(raw):.4f}, not a probability; use mode=odds")
        notes.append(f"the projected product reaches {max(raw):.4f}, above 1: clipped")
    return Projection(period, multipliers, now, raw, tuple(min(x, 1.0) for x in raw), (*now.warnings, *notes))


def harm_is_stated(harm: float) -> bool:
    """Whether a harm lies within the stated 50-70%."""
    r = row("harm", "name", "stated")
    return r["low"] <= harm <= r["high"]


def implied_harm() -> tuple[float, ...]:
    """Harm inferred from the printed bases, by shift type."""
    return tuple(float(h) for h in harm_values("printed"))
