"""A table -> a parquet file: pages of dictionaries where values recur, zstd, checksums."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np

from gmexp.artefacts.parquet import encodings as E
from gmexp.artefacts.parquet.read import (
    DATA, DICTIONARY, MAGIC, OPTIONAL, PLAIN, REPEATED, REQUIRED, RLE, RLE_DICTIONARY,
)
from gmexp.artefacts.parquet.thrift import I32, I64, Binary, Items, Struct, written
from gmexp.artefacts.table import LISTS, Column, Table

__all__ = ["encoded"]

ROWS = 2**20  # of a row group
PHYSICAL = {"bool": E.BOOLEAN, "int64": E.INT64, "double": E.DOUBLE, "string": E.BYTE_ARRAY}
UTF8, LIST = 0, 3  # converted types
TEXT_TYPE, LIST_TYPE = Struct({1: Struct()}), Struct({3: Struct()})  # logical types
RECURRING = 0.5  # a dictionary pays where distinct values are at most this share of all


def encoded(table: Table, nullable: Mapping[str, bool]) -> bytes:
    """The bytes of a file; `nullable` says which columns may lack values."""
    pieces, groups = [MAGIC], []
    at = len(MAGIC)
    for first in range(0, len(table), ROWS):
        rows = table.take(np.arange(first, min(first + ROWS, len(table)))) if len(table) > ROWS else table
        chunks, start = [], at
        for name, column in rows.columns.items():
            pages, about = _chunk(name, column, nullable[name], at)
            pieces += pages
            at += sum(map(len, pages))
            chunks.append(Struct({2: I64(about[9]), 3: about}))
        unpacked = sum(chunk[3][6] for chunk in chunks)
        groups.append(Struct({1: Items(tuple(chunks)), 2: I64(unpacked), 3: I64(len(rows)), 5: I64(start),
                              6: I64(at - start)}))
    notes = tuple(Struct({1: Binary(key.encode()), 2: Binary(value.encode())}) for key, value in table.metadata.items())
    schema = [Struct({4: Binary(b"schema"), 5: I32(len(table.columns))})]
    for name, column in table.columns.items():
        schema += _schema(name, column.type, nullable[name])
    about = written(Struct({1: I32(2), 2: Items(tuple(schema)), 3: I64(len(table)), 4: Items(tuple(groups)),
                            5: Items(notes) if notes else None, 6: Binary(b"gmexp")}))
    return b"".join([*pieces, about, len(about).to_bytes(4, "little"), MAGIC])


def _schema(name: str, kind: str, nullable: bool) -> list[Struct]:
    """The nodes of a column."""
    if kind in LISTS:
        return [Struct({3: I32(REQUIRED), 4: Binary(name.encode()), 5: I32(1), 6: I32(LIST), 10: LIST_TYPE}),
                Struct({3: I32(REPEATED), 4: Binary(b"list"), 5: I32(1)}),
                Struct({1: I32(PHYSICAL[LISTS[kind]]), 3: I32(OPTIONAL), 4: Binary(b"element")})]
    text = kind == "string"
    return [Struct({1: I32(PHYSICAL[kind]), 3: I32(OPTIONAL if nullable else REQUIRED), 4: Binary(name.encode()),
                    6: I32(UTF8) if text else None, 10: TEXT_TYPE if text else None})]


def _chunk(name: str, column: Column, nullable: bool, at: int) -> tuple[list[bytes], Struct]:
    """A column's pages, and what is said of them."""
    kind = LISTS.get(column.type, column.type)
    physical, values, levels, places = PHYSICAL[kind], column.values, b"", len(column)
    if column.offsets is not None:
        repeats, deep = _levels_of_lists(column.offsets)
        levels, places = _prefixed(E.to_hybrid(repeats, 1)) + _prefixed(E.to_hybrid(deep, 2)), len(deep)
    elif nullable:
        present = np.ones(places, np.int64) if column.missing is None else (~column.missing).astype(np.int64)
        levels = _prefixed(E.to_hybrid(present, 1))
        values = values[present == 1]
    pages, dictionary, encoding = [], None, PLAIN
    distinct, codes = _distinct(values, kind)
    if distinct is not None:
        pages.append(_page({1: I32(DICTIONARY), 7: Struct({1: I32(len(distinct)), 2: I32(PLAIN)})},
                           E.to_plain(distinct, physical)))
        dictionary, encoding = at, RLE_DICTIONARY
        width = max(1, (len(distinct) - 1).bit_length())
        body = bytes([width]) + E.to_hybrid(codes, width)
    else:
        body = E.to_plain(values, physical)
    head = {1: I32(DATA), 5: Struct({1: I32(places), 2: I32(encoding), 3: I32(RLE), 4: I32(RLE)})}
    begins = at + sum(map(len, (page for page, _ in pages)))
    pages.append(_page(head, levels + body))
    path = (name, "list", "element") if column.offsets is not None else (name,)
    about = Struct({
        1: I32(physical), 2: Items(tuple(I32(e) for e in dict.fromkeys((PLAIN, RLE, encoding)))),
        3: Items(tuple(Binary(part.encode()) for part in path)), 4: I32(E.ZSTD), 5: I64(places),
        6: I64(sum(size for _, size in pages)), 7: I64(sum(len(page) for page, _ in pages)), 9: I64(begins),
        11: None if dictionary is None else I64(dictionary)})
    return [page for page, _ in pages], about


def _levels_of_lists(offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Repetition and definition level of every item, and of every empty list, which has a place too."""
    sizes = np.diff(offsets)
    places = np.maximum(sizes, 1)
    starts = np.cumsum(places) - places
    repeats = np.ones(int(places.sum()), np.int64)
    repeats[starts] = 0
    deep = np.full(len(repeats), 2, np.int64)
    deep[starts[sizes == 0]] = 0
    return repeats, deep


def _prefixed(levels: bytes) -> bytes:
    return len(levels).to_bytes(4, "little") + levels


def _distinct(values: np.ndarray, kind: str) -> tuple[np.ndarray | None, np.ndarray]:
    """The distinct values, and the number of each; None where a dictionary does not pay."""
    if kind == "bool" or not len(values):
        return None, values
    if kind == "string":
        numbers: dict[str, int] = {}
        codes = np.array([numbers.setdefault(value, len(numbers)) for value in values.tolist()], np.int64)
        distinct = np.empty(len(numbers), object)
        distinct[:] = list(numbers)
    else:
        bits = values.view(np.int64)  # by their bits: -0.0 is not 0.0
        found, codes = np.unique(bits, return_inverse=True)
        distinct = found.view(values.dtype)
    return (distinct, codes) if len(distinct) <= max(1, RECURRING * len(values)) else (None, values)


def _page(head: Mapping[int, object], content: bytes) -> tuple[bytes, int]:
    """A page as it stands in the file, and its size unpacked."""
    packed = E.compressed(content)
    crc = zlib.crc32(packed)
    about = {1: head[1], 2: I32(len(content)), 3: I32(len(packed)), 4: I32(crc - (1 << 32) if crc >> 31 else crc),
             **{key: value for key, value in head.items() if key > 4}}
    whole = written(about)
    return whole + packed, len(whole) + len(content)
