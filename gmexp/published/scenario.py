"""What the calculator takes and gives: frozen records, validated at construction."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gmexp.support.errors import UserError

__all__ = ["AfterMitigations", "Contribution", "Estimate", "Estimates", "Scenario"]


@dataclass(frozen=True)
class Scenario:
    """A deployment to estimate. None means 'as in the base': the modifier is neutral (exactly 1).

    shift         0 in distribution (calibrated mode only), 1 superficial ... 4 extreme
    spec_quality  quality of the specification, 0 (pure proxy) to 1 (formal metric)
    capability    capability level, a label of the table 'capability_levels'
    diversity     share of training levels whose spurious correlation is broken, 0 to 1
    alignment     alignment method, a label of the table 'alignment_methods' (calibrated mode: or a measured one)
    m_spec ... m_align   a multiplier given outright, instead of the setting above it
    grade         strength of the shift, 0 to 1 (calibrated mode only; the published model has grade 1)
    """

    shift: int
    spec_quality: float | None = None
    capability: str | None = None
    diversity: float | None = None
    alignment: str | None = None
    m_spec: float | None = None
    m_cap: float | None = None
    m_div: float | None = None
    m_align: float | None = None
    grade: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.shift, bool) or not isinstance(self.shift, int | np.integer) or not 0 <= self.shift <= 4:
            raise UserError(f"shift must be a whole number from 0 to 4, not {self.shift!r}")
        for name in ("spec_quality", "diversity", "grade"):
            _check_number(name, getattr(self, name), 0.0, 1.0)
        for name, setting in (("m_spec", "spec_quality"), ("m_cap", "capability"), ("m_div", "diversity"),
                              ("m_align", "alignment")):
            multiplier = getattr(self, name)
            _check_number(name, multiplier, 0.0, math.inf)
            if multiplier is not None and (multiplier == 0 or math.isinf(multiplier)):
                raise UserError(f"{name} must be a finite multiplier above 0, not {multiplier!r}")
            if multiplier is not None and getattr(self, setting) is not None:
                raise UserError(f"give {setting} or {name}, not both")
        for name in ("capability", "alignment"):
            label = getattr(self, name)
            if label is not None and (not isinstance(label, str) or not label.strip()):
                raise UserError(f"{name} must be a label, not {label!r}")


def _check_number(name: str, value: float | None, low: float, high: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise UserError(f"{name} must be a number, not {value!r}")
    if math.isnan(value) or not low <= value <= high:
        wanted = f"from {low:g} to {high:g}" if math.isfinite(high) else f"of at least {low:g}"
        raise UserError(f"{name} must be a number {wanted}, not {value!r}")


@dataclass(frozen=True)
class Contribution:
    """One factor of an estimate: its setting, its multiplier, and where that comes from.

    `effect` is what the factor changes when it joins those before it, so that the effects add up to the value.
    """

    name: str
    setting: str
    multiplier: float
    effect: float
    source: str  # published, interpolated, inferred, given, neutral, measured, prior, assumed


@dataclass(frozen=True)
class AfterMitigations:
    """What mitigations make of an estimate. Ranges are (weakest, strongest) effect.

    harm_factor   what responses leave of the harm
    naive         what multiplying every printed reduction would claim
    """

    mitigations: tuple[str, ...]
    p_misgen: tuple[float, float]
    harm_factor: tuple[float, float]
    p_harmful: tuple[float, float]
    naive: tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """P(harmful misgeneralization) for one scenario.

    raw        the formula's number, which the published product can drive above 1
    value      the estimate, raw brought into [0, 1]; equal to p_harmful
    p_misgen   P(capability transfers and the goal fails), without harm; calibrated: realised misgeneralization
    interval   (low, high) as described by `interval_kind`; None where the source gives none
    kind, environments, intervals   calibrated mode: the population, how many environments speak, and 95% intervals of
               capability, goal_failure, latent, realised and harmful
    after      with mitigations, where any were asked for
    """

    mode: str
    raw: float
    value: float
    p_misgen: float
    p_harmful: float
    interval: tuple[float, float] | None
    interval_kind: str
    clipped: bool
    contributions: tuple[Contribution, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    kind: str | None = None
    environments: int | None = None
    intervals: dict[str, tuple[float, float]] | None = None
    after: AfterMitigations | None = None


@dataclass(frozen=True)
class Estimates:
    """The same for many scenarios at once: aligned arrays [n]. Missing intervals are NaN."""

    mode: str
    raw: np.ndarray
    value: np.ndarray
    p_misgen: np.ndarray
    p_harmful: np.ndarray
    low: np.ndarray
    high: np.ndarray
    clipped: np.ndarray
