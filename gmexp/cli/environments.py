"""`gmexp environments`: the environments that there are, in their tasks' own words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from gmexp.cli.calculator import FORMAT, emit
from gmexp.cli.options import choice, Command, Option
from gmexp_envs import find_task, task_names
from gmexp_envs.task import Task

__all__ = ["main"]

WIDTH = 110

COMMAND = Command(
    "environments", "the environments that there are: their goals, shifts, actions and engines",
    (Option("name", choice(*task_names()), None, "one environment, all of it; without it, the list"), FORMAT),
    "gmexp environments name=boat_race",
    "Plugins (entry points gmexp.tasks) are listed too. gmexp show env=NAME shift=all pictures what the shifts do.")


def main(args: Sequence[str]) -> int:
    """`gmexp environments key=value ...`"""
    values = COMMAND.parse(args)
    if values is None:
        return 0
    names = task_names() if values["name"] is None else [values["name"]]
    rows = [about(name, find_task(name)) for name in names]
    emit(rows, _whole(rows[0]) if values["name"] else _listed(rows), values["format"])
    return 0


def about(name: str, task: Task) -> dict[str, Any]:
    """An environment in its task's words."""
    return {
        "name": name, "family": task.family, "intended": task.intended.words, "proxy": task.proxy.words,
        "shifts": {shift.type: shift.words for shift in task.shifts},
        "factors": {factor.name: factor.words for factor in task.factors},
        "actions": {actions: len(chosen) for actions, chosen in task.action_sets.items()},
        "backends": list(task.backends),
    }


def _listed(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line each: name, the two goals, family."""
    width = max(len(row["name"]) for row in rows)
    return [f"{row['name']:<{width}}  {row['intended']}, or {row['proxy']} ({row['family']})" for row in rows]


def _whole(row: dict[str, Any]) -> list[str]:
    """Everything of one environment, a paragraph each."""
    parts = [("intended goal", row["intended"]), ("proxy goal", row["proxy"]),
             *((f"shift {kind}", words) for kind, words in row["shifts"].items()), *row["factors"].items(),
             ("actions", ", ".join(f"{name} ({many})" for name, many in row["actions"].items())),
             ("engines", ", ".join(row["backends"]))]
    indent = " " * (2 + max(len(name) for name, _ in parts) + 2)
    return [f"{row['name']} ({row['family']})",
            *(textwrap.fill(words, WIDTH, initial_indent=f"  {name}".ljust(len(indent)), subsequent_indent=indent)
              for name, words in parts)]
