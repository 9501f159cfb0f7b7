"""What a training run is: its configuration, what makes it the same run as another, what is known of it, where it lies."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmexp import artefacts
from gmexp.agents.mitigation import mitigation_of
from gmexp.agents.trainer import find_trainer
from gmexp.artefacts.condition import condition_hash, learner_hash, settings
from gmexp.artefacts.records import RunMeta
from gmexp.artefacts.study import Study
from gmexp.training.config import TrainConfig

# These change how, or for whom, a run learns, and not what: equal runs of two studies are one run.
NOT_IDENTITY = ("experiment", "out", "logger", "checkpoint_seconds", "backend", "threads", "evaluated")
VERIFIED = "interpretability_verified"  # in the calculator's words, as `TrainerSpec.method`


@dataclass(frozen=True)
class Run:
    """A run that is planned, under way or done."""

    config: TrainConfig
    identity: dict[str, Any]  # the part of the configuration that decides what it learns
    meta: RunMeta

    @staticmethod
    def of(config: TrainConfig) -> Run:
        """The run of a configuration; UserError or ValueError where there cannot be one."""
        what = identity(config)
        return Run(config, what, _meta(config, what))

    @property
    def id(self) -> str:
        return self.meta.run_id

    @property
    def folder(self) -> Path:
        return self.study.run(self.id)

    @property
    def study(self) -> Study:
        """The study that it lies in."""
        return Study(Path(self.config.out))

    @property
    def finished(self) -> bool:
        """Whether it is complete."""
        return self.study.is_finished(self.meta)


def identity(config: TrainConfig) -> dict[str, Any]:
    """The part of a configuration that decides what the run learns."""
    plain = {key: value for key, value in dataclasses.asdict(config).items() if key not in NOT_IDENTITY}
    mitigation = mitigation_of(config.mitigation)
    del plain["mitigation"]  # runs without one are those of earlier versions
    if plain["env"].get("held_out") == "seeds":
        del plain["env"]["held_out"]  # the same
    plain |= {"mitigation": mitigation.identity} if mitigation else {}
    return plain | {"agent": config.agent.identity(config.task)}


def describe(config: TrainConfig) -> RunMeta:
    """What is known of a run from its configuration."""
    return Run.of(config).meta


def _meta(config: TrainConfig, what: dict[str, Any]) -> RunMeta:
    """The run id ends in the hash of the identity `what`."""
    env, agent, task = config.env, config.agent, config.task
    digest = artefacts.config_hash(what)
    origin = artefacts.provenance(None, what, "a training run")
    return RunMeta(
        run_id=f"{_slug(task.name)}-{_slug(agent.name)}-d{env.diversity:g}-s{config.seed}-{digest[:8]}",
        experiment_id=config.experiment, train_seed=config.seed,
        env=task.variant(env), algo=agent.algo(task),
        train_diversity=env.diversity, spurious_corr=1 - env.diversity, spec_quality=env.spec_quality,
        capability_level=None,  # nothing here was compared with people
        align_method=VERIFIED if config.verified else find_trainer(agent.name).method,
        train_steps=config.steps, horizon=env.horizon, config_hash=digest, git_sha=origin.git_sha,
        created_utc=origin.created_utc, width=agent.width, condition_hash=condition_hash(what),
        learner_hash=learner_hash(what), demonstrator=agent.imitated(task), settings=settings(what))


def _slug(name: str) -> str:
    """A name, or an import path, as part of a folder's name."""
    return re.sub(r"[^\w-]+", "_", name)
