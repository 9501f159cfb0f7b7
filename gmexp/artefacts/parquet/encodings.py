"""How values stand in a page: packed bits and runs of them, plain values, compressed or not."""

from __future__ import annotations

import struct
import sys
import zlib

import numpy as np

from gmexp.artefacts.parquet.thrift import Damaged, plain_varint, varint

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["BOOLEAN", "BYTE_ARRAY", "DOUBLE", "FLOAT", "GZIP", "INT32", "INT64", "NAMES", "SNAPPY", "UNCOMPRESSED", "ZSTD",
           "compressed", "hybrid", "plain", "to_hybrid", "to_plain", "uncompressed"]

BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY, FIXED = range(8)  # physical types
NAMES = ("bool", "int64", "int64", "a time of 96 bits", "double", "double", "string", "bytes of a fixed length")
NUMBERS = {INT32: "<i4", INT64: "<i8", FLOAT: "<f4", DOUBLE: "<f8"}
UNCOMPRESSED, SNAPPY, GZIP, ZSTD = 0, 1, 2, 6
CODECS = ("none", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4_raw")
LEVEL = 3


# --- runs and packed bits ---------------------------------------------------------------------------------------------

def hybrid(data: bytes, width: int, count: int) -> np.ndarray:
    """`count` numbers of `width` bits, as runs of equal ones and as packed bits: int64."""
    if not 0 <= width <= 32:
        raise Damaged(f"numbers of {width} bits")
    found, at, size = np.zeros(count, np.int64), 0, (width + 7) // 8
    done = 0
    while done < count:
        head, at = varint(data, at)
        if head & 1:
            groups = head >> 1
            packed = data[at:at + groups * width]
            if len(packed) < groups * width and 8 * len(packed) < (count - done) * width:
                raise Damaged("a page ends too early")
            at += groups * width
            part = min(8 * groups, count - done)
            found[done:done + part] = _unpacked(packed, width, part)
        else:
            part = min(head >> 1, count - done)
            value = data[at:at + size]
            if len(value) < size:
                raise Damaged("a page ends too early")
            at += size
            found[done:done + part] = int.from_bytes(value, "little")
        if not part:
            raise Damaged("a run of no values")
        done += part
    return found


def _unpacked(packed: bytes, width: int, count: int) -> np.ndarray:
    bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")[:count * width].reshape(count, width)
    return bits.astype(np.int64) @ (1 << np.arange(width, dtype=np.int64))


def to_hybrid(values: np.ndarray, width: int) -> bytes:
    """Numbers of `width` bits: run by run where runs are long, else packed."""
    if not len(values):
        return b""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(values)) + 1])
    if 8 * len(starts) <= len(values):
        lengths, size = np.diff(starts, append=len(values)).tolist(), (width + 7) // 8
        return b"".join(plain_varint(length << 1) + value.to_bytes(size, "little")
                        for length, value in zip(lengths, values[starts].tolist(), strict=True))
    groups = -(-len(values) // 8)
    padded = np.zeros(8 * groups, np.int64)
    padded[:len(values)] = values
    bits = (padded[:, None] >> np.arange(width) & 1).astype(np.uint8)
    return plain_varint(groups << 1 | 1) + np.packbits(bits, bitorder="little").tobytes()


# --- plain values -----------------------------------------------------------------------------------------------------

def plain(data: bytes, kind: int, count: int) -> np.ndarray:
    """`count` plain values of a physical type: int64, float64, bool or text."""
    if kind in NUMBERS:
        dtype = np.dtype(NUMBERS[kind])
        if len(data) < count * dtype.itemsize:
            raise Damaged("a page ends too early")
        return np.frombuffer(data, dtype, count).astype(np.float64 if dtype.kind == "f" else np.int64)
    if kind == BOOLEAN:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:count]
        if len(bits) < count:
            raise Damaged("a page ends too early")
        return bits.astype(bool)
    if kind != BYTE_ARRAY:
        raise Damaged(f"a column holds {NAMES[kind]}, which is not read")
    texts, at = np.empty(min(count, len(data) // 4), object), 0
    if len(texts) < count:
        raise Damaged("a page ends too early")
    for i in range(count):
        size = int.from_bytes(data[at:at + 4], "little")
        at += 4
        if at + size > len(data):
            raise Damaged("a page ends too early")
        texts[i] = data[at:at + size].decode("utf-8")
        at += size
    return texts


def to_plain(values: np.ndarray, kind: int) -> bytes:
    """Values as plain ones."""
    if kind == BOOLEAN:
        return np.packbits(values.astype(np.uint8), bitorder="little").tobytes()
    if kind == BYTE_ARRAY:
        texts = [text.encode("utf-8") for text in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return values.astype(NUMBERS[kind]).tobytes()


# --- compression ------------------------------------------------------------------------------------------------------

def compressed(data: bytes) -> bytes:
    return zstd.compress(data, level=LEVEL)


def uncompressed(data: bytes, codec: int, size: int) -> bytes:
    """What was compressed, which is `size` bytes long; never more than that is unpacked."""
    try:
        if codec == UNCOMPRESSED:
            found = data
        elif codec == ZSTD:
            found = zstd.ZstdDecompressor().decompress(data, max_length=size + 1)
        elif codec == GZIP:
            found = zlib.decompressobj(31).decompress(data, size + 1)
        elif codec == SNAPPY:
            found = _unsnapped(data, size)
        else:
            name = CODECS[codec] if 0 <= codec < len(CODECS) else codec
            raise Damaged(f"it is compressed by {name}, which is not read: snappy, gzip and zstd are")
    except (zstd.ZstdError, zlib.error, EOFError) as error:
        raise Damaged(f"a page cannot be unpacked: {error}") from error
    if len(found) != size:
        raise Damaged("a page is not of the size that it announces")
    return found


def _unsnapped(data: bytes, size: int) -> bytes:
    """Snappy's format: literals, and copies of what came before."""
    announced, at = varint(data, 0)
    if announced != size:
        raise Damaged("a page is not of the size that it announces")
    found = bytearray()
    while at < len(data) and len(found) <= size:
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = (tag >> 2) + 1
            if length > 60:
                more = length - 60
                length = int.from_bytes(data[at:at + more], "little") + 1
                at += more
            found += data[at:at + length]
            at += length
            continue
        if tag & 3 == 1:
            length, offset, more = (tag >> 2 & 7) + 4, tag >> 5 << 8, 1
        else:
            length, offset, more = (tag >> 2) + 1, 0, 2 if tag & 3 == 2 else 4
        offset += int.from_bytes(data[at:at + more], "little")
        at += more
        if not 0 < offset <= len(found):
            raise Damaged("a page cannot be unpacked: a copy of nothing")
        start = len(found) - offset
        piece = bytes(found[start:start + length])
        found += (piece * (length // len(piece) + 1))[:length]
    return bytes(found)
