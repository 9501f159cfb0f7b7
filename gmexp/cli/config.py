"""Configurations of the verbs, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmexp.cli.schema import SCHEMAS
from gmexp.support import composition


def load(verb: str, overrides: Sequence[str] = (), searched: Sequence[str] = ()) -> Any:
    """The configuration of a verb: conf/<verb>.yaml with `overrides` applied, as its dataclass."""
    return composition.load(verb, SCHEMAS[verb], overrides, searched)
