"""The published tables, read from `data/tables.json`: numbers as printed, each table with its source and remarks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gmexp.support.errors import UserError, nearest

__all__ = ["Table", "row", "shift_types", "table", "table_names"]

DATA = Path(__file__).parent / "data" / "tables.json"


@dataclass(frozen=True)
class Table:
    """One published table. Rows are read-only mappings from column name to value."""

    name: str
    title: str
    source: str
    remarks: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.rows)

    def column(self, key: str) -> tuple[Any, ...]:
        return tuple(r[key] for r in self.rows)


@cache
def _document() -> Mapping[str, Any]:
    return json.loads(DATA.read_text(encoding="utf-8"))


def table_names() -> tuple[str, ...]:
    return tuple(_document()["tables"])


@cache
def table(name: str) -> Table:
    """The table called `name`; a UserError names the nearest one otherwise."""
    tables = _document()["tables"]
    if name not in tables:
        raise UserError(f"no table {name!r}{nearest(name, list(tables))}; tables: {', '.join(tables)}")
    entry = tables[name]
    rows = tuple(MappingProxyType({k: tuple(v) if isinstance(v, list) else v for k, v in r.items()})
                 for r in entry["rows"])
    return Table(name, entry["title"], entry["source"], tuple(entry["remarks"]), rows)


def row(table_name: str, key: str, value: Any) -> Mapping[str, Any]:
    """The row of a table whose `key` equals `value`; a UserError lists what exists otherwise."""
    rows = table(table_name).rows
    for r in rows:
        if r[key] == value:
            return r
    known = [str(r[key]) for r in rows]
    raise UserError(f"{table_name} has no {key} {value!r}{nearest(str(value), known)}; it has {', '.join(known)}")


def shift_types() -> tuple[Mapping[str, Any], ...]:
    """The four shift types in order 1, 2, 3, 4."""
    return table("shift_types").rows
