"""The one way to write a file: whole or not at all, and nothing of anybody else's is ever touched.

A write goes to a temporary beside its target, is flushed to disk and renamed over it, so that a kill, a full disk or a
missing permission leaves the old file as it was. Temporaries have names of their own, `.NAME.0123456789abcdef.gmexp.tmp`,
and are locked while their writer lives: what a killed one left is removed by the next writer of the same file, or by
`remove_temporaries`, and only then. Symbolic links are followed; folders, FIFOs and devices are refused.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gmexp.support.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["atomic", "check_writable", "remove_temporaries", "settled_companion", "write_bytes", "write_pair",
           "write_text"]

TEMPORARY = re.compile(r"\.(?P<target>.+)\.[0-9a-f]{16}\.gmexp\.tmp", re.DOTALL)
WAITING = re.compile(r"\.(?P<target>.+)\.[0-9a-f]{16}\.gmexp\.next", re.DOTALL)
ABANDONED_SECONDS = 3600.0  # without locks, a temporary that nobody has written to for so long is left over
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
         stat.S_IFSOCK: "a socket"}


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[BinaryIO]:
    """A binary file that replaces `path` in one step when the block ends well, and vanishes when it does not."""
    target = _target(Path(path))
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_overs(target.parent, target.name)
        temporary, file = _open_temporary(target)
        with file:
            yield file
            _flush(file)
        os.replace(temporary, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def write_bytes(path: Path | str, data: bytes) -> Path:
    """Make `path` hold these bytes; a file that does already is left alone."""
    path = Path(path)
    if not _holds(path, data):
        with atomic(path) as file:
            file.write(data)
    return path


def write_text(path: Path | str, text: str) -> Path:
    """Make `path` hold this text, in UTF-8."""
    return write_bytes(path, text.encode("utf-8"))


def write_pair(path: Path | str, data: bytes, companion: Path | str, content: bytes) -> Path:
    """Replace a file and its companion, whose sha256 the first one states, together: `settled_companion` gives either the
    old pair or the new one, whatever moment the writer is killed at.

    The new content waits beside its target under its hash; the rename of `path` decides; then it takes its place.
    """
    path, target = Path(path), _target(Path(companion))
    _target(path)
    waiting = _waiting(target, hashlib.sha256(content).hexdigest())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(target.parent):
            with atomic(waiting) as file:
                file.write(content)
            with atomic(path) as file:
                file.write(data)
            os.replace(waiting, target)
            for left in _others_waiting(target):  # of killed writers, and needed until here
                left.unlink(missing_ok=True)
            _sync_folder(target.parent)
    except OSError as error:
        raise UserError(f"cannot write {companion}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            waiting.unlink()
    return path


def settled_companion(companion: Path | str, sha256: str) -> Path:
    """Where the companion with this hash is: in its place, or still waiting for it, in which case it takes it now."""
    target = Path(os.path.realpath(companion))
    waiting = _waiting(target, sha256)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256) or not waiting.is_file():
        return Path(companion)
    try:
        with _one_at_a_time(target.parent):
            os.replace(waiting, target)
    except OSError:  # a folder that may only be read, or another reader was faster
        return waiting if waiting.is_file() else Path(companion)
    return Path(companion)


def check_writable(folder: Path) -> None:
    """Make the folder if need be, and find out now rather than after hours of work whether it can be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write to {folder}: {error.strerror or error}") from error


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writers of this package left in a folder and those below it; links are not followed.

    Nothing with any other name is touched, nor what a living writer, here or on another machine, is at.
    """
    for parent, _, names in os.walk(folder, onerror=None, followlinks=False):
        for name in names:
            if TEMPORARY.fullmatch(name):
                _remove_if_left(Path(parent, name))


# --- temporaries ------------------------------------------------------------------------------------------------------

def _open_temporary(target: Path) -> tuple[Path, BinaryIO]:
    """A new temporary beside the target, locked as long as it is open."""
    for attempts_left in reversed(range(10)):
        temporary = target.with_name(f".{_short(target.name)}.{uuid.uuid4().hex[:16]}.gmexp.tmp")
        file = open(temporary, "xb")
        if not _lock(file) or _is(temporary, file) or not attempts_left:
            return temporary, file
        file.close()  # taken for a left-over between the two calls
    raise AssertionError("the last attempt returns")


def _lock(file: BinaryIO) -> bool | None:
    """Lock an open file: True, False where another process holds it, None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno == errno.EWOULDBLOCK else None
    return True


def _is(path: Path, file: BinaryIO) -> bool:
    """Whether the path still names the open file."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(file.fileno()))
    except OSError:
        return False


def _remove_left_overs(folder: Path, name: str) -> None:
    """Remove the temporaries that killed writers of the file `name` left."""
    with os.scandir(folder) as entries:
        left = [entry.name for entry in entries
                if (match := TEMPORARY.fullmatch(entry.name)) and match["target"] == _short(name)]
    for temporary in left:
        _remove_if_left(folder / temporary)


def _remove_if_left(temporary: Path) -> None:
    """Remove a temporary whose writer is gone."""
    with contextlib.suppress(OSError):
        if not stat.S_ISREG(os.lstat(temporary).st_mode):
            return
        with open(temporary, "rb+") as file:
            locked = _lock(file)
            old = time.time() - os.fstat(file.fileno()).st_mtime > ABANDONED_SECONDS
            if (locked or (locked is None and old)) and _is(temporary, file):
                temporary.unlink()


# --- targets ----------------------------------------------------------------------------------------------------------

def _target(path: Path) -> Path:
    """The file that is written where `path` is named: links followed; UserError for what is no plain file."""
    try:
        kind = KINDS.get(stat.S_IFMT(os.stat(path).st_mode))
    except FileNotFoundError:
        kind = None
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    except ValueError as error:  # a null character
        raise UserError(f"cannot write {str(path)!r}: {error}") from error
    if kind is not None:
        raise UserError(f"cannot write {path}: it is {kind}, and should be a file or nothing yet")
    return Path(os.path.realpath(path))


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file holds exactly these bytes."""
    try:
        found = os.stat(path)
        return stat.S_ISREG(found.st_mode) and found.st_size == len(data) and path.read_bytes() == data
    except (OSError, ValueError):
        return False


def _waiting(target: Path, sha256: str) -> Path:
    """Where a companion with this hash waits for its place."""
    return target.with_name(f".{_short(target.name)}.{sha256[:16]}.gmexp.next")


def _others_waiting(target: Path) -> list[Path]:
    """What waits for the target's place."""
    with os.scandir(target.parent) as entries:
        return [target.with_name(entry.name) for entry in entries
                if (match := WAITING.fullmatch(entry.name)) and match["target"] == _short(target.name)]


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep other writers of pairs in the folder waiting, where there are locks."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _short(name: str) -> str:
    """A file's name, or a name for it that leaves room for an ending within the 255 bytes there are."""
    return name if len(name.encode()) <= 150 else hashlib.sha256(name.encode()).hexdigest()


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


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
