"""A disk that is full after so many writes, for every process that finds this on its path."""

import errno
import os

_left = int(os.environ.get("GMEXP_TEST_WRITES", "1000000"))
_flush, _rename = os.fsync, os.replace


def _full() -> None:
    global _left
    _left -= 1
    if _left < 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fsync(descriptor):
    _full()
    return _flush(descriptor)


def replace(source, target, **options):
    _full()
    return _rename(source, target, **options)


os.fsync, os.replace = fsync, replace
