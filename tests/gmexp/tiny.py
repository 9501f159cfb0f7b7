"""Runs that take a second: small networks, few worlds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gmexp.artefacts import tables
from gmexp.artefacts.records import CurvePoint
from gmexp.cli.config import load
from gmexp.statistics.config import SAMPLER as KEYS
from gmexp.statistics.config import CalibrationConfig
from gmexp.training.config import TrainConfig

AGENT = ("agent.num_envs=16", "agent.rollout=32", "agent.minibatches=4", "agent.width=16", "agent.hidden=8")
# Seconds, not numbers; the same on a command line.
QUICK = CalibrationConfig(chains=2, warmup=100, draws=20, attempts=1, rhat_max=99, ess_min=0.1, divergences_max=1)
SAMPLER = tuple(f"{name}={getattr(QUICK, name)}" for name in KEYS)
ITERATION = 16 * 32 * 2  # game steps of one iteration of such an agent
TIMES = ("seconds", "steps_per_second")  # columns of a curve that differ between equal runs


def train_config(out: Path, *overrides: str, iterations: int = 4) -> TrainConfig:
    """A training run of a few iterations."""
    return load("train", [f"out={out}", *AGENT, f"steps={iterations * ITERATION}", *overrides])


def curve(folder: Path) -> dict[str, list]:
    """A run's learning curve without what the clock decides."""
    return tables.read_table(folder / "curve.parquet", CurvePoint).drop_columns(list(TIMES)).to_pydict()


def assert_equal_runs(first: Path, second: Path) -> None:
    """Checkpoints, the best weights and curves of two runs agree bit for bit."""
    for name in ("checkpoint.npz", "best/checkpoint.npz"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert curve(first) == curve(second)


def assert_equal_arrays(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    """Two sets of named arrays agree bit for bit."""
    assert first.keys() == second.keys()
    for name, array in first.items():
        assert array.dtype == second[name].dtype and array.tobytes() == second[name].tobytes(), name
