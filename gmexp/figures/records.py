"""What figures and pages show of calibration.json, estimate.json and sensitivity.json, as records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gmexp.artefacts.decode import decode
from gmexp.rates.intervals import Mean
from gmexp.support.errors import UserError

__all__ = ["BaseRates", "CalibrationSummary", "ConditionRates", "Cross", "Following", "Level", "Literature", "ModelShift",
           "Modifier", "Posterior", "SensitivityStudy", "Share", "Summary", "TornadoBar", "base_rates_of", "calibration_of",
           "sensitivity_of"]

Quantiles = Mapping[str, float]  # mean, q025, q50, q975 and others by name


@dataclass(frozen=True, slots=True)
class Posterior:
    """A posterior's mean and 95% credible interval."""

    mean: float
    q025: float
    q975: float


@dataclass(frozen=True, slots=True)
class ModelShift:
    """A level of the calibrated model: a shift at a grade."""

    type: int
    name: str
    grade: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The posterior of a quantity under a shift and a condition, both by position."""

    quantity: str
    shift: int
    condition: int
    kind: str  # mean_over_runs or next_run
    mean: float
    q025: float
    q975: float


@dataclass(frozen=True, slots=True)
class Following:
    """The posterior of a quantity under a shift, by position, in an environment that nobody measured."""

    quantity: str
    shift: int
    kind: str  # next_environment or next_environment_next_run
    q025: float
    q50: float
    q975: float


@dataclass(frozen=True, slots=True)
class Literature:
    """The posterior of a base rate with the published one as evidence worth `a0` times that of the prior."""

    a0: float
    stage: str
    shift: int  # position
    published: float
    mean: float
    q025: float
    q975: float


@dataclass(frozen=True, slots=True)
class Level:
    """A measured setting of a modifier against the baseline."""

    modifier: str
    condition: int
    baseline: int
    published: float | None  # multiplier of the same step
    odds_ratio: Mapping[str, Quantiles]  # by stage
    risk_ratio: Quantiles


@dataclass(frozen=True, slots=True)
class Cross:
    """Two modifiers together over the product of the two."""

    modifiers: tuple[str, str]
    odds_ratio: Mapping[str, Quantiles]
    risk_ratio: Quantiles
    both: int  # condition


@dataclass(frozen=True, slots=True)
class Modifier:
    """A modifier of the published model: its range, and the slope that was measured."""

    name: str
    published_range: tuple[float, float]
    measured: bool = False
    settings: tuple[Any, ...] = ()  # from low to high risk
    odds_ratio: Mapping[str, Quantiles] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CalibrationSummary:
    """What calibration.json says; its draws are `gmexp.statistics.calibration.Calibration`'s."""

    shifts: tuple[ModelShift, ...]
    conditions: tuple[Mapping[str, Any], ...]
    usual_steps: Mapping[str, int]  # of training, by environment, where they are known
    summaries: tuple[Summary, ...]
    following: tuple[Following, ...]
    levels: tuple[Level, ...]
    crosses: tuple[Cross, ...]
    modifiers: tuple[Modifier, ...]
    literature: tuple[Literature, ...]
    diagnostics: Mapping[str, Any]
    warnings: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def envs(self) -> tuple[str, ...]:
        """Names of the environments, in order."""
        return tuple(sorted({str(condition.get("env") or "") for condition in self.conditions}))

    def next_environment(self, quantity: str, shift_type: int) -> Following | None:
        """What is expected of an environment that nobody measured, the mean over its runs, under a shift at grade 1."""
        return next((row for row in self.following if (row.quantity, row.kind) == (quantity, "next_environment")
                     and (self.shifts[row.shift].type, self.shifts[row.shift].grade) == (shift_type, 1)), None)

    @property
    def measured_modifiers(self) -> tuple[str, ...]:
        """Names of the modifiers of which at least one step was measured."""
        return tuple(dict.fromkeys(level.modifier for level in self.levels))


def calibration_of(content: Mapping[str, Any], where: str) -> CalibrationSummary:
    """The record of a calibration.json; what an earlier version did not say is empty."""
    model = content.get("model") or {}
    structure = model.get("structure") or {}
    if missing := [key for key in ("shifts", "conditions") if key not in structure]:
        raise UserError(f"{where} lacks model.structure.{missing[0]}")

    def rows(kind: type, found: Any, name: str) -> tuple:
        return tuple(decode(kind, row, f"{where}: {name}[{position}]", extra=True)
                     for position, row in enumerate(found or ()))

    return CalibrationSummary(
        rows(ModelShift, structure["shifts"], "model.structure.shifts"), tuple(structure["conditions"]),
        (structure.get("covariates") or {}).get("steps") or {}, rows(Summary, content.get("summaries"), "summaries"),
        rows(Following, (content.get("environments") or {}).get("next"), "environments.next"),
        rows(Level, model.get("levels"), "model.levels"), rows(Cross, model.get("crosses"), "model.crosses"),
        rows(Modifier, content.get("modifiers"), "modifiers"), rows(Literature, content.get("literature"), "literature"),
        content.get("diagnostics") or {}, tuple(map(str, content.get("warnings") or ())), content.get("provenance") or {})


# --- estimate.json ----------------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class ConditionRates:
    """Calibrated base rates at a training diversity."""

    train_diversity: float
    capability: Posterior
    goal_failure: Posterior
    p_misgen: Posterior
    unpursued: Mean | None = None  # goal failure with accidents discounted

    @property
    def label(self) -> str:
        return f"delta={self.train_diversity:g}"


@dataclass(frozen=True, slots=True)
class BaseRates:
    """A shift's base rates, published and per training diversity."""

    shift: int
    published: Mapping[str, float]  # capability, goal_failure, p_misgen
    conditions: tuple[ConditionRates, ...]
    causal: bool  # of both arms, else of first events


@dataclass(frozen=True, slots=True)
class _Row:
    """A shift as it is written; what its conditions hold beyond a figure's needs is passed over."""

    shift: int
    published: Mapping[str, float]
    conditions: tuple[Mapping[str, Any], ...]
    causal: bool = False


def base_rates_of(content: Mapping[str, Any], where: str) -> tuple[BaseRates, ...]:
    """The rows of an estimate.json."""
    rows = [decode(_Row, row, f"{where}: shifts[{position}]", extra=True) for position, row in enumerate(content["shifts"])]
    return tuple(BaseRates(row.shift, row.published, tuple(
        decode(ConditionRates, rates, f"{where}: shifts[{position}]: conditions[{i}]", extra=True)
        for i, rates in enumerate(row.conditions)), row.causal) for position, row in enumerate(rows))


# --- sensitivity.json -------------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class TornadoBar:
    """The estimate with one input at either end of its range."""

    name: str
    low_input: float
    high_input: float
    low_value: float
    high_value: float


@dataclass(frozen=True, slots=True)
class Share:
    """A Sobol index."""

    name: str
    first: float
    total: float


@dataclass(frozen=True, slots=True)
class Prior:
    """The prior of a base rate for a weight of the literature."""

    a0: float
    stage: str
    shift: int
    mean: float
    q025: float
    q975: float


@dataclass(frozen=True, slots=True)
class SensitivityStudy:
    """What the estimates of a study depend on."""

    shift: int  # of the scenario
    mode: str
    value: float
    tornado: tuple[TornadoBar, ...]
    sobol: tuple[Share, ...]
    priors: tuple[Prior, ...]
    shares: tuple[Mapping[str, float], ...]  # of the variance: shift, then a part each


def sensitivity_of(content: Mapping[str, Any], where: str) -> SensitivityStudy:
    """The record of a sensitivity.json."""
    def rows(kind: type, name: str) -> tuple:
        return tuple(decode(kind, row, f"{where}: {name}[{position}]", extra=True)
                     for position, row in enumerate(content.get(name) or ()))

    return SensitivityStudy(content["scenario"]["shift"], content["mode"], content["value"], rows(TornadoBar, "tornado"),
                            rows(Share, "sobol"), rows(Prior, "priors"), tuple(content.get("shares") or ()))
