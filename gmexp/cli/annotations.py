"""The types of keys, in words, read from the sources of the dataclasses: help does not wait for what they import."""

from __future__ import annotations

import ast
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from gmexp.cli.schema import SCHEMAS

__all__ = ["kind_of_key"]

WORDS = {"int": "whole number", "float": "number", "bool": "true or false", "str": "text", "Any": "anything"}
GROUPS = {"evaluation": "gmexp.evaluation.plan", "logger": "gmexp.training.config", "launcher": "gmexp.training.config",
          "agent": "gmexp.agents.config", "mitigation": "gmexp.mitigations.verification"}
NESTED = {"mitigations": "gmexp.mitigations.config", "verification": "gmexp.mitigations.verification"}  # of a verb's keys


def kind_of_key(name: str, default: Any, verb: str, group: str | None = None, choice: str | None = None) -> str:
    """The type of a key of a verb, or of a group's file, in words; by its default where no dataclass tells it."""
    within, _, last = name.rpartition(".")
    for source in [_file(NESTED[within])] if group is None and within in NESTED else _sources(verb, group, choice):
        if last in (known := _annotated(source)):
            return _in_words(known[last])
    return _of_default(default)


def _sources(verb: str, group: str | None, choice: str | None) -> list[Path]:
    """Where the dataclass may stand whose fields are the keys."""
    if group is None:
        return [_file(SCHEMAS[verb].partition(":")[0])]
    if group == "env":
        envs = _file("gmexp_envs").parent
        return [path for path in (envs / f"{choice}" / "task.py", envs / "worlds" / f"{choice}.py") if path.is_file()]
    return [_file(GROUPS[group])] if group in GROUPS else []


def _file(module: str) -> Path:
    package, *parts = module.split(".")
    spec = importlib.util.find_spec(package)
    folder = Path((spec.origin if spec else None) or __file__).parent
    return folder.joinpath(*parts).with_suffix(".py") if parts else folder / "__init__.py"


@cache
def _annotated(path: Path) -> dict[str, ast.expr]:
    """The annotated names of a file's classes; the first one's where several have the name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    fields = [node for each in tree.body if isinstance(each, ast.ClassDef) for node in each.body
              if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    return {field.target.id: field.annotation for field in reversed(fields)}  # type: ignore[union-attr]


def _in_words(kind: ast.expr) -> str:
    if isinstance(kind, ast.BinOp):  # X | None
        return f"{_in_words(kind.left)} or null"
    if isinstance(kind, ast.Subscript) and isinstance(kind.value, ast.Name) and kind.value.id == "list":
        return f"list of {_in_words(kind.slice)}"
    if isinstance(kind, ast.Subscript):
        return "mapping"
    return WORDS.get(kind.id, "mapping") if isinstance(kind, ast.Name) else "anything"


def _of_default(default: Any) -> str:
    if isinstance(default, list):
        return f"list of {_of_default(default[0])}" if default else "list"
    if isinstance(default, dict):
        return "mapping"
    return "text" if default is None else WORDS.get(type(default).__name__, "text")
