"""A parquet file -> a table."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gmexp.artefacts.parquet import encodings as E
from gmexp.artefacts.parquet.thrift import Damaged, Reader
from gmexp.artefacts.table import DTYPES, LISTS, Column, Table

__all__ = ["decoded"]

MAGIC = b"PAR1"
REQUIRED, OPTIONAL, REPEATED = range(3)
DATA, INDEX, DICTIONARY, DATA_2 = range(4)  # pages
PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY = 0, 2, 3, 8
DECIMAL, UINT_32, UINT_64 = 5, 13, 14  # converted types


@dataclass(frozen=True)
class _Leaf:
    """A column as the schema describes it: its path, and how often it may be absent or repeated on the way."""

    name: str
    physical: int
    meaning: int | None  # converted type
    steps: tuple[int, ...]  # required, optional or repeated, from the root on

    @property
    def defined(self) -> int:
        return sum(step != REQUIRED for step in self.steps)

    @property
    def repeated(self) -> int:
        return sum(step == REPEATED for step in self.steps)

    @property
    def list_level(self) -> int:
        """From which definition level on a list has an item."""
        return sum(step != REQUIRED for step in self.steps[:self.steps.index(REPEATED) + 1])


def decoded(data: bytes, most: int) -> Table:
    """The table in a file's bytes; `Damaged` for what is none, or would take more than `most` bytes."""
    if len(data) < 12 or data[:4] != MAGIC or data[-4:] != MAGIC:
        raise Damaged("it does not begin and end as a parquet file does")
    size = int.from_bytes(data[-8:-4], "little")
    if size > len(data) - 12:
        raise Damaged("it ends too early")
    about = Reader(data[-8 - size:-8]).struct()
    leaves = _leaves(about[2])
    groups, rows = about[4], about[3]
    if not 0 <= rows or 8 * rows * max(len(leaves), 1) > most:
        raise Damaged(f"it unpacks to more than {most >> 30} GiB")
    if len({leaf.name for leaf in leaves}) < len(leaves):
        raise Damaged("it names a column twice")
    if sum(group[3] for group in groups) != rows or any(len(group[1]) != len(leaves) for group in groups):
        raise Damaged("its row groups are not those that it announces")
    columns = {}
    for i, leaf in enumerate(leaves):
        parts = [_column(data, leaf, group[1][i][3], group[3], most) for group in groups]
        columns[leaf.name] = _joined(parts, leaf)
    notes = {_text(note[1]): _text(note[2]) for note in about.get(5, []) if 2 in note}
    return Table(columns, notes)


def _text(value: bytes) -> str:
    return value.decode("utf-8")


def _leaves(schema: Sequence[Mapping[int, Any]]) -> list[_Leaf]:
    """The columns of a schema, which lists its nodes parents first."""
    waiting = list(reversed(schema))
    if not waiting:
        raise Damaged("it has no schema")
    root = waiting.pop()

    def below(node: Mapping[int, Any], steps: tuple[int, ...]) -> Iterator[tuple[Mapping[int, Any], tuple[int, ...]]]:
        if len(steps) > 8 or not 0 <= node.get(5, 0) <= len(waiting):
            raise Damaged("its schema is damaged")
        if not node.get(5):
            yield node, steps
        for _ in range(node.get(5, 0)):
            if not waiting:
                raise Damaged("its schema is damaged")
            child = waiting.pop()
            yield from below(child, (*steps, child.get(3, REQUIRED)))

    found = []
    for _ in range(root.get(5, 0)):
        if not waiting:
            raise Damaged("its schema is damaged")
        top = waiting.pop()
        name = _text(top[4])
        inner = list(below(top, (top.get(3, REQUIRED),)))
        node, steps = inner[0]
        if len(inner) > 1 or steps.count(REPEATED) > 1 or 1 not in node:
            raise Damaged(f"its column {name!r} is nested")
        if node[1] in (E.INT96, E.FIXED) or node.get(6) == DECIMAL or not 0 <= node[1] < len(E.NAMES):
            raise Damaged(f"its column {name!r} holds neither numbers nor text")
        leaf = _Leaf(name, node[1], node.get(6), steps)
        if leaf.repeated and _type(leaf) not in LISTS:
            raise Damaged(f"its column {name!r} holds lists of {E.NAMES[leaf.physical]}")
        found.append(leaf)
    return found


def _type(leaf: _Leaf) -> str:
    return f"list<{E.NAMES[leaf.physical]}>" if leaf.repeated else E.NAMES[leaf.physical]


def _joined(parts: list[Column], leaf: _Leaf) -> Column:
    """The column of all row groups."""
    kind = _type(leaf)
    if not parts:
        empty = np.zeros(0, DTYPES[LISTS.get(kind, kind)])
        return Column(kind, empty, None, np.zeros(1, np.int64) if leaf.repeated else None)
    if len(parts) == 1:
        return parts[0]
    values = np.concatenate([part.values for part in parts])
    if leaf.repeated:
        ends = np.cumsum([0, *(part.offsets[-1] for part in parts)])
        return Column(kind, values, None, np.concatenate(
            [[0], *(part.offsets[1:] + end for part, end in zip(parts, ends[:-1], strict=True))]))
    missing = np.concatenate([np.zeros(len(part), bool) if part.missing is None else part.missing for part in parts])
    return Column(kind, values, missing if missing.any() else None)


def _column(data: bytes, leaf: _Leaf, about: Mapping[int, Any], rows: int, most: int) -> Column:
    """A column of one row group."""
    count, codec = about[5], about[4]
    if not 0 <= 8 * count <= most or (not leaf.repeated and count != rows):
        raise Damaged(f"its column {leaf.name!r} has not as many values as rows")
    at = min((start for start in (about[9], about.get(11)) if start is not None and start >= 4), default=len(data))
    dictionary, pieces, deep, again, done = None, [], [], [], 0
    while done < count:
        page, content, at = _page(data, at, codec, most)
        if page[1] == DICTIONARY:
            dictionary = E.plain(content(0), leaf.physical, _count(page[7][1], most))
        elif page[1] in (DATA, DATA_2):
            number = _count((page[5] if page[1] == DATA else page[8])[1], most)
            if not 0 < number <= count - done:
                raise Damaged("a page holds more values than its column")
            values, levels, repeats = _values(page, content, leaf, number, dictionary)
            pieces.append(values)
            deep.append(levels)
            again.append(repeats)
            done += number
    values = np.concatenate(pieces) if pieces else np.zeros(0, DTYPES[E.NAMES[leaf.physical]])
    if leaf.meaning in (UINT_32, UINT_64):
        values = values & 0xFFFFFFFF if leaf.meaning == UINT_32 else values
        if (values < 0).any():
            raise Damaged(f"its column {leaf.name!r} holds numbers that do not fit 63 bits")
    levels = np.concatenate(deep) if deep else np.zeros(0, np.int64)
    if leaf.repeated:
        return _lists(leaf, values, levels, np.concatenate(again) if again else levels, rows)
    present = levels == leaf.defined
    if present.all():
        return Column(_type(leaf), values)
    whole = np.full(count, None, object) if values.dtype == object else np.zeros(count, values.dtype)
    whole[present] = values
    return Column(_type(leaf), whole, ~present)


def _lists(leaf: _Leaf, values: np.ndarray, levels: np.ndarray, repeats: np.ndarray, rows: int) -> Column:
    """Lists from their items and levels."""
    begins = repeats == 0
    if begins.sum() != rows or (len(begins) and not begins[0]):
        raise Damaged(f"its column {leaf.name!r} has not as many lists as rows")
    item = levels >= leaf.list_level
    if (item & (levels < leaf.defined)).any() or (leaf.steps[0] == OPTIONAL and (levels == 0).any()):
        raise Damaged(f"its column {leaf.name!r} lacks a list, or an item of one")
    sizes = np.bincount(np.cumsum(begins)[item] - 1, minlength=rows)
    return Column(_type(leaf), values, None, np.concatenate([[0], np.cumsum(sizes)]))


def _count(number: int, most: int) -> int:
    if not 0 <= 8 * number <= most:
        raise Damaged("a page announces more values than fit")
    return number


def _page(data: bytes, at: int, codec: int, most: int) -> tuple[dict[int, Any], Any, int]:
    """The page that begins at a place: its head, a function that unpacks what follows so many bytes, and its end."""
    reader = Reader(data, at)
    head = reader.struct()
    packed, size, unpacked = reader.at, head[3], head[2]
    if not 0 <= size <= len(data) - packed or not 0 <= unpacked <= most:
        raise Damaged("it ends too early")
    body = data[packed:packed + size]
    if 4 in head and zlib.crc32(body) != head[4] & 0xFFFFFFFF:
        raise Damaged("the checksum of a page is another")

    def content(skipped: int) -> bytes:
        """The page, of which the first bytes are never compressed."""
        raw = head.get(8, {}).get(7, True)
        rest = body[skipped:]
        return body[:skipped] + (E.uncompressed(rest, codec, unpacked - skipped) if raw else rest)

    return head, content, packed + size


def _values(page: Mapping[int, Any], content: Any, leaf: _Leaf, count: int,
            dictionary: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The values of a data page, and the definition and repetition level of each place."""
    levels = repeats = None
    if page[1] == DATA:
        about, body, at = page[5], content(0), 0
        encoding = about[2]
        if leaf.repeated:
            repeats, at = _level(body, at, leaf.repeated, count)
        if leaf.defined:
            levels, at = _level(body, at, leaf.defined, count)
    else:
        about = page[8]
        encoding, deep, again = about[4], about[5], about[6]
        if deep < 0 or again < 0:
            raise Damaged("a page is damaged")
        body, at = content(deep + again), deep + again
        if leaf.repeated:
            repeats = E.hybrid(body[:again], leaf.repeated.bit_length(), count)
        if leaf.defined:
            levels = E.hybrid(body[again:again + deep], leaf.defined.bit_length(), count)
    if levels is None:
        levels = np.zeros(count, np.int64)
    held, body = int((levels == leaf.defined).sum()), body[at:]
    if encoding == PLAIN:
        values = E.plain(body, leaf.physical, held)
    elif encoding in (PLAIN_DICTIONARY, RLE_DICTIONARY):
        if dictionary is None:
            raise Damaged("a page lacks its dictionary")
        codes = E.hybrid(body[1:], body[0], held) if held else np.zeros(0, np.int64)
        if len(codes) and codes.max() >= len(dictionary):
            raise Damaged("a value is not in its dictionary")
        values = dictionary[codes]
    elif encoding == RLE and leaf.physical == E.BOOLEAN:
        values = E.hybrid(body[4:], 1, held).astype(bool)
    else:
        raise Damaged(f"its column {leaf.name!r} is encoded in a way that is not read: plain values and dictionaries are")
    return values, levels, levels if repeats is None else repeats


def _level(body: bytes, at: int, highest: int, count: int) -> tuple[np.ndarray, int]:
    """Levels, whose length stands before them."""
    size = int.from_bytes(body[at:at + 4], "little")
    if at + 4 + size > len(body):
        raise Damaged("a page ends too early")
    return E.hybrid(body[at + 4:at + 4 + size], highest.bit_length(), count), at + 4 + size
