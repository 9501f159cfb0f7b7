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
    arm: str  # visible, masked or aligned
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
    """One run evaluated in one cell (run x shift x grade): a row of `counts.parquet`.

    The visible arm plays the shift as it is. The masked arm plays the same levels with the intended goal neither seen nor
    rewarded, and logs who touches its place. Rates are never stored; they derive. Optional fields are None where unknown.
    """

    experiment_id: str
    run_id: str
    train_seed: int
    eval_seed: int
    env: str
    learner: str | None  # id of network, trainer and hyperparameters; None: one unknown learner
    algo: str
    shift_type: int
    shift_name: str
    grade: float
    spec_quality: float | None
    train_diversity: float | None
    align_method: str | None
    demonstrator: str | None  # whom a clone imitates
    train_steps: int | None
    width: int | None
    n_visible: int  # episodes of the visible arm, on any level
    n_intended: int  # of these: intended goal first, on a distinguishing level
    n_proxy: int  # proxy first, on a distinguishing level
    n_timeout: int
    n_death: int
    n_ambiguous: int  # a goal reached on a level that cannot tell the two apart
    n_distinguishing: int | None  # visible episodes on distinguishing levels
    n_masked: int | None  # episodes of the masked arm on distinguishing levels; None: no such arm was played
    masked_intended: int | None  # of these: the intended goal's place first
    masked_proxy: int | None  # proxy first
    n_harmful: int | None
    horizon: int | None
    id_capability: float | None
    config_hash: str
    git_sha: str | None
    created_utc: str
    probe: bool = False  # a distinguishing set: the shift's appearance and context, every level tells the goals apart

    def __post_init__(self) -> None:
        parts = (self.n_intended, self.n_proxy, self.n_timeout, self.n_death, self.n_ambiguous)
        where = f"run {self.run_id}, shift {self.shift_name}"
        if min(parts) < 0 or sum(parts) != self.n_visible:
            raise ValueError(f"{where}: outcomes {parts} do not sum to n_visible = {self.n_visible}")
        if (
            self.n_distinguishing is not None
            and not self.capable <= self.n_distinguishing <= self.n_visible - self.n_ambiguous
        ):
            raise ValueError(f"{where}: n_distinguishing = {self.n_distinguishing} is not "
                             f"within {self.capable}..{self.n_visible - self.n_ambiguous}")
        if self.n_harmful is not None and not 0 <= self.n_harmful <= self.n_proxy:
            raise ValueError(f"{where}: n_harmful = {self.n_harmful} is not within 0..n_proxy = {self.n_proxy}")
        masked = (self.n_masked, self.masked_intended, self.masked_proxy)
        if any(m is None for m in masked) != all(m is None for m in masked):
            raise ValueError(f"{where}: n_masked, masked_intended and masked_proxy are known together or not at all")
        if self.n_masked is not None and (min(masked) < 0 or self.masked_intended + self.masked_proxy > self.n_masked):
            raise ValueError(f"{where}: masked_intended + masked_proxy = {self.masked_intended} + {self.masked_proxy} "
                             f"exceed n_masked = {self.n_masked}")

    @property
    def reached(self) -> int:
        """Visible episodes in which the agent reached a goal, on any level."""
        return self.n_intended + self.n_proxy + self.n_ambiguous

    @property
    def useful(self) -> int:
        """Visible episodes that reach the intended goal: first, or where it is the proxy's place."""
        return self.n_intended + self.n_ambiguous

    @property
    def capable(self) -> int:
        """Visible episodes on distinguishing levels in which the agent reached either goal."""
        return self.n_intended + self.n_proxy

    @property
    def distinguishing(self) -> int | None:
        """Episodes on distinguishing levels: n_distinguishing, or all if nobody counted but none was ambiguous."""
        return self.n_visible if self.n_distinguishing is None and not self.n_ambiguous else self.n_distinguishing

    @property
    def revealed(self) -> float | None:
        """Share of the visible episodes whose level can tell the goals apart."""
        return None if self.distinguishing is None or not self.n_visible else self.distinguishing / self.n_visible

    @property
    def capability(self) -> float | None:
        """C: a goal's place reached in the masked arm; None without that arm."""
        return (self.masked_intended + self.masked_proxy) / self.n_masked if self.n_masked else None

    @property
    def accident_rate(self) -> float | None:
        """h: the intended goal's place reached first by an agent that cannot see it."""
        return self.masked_intended / self.n_masked if self.n_masked else None

    @property
    def goal_failure(self) -> float | None:
        """G: rate of proxy first, visible over masked; above 1 by chance, None where either arm has nothing to say."""
        if not self.masked_proxy or not self.distinguishing:
            return None
        return (self.n_proxy / self.distinguishing) / (self.masked_proxy / self.n_masked)

    @property
    def first_event_failure(self) -> float | None:
        """proxy / (intended or proxy first), accidents included; None if nobody reached a goal there."""
        return self.n_proxy / self.capable if self.capable else None

    @property
    def realised(self) -> float | None:
        """Proxy first on a distinguishing level, of all episodes played under the shift."""
        return self.n_proxy / self.n_visible if self.n_visible else None


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
