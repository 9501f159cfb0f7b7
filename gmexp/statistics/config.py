"""What a calibration is asked to do: plain values, one place for each default."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gmexp.support.errors import UserError

__all__ = ["A0_GRID", "CalibrationConfig", "Priors"]

A0_GRID = (0.0, 0.25, 0.5, 1.0)  # weights of the literature that are always reported


@dataclass(frozen=True)
class Priors:
    """Prior of the hierarchical model. A base rate is uniform on (0, 1): logit mu ~ Logistic(0, 1)."""

    beta_sd: float = 1.0  # a modifier's log odds ratio over its published low-to-high contrast
    omega_sd: float = 1.0  # half-normal: departures of conditions from the modifiers' lines, logit scale
    tau_sd: float = 0.5  # half-normal: shift-by-condition deviations, logit scale
    sigma_sd: float = 1.5  # half-normal: run effects shared by all shifts, logit scale
    phi_log_mean: float = math.log(2.0)  # log-normal: concentration of a run's rate around its mean, in runs
    phi_log_sd: float = 1.0
    literature_n0: float = 2.0  # pseudo-runs behind a published rate at a0 = 1


@dataclass(frozen=True)
class CalibrationConfig:
    """Settings of `calibrate`. Runs are the unit of evidence throughout."""

    seed: int = 0
    chains: int = 4
    warmup: int = 600
    draws: int = 1000  # per chain, after warm-up
    target_accept: float = 0.85
    a0: float = 0.0  # weight of the published rates; 0 leaves them out
    phi_per_shift: bool = True  # else one concentration per stage
    condition_effects: bool | None = None  # None: where conditions outnumber what their settings can tell apart
    cell_effects: bool | None = None  # None: where a shift has more than one condition
    run_effects: bool | None = None  # None: where one run is evaluated under several shifts
    ordered: bool = False  # keep only draws whose risk does not fall from shift type 1 to 4
    capability_gate: float = 0.8  # in-distribution levels solved, for the gated results
    gated: bool = False  # leave out runs below the gate
    rhat_max: float = 1.01
    ess_min: float = 400.0
    attempts: int = 3  # each doubles warm-up and draws until the diagnostics pass
    priors: Priors = field(default_factory=Priors)

    def __post_init__(self) -> None:
        for name, low in (("chains", 2), ("warmup", 100), ("draws", 20), ("attempts", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise UserError(f"{name} must be a whole number >= {low}, not {value!r}")
        if not 0 <= self.a0 <= 1:
            raise UserError(f"a0 must be a number from 0 to 1, not {self.a0!r}")
        if not 0.5 <= self.target_accept < 1:
            raise UserError(f"target_accept must be from 0.5 to below 1, not {self.target_accept!r}")
        for name, value in vars(self.priors).items():
            if name != "phi_log_mean" and not (math.isfinite(value) and value > 0):
                raise UserError(f"priors.{name} must be a finite number above 0, not {value!r}")
