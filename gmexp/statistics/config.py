"""What a calibration is asked to do: plain values, one place for each default."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from gmexp.support.errors import UserError

__all__ = ["SAMPLER", "CalibrationConfig", "Priors", "check_kept", "sampler"]

SAMPLER = (  # keys of calibrate and run
    "chains", "draws", "warmup", "target_accept", "attempts", "rhat_max", "ess_min", "divergences_max")


@dataclass(frozen=True)
class Priors:
    """Scales of the hierarchical model, in logits. A rate at the reference is uniform: alpha ~ Logistic(0, 1).

    Every standard deviation is half-Student with three degrees of freedom: a scale that the data want far out is not held
    back.
    """

    beta: float = 1.0  # normal: a modifier's log odds ratio over its published low-to-high contrast
    env: float = 1.5  # environments' levels
    env_shift: float = 0.5  # what a shift does in one environment and not in another
    learner: float = 1.0
    slope: float = 0.5  # modifiers' differences between environments
    condition: float = 0.5
    cell: float = 0.5  # condition x shift
    seed: float = 0.5  # training seeds that several conditions share
    run: float = 1.0  # what a run keeps across shifts
    run_shift: float = 1.0  # what it does under one shift only
    run_shift_ratio: float = 1.0  # normal: log ratio of a shift's run_shift to their geometric mean
    coupling: float = 1.0  # normal: how far a later stage's logit follows an earlier one within a run and shift
    skill_mean: float = 1.0  # normal, not learnt: logit of P(intended goal | pursued) in a cell
    skill_sd: float = 1.5
    literature_n0: float = 2.0  # pseudo-runs behind a published rate

    @property
    def scales(self) -> tuple[float, ...]:
        """In the order of `gmexp.statistics.model.SCALES`."""
        return (self.env, self.env_shift, self.slope, self.learner, self.condition, self.cell, self.seed, self.run)


@dataclass(frozen=True)
class CalibrationConfig:
    """Settings of `calibrate`. Runs are the replicates within an environment, environments those of what generalises."""

    seed: int = 0
    chains: int = 4
    warmup: int = 500
    draws: int = 1000  # per chain, after warm-up
    target_accept: float = 0.85  # of trajectories; a further attempt raises it where too many diverged
    trajectory: float = 1.6  # mean length, in standard deviations of the coordinate widest beside its scale
    rhat_max: float = 1.01
    ess_min: float = 400.0
    divergences_max: float = 1e-3  # share of transitions; how many there were is always stated
    attempts: int = 3  # each goes on from the last and doubles the draws, kept together, until the diagnostics pass
    cores: int = 1  # processes among which chains are divided; more pay from a few hundred cells on
    priors: Priors = field(default_factory=Priors)

    def __post_init__(self) -> None:
        for name, low in (("chains", 2), ("warmup", 100), ("draws", 20), ("attempts", 1), ("cores", 1)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise UserError(f"{name} must be a whole number >= {low}, not {value!r}")
        for name, low in (("rhat_max", 1.0), ("ess_min", 0.0)):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > low):
                raise UserError(f"{name} must be a finite number above {low:g}, not {getattr(self, name)!r}")
        if not 0 <= self.divergences_max <= 1:
            raise UserError(f"divergences_max must be a share of transitions, from 0 to 1, not {self.divergences_max!r}")
        if not 0.5 <= self.target_accept < 1:
            raise UserError(f"target_accept must be from 0.5 to below 1, not {self.target_accept!r}")
        for name, value in vars(self.priors).items():
            if name != "skill_mean" and not (math.isfinite(value) and value > 0):
                raise UserError(f"priors.{name} must be a finite number above 0, not {value!r}")


def check_kept(kept: int | None, chains: int) -> None:
    """ValueError where so few draws are to be stored that chains could not be told apart."""
    if kept is not None and kept < 4 * chains:
        raise ValueError(f"kept = {kept} must be at least four draws per chain, or null for all")


def sampler(keys: Any, seed: int) -> CalibrationConfig:
    """The settings that the keys `SAMPLER` of a verb's configuration, and `cores` where it has them, ask for."""
    return CalibrationConfig(seed, cores=getattr(keys, "cores", 1), **{name: getattr(keys, name) for name in SAMPLER})
