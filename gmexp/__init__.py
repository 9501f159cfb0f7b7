"""Measure goal misgeneralization instead of guessing it.

    conf -> train -> checkpoint -> evaluate -> episodes -> rates -> counts -> calibrate -> calibration -> estimate

One stage is one verb, one module, one config and one artefact. Imports point one way: `gmexp_envs <- gmexp`.
The `calculator` and `statistics` packages need only numpy and scipy.
"""

from __future__ import annotations

import importlib
from typing import Any

import gmexp_envs as _gmexp_envs  # noqa: F401  its import makes the environments' ids known to gymnasium

__version__ = "0.2.0"
FUNCTIONS = {  # stages as plain functions, imported when they are first used
    "train": "gmexp.training.function", "evaluate": "gmexp.evaluation.function", "rates": "gmexp.rates.function",
    "calibrate": "gmexp.statistics.function", "estimate": "gmexp.calculator.function",
}


def __getattr__(name: str) -> Any:
    if name in FUNCTIONS:
        return getattr(importlib.import_module(FUNCTIONS[name]), name)
    raise AttributeError(f"module 'gmexp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *FUNCTIONS])
