"""Artefacts of earlier versions under the names of this one: old files are read, with one line of notice a kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.artefacts.table import Column, Table, column_of

NEW_NAMES = {  # what a column is called now; records of every table
    "coin_step": "intended_step", "end_step": "proxy_step", "separated": "distinguishing", "n_separated": "n_distinguishing",
}
NEW_VALUES = {"at_end": "aligned", "moved": "visible", "hidden": "masked"}  # of the column `arm`
NEW_KEYS = {  # of JSON artefacts
    "with_coin": "with_goal", "without_coin": "without_goal", "reached_end": "reached_proxy", "passed_wall": "passed_proxy",
    "effects": "attribution", "critics": "critic", "magnitudes": "magnitude", "spreads": "cells", "gate": "threshold",
    "gated": "above_threshold", "contestants": "baselines", "contestant": "baseline",
}
NEW_FILES = {"spread.json": "between_runs.json"}
FACTS = ("coin_x", "coin_y", "end_x", "end_y", "num_sections")  # columns of CoinRun's episodes, once
_noticed: set[str] = set()


def upgraded(table: Table, record: type, path: Path | str) -> Table:
    """`table` in the present columns of `record`, where it is of an earlier version; else as it is."""
    old = [name for name in table.column_names if name in NEW_NAMES]
    if old:
        table = table.rename_columns([NEW_NAMES.get(name, name) for name in table.column_names])
        if upgrade := UPGRADES.get(record.__name__):
            table = upgrade(table)
        _notice(record.__name__, path, old, NEW_NAMES)
    if record.__name__ == "Episode" and "arm" not in table.column_names:  # of the time before there were arms
        table = table.with_columns({"arm": column_of(["visible"] * len(table), "string")})
    return table


def renamed(content: Any, path: Path | str) -> Any:
    """JSON content, the keys of earlier versions under their present names."""
    old: dict[str, None] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            old.update(dict.fromkeys(key for key in value if key in NEW_KEYS))
            return {NEW_KEYS.get(key, key): walk(item) for key, item in value.items()}
        return [walk(item) for item in value] if isinstance(value, list) else value

    content = walk(content)
    if old:
        _notice(Path(path).name, path, list(old), NEW_KEYS)
    return content


def current(path: Path) -> Path:
    """`path`, or in its place the file of its folder that an earlier version called otherwise."""
    former = next((path.with_name(old) for old, new in NEW_FILES.items() if new == path.name), path)
    return former if former.is_file() and not path.is_file() else path


def _notice(kind: str, path: Path | str, old: list[str], names: dict[str, str]) -> None:
    """Say once for every kind of file what was read as what."""
    if kind not in _noticed:
        _noticed.add(kind)
        print(f"{path} and the like are of an earlier version: {', '.join(old)} are read as "
              f"{', '.join(names[name] for name in old)}", file=sys.stderr)


def _episodes(table: Table) -> Table:
    """CoinRun's facts as the task has them; that the goals were together is not said of a level without the intended one."""
    coin_x, coin_y = (table[name].fill_null(-1) for name in FACTS[:2])
    facts = np.stack([coin_x, coin_y, *(table[name].values for name in FACTS[2:]), 0 * coin_x], axis=1)
    aligned = (coin_x == table["end_x"].values) & (coin_y == table["end_y"].values)
    return table.drop_columns(FACTS).with_columns({
        "facts": column_of(facts, "list<int64>"), "aligned": Column("bool", aligned),
        "env": column_of(["coinrun"] * len(table), "string")})


def _arms(table: Table) -> Table:
    names = [NEW_VALUES.get(name, name) for name in table["arm"].to_pylist()]
    return table.with_columns({"arm": column_of(names, "string")})


UPGRADES: dict[str, Callable[[Table], Table]] = {"Episode": _episodes, "ArmEpisode": _arms}
