"""Configurations of the verbs, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmexp.cli.schema import schema
from gmexp.support import composition


def load(verb: str, overrides: Sequence[str] = (), searched: Sequence[str] = (), name: str | None = None) -> Any:
    """The configuration of a verb: conf/<verb>.yaml with `overrides` applied, as its dataclass."""
    return composition.load(verb, schema(verb), overrides, searched, name)
