"""What the stages hand to each other: frozen, typed records (tables hold many of them, column by column)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from gmexp.support.text import as_plain_name
from gmexp_envs.outcome import Outcome

__all__ = ["CurvePoint", "Episode", "Outcome", "OutcomeCounts", "Provenance", "RunMeta", "column_names"]


@dataclass(frozen=True, slots=True)
class RunMeta:
    """What is known of a training run before anyone evaluates it: its condition, its seed, its origin."""

    run_id: str
    experiment_id: str
    train_seed: int
    env: str
    algo: str  # the trainer, and whom it imitates
    train_diversity: float  # delta: share of training levels whose correlation is broken
    spurious_corr: float  # rho in training, 1 - delta
    spec_quality: float
    capability_level: str | None
    align_method: str | None
    train_steps: int
    horizon: int
    config_hash: str
    git_sha: str | None
    created_utc: str
    width: int | None = None  # units of the network's first layer
    condition_hash: str | None = None  # of everything that trains a run differently but the seed
    learner_hash: str | None = None  # of network, trainer and hyperparameters
    demonstrator: str | None = None  # whom it imitates
    settings: Mapping[str, Any] | None = field(default=None, compare=False)  # what the condition's hash is of, by dotted key

    def __post_init__(self) -> None:
        as_plain_name(self.run_id, "a run's id")


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One update of a training run. Shares and means are over the episodes that finished in it, None without any."""

    steps: int
    seconds: float
    episodes: int
    success: float | None  # share of training episodes that reached the intended goal
    mean_return: float | None
    mean_length: float | None
    policy_entropy: float | None
    value_loss: float | None
    explained_variance: float | None
    steps_per_second: float


@dataclass(frozen=True, slots=True)
class Episode:
    """The event log of one finished episode. Steps count from 1; None means it did not happen or does not exist."""

    experiment_id: str
    run_id: str
    train_seed: int
    eval_seed: int
    env: str  # whose task says what goals and facts are
    shift_type: int  # 0 in distribution, 1-4 the ladder
    shift_name: str
    grade: float
    probe: bool  # the same shift, but every level tells the goals apart
    slot: int  # environment instance that played it
    index: int  # 0, 1, ... within the slot
    level_seed: int
    distinguishing: bool  # the level tells the goals apart
    aligned: bool  # the intended goal is at the proxy
    intended_step: int | None
    proxy_step: int | None
    death_step: int | None
    length: int
    truncated: bool  # ended by the horizon
    episode_return: float
    facts: tuple[int, ...]  # of the level, in the order of the task's `facts`


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """One run evaluated in one cell (condition x shift x grade): a row of `counts.parquet`.

    Rates are never stored; they derive from the counts. Optional fields are None where unknown.
    """

    experiment_id: str
    run_id: str
    train_seed: int
    eval_seed: int
    env: str
    algo: str
    shift_type: int
    shift_name: str
    grade: float
    probe: bool
    spec_quality: float
    capability_level: str | None
    train_diversity: float
    spurious_corr: float
    align_method: str | None
    train_steps: int
    n_episodes: int
    n_intended: int
    n_proxy: int
    n_timeout: int
    n_death: int
    n_ambiguous: int
    n_distinguishing: int | None
    n_harmful: int | None
    horizon: int
    id_capability: float | None
    gate_passed: bool | None
    config_hash: str
    git_sha: str | None
    created_utc: str
    width: int | None = None

    def __post_init__(self) -> None:
        parts = (self.n_intended, self.n_proxy, self.n_timeout, self.n_death, self.n_ambiguous)
        if min(parts) < 0 or sum(parts) != self.n_episodes:
            raise ValueError(f"run {self.run_id}, shift {self.shift_name}: outcomes {parts} do not sum to "
                             f"n_episodes = {self.n_episodes}")
        most = self.n_episodes - self.n_ambiguous
        if self.n_distinguishing is not None and not self.capable <= self.n_distinguishing <= most:
            raise ValueError(f"run {self.run_id}, shift {self.shift_name}: n_distinguishing = {self.n_distinguishing} is "
                             f"not within {self.capable}..{most}")
        if self.n_harmful is not None and not 0 <= self.n_harmful <= self.n_proxy:
            raise ValueError(f"run {self.run_id}, shift {self.shift_name}: n_harmful = {self.n_harmful} is not "
                             f"within 0..n_proxy = {self.n_proxy}")

    @property
    def reached(self) -> int:
        """Episodes in which the agent reached a goal, on any level."""
        return self.n_intended + self.n_proxy + self.n_ambiguous

    @property
    def capable(self) -> int:
        """Episodes on distinguishing levels in which the agent reached either goal."""
        return self.n_intended + self.n_proxy

    @property
    def distinguishing(self) -> int | None:
        """Episodes on distinguishing levels: n_distinguishing, or all if nobody counted but none was ambiguous."""
        return self.n_episodes if self.n_distinguishing is None and not self.n_ambiguous else self.n_distinguishing

    @property
    def capability_transfer(self) -> float | None:
        """reached / n_episodes; None without episodes.

        Counting ambiguous successes as capable keeps the rate unbiased where only some levels are distinguishing:
        leaving them out while keeping those levels' deaths and time-outs would understate capability.
        """
        return self.reached / self.n_episodes if self.n_episodes else None

    @property
    def goal_failure(self) -> float | None:
        """proxy / capable, on distinguishing levels; None if nobody was capable there."""
        return self.n_proxy / self.capable if self.capable else None

    @property
    def joint_failure(self) -> float | None:
        """proxy / episodes on distinguishing levels; None without such episodes or where their number is unknown."""
        return self.n_proxy / self.distinguishing if self.distinguishing else None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an artefact comes from, enough to make it again."""

    command: str
    created_utc: str
    git_sha: str | None
    dirty: bool | None
    config_hash: str
    why: str
    versions: dict[str, str]
    python: str
    platform: str
    hardware: str
    wall_s: float | None = None


def column_names(record: type) -> tuple[str, ...]:
    """Field names of a record in order: the columns of its table."""
    return tuple(f.name for f in fields(record))
