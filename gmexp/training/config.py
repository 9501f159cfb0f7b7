"""What `gmexp train` is told, and where runs are logged and computed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gmexp.agents.mitigation import mitigation_config, mitigation_names, mitigation_of
from gmexp.agents.trainer import current_name, find_trainer, trainer_names
from gmexp.artefacts.tracking import check_logger
from gmexp.support.checks import check_backend, check_seed, check_session, check_threads
from gmexp.support.composition import variant
from gmexp.support.extras import require
from gmexp_envs import Task, find_task, task_names

LAUNCHERS = {"local": None, "ray": "ray", "slurm": "submitit"}  # and the package that each needs


def env_config(name: str) -> type:
    """The configuration of an environment; ValueError where there is none of that name."""
    return find_task(name).config


def agent_config(name: str) -> type:
    """The configuration of a trainer; ValueError where there is none of that name."""
    return find_trainer(name).config


@dataclass
class LoggerConfig:
    """Where metrics go besides the artefacts."""

    name: str  # a key of `tracking.LOGGERS`
    mode: str  # W&B: offline or online
    project: str
    entity: str | None  # W&B: the user or team whose project it is; None: the account's own
    tags: list[str]  # besides the environment, the learner, delta and the backend
    notes: str | None

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
        if package := LAUNCHERS[self.name]:
            require(package, f"launcher={self.name}")
        if not 0 < self.memory_gb < math.inf:
            raise ValueError(f"launcher.memory_gb = {self.memory_gb} must be above 0")
        if self.retries < 0:
            raise ValueError(f"launcher.retries = {self.retries} must not be negative")


@dataclass
class TrainConfig:
    """`gmexp train`: one training run into out/runs/<run id>/."""

    experiment: str
    env: Any = variant(env_config, task_names)
    agent: Any = variant(agent_config, trainer_names, current_name)
    steps: int
    seed: int  # the train seed
    verified: bool  # a candidate that counts only if it passes goal verification (see `gmexp.mitigations.verification`)
    checkpoint_seconds: float  # how often a run saves its full state
    device: str
    backend: str  # of the environment: native, or procgen for the real binary, which teaches the same
    threads: int  # of the environment
    out: str
    logger: LoggerConfig
    evaluated: bool | None  # played under the shifts right after; None: where a logger is to tell of it
    mitigation: Any = variant(mitigation_config, mitigation_names)  # what acts against goal misgeneralization

    def __post_init__(self) -> None:
        check_backend(self.backend)
        check_threads(self.threads)
        if self.steps < 1:
            raise ValueError(f"steps = {self.steps} must be at least 1")
        check_seed("seed", self.seed)
        check_session(self.checkpoint_seconds, self.device)
        self.agent.name = current_name(self.agent.name)
        self.agent.actions_in(self.task)
        mitigation = mitigation_of(self.mitigation)
        if mitigation is not None and (why := mitigation.why_not(self.task, self.backend, self.device)):
            raise ValueError(f"mitigation={self.mitigation.name} cannot train here: {why}")

    @property
    def task(self) -> Task:
        """The environment that is trained in."""
        task = find_task(self.env.name)
        return task.on(task.distribution(self.env))

    @property
    def training(self) -> Any:
        """The level distribution that training draws from."""
        return self.task.distribution(self.env)
