"""`gmexp.train`: a training run as a plain function, which returns a record and prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint, RunMeta
from gmexp.support import composition
from gmexp.training.config import TrainConfig
from gmexp.training.run import Run
from gmexp.training.train import train as train_run


@dataclass(frozen=True)
class TrainedRun:
    """A finished training run and where it lies; `gmexp.agents.checkpoint.load_checkpoint(folder)` reads its agent."""

    meta: RunMeta
    folder: Path
    curve: tuple[CurvePoint, ...]


def train(env: str | None = None, agent: str | None = None, *, out: Path | str = "outputs/train",
          settings: Mapping[str, Any] | None = None,
          on_progress: Callable[[int], None] = lambda steps: None) -> TrainedRun:
    """Train a run, or go on with it where it was stopped; one that is finished is read.

        gmexp.train("coinrun", "ppo", out="outputs/mine", settings={"env.diversity": 0.3, "steps": 1_000_000, "seed": 1})

    It computes on one CPU thread, and sets PyTorch so for the whole process.

    Arguments:
        env: an environment, its import path, or a file of its settings (.yaml); conf/train.yaml's for None.
        agent: a trainer, its import path, or a file of its settings; likewise.
        out: the folder of the study; the run lies in runs/<run id>/.
        settings: what differs from conf/train.yaml, conf/env/ and conf/agent/, by dotted key.
        on_progress: told how many game steps were added.

    Raises UserError where something does not fit, with a line that says what would.
    """
    groups = [f"{group}={name}" for group, name in (("env", env), ("agent", agent)) if name is not None]
    base = composition.load("train", TrainConfig, groups)
    planned = Run.of(composition.override(base, {**(settings or {}), "out": str(out)}))
    folder = train_run(planned, on_progress)
    return TrainedRun(planned.meta, folder, tuple(tables.read_records(folder / "curve.parquet", CurvePoint)))
