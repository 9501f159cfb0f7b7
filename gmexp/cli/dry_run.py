"""`--dry-run`: what would be trained or played, what of it is there, and what the rest would cost. Nothing is written."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from gmexp.agents.mitigation import mitigation_of
from gmexp.artefacts import config_hash, tables
from gmexp.artefacts.condition import condition_labels
from gmexp.artefacts.records import CurvePoint, RunMeta
from gmexp.artefacts.study import Study
from gmexp.cli.multirun import Job
from gmexp.evaluation.cells import cells, playable
from gmexp.pipeline import reusable, training_runs
from gmexp.rates.text import table
from gmexp.support.conf import config_folder
from gmexp.support.errors import UserError
from gmexp.training.config import TrainConfig
from gmexp.training.run import Run
from gmexp.training.workers import fitting

__all__ = ["dry_run"]

GIB = 2**30
MEASURED = {"cpu": "committed studies on two cores of an AMD EPYC (conf/speed.yaml)",
            "cuda": "gmexp bench train on an H100 (conf/speed.yaml)"}


def dry_run(verb: str, jobs: Sequence[Job]) -> int:
    """List what the jobs of a verb would do; UserError for a verb that costs nothing to try."""
    listed: dict[str, Callable[[Sequence[Any]], None]] = {"run": _study, "train": _trainings, "evaluate": _evaluations,
                                                          "measure": _measures}
    if verb not in listed:
        raise UserError(f"--dry-run lists what would be trained or played, by gmexp {', '.join(listed)}; for gmexp {verb}, "
                        "--cfg job shows what it would do")
    listed[verb]([job.config for job in jobs])
    return 0


# --- training ---------------------------------------------------------------------------------------------------------

def _study(configs: Sequence[Any]) -> None:
    (config,) = configs
    planned = training_runs(config)
    left = _listed(planned, reusable(Study(Path(config.out)), planned, config.reuse))
    if not left:
        return
    if config.launcher.name == "local":
        workers = min(config.workers, len(left)) if config.workers else fitting(len(left), config.launcher.memory_gb * GIB)
        where = "on this machine"
    else:
        workers, where = min(config.workers or len(left), len(left)), f"by launcher={config.launcher.name}"
    print(_cost(left, workers, where))
    first = planned[0]
    each = len(cells(first.task, first.training, config.evaluation, first.seed)) * len(config.evaluation.arms)
    print(f"then {each * config.evaluation.episodes:,} episodes of every run ({each} cells and arms), and the statistics")


def _trainings(configs: Sequence[TrainConfig]) -> None:
    if left := _listed(configs):
        print(_cost(left, 1, "on this machine"))


def _listed(planned: Sequence[TrainConfig], elsewhere: Mapping[str, Study] | None = None) -> list[TrainConfig]:
    """Print a line for each run: its id, which ends in the hash of its identity, its condition, seed, steps, state -> those
    that are still to be trained. `elsewhere` are the studies that finished runs are to be taken over from, by run id."""
    runs, others = [Run.of(item) for item in planned], elsewhere or {}
    labels = condition_labels([run.meta for run in runs])
    states = [f"in {others[run.id].root}" if run.id in others else _state(run) for run in runs]
    print(table(("run", "condition", "seed", "steps", "there is"),
                [(run.id, labels[run.id], str(run.config.seed), f"{run.config.steps:,}", state or "nothing yet")
                 for run, state in zip(runs, states, strict=True)], right=(2, 3)))
    trained = sum(state.startswith("trained") for state in states)
    taken = Counter(str(others[run.id].root) for run in runs if run.id in others)
    left = [run.config for run, state in zip(runs, states, strict=True)
            if run.id not in others and not state.startswith("trained")]
    print(f"\n{len(runs)} {'run' if len(runs) == 1 else 'runs'} in {runs[0].study.root}, {trained} trained"
          + "".join(f", {count} to take over from {where}" for where, count in taken.items())
          + ("" if left else "; nothing is left to train"))
    return left


def _state(run: Run) -> str:
    """What there is of a run."""
    if run.finished:
        return "trained, evaluated" if (run.folder / "episodes.parquet").is_file() else "trained"
    return "begun" if (run.folder / "resume.npz").is_file() else ""


def _cost(left: Sequence[TrainConfig], workers: int, where: str) -> str:
    """What is left: steps, minutes with so many runs side by side, hours of a GPU."""
    steps = sum(item.steps for item in left)
    speeds = [_speed(item) for item in left]
    unknown = sum(speed is None for speed, _ in speeds)
    gpu = [_kind(item) == "cuda" for item in left]
    if unknown:
        hours = "" if any(gpu) else "; 0 GPU hours"
        return f"{steps:,} steps to train{hours}; how long that takes, the first finished run will tell"
    seconds = [item.steps / speed for item, (speed, _) in zip(left, speeds, strict=True) if speed]
    shared = sum(second for second, on in zip(seconds, gpu, strict=True) if on)  # runs side by side share a GPU's time
    minutes = max(shared, sum(seconds) / workers, max(seconds)) / 60
    hours = shared / 3600
    sources = " and ".join(dict.fromkeys(source for _, source in speeds))
    return (f"{steps:,} steps to train: about {_rounded(minutes)} minutes {where}, {workers} side by side; "
            f"{_rounded(hours)} GPU hours. By the speed of {sources}")


def _rounded(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.2g}"


def _speed(config: TrainConfig) -> tuple[float | None, str]:
    """Steps per second of a run like this one, and whose that is: of finished runs of the same learner in the same
    environment, in its study or beside it, or conf/speed.yaml's. None where nothing tells."""
    study, meta = Study(Path(config.out)), Run.of(config).meta
    beside = sorted(study.root.resolve().parent.glob("*/runs"))
    for roots, source in (([study.root], "its finished runs"),
                          ([path.parent for path in beside], "finished runs beside it")):
        known = [speed for root in roots if (speed := _measured(root, meta)) is not None]
        if known:
            return sum(known) / len(known), source
    agent = config.agent
    network = getattr(agent, "network", "")
    listed = yaml.safe_load((config_folder() / "speed.yaml").read_text(encoding="utf-8"))
    kind = _kind(config)
    speeds = listed.get(kind, {})
    speed = speeds.get(network) or speeds.get(f"{network}-{agent.width}")
    return (speed, MEASURED[kind]) if speed and config.backend == "native" and agent.name == "ppo" else (None, "")


def _kind(config: TrainConfig) -> str:
    """The kind of device a run trains on, as torch calls it: cpu, cuda."""
    return config.device.partition(":")[0]


@cache
def _measured_runs(root: Path) -> dict[tuple[str, str | None], list[float]]:
    """Steps per second of the finished runs below a folder, by environment and learner; unreadable ones tell nothing."""
    found: dict[tuple[str, str | None], list[float]] = defaultdict(list)
    for path in sorted(root.glob("runs/*/run.json")):
        with contextlib.suppress(UserError):
            meta = Study(root).finished(path.parent.name)
            curve = tables.read_records(path.with_name("curve.parquet"), CurvePoint)
            found[meta.env, meta.learner_hash].append(curve[-1].steps / max(curve[-1].seconds, 1e-9))
    return found


def _measured(root: Path, meta: RunMeta) -> float | None:
    """Steps per second of the finished runs of a study that are like this one, on average."""
    known = _measured_runs(root).get((meta.env, meta.learner_hash), [])
    return sum(known) / len(known) if known else None


# --- playing ----------------------------------------------------------------------------------------------------------

def _evaluations(configs: Sequence[Any]) -> None:
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.evaluation.evaluate import target

    for config in configs:
        checkpoint, plan = load_checkpoint(config.run), config.evaluation
        every = cells(checkpoint.task, checkpoint.training, plan, checkpoint.meta.train_seed)
        planned, _ = playable(checkpoint.task, every, config.backend)
        path, identity = target(checkpoint, plan, config.backend, mitigation_of(config.mitigation))
        episodes = len(planned) * len(plan.arms) * plan.episodes
        print(f"{path}: {episodes:,} episodes of {len(planned)} cells in {len(plan.arms)} arms: {_there(path, identity)}")


def _measures(configs: Sequence[Any]) -> None:
    from gmexp.agents.checkpoint import load_checkpoint
    from gmexp.measures.context import Context
    from gmexp.measures.measure import find_measure

    for config in configs:
        checkpoint = load_checkpoint(config.run)
        context = Context(checkpoint, config.evaluation)
        for name in config.measures:
            chosen = find_measure(name)
            path = checkpoint.path.with_name(chosen.file)
            print(f"{path}: {chosen.size(context):,} episodes for {name}: {_there(path, context.identity(name))}")


def _there(path: Path, identity: Any) -> str:
    """Whether a table is there, made from what is planned."""
    if not path.is_file():
        return "nothing yet"
    return "done" if tables.made_from(path) == config_hash(identity) else "made anew; there is one of another plan"
