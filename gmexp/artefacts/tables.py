"""Tables of records as parquet files, a column per field: what is written and what is read is checked against the record."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmexp.artefacts.io import read_json
from gmexp.artefacts.origin import plain
from gmexp.artefacts.parquet import decoded, encoded
from gmexp.artefacts.reader import BYTES, parse_json, read_bytes
from gmexp.artefacts.records import Provenance
from gmexp.artefacts.table import TYPES, Table, column_of
from gmexp.artefacts.upgrades import upgraded
from gmexp.artefacts.writer import atomic
from gmexp.support.errors import UserError, first_line

PROVENANCE_KEY = "gmexp.provenance"

Columns = Mapping[str, Any]


class Field(NamedTuple):
    """A column of a record's table."""

    name: str
    type: str  # of `Column`
    nullable: bool


def schema(record: type) -> tuple[Field, ...]:
    """The columns of a record's table: one per field, nullable where the field may be None."""
    hints = typing.get_type_hints(record)
    return tuple(_field(f.name, hints[f.name]) for f in dataclasses.fields(record))


def _field(name: str, hint: Any) -> Field:
    if typing.get_origin(hint) is tuple:  # tuple[int, ...]
        return Field(name, f"list<{TYPES[typing.get_args(hint)[0]]}>", False)
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    (kind,) = (option for option in options if option is not type(None))
    return Field(name, TYPES[kind], type(None) in options)


def as_table(rows: Sequence[Any] | Columns | Table, record: type) -> Table:
    """Records, or columns by name, as a checked table.

    A column is an array, a sequence or a single value for all rows. Unknown is None, a masked entry of a numpy masked
    array, or, in an optional column of numbers, NaN.
    """
    expected, what = schema(record), record.__name__
    if isinstance(rows, Table):
        return _checked(rows, expected, what)
    if isinstance(rows, Mapping):
        _check_names(rows.keys(), expected, what)
        lengths = {name: len(column) for name, column in rows.items() if not _is_scalar(column)}
        if len(set(lengths.values())) > 1:
            raise UserError(f"{what} columns differ in length: {lengths}")
        size = next(iter(lengths.values()), 1)
        columns = {name: [column] * size if _is_scalar(column) else column for name, column in rows.items()}
    else:
        columns = {field.name: [getattr(row, field.name) for row in rows] for field in expected}
    table = {}
    for field in expected:
        try:
            table[field.name] = column_of(columns[field.name], field.type, field.nullable)
        except (TypeError, OverflowError, ValueError) as error:
            raise UserError(f"cannot make a table of {what}: column {field.name}: {first_line(error)}") from error
    return _checked(Table(table), expected, what)


def _is_scalar(column: Any) -> bool:
    return column is None or isinstance(column, str | bool | int | float | np.generic)


def _check_names(names: Iterable[str], expected: Sequence[Field], what: str) -> None:
    names, wanted = list(names), [field.name for field in expected]
    missing = [name for name in wanted if name not in set(names)]
    extra = [name for name in names if name not in wanted]
    if missing or extra:
        parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(extra)}"] * bool(extra)
        raise UserError(f"{what}: the table {' and '.join(parts)}")


def _checked(table: Table, expected: Sequence[Field], what: str) -> Table:
    """`table` in the expected column order, or a UserError that names the first thing wrong with it."""
    _check_names(table.column_names, expected, what)
    for field in expected:
        column = table[field.name]
        if column.type != field.type:
            raise UserError(f"{what}: column {field.name} is {column.type}, not {field.type}")
        if column.null_count and not field.nullable:
            raise UserError(f"{what}: column {field.name} has {column.null_count} missing values")
        if column.type == "double" and not np.isfinite(column.values if column.missing is None else
                                                       column.values[~column.missing]).all():
            raise UserError(f"{what}: column {field.name} holds NaN or infinity; unknown is None")
    return table.select([field.name for field in expected])


def write_table(path: Path | str, rows: Sequence[Any] | Columns | Table, record: type,
                provenance: Provenance | None = None) -> Path:
    """Write records (or columns, see `as_table`) as parquet, with their provenance among the file's notes.

    A file that holds the same rows already, whatever their provenance, is left alone.
    """
    table = as_table(rows, record)
    if provenance and _holds(path, table, record):
        return Path(path)
    table = table.replace_metadata({PROVENANCE_KEY: json.dumps(plain(provenance))} if provenance else {})
    with atomic(path) as file:
        file.write(encoded(table, {field.name: field.nullable for field in schema(record)}))
    return Path(path)


def _holds(path: Path | str, table: Table, record: type) -> bool:
    """Whether a file holds these rows, and where they are from."""
    try:
        found = read_table(path, record)
    except UserError:
        return False
    return PROVENANCE_KEY in found.metadata and found.equals(table)


def read_table(path: Path | str, record: type) -> Table:
    """The table in `path`, its columns exactly those of `record`; anything else is a UserError."""
    try:
        return _checked(_upgraded(read_any_table(path), record, path), schema(record), record.__name__)
    except UserError as error:
        raise UserError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def _upgraded(table: Table, record: type, path: Path | str) -> Table:
    """`table` with what earlier versions called otherwise under its present name."""
    try:
        return upgraded(table, record, path)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is of an earlier version, and damaged: {first_line(error)}") from error


def read_any_table(path: Path | str) -> Table:
    """A parquet file whatever its columns: whole, of the size it announces, its text valid."""
    data = read_bytes(path)
    try:
        return decoded(data, BYTES)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, MemoryError) as error:
        words = first_line(error) if isinstance(error, ValueError) else f"its descriptions are not whole ({error!r})"
        raise UserError(f"{path} is damaged or not parquet: {words}") from error


def read_records(path: Path | str, record: type) -> list[Any]:
    """The rows of `path` as records, validated by the record itself."""
    try:
        return [record(**row) for row in read_table(path, record).to_pylist()]
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error


def read_provenance(path: Path | str) -> dict[str, Any] | None:
    """The provenance inside a parquet or JSON artefact, None if it has none."""
    if Path(path).suffix == ".parquet":
        metadata = read_any_table(path).metadata
        return parse_json(metadata[PROVENANCE_KEY], path) if PROVENANCE_KEY in metadata else None
    return read_json(path).get("provenance")


def made_from(path: Path | str) -> str | None:
    """The hash of what the artefact `path` was made from; None where there is none that can be read."""
    if not Path(path).is_file():
        return None
    try:
        return (read_provenance(path) or {}).get("config_hash")
    except UserError:
        return None
