"""Stage `train`: a configuration -> one training run.

A run lives in out/runs/<run id>/. While it trains, resume.npz holds its full state, so a run killed at any moment goes
on from there and ends with the same bits; when it is done, checkpoint.npz holds the weights, curve.parquet the learning
curve and run.json what is known of the run, written last: a run with a run.json is complete. best/checkpoint.npz holds
the weights after the iteration whose training success over the last WINDOW iterations was the highest; evaluated
as `run=.../best`, its results lie beside it and never mix with those of the last weights.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import gmexp_envs
from gmexp import artefacts
from gmexp.agents.checkpoint import write_checkpoint
from gmexp.agents.mitigation import mitigation_of
from gmexp.agents.trainer import Trainer, build_trainer, find_trainer
from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint
from gmexp.artefacts.tracking import Tracker
from gmexp.rates.learning import WINDOW
from gmexp.support.errors import UserError
from gmexp.support.progress import Bar
from gmexp.support.seeding import stream
from gmexp.support.startup import settle_torch
from gmexp.training.config import TrainConfig
from gmexp.training.progress import OWN
from gmexp.training.run import Run
from gmexp.training.session import log_curve, open_run
from gmexp_envs import FrameStyle, VecEnv
from gmexp_envs.vec import DeviceUnavailable

RESUME_VERSION = 3


def run(config: TrainConfig) -> int:
    """`gmexp train`."""
    if config.verified:
        raise UserError("verified=true trains a candidate that counts only if it passes, which `gmexp run` finds out: "
                        "give it to a condition of a study")
    planned = Run.of(config)
    with Bar(config.steps, f"train {planned.id}", "step") as bar:
        print(train(planned, bar.advance))
    return 0


def train(what: TrainConfig | Run, on_progress: Callable[[int], None] = lambda steps: None,
          tracker: Tracker | None = None) -> Path:
    """Train, or go on training, a run -> its folder. A complete run is left as it is.

    `on_progress` is told how many environment steps were added, those of an earlier, interrupted session included;
    `tracker` the curve, from its beginning. None: the configuration's own logger, for as long as training takes.
    """
    planned = what if isinstance(what, Run) else Run.of(what)
    config, folder = planned.config, planned.folder
    if planned.finished:
        on_progress(config.steps)
        return folder
    artefacts.check_writable(folder)
    artefacts.remove_temporaries(folder)
    settle_torch()
    with contextlib.closing(_environment(config)) as env:
        agent = _trainer(config, env)
        curve, best = _resume(planned, agent)
        on_progress(min(agent.steps, config.steps))
        with open_run(planned) if tracker is None else contextlib.nullcontext(tracker) as told:
            log_curve(told, curve)
            best = _loop(planned, agent, curve, best, told, on_progress)
        _finish(planned, agent, curve, best, _style(config, env))
    return folder


def _trainer(config: TrainConfig, env: VecEnv) -> Trainer:
    """What trains the run, as its mitigation would have it."""
    def build(shown: VecEnv) -> Trainer:
        return build_trainer(config.agent, config.task, shown, config.steps, stream(config.seed, "agent"), config.device)

    mitigation = mitigation_of(config.mitigation)
    return mitigation.train(build, env) if mitigation else build(env)


def _environment(config: TrainConfig) -> VecEnv:
    """What the agent trains in."""
    agent = config.agent
    device = env_device(config.device, config.backend) if find_trainer(agent.name).on_device else "cpu"
    try:
        env = gmexp_envs.make_vec(
            config.task, agent.num_envs, distribution=config.training, seed=stream(config.seed, "levels"),
            observation=agent.observation, action_repeat=agent.action_repeat, backend=config.backend,
            threads=config.threads, device=device)
    except DeviceUnavailable as error:
        raise UserError(str(error)) from error
    if config.task.parity and _style(config, env) not in (None, FrameStyle()):
        print("frames are flat colours on black: procgen, whose images they are otherwise made of, is not installed",
              file=sys.stderr)
    return env


def _style(config: TrainConfig, env: VecEnv) -> FrameStyle | None:
    """How the frames look that an agent sees; None where it sees none, or an environment does not say."""
    return getattr(env, "style", None) if config.agent.observation == "pixels" else None


def env_device(device: str, backend: str) -> str:
    """Where the instances of a network on `device` live: beside it on a CUDA device, unless procgen plays; else the CPU."""
    return device if backend == "native" and torch.device(device).type == "cuda" else "cpu"


@dataclasses.dataclass(frozen=True)
class Best:
    """The best weights so far, by training success over a window; of a run shorter than the window, the last."""

    success: float
    steps: int
    weights: dict[str, np.ndarray]


def _better(best: Best | None, curve: list[CurvePoint], agent: Trainer) -> Best:
    """The better of the best so far and the agent as it is now; the later one of equals."""
    window = [point for point in curve[-WINDOW:] if point.success is not None]
    episodes = sum(point.episodes for point in window)
    success = sum(point.success * point.episodes for point in window) / episodes if episodes else 0.0
    if best is not None and len(curve) > WINDOW and success < best.success:
        return best
    return Best(success, agent.steps, {name: array.copy() for name, array in _weights(agent).items()})


def _weights(agent: Trainer) -> dict[str, np.ndarray]:
    return {f"network.{name}": tensor.numpy(force=True) for name, tensor in agent.network.state_dict().items()}


def _loop(planned: Run, agent: Trainer, curve: list[CurvePoint], best: Best | None, tracker: Tracker,
          on_progress: Callable[[int], None]) -> Best:
    """Iterate to the end, saving the full state from time to time -> the best weights."""
    config = planned.config
    saved, seconds = time.monotonic(), curve[-1].seconds if curve else 0.0
    while not agent.finished:
        started, before = time.perf_counter(), agent.steps
        progress = agent.iterate()
        spent = time.perf_counter() - started
        seconds += spent
        point = CurvePoint(steps=agent.steps, seconds=seconds, steps_per_second=(agent.steps - before) / spent,
                           **progress._asdict())
        known = (progress.policy_entropy, progress.value_loss, progress.explained_variance)
        if not np.isfinite([value for value in known if value is not None]).all():
            rate = getattr(config.agent, "learning_rate", None)
            raise UserError(f"training diverged within {agent.steps} steps" + (
                f": lower agent.learning_rate, which is {rate:g}" if rate is not None else ""))
        curve.append(point)
        best = _better(best, curve, agent)
        log_curve(tracker, [point])
        on_progress(min(agent.steps, config.steps) - before)
        if time.monotonic() - saved >= config.checkpoint_seconds and not agent.finished:
            artefacts.write_npz(planned.folder / "resume.npz", agent.state() | _own_state(planned, curve, best))
            saved = time.monotonic()
    return best


def _own_state(planned: Run, curve: list[CurvePoint], best: Best) -> dict[str, np.ndarray]:
    """What a run needs to go on besides its trainer's state."""
    points = json.dumps([dataclasses.asdict(p) for p in curve])
    own = {"curve": np.array(points), "config_hash": np.array(planned.meta.config_hash), "version": np.array(RESUME_VERSION),
           "best": np.array([best.success, best.steps])} | {f"best.{name}": array for name, array in best.weights.items()}
    return {OWN + name: array for name, array in own.items()}


def _resume(planned: Run, agent: Trainer) -> tuple[list[CurvePoint], Best | None]:
    """Put an interrupted run's state into `agent` -> its learning curve and its best weights so far."""
    path = planned.folder / "resume.npz"
    if not path.is_file():
        return [], None
    try:
        state = artefacts.read_npz(path)
        own = {name.removeprefix(OWN): state.pop(name) for name in list(state) if name.startswith(OWN)}
        if (version := own.get("version")) != RESUME_VERSION:
            name = "an earlier version" if version is None else f"version {version}"
            raise ValueError(f"it is of {name}, this gmexp reads version {RESUME_VERSION}")
        if str(own["config_hash"]) != planned.meta.config_hash:
            raise ValueError("it belongs to another configuration")
        curve = [CurvePoint(**point) for point in json.loads(str(own["curve"]))]
        weights = {name.removeprefix("best."): array for name, array in own.items() if name.startswith("best.")}
        success, steps = own["best"].tolist()
        agent.restore(state)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"cannot go on from {path}: {error}; remove it to start this run anew") from error
    return curve, Best(success, int(steps), weights)


def _status(agent: Trainer, curve: list[CurvePoint], best: Best) -> str:
    """How the run ended, for a person."""
    window = [point.success for point in curve[-WINDOW:] if point.success is not None]
    solved = f", {sum(window) / len(window):.0%} of the last training levels solved" if window else ""
    return (f"trained: {agent.steps:,} steps in {curve[-1].seconds / 60:.1f} minutes{solved}; its best weights, "
            f"{best.success:.0%}, are those after {best.steps:,} steps")


def _finish(planned: Run, agent: Trainer, curve: list[CurvePoint], best: Best, style: FrameStyle | None) -> None:
    """Write the complete run, run.json last, and drop what only resumption needed; `style` of the frames that were seen."""
    folder, what, meta = planned.folder, planned.identity, planned.meta
    origin = artefacts.provenance(None, what, "a training run", wall_s=curve[-1].seconds)
    for path, weights, steps in ((folder / "best", best.weights, best.steps), (folder, _weights(agent), agent.steps)):
        write_checkpoint(path, weights, steps, what, meta, style)
    tables.write_table(folder / "curve.parquet", curve, CurvePoint, origin)
    known = {name: value for name, value in artefacts.plain(meta).items() if name != "settings"}  # they are the config
    artefacts.write_json(folder / "run.json", {"status": _status(agent, curve, best), "meta": known, "config": what}, origin)
    (folder / "resume.npz").unlink(missing_ok=True)
