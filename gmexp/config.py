"""The schema of every stage's configuration. Values live in conf/, a default in one place only.

`load` composes conf/<verb>.yaml with `key=value` overrides by Hydra and returns plain dataclasses; typing errors,
unknown keys and missing values are one-line `UserError`s.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from envs.distribution import LevelDistribution, Physics, split_levels
from gmexp.agents.ppo import PPOConfig
from gmexp.errors import UserError


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
        if not 0 <= self.diversity <= 1:
            raise ValueError(f"env.diversity = {self.diversity} is not within [0, 1]: it is the share of training "
                             "levels whose correlation is broken")

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


@dataclass
class TrainConfig:
    """`gmexp train`: one training run into out/runs/<run id>/."""

    experiment: str
    env: EnvConfig
    agent: PPOConfig
    steps: int
    seed: int  # the train seed
    checkpoint_seconds: float  # how often a run saves its full state
    device: str
    out: str
    logger: LoggerConfig

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps = {self.steps} must be at least 1")
        if self.seed < 0:
            raise ValueError(f"seed = {self.seed} must not be negative")


@dataclass
class EvaluationPlan:
    """What a trained agent is put through."""

    shifts: list[int]
    grades: list[float]
    probes: list[int]  # shift types that are also played on levels that all separate the goals
    episodes: int  # per cell
    slots: int  # sub-environments per cell, each playing episodes / slots
    seed: int  # of sampled actions
    greedy: bool
    clips: int  # animated episodes to keep per run, at most

    def __post_init__(self) -> None:
        if self.episodes < 1 or self.slots < 1 or self.episodes % self.slots:
            raise ValueError(f"episodes = {self.episodes} must be a multiple of slots = {self.slots}, so that every "
                             "slot plays equally many")
        for name in ("shifts", "probes"):
            for kind in getattr(self, name):
                if kind not in range(5):
                    raise ValueError(f"{name} = {getattr(self, name)}: shift types are 0 (none) and 1 to 4")
        for grade in self.grades:
            if not 0 <= grade <= 1:
                raise ValueError(f"grade {grade} is not within [0, 1]")


@dataclass
class EvaluateConfig:
    """`gmexp evaluate`: play a checkpoint under shifts and write its episodes."""

    run: str  # folder of the run, or its checkpoint
    evaluation: EvaluationPlan
    device: str


@dataclass
class RatesConfig:
    """`gmexp rates`: episodes -> counts and rates."""

    study: str
    gate: float
    seed: int


@dataclass
class CalibrateConfig:
    """`gmexp calibrate`: counts -> posterior."""

    counts: str
    out: str
    chains: int
    draws: int
    seed: int


@dataclass
class ReportConfig:
    """`gmexp report`: figures and one HTML page of a study."""

    study: str


@dataclass
class RunConfig:
    """`gmexp run`: a whole study, every stage of it."""

    experiment: str
    env: EnvConfig
    agent: PPOConfig
    steps: int
    conditions: list[dict[str, Any]]  # what varies between conditions: dotted keys of the training config
    seeds: list[int]  # train seeds of every condition
    evaluation: EvaluationPlan
    gate: float
    chains: int
    draws: int
    checkpoint_seconds: float
    device: str
    workers: int | None  # runs trained side by side; None for one per core
    out: str
    logger: LoggerConfig
    statistics_seed: int = field(default=0)


SCHEMAS = {"train": TrainConfig, "evaluate": EvaluateConfig, "rates": RatesConfig, "calibrate": CalibrateConfig,
           "report": ReportConfig, "run": RunConfig}

for _verb, _schema in SCHEMAS.items():
    ConfigStore.instance().store(name=f"{_verb}_schema", node=_schema)


def config_folder() -> Path:
    """conf/ beside the package in a checkout, inside it in an installed wheel."""
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "run.yaml").is_file():
            return folder
    raise UserError(f"the configuration files are missing: expected them in {package / 'conf'}")


def load(verb: str, overrides: Sequence[str]) -> Any:
    """The configuration of a stage: conf/<verb>.yaml with `overrides` applied, as its dataclass."""
    logging.getLogger("hydra").setLevel(logging.ERROR)
    for override in overrides:
        if "=" not in override and not override.startswith("~"):
            raise UserError(f"'{override}' is not of the form key=value")
    try:
        with initialize_config_dir(str(config_folder()), version_base="1.3", job_name=f"gmexp-{verb}"):
            config = compose(verb, overrides=list(overrides))
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise UserError(f"{missing[0]} is missing: give {missing[0]}=... (see gmexp {verb} --help)")
        return OmegaConf.to_object(config)
    except HydraException as error:
        raise UserError(_explain(verb, error, overrides)) from error
    except OmegaConfBaseException as error:
        raise UserError(_first_line(error)) from error
    except ValueError as error:
        raise UserError(str(error)) from error


def override(config: Any, changes: dict[str, Any]) -> Any:
    """A copy of a config dataclass with dotted keys changed, checked against its schema."""
    node = OmegaConf.structured(config)
    try:
        for key, value in changes.items():
            if OmegaConf.select(node, key, throw_on_missing=False) is None and key not in _keys(node):
                raise UserError(_unknown(key, _keys(node)))
            OmegaConf.update(node, key, value)
        return OmegaConf.to_object(node)
    except (OmegaConfBaseException, ValueError) as error:
        raise UserError(_first_line(error)) from error


def _keys(node: Any, prefix: str = "") -> list[str]:
    keys = []
    for key in node:
        name = f"{prefix}{key}"
        keys.append(name)
        child = node._get_node(key)
        if OmegaConf.is_dict(child) and not child._is_none() and not child._is_missing():
            keys += _keys(child, f"{name}.")
    return keys


def _unknown(key: str, known: Sequence[str]) -> str:
    """One line for a key that does not exist, with the nearest one that does."""
    last = key.rsplit(".", 1)[-1]
    near = difflib.get_close_matches(key, known, 1, 0.5) or [k for k in known if k.rsplit(".", 1)[-1] == last]
    return f"there is no key '{key}'" + (f": did you mean '{near[0]}'?" if near else "")


def _explain(verb: str, error: Exception, overrides: Sequence[str]) -> str:
    """Hydra's explanation as one line, with the nearest key or choice."""
    text = " ".join(str(error).split())
    if "Could not override" in text or "not in '" in text or "is not in struct" in text:
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            keys = _keys(compose(verb))
        for item in overrides:
            key = item.lstrip("+~").split("=")[0]
            if key not in keys and key not in _groups():
                return _unknown(key, [*keys, *_groups()])
    if "Could not find" in text or "In '" in text:
        for item in overrides:
            group, _, choice = item.lstrip("+").partition("=")
            if group in _groups() and choice not in _choices(group):
                return f"there is no {group}={choice}: choose one of {', '.join(_choices(group))}"
    if "You must specify" in text:
        for group in _groups():
            if f"'{group}'" in text:
                return f"give {group}=..., one of {', '.join(_choices(group))}"
    return _first_line(error)


_WRAPPERS = ("raised while composing", "Error merging override")  # Hydra's lines above the one that says what is wrong


def _groups() -> list[str]:
    return sorted(p.name for p in config_folder().iterdir() if p.is_dir())


def _choices(group: str) -> list[str]:
    return sorted(p.stem for p in (config_folder() / group).glob("*.yaml"))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    noise = ("full_key", "object_type", "reference_type")
    lines = [line for line in lines if not line.startswith(noise) and not any(word in line for word in _WRAPPERS)]
    key = [line.split(":", 1)[1].strip() for line in str(error).splitlines() if line.strip().startswith("full_key")]
    first = lines[0] if lines else type(error).__name__
    return f"{key[0]}: {first}" if key and key[0] and key[0] not in first else first
