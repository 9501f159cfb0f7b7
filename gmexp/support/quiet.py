"""Imports without the lines that the old gym prints whenever something loads it."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from types import ModuleType


def imported(module: str) -> ModuleType:
    """Import a module; what it prints on stderr and its warnings are dropped, its errors are not."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)
