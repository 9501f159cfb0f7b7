"""The schema of every configured verb: what its keys mean, and which values do not fit.

The values live in conf/, a default in one place only.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass



@dataclass
class RatesConfig:
    """`gmexp rates`: episodes -> counts and rates."""

    study: str
    threshold: float
    seed: int


@dataclass
class CalibrateConfig:
    """`gmexp calibrate`: counts -> posterior."""

    counts: str | None  # counts.parquet, a study's folder, or a CSV
    studies: list[str]  # several studies' folders instead
    out: str
    chains: int
    draws: int
    warmup: int
    target_accept: float
    attempts: int
    rhat_max: float
    ess_min: float
    divergences_max: float
    cores: int
    kept: int | None  # draws to store, evenly spaced; None for all
    seed: int

    def __post_init__(self) -> None:
        from gmexp.statistics.config import check_kept

        check_kept(self.kept, self.chains)


@dataclass
class ReportConfig:
    """`gmexp report`: figures and the HTML page of a study, or of all studies in a folder."""

    study: str | None
    results: str | None
    films: int


SCHEMAS = {  # where the dataclass of each configured verb is; imported when the verb is called
    "run": "gmexp.pipeline:RunConfig", "train": "gmexp.training.config:TrainConfig",
    "evaluate": "gmexp.evaluation.config:EvaluateConfig", "measure": "gmexp.measures.config:MeasureConfig",
    "rates": "gmexp.cli.schema:RatesConfig", "calibrate": "gmexp.cli.schema:CalibrateConfig",
    "report": "gmexp.cli.schema:ReportConfig",
}


def schema(verb: str) -> type:
    """The dataclass of a configured verb."""
    module, _, name = SCHEMAS[verb].partition(":")
    return getattr(importlib.import_module(module), name)
