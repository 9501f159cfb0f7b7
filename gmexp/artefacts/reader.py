"""The one way to read a file that somebody else may have made: what it is, how large, how deep and of which types is
checked before anything is used. Every refusal is a `UserError` of one line that names the file.

Only plain files are opened (a FIFO would wait for ever, a device never end); numbers are finite and fit 64 bits; text is
Unicode that can be written again.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gmexp.support.errors import UserError, first_line

__all__ = ["Table", "parse_json", "read_bytes", "read_csv", "read_text"]

MIB = 2**20
BYTES = 4096 * MIB  # of any file; the largest are states of runs in progress
JSON_BYTES = 256 * MIB
JSON_DEPTH = 64
CSV_BYTES = 256 * MIB
LARGEST = 2**63  # whole numbers are below it


def read_bytes(path: Path | str, limit: int = BYTES) -> bytes:
    """The content of a plain file of at most `limit` bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode):
                raise UserError(f"cannot read {path}: it is no plain file")
            if about.st_size > limit:
                raise UserError(f"cannot read {path}: it has {about.st_size / MIB:.0f} MiB, and {limit / MIB:.0f} are the "
                                "most")
            return file.read(limit + 1)[:limit]
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or first_line(error)}") from error
    except UserError:
        raise
    except ValueError as error:  # a null character in the name
        raise UserError(f"cannot read {str(path)!r}: {first_line(error)}") from error


def read_text(path: Path | str, limit: int = JSON_BYTES) -> str:
    """The text of a file in UTF-8, with or without a byte order mark."""
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8 (byte {error.start}): save it in that encoding") from error


# --- JSON -------------------------------------------------------------------------------------------------------------

def parse_json(data: bytes | str, name: Path | str) -> Any:
    """A JSON document: finite numbers, no key twice, at most `JSON_DEPTH` levels deep."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        content = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_finite,
                             parse_int=_whole)
        _check_depth(content)
        return content
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not valid JSON: not text in UTF-8 (byte {error.start})") from error
    except RecursionError as error:
        raise UserError(f"{name} is nested deeper than {JSON_DEPTH} levels") from error
    except ValueError as error:
        raise UserError(f"{name} is not valid JSON: {first_line(error)}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number; unknown is null")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:40]} is beyond what a number can be")
    return number


def _whole(text: str) -> int:
    if len(text) > 20 or not -LARGEST <= (number := int(text)) < LARGEST:
        raise ValueError(f"{text[:40]} is beyond 64 bits")
    return number


def _check_depth(content: Any) -> None:
    """RecursionError beyond `JSON_DEPTH`, UnicodeError for half of a surrogate pair; iteratively, as depth is the point."""
    level = [content]
    for _ in range(JSON_DEPTH):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                item.isascii() or item.encode()
            elif isinstance(item, dict):
                below += item
                below += item.values()
            elif isinstance(item, list):
                below += item
        if not below:
            return
        level = below
    raise RecursionError


# --- CSV --------------------------------------------------------------------------------------------------------------

class Table(NamedTuple):
    """A CSV: its columns, and its rows (from 1, the header aside), each with as many cells."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def records(self) -> list[dict[str, str]]:
        """The rows by column."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]


def read_csv(path: Path | str, required: Iterable[str] = ()) -> Table:
    """A comma-separated file with a header; empty lines are passed over, every other row has as many cells as it."""
    name, text = Path(path).name, read_text(path, CSV_BYTES)
    try:
        lines = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error as error:
        raise UserError(f"{name} is not a readable CSV: {first_line(error)}") from error
    if not lines:
        raise UserError(f"{name} is empty: a CSV begins with a line that names its columns")
    header = tuple(cell.strip() for cell in lines[0])
    if len(header) == 1 and (hint := _separator(header[0])):
        raise UserError(f"{name} separates its columns by {hint}: use commas")
    if twice := [column for column in header if header.count(column) > 1]:
        raise UserError(f"{name} names the column {twice[0]!r} twice")
    missing = [column for column in required if column not in header]
    if missing:
        raise UserError(f"{name} lacks the column {missing[0]!r}: required are {', '.join(required)}")
    _check_cells(name, header, lines[1:])
    return Table(name, header, tuple(map(tuple, lines[1:])))


def _separator(header: str) -> str | None:
    """The words for what else than a comma separates a header's columns."""
    return {";": "semicolons", "\t": "tabs", "|": "bars"}.get(max(";\t|", key=header.count)) if any(
        mark in header for mark in ";\t|") else None


def _check_cells(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            hint = _separator(row[0]) if len(row) == 1 else None
            raise UserError(f"{name}: row {number} has {len(row)} cells where the header has {len(header)}"
                            + (f"; it separates them by {hint}: use commas" if hint else ""))
        if any("\0" in cell for cell in row):
            raise UserError(f"{name}: row {number} holds a null character")
