"""JSON objects and named arrays: written whole by `writer`, read through the limits of `reader`."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gmexp.artefacts.origin import plain
from gmexp.artefacts.reader import BYTES, JSON_BYTES, MIB, parse_json, read_bytes
from gmexp.artefacts.records import Provenance
from gmexp.artefacts.writer import atomic, write_bytes
from gmexp.support.errors import UserError, first_line

__all__ = ["encode_json", "read_json", "read_npz", "unpack_npz", "write_json", "write_npz"]

UNPACKED = 256 * MIB  # that compressed arrays may have; ours are stored as they are, but for a calibration's draws
MEMBERS = 10_000
SEAL = "sha256"  # the last key of an artefact
KINDS = "biufU"  # of arrays: booleans, numbers, text


# --- JSON -------------------------------------------------------------------------------------------------------------

def encode_json(content: Mapping[str, Any], indent: int = 2) -> bytes:
    """An object as JSON; ValueError for NaN and infinity: unknown is None."""
    try:
        text = json.dumps(plain(content), indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{error}; write None for what is unknown") from error
    return (text + "\n").encode()


def write_json(path: Path | str, payload: Mapping[str, Any], provenance: Provenance | None = None) -> Path:
    """Write an object; `provenance`, if given, follows its keys, and the hash of both. NaN and infinity are refused: unknown
    is None.

    A file that says the same already, whatever its provenance, is left alone: who made it first stays known.
    """
    content = plain(payload)
    try:
        if provenance is None:
            return write_bytes(path, encode_json(content))
        if not _says(path, content):
            content |= {"provenance": plain(provenance)}
            write_bytes(path, encode_json(content | {SEAL: _sealed(content)}))
    except ValueError as error:
        raise type(error)(str(error) if isinstance(error, UserError) else f"{path}: {error}") from error
    return Path(path)


def _says(path: Path | str, content: dict[str, Any]) -> bool:
    """Whether a file holds this content, and where it is from."""
    try:
        found = read_json(path, required=("provenance",))
    except UserError:
        return False
    del found["provenance"]
    return list(found) == list(content) and found == json.loads(json.dumps(content))


def read_json(path: Path | str, required: Iterable[str] = ()) -> dict[str, Any]:
    """The object in `path`; UserError if the file is missing, is not JSON, lacks a key of `required`, or was changed since it
    was written."""
    content = parse_json(read_bytes(path, JSON_BYTES), path)
    if not isinstance(content, dict):
        raise UserError(f"{path} should hold a JSON object, not a {type(content).__name__}")
    if "provenance" in content and SEAL in content and content.pop(SEAL) != _sealed(content):
        raise UserError(f"{path} was changed after it was written: make it anew, or remove its key {SEAL!r} if that is meant")
    if missing := [key for key in required if key not in content]:
        raise UserError(f"{path} lacks {', '.join(missing)}")
    return content


def _sealed(content: Mapping[str, Any]) -> str:
    """The hash by which an artefact's content is known to be as it was written."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


# --- arrays -----------------------------------------------------------------------------------------------------------

def write_npz(path: Path | str, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays as an uncompressed .npz. Equal arrays give equal bytes: unlike numpy's, the zip carries no time."""
    with atomic(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)
    return Path(path)


def read_npz(path: Path | str, required: Iterable[str] = (), limit: int = BYTES) -> dict[str, np.ndarray]:
    """All arrays of an .npz; nothing in it is ever unpickled."""
    return unpack_npz(read_bytes(path, limit), path, required)


def unpack_npz(data: bytes, name: Path | str, required: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """The arrays in the bytes of an .npz: plain ones, as large as the file says and no larger than it may be."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            packed = sum(member.file_size for member in members if member.compress_type != zipfile.ZIP_STORED)
            stored = sum(member.file_size for member in members) - packed
            if len(members) > MEMBERS or packed > UNPACKED or stored > len(data):
                raise UserError(f"{name} unpacks to more than {UNPACKED // MIB} MiB: it is no file of this package")
            arrays = {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    except UserError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own ways to call a file damaged
        raise UserError(f"{name} is damaged or not an .npz of plain arrays: {first_line(error)}") from error
    if len(arrays) < len(members):
        raise UserError(f"{name} is damaged: it names an array twice")
    if missing := [key for key in required if key not in arrays]:
        raise UserError(f"{name} lacks the arrays {', '.join(missing)}")
    return arrays


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """A member as the array that its header describes; ValueError where the two do not agree."""
    with archive.open(member) as stream:
        content = stream.read(member.file_size + 1)
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read_header is None:
        raise ValueError(f"{member.filename} is of version {version}")
    shape, fortran, dtype = read_header(file)
    if dtype.kind not in KINDS or dtype.hasobject:
        raise ValueError(f"{member.filename} holds {dtype}, and should hold plain arrays of numbers or text")
    if any(size < 0 for size in shape) or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise ValueError(f"{member.filename} does not hold the {list(shape)} values that it announces")
    array = np.frombuffer(content, dtype, offset=file.tell()) if dtype.itemsize else np.zeros(math.prod(shape), dtype)
    if dtype.kind == "U":
        array.tolist()  # ValueError for what is no Unicode
    return array.reshape(shape, order="F" if fortran else "C").copy()
