"""Stage `train`: a configuration -> one training run.

A run lives in out/runs/<run id>/. While it trains, resume.npz holds its full state, so a run killed at any moment goes
on from there and ends with the same bits; when it is done, checkpoint.npz holds the weights, curve.parquet the learning
curve and run.json what is known of the run, written last: a run with a run.json is complete. best/checkpoint.npz holds
the weights after the iteration whose training success over the last WINDOW iterations was the highest; evaluated
as `run=.../best`, its results lie beside it and never mix with those of the last weights.
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

import gmexp_envs
from gmexp import artefacts
from gmexp.agents.checkpoint import write_checkpoint
from gmexp.agents.cloning import Cloning, trained_demonstrator
from gmexp.agents.ppo import PPO, PPOConfig
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, RunMeta
from gmexp.artefacts.study import Study
from gmexp.artefacts.tracking import Tracker, open_tracker
from gmexp.rates.learning import WINDOW
from gmexp.support.errors import UserError
from gmexp.support.host import settle_torch
from gmexp.support.progress import Bar
from gmexp.support.quiet import imported
from gmexp.support.seeding import stream
from gmexp.training.compilation import compile_kernels
from gmexp.training.config import TrainConfig
from gmexp_envs.vec import DeviceUnavailable

RESUME_VERSION = 2
# These change how, or for whom, a run learns, and not what: equal runs of two studies are one run.
NOT_IDENTITY = ("experiment", "out", "logger", "checkpoint_seconds", "backend", "threads")
METHODS = {"cloning": "behavioral_cloning", "cloning_intended": "behavioral_cloning",
           "cloning_proxy": "behavioral_cloning_of_proxy"}
VERIFIED = "interpretability_verified"  # in the calculator's words, as `METHODS`


def _sb3() -> type:
    """The second trainer, imported only where it is used."""
    try:
        return imported("gmexp.agents.sb3").SB3PPO
    except ModuleNotFoundError as error:
        raise UserError(f"agent=sb3_ppo needs stable-baselines3 (no module {error.name}): pip install "
                        "stable-baselines3") from error


TRAINERS: dict[str, Callable[[], type]] = {  # by agent.name
    "ppo": lambda: PPO, "sb3_ppo": _sb3,
    "cloning": lambda: Cloning, "cloning_intended": lambda: Cloning, "cloning_proxy": lambda: Cloning}
ON_DEVICE = ("ppo", "cloning")  # trainers that take their worlds' tensors from wherever they are


def run(config: TrainConfig) -> int:
    """`gmexp train`."""
    if config.verified:
        raise UserError("verified=true trains a candidate that counts only if it passes, which `gmexp run` finds out: "
                        "give it to a condition of a study")
    meta = describe(config)
    compile_kernels()
    with Bar(config.steps, f"train {meta.run_id}", "step") as bar:
        train(config, bar.advance)
    print(Study(Path(config.out)).run(meta.run_id))
    return 0


def identity(config: TrainConfig) -> dict[str, Any]:
    """The part of a configuration that decides what the run learns; a demonstrator is the SHA-256 of its checkpoint."""
    plain = {key: value for key, value in dataclasses.asdict(config).items() if key not in NOT_IDENTITY}
    del plain["agent"]["demonstrator"]  # a path; and the runs of trainers without one are those of earlier versions
    if (imitated := trained_demonstrator(config.agent)) is not None:
        plain["agent"]["demonstrator"] = imitated.digest
    return plain


def describe(config: TrainConfig) -> RunMeta:
    """What is known of a run from its configuration; the run id ends in the configuration's hash."""
    what = identity(config)
    digest = artefacts.config_hash(what)
    env, agent = config.env, config.agent
    origin = artefacts.provenance(None, what, "a training run")
    return RunMeta(
        run_id=f"{env.name}-{agent.name}-d{env.diversity:g}-s{config.seed}-{digest[:8]}",
        experiment_id=config.experiment, train_seed=config.seed,
        env=config.task.variant(env), algo=_algo(agent),
        train_diversity=env.diversity, spurious_corr=1 - env.diversity, spec_quality=env.spec_quality,
        capability_level=None,  # nothing here was compared with people
        align_method=VERIFIED if config.verified else METHODS.get(agent.name, "standard"),
        train_steps=config.steps, horizon=env.horizon, config_hash=digest, git_sha=origin.git_sha,
        created_utc=origin.created_utc, width=agent.width)


def _algo(agent: PPOConfig) -> str:
    """The trainer and what its network sees, with whom it imitates: students of other demonstrators are other conditions."""
    name = agent.name if agent.network == "semantic" else f"{agent.name}_{agent.network}"
    if (imitated := trained_demonstrator(agent)) is None:
        return name
    theirs = imitated.checkpoint.meta
    return f"{name}_of_{theirs.algo}_d{theirs.train_diversity:g}"


def train(config: TrainConfig, on_progress: Callable[[int], None] = lambda steps: None) -> Path:
    """Train, or go on training, the run of `config` -> its folder. A complete run is left as it is.

    `on_progress` is told how many environment steps were added, those of an earlier, interrupted session included.
    """
    meta = describe(config)
    study = Study(Path(config.out))
    folder = study.run(meta.run_id)
    if study.is_finished(meta):
        on_progress(config.steps)
        return folder
    artefacts.check_writable(folder)
    artefacts.remove_temporaries(folder)
    settle_torch()
    seeds = {name: stream(config.seed, name) for name in ("levels", "agent")}
    try:
        env = gmexp_envs.make_vec(config.task, config.agent.num_envs, distribution=config.training,
                            seed=seeds["levels"], observation=config.agent.observation,
                            action_repeat=config.agent.action_repeat, backend=config.backend, threads=config.threads,
                            device=env_device(config.device, config.backend) if config.agent.name in ON_DEVICE else "cpu")
    except DeviceUnavailable as error:
        raise UserError(str(error)) from error
    agent = TRAINERS[config.agent.name]()(config.agent, config.task, env, config.steps, seeds["agent"], config.device)
    curve, best = _resume(folder / "resume.npz", agent, meta)
    on_progress(min(agent.steps, config.steps))
    with open_tracker(config.logger.name, mode=config.logger.mode, project=config.logger.project,
                      group=config.experiment, name=meta.run_id, config=identity(config), dir=folder,
                      id=f"{config.experiment}-{meta.run_id}") as tracker:
        best = _loop(config, agent, curve, best, folder, meta, tracker, on_progress)
    _finish(config, agent, curve, best, folder, meta)
    env.close()
    return folder


def env_device(device: str, backend: str) -> str:
    """Where the worlds of a network on `device` live: beside it on a CUDA device, unless procgen plays; else the CPU."""
    return device if backend == "native" and torch.device(device).type == "cuda" else "cpu"


@dataclasses.dataclass(frozen=True)
class Best:
    """The best weights so far, by training success over a window; of a run shorter than the window, the last."""

    success: float
    steps: int
    weights: dict[str, np.ndarray]


def _better(best: Best | None, curve: list[CurvePoint], agent: PPO) -> Best:
    """The better of the best so far and the agent as it is now; the later one of equals."""
    window = [point for point in curve[-WINDOW:] if point.success is not None]
    episodes = sum(point.episodes for point in window)
    success = sum(point.success * point.episodes for point in window) / episodes if episodes else 0.0
    if best is not None and len(curve) > WINDOW and success < best.success:
        return best
    return Best(success, agent.steps, {name: array.copy() for name, array in _weights(agent).items()})


def _weights(agent: PPO) -> dict[str, np.ndarray]:
    return {f"network.{name}": tensor.numpy(force=True) for name, tensor in agent.network.state_dict().items()}


def _loop(config: TrainConfig, agent: PPO, curve: list[CurvePoint], best: Best | None, folder: Path, meta: RunMeta,
          tracker: Tracker, on_progress: Callable[[int], None]) -> Best:
    """Iterate to the end, saving the full state from time to time -> the best weights."""
    saved, seconds = time.monotonic(), curve[-1].seconds if curve else 0.0
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
        best = _better(best, curve, agent)
        tracker.log({k: v for k, v in dataclasses.asdict(point).items() if v is not None and k != "steps"},
                    step=agent.steps)
        on_progress(min(agent.steps, config.steps) - before)
        if time.monotonic() - saved >= config.checkpoint_seconds and not agent.finished:
            points = json.dumps([dataclasses.asdict(p) for p in curve])
            artefacts.write_npz(folder / "resume.npz", agent.state() | {
                "curve": np.array(points), "config_hash": np.array(meta.config_hash),
                "version": np.array(RESUME_VERSION), "best": np.array([best.success, best.steps])}
                | {f"best.{name}": array for name, array in best.weights.items()})
            saved = time.monotonic()
    return best


def _resume(path: Path, agent: PPO, meta: RunMeta) -> tuple[list[CurvePoint], Best | None]:
    """Put an interrupted run's state into `agent` -> its learning curve and its best weights so far."""
    if not path.is_file():
        return [], None
    try:
        state = artefacts.read_npz(path, required=("curve", "config_hash", "version", "best"))
        if state["version"] != RESUME_VERSION:
            raise ValueError(f"it is of version {state['version']}, this gmexp reads version {RESUME_VERSION}")
        if str(state["config_hash"]) != meta.config_hash:
            raise ValueError("it belongs to another configuration")
        curve = [CurvePoint(**point) for point in json.loads(str(state.pop("curve")))]
        prefix = "best."
        weights = {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
        success, steps = state["best"].tolist()
        agent.restore({name: array for name, array in state.items() if not name.startswith(prefix)})
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"cannot go on from {path}: {error}; remove it to start this run anew") from error
    return curve, Best(success, int(steps), weights)


def _finish(config: TrainConfig, agent: PPO, curve: list[CurvePoint], best: Best, folder: Path,
            meta: RunMeta) -> None:
    """Write the complete run, run.json last, and drop what only resumption needed."""
    what = identity(config)
    origin = artefacts.provenance(None, what, "a training run", wall_s=curve[-1].seconds)
    for path, weights, steps in ((folder / "best", best.weights, best.steps), (folder, _weights(agent), agent.steps)):
        write_checkpoint(path, weights, steps, what, meta)
    tables.write_table(folder / "curve.parquet", curve, CurvePoint, origin)
    artefacts.write_json(folder / "run.json", {"meta": meta, "config": what}, origin)
    (folder / "resume.npz").unlink(missing_ok=True)
