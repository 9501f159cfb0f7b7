"""Thrift's compact protocol: structs as dicts from the number of a field to its value."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Binary", "Damaged", "I32", "I64", "Items", "Reader", "Struct", "varint", "written"]

DEPTH = 16
TRUE, FALSE, BYTE, SHORT, INT, LONG, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)


class Damaged(ValueError):
    """These bytes are no file of the kind."""


class Reader:
    """Reads structs from bytes."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The struct that begins here."""
        found, number = {}, 0
        while True:
            head = self._byte()
            if head == 0:
                return found
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            found[number] = self._value(head & 15, depth)

    def _value(self, kind: int, depth: int) -> Any:
        if depth > DEPTH:
            raise Damaged("its descriptions are nested too deeply")
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return self._byte()
        if kind in (SHORT, INT, LONG):
            return self._zigzag()
        if kind == DOUBLE:
            return struct.unpack("<d", self._take(8))[0]
        if kind == BINARY:
            return self._take(self._varint())
        if kind in (LIST, SET):
            head = self._byte()
            size = self._varint() if head >> 4 == 15 else head >> 4
            if size > len(self.data) - self.at:
                raise Damaged("a list is longer than the file")
            if head & 15 in (TRUE, FALSE):
                return [self._byte() == TRUE for _ in range(size)]
            return [self._value(head & 15, depth + 1) for _ in range(size)]
        if kind == STRUCT:
            return self.struct(depth + 1)
        raise Damaged(f"its descriptions hold a value of the unknown kind {kind}")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, size: int) -> bytes:
        part = self.data[self.at:self.at + size]
        if len(part) < size:
            raise Damaged("it ends too early")
        self.at += size
        return part

    def _varint(self) -> int:
        value, self.at = varint(self.data, self.at)
        return value

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number that is written in sevens of bits -> it, and what follows it."""
    value = shift = 0
    while shift < 70:
        if at >= len(data):
            raise Damaged("it ends too early")
        value |= (data[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 128:
            return value, at
    raise Damaged("a number is too long")


# --- writing: the kind of every value is said -------------------------------------------------------------------------

class I32(int):
    """A number of 32 bits."""


class I64(int):
    """A number of 64 bits."""


class Binary(bytes):
    """Bytes, or text."""


class Struct(dict):
    """Fields by number; those that are None are left out."""


class Items(NamedTuple):
    """A list of values of one kind."""

    values: tuple[Any, ...]


KINDS = {I32: INT, I64: LONG, Binary: BINARY, Struct: STRUCT, Items: LIST}


def written(fields: Mapping[int, Any]) -> bytes:
    """A struct as bytes."""
    pieces, last = [], 0
    for number, value in fields.items():
        if value is None:
            continue
        kind = (TRUE if value else FALSE) if isinstance(value, bool) else KINDS[type(value)]
        step = number - last
        pieces.append(bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + number_of(number))
        if not isinstance(value, bool):
            pieces.append(_written(value))
        last = number
    return b"".join([*pieces, b"\0"])


def _written(value: Any) -> bytes:
    if isinstance(value, int):
        return number_of(value)
    if isinstance(value, bytes):
        return plain_varint(len(value)) + value
    if isinstance(value, dict):
        return written(value)
    size = len(value.values)
    kind = KINDS[type(value.values[0])] if size else BINARY
    head = bytes([size << 4 | kind]) if size < 15 else bytes([15 << 4 | kind]) + plain_varint(size)
    return head + b"".join(map(_written, value.values))


def number_of(value: int) -> bytes:
    return plain_varint(value << 1 if value >= 0 else (-value << 1) - 1)


def plain_varint(value: int) -> bytes:
    """A number in sevens of bits."""
    pieces = bytearray()
    while value > 127:
        pieces.append(value & 127 | 128)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)
