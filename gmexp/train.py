"""Stage `train`: a configuration -> one training run.

A run lives in out/runs/<run id>/. While it trains, resume.npz holds its full state, so a run killed at any moment goes
on from there and ends with the same bits; when it is done, checkpoint.npz holds the weights, curve.parquet the learning
curve and run.json what is known of the run, written last: a run with a run.json is complete.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import envs
from gmexp import artefacts
from gmexp.agents.ppo import ACTION_SETS, PPO, Network, Policy, PPOConfig, network_weights
from gmexp.compilation import compile_kernels
from gmexp.config import EnvConfig, TrainConfig
from gmexp.errors import UserError
from gmexp.progress import Bar
from gmexp.quiet import imported
from gmexp.records import CurvePoint, RunMeta
from gmexp.seeding import stream
from gmexp.study import Study
from gmexp.tracking import Tracker, open_tracker

CHECKPOINT_VERSION = 1
NOT_IDENTITY = ("out", "logger", "checkpoint_seconds", "backend", "threads")  # change how, not what a run learns


def _sb3() -> type:
    """The second trainer, imported only where it is used."""
    try:
        return imported("gmexp.agents.sb3").SB3PPO
    except ModuleNotFoundError as error:
        raise UserError(f"agent=sb3_ppo needs stable-baselines3 (no module {error.name}): pip install "
                        "'gmexp[sb3]'") from error


TRAINERS: dict[str, Callable[[], type]] = {"ppo": lambda: PPO, "sb3_ppo": _sb3}  # by agent.name


def run(config: TrainConfig) -> int:
    """`gmexp train`."""
    meta = describe(config)
    compile_kernels()
    with Bar(config.steps, f"train {meta.run_id}", "step") as bar:
        train(config, bar.advance)
    print(Study(Path(config.out)).run(meta.run_id))
    return 0


def identity(config: TrainConfig) -> dict[str, Any]:
    """The part of a configuration that decides what the run learns."""
    plain = dataclasses.asdict(config)
    return {key: value for key, value in plain.items() if key not in NOT_IDENTITY}


def describe(config: TrainConfig) -> RunMeta:
    """What is known of a run from its configuration; the run id ends in the configuration's hash."""
    digest = artefacts.config_hash(identity(config))
    env, agent = config.env, config.agent
    origin = artefacts.provenance(None, identity(config), "a training run")
    return RunMeta(
        run_id=f"{env.name}-{agent.name}-d{env.diversity:g}-s{config.seed}-{digest[:8]}",
        experiment_id=config.experiment, train_seed=config.seed, env=env.name, algo=agent.name,
        train_diversity=env.diversity, spurious_corr=1 - env.diversity, spec_quality=env.spec_quality,
        capability_level=None, align_method=None, train_steps=config.steps, horizon=env.horizon,
        config_hash=digest, git_sha=origin.git_sha, created_utc=origin.created_utc)


def train(config: TrainConfig, on_progress: Callable[[int], None] = lambda steps: None) -> Path:
    """Train, or go on training, the run of `config` -> its folder. A complete run is left as it is.

    `on_progress` is told how many environment steps were added, those of an earlier, interrupted session included.
    """
    meta = describe(config)
    folder = Study(Path(config.out)).run(meta.run_id)
    if (folder / "run.json").is_file():
        on_progress(config.steps)
        return folder
    artefacts.check_writable(folder)
    torch.set_num_threads(1)  # one thread per run: the same bits on any number of cores
    seeds = {name: stream(config.seed, name) for name in ("levels", "agent")}
    env = envs.make_vec(config.env.name, config.agent.num_envs, distribution=config.env.distribution(),
                        seed=seeds["levels"], action_repeat=config.agent.action_repeat, backend=config.backend,
                        threads=config.threads)
    agent = TRAINERS[config.agent.name]()(config.agent, env, config.steps, seeds["agent"], config.device)
    curve, seconds = _resume(folder / "resume.npz", agent, meta)
    on_progress(min(agent.steps, config.steps))
    with open_tracker(config.logger.name, mode=config.logger.mode, project=config.logger.project,
                      group=config.experiment, name=meta.run_id, config=identity(config), dir=folder,
                      id=meta.run_id) as tracker:
        seconds = _loop(config, agent, curve, seconds, folder, meta, tracker, on_progress)
    _finish(config, agent, curve, seconds, folder, meta)
    env.close()
    return folder


def _loop(config: TrainConfig, agent: PPO, curve: list[CurvePoint], seconds: float, folder: Path, meta: RunMeta,
          tracker: Tracker, on_progress: Callable[[int], None]) -> float:
    """Iterate to the end, saving the full state from time to time -> seconds of training in all."""
    saved = time.monotonic()
    while not agent.finished:
        started, before = time.perf_counter(), agent.steps
        progress = agent.iterate()
        spent = time.perf_counter() - started
        seconds += spent
        point = CurvePoint(steps=agent.steps, seconds=seconds, steps_per_second=(agent.steps - before) / spent,
                           **progress._asdict())
        if not np.isfinite([progress.policy_entropy, progress.value_loss, progress.explained_variance]).all():
            raise UserError(f"training diverged within {agent.steps} steps: lower agent.learning_rate, which is "
                            f"{config.agent.learning_rate:g}")
        curve.append(point)
        tracker.log({k: v for k, v in dataclasses.asdict(point).items() if v is not None and k != "steps"},
                    step=agent.steps)
        on_progress(min(agent.steps, config.steps) - before)
        if time.monotonic() - saved >= config.checkpoint_seconds and not agent.finished:
            points = json.dumps([dataclasses.asdict(p) for p in curve])
            artefacts.write_npz(folder / "resume.npz", agent.state() | {
                "curve": np.array(points), "config_hash": np.array(meta.config_hash)})
            saved = time.monotonic()
    return seconds


def _resume(path: Path, agent: PPO, meta: RunMeta) -> tuple[list[CurvePoint], float]:
    """Put an interrupted run's state into `agent` -> its learning curve so far and the seconds it took."""
    if not path.is_file():
        return [], 0.0
    try:
        state = artefacts.read_npz(path, required=("curve", "config_hash"))
        if str(state["config_hash"]) != meta.config_hash:
            raise ValueError("it belongs to another configuration")
        curve = [CurvePoint(**point) for point in json.loads(str(state.pop("curve")))]
        agent.restore(state)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"cannot go on from {path}: {error}; remove it to start this run anew") from error
    return curve, curve[-1].seconds if curve else 0.0


def _finish(config: TrainConfig, agent: PPO, curve: list[CurvePoint], seconds: float, folder: Path,
            meta: RunMeta) -> None:
    """Write the complete run, run.json last, and drop what only resumption needed."""
    origin = artefacts.provenance(None, identity(config), "a training run", wall_s=seconds)
    weights = {f"network.{k}": v.numpy(force=True) for k, v in agent.network.state_dict().items()}
    timeless = {key: value for key, value in artefacts.plain(meta).items() if key != "created_utc"}
    about = {"version": CHECKPOINT_VERSION, "agent": dataclasses.asdict(config.agent),
             "env": dataclasses.asdict(config.env), "meta": timeless}  # equal runs make equal checkpoints
    artefacts.write_npz(folder / "checkpoint.npz", weights | {"about": np.array(json.dumps(about, sort_keys=True))})
    artefacts.write_table(folder / "curve.parquet", curve, CurvePoint, origin)
    artefacts.write_json(folder / "run.json", {"meta": meta, "config": identity(config)}, origin)
    (folder / "resume.npz").unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A trained agent as read from disk."""

    path: Path
    network: Network
    agent: PPOConfig
    env: EnvConfig
    meta: RunMeta

    def policy(self, seed: int, greedy: bool = False, slots: int = 0) -> Policy:
        """The agent as something that acts; `slots` as in `Policy`."""
        return Policy(self.network, self.agent.actions, seed, greedy, slots)


def load_checkpoint(path: Path | str, device: str = "cpu") -> Checkpoint:
    """Read a checkpoint, or the one in a run's folder; UserError where it is missing, damaged or of another kind."""
    path = Path(path)
    path = path / "checkpoint.npz" if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}: give the folder of a finished run, as `gmexp train` prints it")
    try:
        arrays = artefacts.read_npz(path, required=("about",))
    except UserError as error:
        raise UserError(f"{error}; to train the run again, remove its folder") from error
    try:
        about = json.loads(str(arrays["about"]))
        if about["version"] != CHECKPOINT_VERSION:
            raise UserError(f"{path} is a checkpoint of version {about['version']}, this gmexp reads version "
                            f"{CHECKPOINT_VERSION}")
        agent, env, meta = PPOConfig(**about["agent"]), EnvConfig(**about["env"]), RunMeta(**about["meta"], created_utc="")
        network = Network(agent.width, agent.hidden, len(ACTION_SETS[agent.actions]), torch.Generator().manual_seed(0))
        network.load_state_dict(network_weights(arrays, network))
    except UserError:
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path} is not a checkpoint of this gmexp: {error}") from error
    return Checkpoint(path, network.to(device), agent, env, meta)
