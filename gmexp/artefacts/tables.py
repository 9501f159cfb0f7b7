"""Tables of records as parquet files, a column per field: what is written and what is read is checked against the record."""

from __future__ import annotations

import dataclasses
import io
import json
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gmexp.artefacts.io import read_json
from gmexp.artefacts.origin import plain
from gmexp.artefacts.reader import BYTES, parse_json, read_bytes
from gmexp.artefacts.records import Provenance
from gmexp.artefacts.upgrades import upgraded
from gmexp.artefacts.writer import atomic
from gmexp.support.errors import UserError, first_line

PROVENANCE_KEY = b"gmexp.provenance"
ARROW = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}

Columns = Mapping[str, Any]


def schema(record: type) -> pa.Schema:
    """The table schema of a record type: a column per field, nullable where the field may be None."""
    hints = typing.get_type_hints(record)
    return pa.schema([_field(f.name, hints[f.name]) for f in dataclasses.fields(record)])


def _field(name: str, hint: Any) -> pa.Field:
    if typing.get_origin(hint) is tuple:  # tuple[int, ...]
        return pa.field(name, pa.list_(ARROW[typing.get_args(hint)[0]]), nullable=False)
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    (kind,) = (option for option in options if option is not type(None))
    return pa.field(name, ARROW[kind], nullable=type(None) in options)


def as_table(rows: Sequence[Any] | Columns | pa.Table, record: type) -> pa.Table:
    """Records, or columns by name, as a checked table.

    A column is an array, a sequence or a single value for all rows. Unknown is None, a masked entry of a numpy masked
    array, or, in an optional float column, NaN.
    """
    expected = schema(record)
    if isinstance(rows, pa.Table):
        return _checked(rows, expected, record.__name__)
    if isinstance(rows, Mapping):
        _check_names(rows.keys(), expected, record.__name__)
        lengths = {name: len(column) for name, column in rows.items() if not _is_scalar(column)}
        if len(set(lengths.values())) > 1:
            raise UserError(f"{record.__name__} columns differ in length: {lengths}")
        size = next(iter(lengths.values()), 1)
        columns = {name: [column] * size if _is_scalar(column) else column for name, column in rows.items()}
    else:
        columns = {name: [getattr(row, name) for row in rows] for name in expected.names}
    try:
        arrays = [_array(columns[field.name], field) for field in expected]
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise UserError(f"cannot make a table of {record.__name__}: {first_line(error)}") from error
    return _checked(pa.Table.from_arrays(arrays, schema=expected), expected, record.__name__)


def _array(column: Any, field: pa.Field) -> pa.Array | pa.ChunkedArray:
    """`column` in the field's type if that loses nothing: Arrow itself would turn 1.5 into 1 and "1" into 1."""
    try:
        if pa.types.is_list(field.type):
            return pa.array(list(column), field.type)
        if isinstance(column, np.ma.MaskedArray):
            found = pa.array(column.data, mask=np.ma.getmaskarray(column))
        else:
            found = pa.array(column, from_pandas=field.nullable)
        if _kind(found.type) not in ("null", _kind(field.type)):
            raise TypeError(f"{found.type} values where {field.type} are expected")
        return found.cast(field.type)
    except (pa.ArrowException, TypeError, OverflowError) as error:
        raise pa.ArrowInvalid(f"column {field.name}: {first_line(error)}") from error


def _kind(dtype: pa.DataType) -> str:
    return "number" if pa.types.is_integer(dtype) or pa.types.is_floating(dtype) else str(dtype)


def _is_scalar(column: Any) -> bool:
    return column is None or isinstance(column, str | bool | int | float | np.generic)


def _check_names(names: Iterable[str], expected: pa.Schema, what: str) -> None:
    missing = [name for name in expected.names if name not in set(names)]
    extra = [name for name in names if name not in expected.names]
    if missing or extra:
        parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(extra)}"] * bool(extra)
        raise UserError(f"{what}: the table {' and '.join(parts)}")


def _checked(table: pa.Table, expected: pa.Schema, what: str) -> pa.Table:
    """`table` in the expected column order, or a UserError that names the first thing wrong with it."""
    if len(set(table.column_names)) != table.num_columns:
        raise UserError(f"{what}: the table names a column twice")
    _check_names(table.column_names, expected, what)
    table = table.select(expected.names)
    for field, found in zip(expected, table.schema, strict=True):
        column = table[field.name]
        if found.type != field.type:
            raise UserError(f"{what}: column {field.name} is {found.type}, not {field.type}")
        if column.null_count and not field.nullable:
            raise UserError(f"{what}: column {field.name} has {column.null_count} missing values")
        if pa.types.is_floating(field.type) and pc.any(pc.invert(pc.is_finite(column))).as_py():
            raise UserError(f"{what}: column {field.name} holds NaN or infinity; unknown is None")
    return table.cast(expected.with_metadata(table.schema.metadata))


def write_table(path: Path | str, rows: Sequence[Any] | Columns | pa.Table, record: type,
                provenance: Provenance | None = None) -> Path:
    """Write records (or columns, see `as_table`) as parquet, with their provenance in the schema's metadata.

    A file that holds the same rows already, whatever their provenance, is left alone.
    """
    table = as_table(rows, record)
    if provenance and _holds(path, table, record):
        return Path(path)
    if provenance:
        table = table.replace_schema_metadata({PROVENANCE_KEY: json.dumps(plain(provenance))})
    with atomic(path) as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)
    return Path(path)


def _holds(path: Path | str, table: pa.Table, record: type) -> bool:
    """Whether a file holds these rows, and where they are from."""
    try:
        found = read_table(path, record)
    except UserError:
        return False
    return PROVENANCE_KEY in (found.schema.metadata or {}) and found.equals(table)


def read_table(path: Path | str, record: type) -> pa.Table:
    """The table in `path`, its columns exactly those of `record`; anything else is a UserError."""
    try:
        return _checked(_upgraded(read_any_table(path), record, path), schema(record), record.__name__)
    except UserError as error:
        raise UserError(str(error) if str(path) in str(error) else f"{path}: {error}") from error


def _upgraded(table: pa.Table, record: type, path: Path | str) -> pa.Table:
    """`table` with what earlier versions called otherwise under its present name."""
    try:
        return upgraded(table, record, path)
    except (pa.ArrowException, KeyError, TypeError) as error:
        raise UserError(f"{path} is of an earlier version, and damaged: {first_line(error)}") from error


def read_any_table(path: Path | str) -> pa.Table:
    """A parquet file whatever its columns: whole, of the size it announces, its text valid."""
    data = read_bytes(path)
    try:
        file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
        about = file.metadata
        size = max(sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups)),
                   8 * about.num_rows * about.num_columns)
        if not 0 <= size <= BYTES:
            raise UserError(f"{path} unpacks to more than {BYTES >> 30} GiB: it is no file of this package")
        table = file.read()
        table.validate(full=True)
    except UserError:
        raise
    except Exception as error:  # Arrow's own, and whatever its bindings make of a damaged file
        raise UserError(f"{path} is damaged or not parquet: {first_line(error)}") from error
    return table


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
        metadata = read_any_table(path).schema.metadata or {}
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
