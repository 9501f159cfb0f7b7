"""The schema of every stage's configuration: what its keys mean, and which values do not fit.

`gmexp.cli.config.load` fills them; the values live in conf/, a default in one place only.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import math
from dataclasses import dataclass
from typing import Any

import torch

from gmexp.agents.ppo import PPOConfig
from gmexp.artefacts.tracking import check_logger
from gmexp.statistics.config import CalibrationConfig
from gmexp.support.errors import first_line
from gmexp_envs import BACKENDS
from gmexp_envs.coinrun.distribution import LevelDistribution, Physics
from gmexp_envs.levels import split_levels

ENVIRONMENTS = ("coinrun",)
LAUNCHERS = {"local": None, "ray": "ray", "slurm": "submitit"}  # and the package that each needs
SEED_LIMIT = 2**63  # seeds are stored as 64-bit integers
MEASURES = ("attribution", "critic", "factors", "magnitude")
PHYSICS = tuple(f.name for f in dataclasses.fields(Physics))


@dataclass
class EnvConfig:
    """The training distribution of levels (see `envs.LevelDistribution`)."""

    name: str
    mode: str
    diversity: float  # delta = 1 - rho: share of training levels whose correlation is broken
    placement: str  # where the coin is on those levels
    appearance: float | None
    context: float
    spec_quality: float
    horizon: int
    train_levels: int | None  # how many levels of the training split; None for all
    physics: dict[str, float]  # see envs.Physics

    def __post_init__(self) -> None:
        if self.name not in ENVIRONMENTS:
            raise ValueError(f"env.name = {self.name!r}: choose one of {', '.join(ENVIRONMENTS)}")
        if not 0 <= self.diversity <= 1:
            raise ValueError(f"env.diversity = {self.diversity} is not within [0, 1]: it is the share of training "
                             "levels whose correlation is broken")
        if unknown := sorted(self.physics.keys() - set(PHYSICS)):
            raise ValueError(f"there is no env.physics.{unknown[0]}: choose from {', '.join(PHYSICS)}")
        self.distribution()  # refuses whatever else does not fit

    def distribution(self) -> LevelDistribution:
        """The levels that training draws from."""
        return LevelDistribution(
            levels=split_levels("train", self.train_levels), mode=self.mode, rho=1 - self.diversity,
            placement=self.placement, appearance=self.appearance, context=self.context,
            spec_quality=self.spec_quality, horizon=self.horizon, physics=Physics(**self.physics))


@dataclass
class LoggerConfig:
    """Where metrics go besides the artefacts."""

    name: str  # none or wandb
    mode: str  # offline or online
    project: str

    def __post_init__(self) -> None:
        check_logger(self.name, self.mode)


@dataclass
class LauncherConfig:
    """Where the runs of a study are computed."""

    name: str  # a key of LAUNCHERS
    memory_gb: float  # that a run may take: no more run side by side than there is memory for
    retries: int  # how often a run whose process or machine is lost is tried again
    cluster: str | None  # ray: its address; slurm: submitit's executor
    options: dict[str, Any]  # further arguments of ray.init or of submitit

    def __post_init__(self) -> None:
        if self.name not in LAUNCHERS:
            raise ValueError(f"launcher.name = {self.name!r}: choose one of {', '.join(LAUNCHERS)}")
        if (package := LAUNCHERS[self.name]) and importlib.util.find_spec(package) is None:
            raise ValueError(f"launcher={self.name} needs the {package} package: pip install 'gmexp[sweep]'")
        if not 0 < self.memory_gb < math.inf:
            raise ValueError(f"launcher.memory_gb = {self.memory_gb} must be above 0")
        if self.retries < 0:
            raise ValueError(f"launcher.retries = {self.retries} must not be negative")


@dataclass
class TrainConfig:
    """`gmexp train`: one training run into out/runs/<run id>/."""

    experiment: str
    env: EnvConfig
    agent: PPOConfig
    steps: int
    seed: int  # the train seed
    verified: bool  # a candidate that counts only if it passes goal verification (see `gmexp.mitigations.verification`)
    checkpoint_seconds: float  # how often a run saves its full state
    device: str
    backend: str  # of the environment: native, or procgen for the real binary, which teaches the same
    threads: int  # of the environment
    out: str
    logger: LoggerConfig

    def __post_init__(self) -> None:
        _check_backend(self.backend)
        _check_threads(self.threads)
        if self.steps < 1:
            raise ValueError(f"steps = {self.steps} must be at least 1")
        _check_seed("seed", self.seed)
        _check_session(self.checkpoint_seconds, self.device)


@dataclass
class EvaluationPlan:
    """What a trained agent is put through."""

    shifts: list[int]
    grades: list[float]
    probes: list[int]  # shift types that are also played on levels that all separate the goals
    attributed: list[int]  # shift types under which causal attribution is measured
    episodes: int  # per cell
    slots: int  # sub-environments per cell, each playing episodes / slots
    seed: int  # of sampled actions
    greedy: bool
    clips: int  # animated episodes to keep per run, at most

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.slots < 1 or self.episodes % self.slots:
            raise ValueError(f"evaluation.episodes = {self.episodes} must be a multiple of evaluation.slots = "
                             f"{self.slots}, so that every slot plays equally many")
        for name in ("shifts", "probes", "attributed"):
            for kind in getattr(self, name):
                if kind not in range(5):
                    raise ValueError(f"evaluation.{name} = {getattr(self, name)}: shift types are 0 (none) and 1 to 4")
        for name in ("shifts", "attributed"):
            if not getattr(self, name):
                raise ValueError(f"evaluation.{name} is empty: name at least one of 0 to 4")
        if lone := sorted(set(self.probes) - set(self.shifts)):
            raise ValueError(f"evaluation.probes names {lone[0]}, which evaluation.shifts = {self.shifts} does not")
        if max(self.shifts) > 0 and not self.grades:
            raise ValueError("evaluation.grades is empty: the shifts need at least one")
        for grade in self.grades:
            if not 0 <= grade <= 1:
                raise ValueError(f"evaluation.grades = {self.grades}: {grade} is not within [0, 1]")
        _check_seed("evaluation.seed", self.seed)
        if self.clips < 0:
            raise ValueError(f"evaluation.clips = {self.clips} must not be negative")


@dataclass
class VerificationPlan:
    """What a candidate must show on validation levels to count as verified."""

    levels: int
    at_least: float  # share of coins that it pursues, accidents discounted (`gmexp.measures.attribution`)

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise ValueError(f"verification.levels = {self.levels} must be at least 1")
        if not 0 <= self.at_least <= 1:
            raise ValueError(f"verification.at_least = {self.at_least} is not within [0, 1]")


@dataclass
class EvaluateConfig:
    """`gmexp evaluate`: play a checkpoint under shifts and write its episodes."""

    run: str  # folder of the run, or its checkpoint
    evaluation: EvaluationPlan
    device: str
    backend: str  # of the environment: native, or procgen for the real binary, where an agent fares the same

    def __post_init__(self) -> None:
        _check_device(self.device)
        _check_backend(self.backend)


@dataclass
class MeasureConfig:
    """`gmexp measure`: attribution, critic study, factors and magnitudes of a checkpoint."""

    run: str  # folder of the run, or its checkpoint
    measures: list[str]
    evaluation: EvaluationPlan
    device: str

    def __post_init__(self) -> None:
        if not self.measures:
            raise ValueError(f"measures is empty: name at least one of {', '.join(MEASURES)}")
        _check_measures(self.measures)
        _check_device(self.device)


@dataclass
class RatesConfig:
    """`gmexp rates`: episodes -> counts and rates."""

    study: str
    gate: float
    seed: int


@dataclass
class CalibrateConfig:
    """`gmexp calibrate`: counts -> posterior."""

    counts: str | None  # counts.parquet, a study's folder, or a CSV
    studies: list[str]  # several studies' folders instead
    out: str
    chains: int
    draws: int
    kept: int | None  # draws to store, evenly spaced; None for all
    seed: int

    def __post_init__(self) -> None:
        if self.kept is not None and self.kept < 4 * self.chains:
            raise ValueError(f"kept = {self.kept} must be at least four draws per chain, or null for all")


@dataclass
class ReportConfig:
    """`gmexp report`: figures and the HTML page of a study, or of all studies in a folder."""

    study: str | None
    results: str | None


@dataclass
class RunConfig:
    """`gmexp run`: a whole study, every stage of it."""

    experiment: str
    env: EnvConfig
    agent: PPOConfig
    steps: int
    conditions: list[dict[str, Any]]  # what varies between conditions: dotted keys of the training config
    seeds: list[int]  # train seeds of every condition that does not name its own
    verification: VerificationPlan
    reuse: list[str]  # studies whose finished runs are taken over where they are the same
    evaluation: EvaluationPlan
    measures: list[str]  # what else is measured of every run: names of MEASURES
    gate: float
    chains: int
    draws: int
    checkpoint_seconds: float
    device: str
    backend: str  # of training: native or procgen
    threads: int  # of every training environment
    workers: int | None  # runs side by side, at most; None for as many as fit
    out: str
    logger: LoggerConfig
    launcher: LauncherConfig
    statistics_seed: int  # of the bootstrap and the sampler

    def __post_init__(self) -> None:
        if not self.conditions or not self.seeds:
            raise ValueError("conditions and seeds must each name at least one")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds = {self.seeds} names a seed twice: runs must differ to count as replicates")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers = {self.workers} must be at least 1, or null for as many as fit")
        _check_measures(self.measures)
        _check_backend(self.backend)
        _check_threads(self.threads)
        if not 0 <= self.gate <= 1:
            raise ValueError(f"gate = {self.gate} is not within [0, 1]")
        CalibrationConfig(seed=self.statistics_seed, chains=self.chains, draws=self.draws)  # refuses what does not fit
        _check_session(self.checkpoint_seconds, self.device)


def _check_seed(key: str, seed: int) -> None:
    if not 0 <= seed < SEED_LIMIT:
        raise ValueError(f"{key} = {seed} is not within 0..{SEED_LIMIT - 1}")


def _check_session(checkpoint_seconds: float, device: str) -> None:
    if not checkpoint_seconds >= 0:  # also refuses NaN
        raise ValueError(f"checkpoint_seconds = {checkpoint_seconds} must not be negative")
    _check_device(device)


def _check_measures(names: list[str]) -> None:
    for name in names:
        if name not in MEASURES:
            raise ValueError(f"measures names {name!r}: choose from {', '.join(MEASURES)}")


def _check_threads(threads: int) -> None:
    if threads < 1:
        raise ValueError(f"threads = {threads} must be at least 1")


def _check_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise ValueError(f"backend = {backend!r}: choose one of {', '.join(BACKENDS)}")


def _check_device(device: str) -> None:
    """Refuse a device that torch does not know or this machine does not have."""
    try:
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device = {device!r} cannot be used here: {first_line(error)}") from error


SCHEMAS = {"train": TrainConfig, "evaluate": EvaluateConfig, "measure": MeasureConfig, "rates": RatesConfig,
           "calibrate": CalibrateConfig, "report": ReportConfig, "run": RunConfig}
