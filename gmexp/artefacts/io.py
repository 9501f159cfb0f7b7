"""Files that are whole or absent, checked when they are read, and that say where they come from.

Every write goes to a temporary file beside its target, is flushed to disk and renamed over it, so a kill, a full disk
or a missing permission leaves the old file as it was. Every read checks the schema. Failures are one-line UserErrors.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from gmexp.artefacts.origin import plain
from gmexp.artefacts.records import Provenance
from gmexp.support.errors import UserError, first_line


# --- atomic writing ---------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file that replaces `path` in one step when the block ends well, and vanishes when it does not."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can (Windows cannot open folders)."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems refuse; the data is safe, only the rename's durability is not promised
    finally:
        os.close(descriptor)


def check_writable(folder: Path) -> None:
    """Make the folder if need be, and find out now rather than after hours of work whether it can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writers left below the folder; nobody may be writing there."""
    for path in folder.rglob(".*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def write_bytes(path: Path | str, data: bytes) -> Path:
    with atomic(path) as file:
        file.write(data)
    return Path(path)


def write_text(path: Path | str, text: str) -> Path:
    return write_bytes(path, text.encode("utf-8"))


def read_bytes(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path | str, error: Exception) -> UserError:
    cause = getattr(error, "strerror", None) or first_line(error)
    return UserError(f"cannot read {path}: {cause}")


# --- JSON -------------------------------------------------------------------------------------------------------------

def write_json(path: Path | str, payload: Mapping[str, Any], provenance: Provenance | None = None) -> Path:
    """Write an object; `provenance`, if given, becomes its last key. NaN and infinity are refused: unknown is None."""
    content = plain(payload) | ({"provenance": plain(provenance)} if provenance else {})
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; write None for what is unknown") from error
    return write_text(path, text + "\n")


def read_json(path: Path | str, required: Iterable[str] = ()) -> dict[str, Any]:
    """The object in `path`; UserError if the file is missing, is not JSON or lacks a key of `required`."""
    try:
        content = json.loads(read_bytes(path))
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError
        raise UserError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} should hold a JSON object, not a {type(content).__name__}")
    if missing := [key for key in required if key not in content]:
        raise UserError(f"{path} lacks {', '.join(missing)}")
    return content


# --- arrays -----------------------------------------------------------------------------------------------------------

def write_npz(path: Path | str, arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays as an uncompressed .npz. Equal arrays give equal bytes: unlike numpy's, the zip carries no time."""
    with atomic(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)
    return Path(path)


def read_npz(path: Path | str, required: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """All arrays of an .npz; nothing in it is ever unpickled."""
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except UserError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own ways to call a file damaged
        raise UserError(f"{path} is damaged or not an .npz of plain arrays: {first_line(error)}") from error
    if missing := [name for name in required if name not in arrays]:
        raise UserError(f"{path} lacks the arrays {', '.join(missing)}")
    return arrays
