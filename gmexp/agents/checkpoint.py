"""The file that keeps a trained agent: its weights, and what is known of it; equal runs make equal ones."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gmexp import artefacts
from gmexp.agents.config import AgentConfig
from gmexp.agents.networks import Network, network_weights
from gmexp.agents.policy import Policy
from gmexp.agents.shipped import FOLDER, SHIPPED
from gmexp.agents.trainer import current_name, find_trainer, trainer_names
from gmexp.artefacts.decode import decode
from gmexp.artefacts.records import RunMeta
from gmexp.support.errors import UserError, first_line
from gmexp_envs import FrameStyle, Task, find_task, task_names

NAME = "checkpoint.npz"
VERSION = 2  # 1: the first layer was two
UNSAID = {"git_sha": None, "created_utc": "", "settings": None}  # in a checkpoint: run.json says it


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A trained agent as read from disk."""

    path: Path
    network: Network
    agent: AgentConfig
    env: Any  # the task's configuration
    meta: RunMeta
    style: FrameStyle | None = None  # of the frames it saw in training; None where it saw none, or did not keep it

    @property
    def observation(self) -> str:
        """What it sees: semantic or pixels."""
        return self.agent.observation

    @property
    def action_repeat(self) -> int:
        """Game steps that its actions last."""
        return self.agent.action_repeat

    @property
    def task(self) -> Task:
        """The environment that it was trained in."""
        task = find_task(self.env.name)
        return task.on(task.distribution(self.env))

    @property
    def training(self) -> Any:
        """The level distribution that training drew from."""
        return self.task.distribution(self.env)

    @property
    def device(self) -> str:
        """Where the network is."""
        return str(next(self.network.parameters()).device)

    def policy(self, seed: int, greedy: bool = False, slots: int = 0) -> Policy:
        """The agent as something that acts; `slots` as in `Policy`."""
        return Policy(self.network, self.agent.action_set(self.task), seed, greedy, slots)


def write_checkpoint(folder: Path, weights: Mapping[str, np.ndarray], steps: int, config: Mapping[str, Any],
                     meta: RunMeta, style: FrameStyle | None = None) -> Path:
    """Write the weights after `steps` of the run with the identity `config` (`gmexp.training.train.identity`); `style` is
    that of the frames it saw, if it saw any."""
    lasting = {key: value for key, value in artefacts.plain(meta).items() if key not in UNSAID}
    about = {"version": VERSION, "agent": config["agent"], "env": config["env"], "meta": lasting, "steps": steps}
    if style is not None:
        about["frames"] = dataclasses.asdict(style)
    return artefacts.write_npz(folder / NAME, {**weights, "about": np.array(json.dumps(about, sort_keys=True))})


def find_checkpoint(path: Path | str) -> Path:
    """The checkpoint that is named, the one in a run's folder, or the `shipped` one; UserError without any."""
    path = FOLDER if str(path) == SHIPPED else Path(path)
    path = path / NAME if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}: give the folder of a finished run, as `gmexp train` prints it")
    return path


def load_checkpoint(path: Path | str, device: str = "cpu") -> Checkpoint:
    """Read a checkpoint, or the one in a run's folder; UserError where it is missing, damaged or of another kind."""
    path = find_checkpoint(path)
    try:
        arrays = artefacts.read_npz(path, required=("about",))
    except UserError as error:
        raise UserError(f"{error}; to train the run again, remove its folder") from error
    about = artefacts.parse_json(str(arrays["about"]), path)
    if not isinstance(about, dict) or about.get("version") != VERSION:
        version = about.get("version") if isinstance(about, dict) else None
        raise UserError(f"{path} is a checkpoint of version {version}, this gmexp reads version {VERSION}")
    try:
        task = _named(about["env"]["name"], task_names(), find_task, "environment", "gmexp.tasks")
        agent = _agent(about["agent"], f"{path}: agent")
        env = decode(task.config, about["env"], f"{path}: env")
        meta = decode(RunMeta, UNSAID | about["meta"], f"{path}: meta")
        style = decode(FrameStyle, about["frames"], f"{path}: frames") if "frames" in about else None
        network = agent.build(task.on(task.distribution(env)), torch.Generator().manual_seed(0))
        weights = network_weights(arrays, network)
        if not all(torch.isfinite(weight).all() for weight in weights.values()):
            raise UserError(f"{path} holds weights that are no finite numbers: it cannot be evaluated")
        network.load_state_dict(weights)
    except UserError:
        raise
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:
        raise UserError(f"{path} is not a checkpoint of this gmexp: {first_line(error)}") from error
    return Checkpoint(path, network.to(device), agent, env, meta, style)


def _agent(content: Any, where: str) -> AgentConfig:
    """The trainer's configuration; an earlier version's name of the trainer is read."""
    name = current_name(content["name"])
    spec = _named(name, trainer_names(), find_trainer, "trainer", "gmexp.trainers")
    return decode(spec.config, content | {"name": name}, where)


def _named(name: Any, known: Sequence[str], find: Callable[[str], Any], what: str, group: str) -> Any:
    """What a checkpoint names. An import path would run code on the word of a file: only what is known by name, or
    imported already, is taken."""
    if name in known or (isinstance(name, str) and name.partition(":")[0] in sys.modules):
        return find(name)
    raise UserError(f"it is of the {what} {str(name)[:60]!r}, which is not known here: import its module first, or "
                    f"install it with an entry point {group}")
