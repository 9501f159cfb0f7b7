"""The schema of every stage's configuration: what its keys mean, and which values do not fit.

`gmexp.cli.config.load` fills them; the values live in conf/, a default in one place only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gmexp.agents.trainer import current_name, trainer_names
from gmexp.evaluation.config import EvaluateConfig, EvaluationPlan
from gmexp.measures.config import MeasureConfig, check_measures
from gmexp.mitigations.verification import VerificationPlan
from gmexp.statistics.config import CalibrationConfig
from gmexp.support.checks import check_backend, check_session, check_threads
from gmexp.support.composition import variant
from gmexp.training.config import LauncherConfig, LoggerConfig, TrainConfig, agent_config, env_config
from gmexp_envs import task_names


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
    env: Any = variant(env_config, task_names)
    agent: Any = variant(agent_config, trainer_names, current_name)
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
        check_measures(self.measures)
        check_backend(self.backend)
        check_threads(self.threads)
        if not 0 <= self.gate <= 1:
            raise ValueError(f"gate = {self.gate} is not within [0, 1]")
        CalibrationConfig(seed=self.statistics_seed, chains=self.chains, draws=self.draws)  # refuses what does not fit
        check_session(self.checkpoint_seconds, self.device)


SCHEMAS = {"train": TrainConfig, "evaluate": EvaluateConfig, "measure": MeasureConfig, "rates": RatesConfig,
           "calibrate": CalibrateConfig, "report": ReportConfig, "run": RunConfig}
