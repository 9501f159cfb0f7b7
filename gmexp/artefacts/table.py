"""Tables in memory: named columns of whole numbers, numbers, text, truth values or lists of whole numbers.

The names of the methods are those that pyarrow's tables have; what is missing is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["LISTS", "TYPES", "Column", "Table", "column_of"]

TYPES = {int: "int64", float: "double", str: "string", bool: "bool"}
DTYPES = {"int64": np.int64, "double": np.float64, "string": object, "bool": np.bool_}
LISTS = {f"list<{name}>": name for name in ("int64", "double")}  # and what they are lists of


@dataclass(frozen=True, eq=False)
class Column:
    """A column: its values, which of them are missing, and of lists, where each begins in the values and ends."""

    type: str
    values: np.ndarray  # int64, float64, bool or objects; zero, NaN, False or None where one is missing
    missing: np.ndarray | None = None  # bool; None: nothing is missing
    offsets: np.ndarray | None = None  # of lists: int64 [rows + 1]

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_pylist())

    def __getitem__(self, row: int) -> Any:
        return self.take(np.array([row if row >= 0 else len(self) + row])).to_pylist()[0]

    @property
    def null_count(self) -> int:
        return 0 if self.missing is None else int(self.missing.sum())

    def to_pylist(self) -> list[Any]:
        """Python's own values."""
        if self.offsets is not None:
            flat, ends = self.values.tolist(), self.offsets.tolist()
            return [flat[first:last] for first, last in zip(ends[:-1], ends[1:], strict=True)]
        values = self.values.tolist()
        if self.null_count:
            values = [None if gone else value for value, gone in zip(values, self.missing.tolist(), strict=True)]
        return values

    def to_numpy(self) -> np.ndarray:
        """An array; of numbers, missing ones are NaN, of anything else None."""
        if not self.null_count:
            return self.values
        if self.type in ("int64", "double"):
            return np.where(self.missing, np.nan, self.values)
        return np.where(self.missing, None, self.values.astype(object))

    def fill_null(self, value: Any) -> np.ndarray:
        """An array with `value` for what is missing."""
        return self.values if self.missing is None else np.where(self.missing, value, self.values).astype(self.values.dtype)

    def take(self, rows: np.ndarray) -> Column:
        """These rows, by number."""
        if self.offsets is None:
            return Column(self.type, self.values[rows], None if self.missing is None else self.missing[rows])
        sizes = np.diff(self.offsets)[rows]
        ends = np.concatenate([[0], np.cumsum(sizes)])
        where = np.arange(ends[-1]) + np.repeat(self.offsets[:-1][rows] - ends[:-1], sizes)
        return Column(self.type, self.values[where], None, ends)

    def equals(self, other: Column) -> bool:
        """Whether both hold the same, whatever stands where values are missing."""
        return self.type == other.type and len(self) == len(other) and self.to_pylist() == other.to_pylist()


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length by name, and notes of the file that they are from."""

    columns: Mapping[str, Column]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_pylist(cls, rows: Sequence[Mapping[str, Any]]) -> Table:
        """A table of rows with the same keys; a column's type is that of its values."""
        names = list(dict.fromkeys(name for row in rows for name in row))
        return cls.from_pydict({name: [row.get(name) for row in rows] for name in names})

    @classmethod
    def from_pydict(cls, columns: Mapping[str, Iterable[Any]]) -> Table:
        """A table of columns; the type of each is that of its values."""
        return cls({name: column_of(values, _kind_of(values)) for name, values in columns.items()})

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    @property
    def num_rows(self) -> int:
        return len(self)

    @property
    def column_names(self) -> list[str]:
        return list(self.columns)

    def to_pydict(self) -> dict[str, list[Any]]:
        return {name: column.to_pylist() for name, column in self.columns.items()}

    def to_pylist(self) -> list[dict[str, Any]]:
        """The rows."""
        names = self.column_names
        return [dict(zip(names, row, strict=True)) for row in zip(*self.to_pydict().values(), strict=True)]

    def select(self, names: Sequence[str]) -> Table:
        return Table({name: self.columns[name] for name in names}, self.metadata)

    def drop_columns(self, names: Sequence[str]) -> Table:
        return self.select([name for name in self.columns if name not in names])

    def with_columns(self, columns: Mapping[str, Column]) -> Table:
        """With these columns added, or in place of those of their names."""
        return Table({**self.columns, **columns}, self.metadata)

    def rename_columns(self, names: Sequence[str]) -> Table:
        return Table(dict(zip(names, self.columns.values(), strict=True)), self.metadata)

    def replace_metadata(self, metadata: Mapping[str, str]) -> Table:
        return Table(self.columns, metadata)

    def take(self, rows: np.ndarray) -> Table:
        """These rows, by number."""
        return Table({name: column.take(rows) for name, column in self.columns.items()}, self.metadata)

    def filter(self, chosen: np.ndarray) -> Table:
        """The rows that are chosen: bool [rows]."""
        return self.take(np.flatnonzero(chosen))

    def groups(self, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Rows alike in some columns -> the group of each row, numbered as they first appear, and the first row of each."""
        codes = np.zeros(len(self), np.int64)
        for key in keys:
            column = self.columns[key]
            if column.type == "string":
                numbers: dict[Any, int] = {}
                own = np.array([numbers.setdefault(value, len(numbers)) for value in column.to_pylist()], np.int64)
            else:
                own = np.unique(column.values, return_inverse=True)[1]
                if column.missing is not None:
                    own = np.where(column.missing, len(own), own)
            codes = np.unique(codes * (int(own.max(initial=0)) + 1) + own, return_inverse=True)[1]
        _, first, codes = np.unique(codes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        numbered = np.empty(len(first), np.int64)
        numbered[order] = np.arange(len(first))
        return numbered[codes], first[order]

    def sums(self, keys: Sequence[str], flags: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
        """Of rows alike in some columns: these, and how often each flag (bool [rows]) is set."""
        group, first = self.groups(keys)
        rows = self.select(keys).take(first).to_pylist()
        added = {name: np.bincount(group[np.asarray(flag, bool)], minlength=len(first)).tolist()
                 for name, flag in flags.items()}
        return [row | {name: counts[i] for name, counts in added.items()} for i, row in enumerate(rows)]

    def equals(self, other: Table) -> bool:
        """Whether both hold the same columns in the same order, whatever they were made by."""
        return self.column_names == other.column_names and all(
            column.equals(other[name]) for name, column in self.columns.items())


def _kind_of(values: Any) -> str:
    """The type of what some values are: that of the first that is known."""
    if isinstance(values, np.ndarray) and values.dtype != object:
        return {"b": "bool", "i": "int64", "u": "int64", "f": "double"}.get(values.dtype.kind, "string")
    known = [value for value in values if value is not None]
    if any(isinstance(value, list | tuple) for value in known):
        return "list<int64>"
    for kind, python in (("string", str), ("bool", bool | np.bool_), ("int64", int | np.integer)):
        if known and all(isinstance(value, python) for value in known):
            return kind
    return "double"


def column_of(values: Any, kind: str, nullable: bool = True) -> Column:
    """Values as a column of a type, if that loses nothing: 1.5 is no whole number, "1" no number and True neither.

    Missing are None, masked entries of a numpy masked array and, in a column where that is allowed, NaN. TypeError or
    OverflowError for what does not fit.
    """
    if isinstance(values, Column):
        if values.type == kind:
            return values
        values = np.ma.masked_array(values.values, values.missing if values.missing is not None else False)
    if kind in LISTS and isinstance(values, np.ndarray) and values.ndim == 2:  # lists of equal length
        flat = column_of(values.ravel(), LISTS[kind], False)
        return Column(kind, flat.values, None, values.shape[1] * np.arange(len(values) + 1))
    if kind in LISTS:
        rows = [list(row) for row in values]
        flat = column_of([value for row in rows for value in row], LISTS[kind], False)
        if flat.null_count:
            raise TypeError("a list lacks a value")
        return Column(kind, flat.values, None, np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]))
    data, missing = _parts(values, kind)
    if missing.all():  # or there is nothing
        blank = np.full(len(missing), None, object) if kind == "string" else np.zeros(len(missing), DTYPES[kind])
        return Column(kind, blank, missing if len(missing) else None)
    of = data.dtype.kind
    if of not in {"int64": "iuf", "double": "iuf", "bool": "b", "string": "OU"}[kind]:
        raise TypeError(f"{data.dtype} values where {kind} are expected")
    if of == "f" and nullable:
        missing = missing | np.isnan(data)
    if kind == "int64" and of in "fu":
        known = data[~missing]
        if of == "f" and (known != np.round(known)).any():
            raise TypeError(f"{known[known != np.round(known)][0]} is no whole number")
        if (np.abs(known) >= 2**63).any():
            raise OverflowError("a whole number does not fit into 64 bits")
        data = np.where(missing, 0, data)
    if kind == "string" and of == "O" and not all(isinstance(value, str) for value in data[~missing]):
        raise TypeError("values that are no text where text is expected")
    return Column(kind, data.astype(DTYPES[kind]), missing if missing.any() else None)


def _parts(values: Any, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Values as an array, and which are missing."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(values.data), np.ma.getmaskarray(values)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values, np.zeros(len(values), bool)
    items = list(values)
    missing = np.array([value is None for value in items], bool)
    known = [value for value in items if value is not None]
    if kind == "string" or any(isinstance(value, str) for value in known):
        data = np.empty(len(items), object)
        data[:] = items
        return data, missing
    if any(isinstance(value, bool | np.bool_) for value in known):
        return np.array([bool(value) for value in items]), missing
    whole = all(isinstance(value, int | np.integer) for value in known)
    return np.array([0 if value is None else value for value in items], np.int64 if whole else np.float64), missing
