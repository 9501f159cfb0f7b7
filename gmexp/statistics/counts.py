"""Read counts, ours or other people's: a CSV or parquet in the schema of `OutcomeCounts`.

Only what identifies a run, its shift and its outcomes is required; the rest may be unknown, and stays so. Counts of the
first edition are read with one line of notice. Every problem is one UserError naming the file, the row and the column.
Rows count from 1, the header aside.
"""

from __future__ import annotations

import math
import sys
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmexp.artefacts.reader import read_csv
from gmexp.artefacts.records import OutcomeCounts, column_names
from gmexp.support.errors import UserError, nearest

__all__ = ["DEFAULTS", "REQUIRED", "SHIFT_NAMES", "read_counts"]

REQUIRED = ("run_id", "shift_type", "n_visible", "n_intended", "n_proxy")
DEFAULTS: dict[str, Any] = {
    "experiment_id": "", "train_seed": 0, "eval_seed": 0, "env": "", "learner": None, "algo": "", "shift_name": None,
    "grade": None, "spec_quality": None, "train_diversity": None, "align_method": None, "demonstrator": None,
    "train_steps": None, "width": None, "n_timeout": 0, "n_death": 0, "n_ambiguous": 0, "n_distinguishing": None,
    "n_masked": None, "masked_intended": None, "masked_proxy": None, "n_harmful": None, "horizon": None,
    "id_capability": None, "config_hash": "", "git_sha": None, "created_utc": "", "probe": False,
}
SHIFT_NAMES = ("in_distribution", "superficial", "moderate", "significant", "extreme")
UNIT_INTERVAL = ("grade", "spec_quality", "train_diversity", "id_capability")
COUNTS = tuple(name for name in column_names(OutcomeCounts) if name.startswith(("n_", "masked_")))
KINDS = typing.get_type_hints(OutcomeCounts)
MISSING = ("", "na", "nan", "none", "null")
BOOLEANS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
FIRST_EDITION = {"n_episodes": "n_visible", "n_separated": "n_distinguishing"}
NO_LONGER = ("capability_level", "spurious_corr", "gate_passed")
CLONES = {"behavioral_cloning": "intended", "behavioral_cloning_of_proxy": "proxy"}


def read_counts(path: str | Path) -> tuple[OutcomeCounts, ...]:
    """All rows of a .csv or .parquet file as validated records."""
    path = Path(path)
    header, rows = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    old = [column for column in header if column in FIRST_EDITION or column in NO_LONGER]
    rows = [_second_edition(row) for row in rows] if old else rows
    header = [FIRST_EDITION.get(column, column) for column in header if column not in NO_LONGER]
    _check_header(path.name, header)
    if old:
        _notice(f"{path.name}: counts of the first edition (no masked arm): read as first events")
    if unknown := [column for column in header if column not in KINDS]:
        _notice(f"{path.name}: columns that gmexp does not know are ignored: {', '.join(unknown)}")
    counts, seen = [], {}
    for number, row in enumerate(rows, start=1):
        record = _record(path.name, number, row)
        key = (record.experiment_id, record.env, record.run_id, record.shift_type, record.shift_name, record.grade,
               record.probe, record.eval_seed)
        if key in seen:
            raise UserError(f"{path.name}: row {number} repeats row {seen[key]}: the same run, shift, grade, probe "
                            "and eval_seed; add up the counts or tell the rows apart")
        seen[key] = number
        counts.append(record)
    if not counts:
        raise UserError(f"{path.name} has no rows")
    return tuple(counts)


def _notice(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)


def _second_edition(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the first edition under today's names: a clone's method and its demonstrator were one label then."""
    new = {FIRST_EDITION.get(column, column): value for column, value in row.items() if column not in NO_LONGER}
    if new.get("align_method") in CLONES and not new.get("demonstrator"):
        new |= {"align_method": "behavioral_cloning", "demonstrator": CLONES[new["align_method"]]}
    return new


def _read_csv(path: Path) -> tuple[list[str], list[Mapping[str, Any]]]:
    if not path.exists():
        raise UserError(f"no counts at {path}")
    table = read_csv(path)
    return list(table.header), table.records()


def _read_parquet(path: Path) -> tuple[list[str], list[Mapping[str, Any]]]:
    from gmexp.artefacts.tables import read_any_table

    if not path.exists():
        raise UserError(f"no counts at {path}")
    table = read_any_table(path)
    return table.column_names, table.to_pylist()


def _check_header(name: str, header: list[str]) -> None:
    for column in REQUIRED:
        if column not in header:
            raise UserError(f"{name} lacks the column {column!r}{nearest(column, header)}; "
                            f"required are {', '.join(REQUIRED)}")
    for column in header:
        if column not in KINDS and (near := nearest(column, list(KINDS))):
            raise UserError(f"{name} has an unknown column {column!r}{near}")


def _record(name: str, number: int, row: Mapping[str, Any]) -> OutcomeCounts:
    values: dict[str, Any] = {}
    for column in column_names(OutcomeCounts):
        where = f"{name}: row {number}, column {column}"
        raw = row.get(column)
        if raw is None or (isinstance(raw, str) and raw.strip().lower() in MISSING):
            if column in REQUIRED:
                raise UserError(f"{where} is empty")
            values[column] = DEFAULTS[column]
        else:
            values[column] = _convert(where, KINDS[column], raw)
        _check(where, column, values[column])
    shift = values["shift_type"]
    values["shift_name"] = values["shift_name"] or SHIFT_NAMES[shift]
    values["grade"] = float(shift > 0) if values["grade"] is None else values["grade"]
    if "n_timeout" not in row and "n_death" not in row:  # foreign counts may tell only the goals apart
        values["n_timeout"] = values["n_visible"] - values["n_intended"] - values["n_proxy"] - values["n_ambiguous"]
    try:
        return OutcomeCounts(**values)
    except ValueError as error:
        raise UserError(f"{name}: row {number}: {error}") from None


def _convert(where: str, kind: Any, raw: Any) -> Any:
    """`raw` as the type of its column; None is dealt with before."""
    if isinstance(kind, types.UnionType):
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    text = str(raw).strip()
    try:
        if kind is bool:
            return BOOLEANS[text.lower()]
        if kind is int:
            value = float(text)
            if not value.is_integer():
                raise ValueError
            return int(value)
        if kind is float:
            value = float(text)
            if not math.isfinite(value):
                raise ValueError
            return value
        return text
    except (ValueError, KeyError, OverflowError):
        wanted = {bool: "true or false", int: "a whole number", float: "a finite number"}[kind]
        comma = ": write decimals with a point" if kind is float and "," in text else ""
        raise UserError(f"{where}: {raw!r} is not {wanted}{comma}") from None


def _check(where: str, column: str, value: Any) -> None:
    if value is None:
        return
    if column in COUNTS and value < 0:
        raise UserError(f"{where}: {value} is negative")
    if column == "shift_type" and not 0 <= value <= 4:
        raise UserError(f"{where}: {value} is not a shift type from 0 to 4")
    if column in UNIT_INTERVAL and not 0 <= value <= 1:
        raise UserError(f"{where}: {value:g} is not within 0 to 1")
    if column in ("train_steps", "width") and value < 1:
        raise UserError(f"{where}: {value} is not at least 1; leave it empty where it is unknown")
