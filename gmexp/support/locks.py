"""One process at a time in a folder, where the file system can tell; where it cannot, one line says so."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from gmexp.support.errors import UserError, first_line

__all__ = ["FILE", "alone_in"]

FILE = ".lock"


@contextlib.contextmanager
def alone_in(folder: Path, what: str) -> Iterator[None]:
    """Keep a second `what` ("gmexp run") out of a folder. The lock goes with the process, however it ends.

    UserError where another one is there: that, and nothing else, is what EWOULDBLOCK means. A file system without locks
    (Lustre and NFS often have none) is worked in without.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
                             | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0), 0o644)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write to {folder}: {getattr(error, 'strerror', None) or first_line(error)}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                raise UserError(f"another {what} is working in {folder}: wait for it or give another out=...") from error
            print(f"{folder}: no locks on this file system ({error.strerror}); start one {what} at a time there",
                  file=sys.stderr)
        yield
    finally:
        os.close(descriptor)
