"""Where errors become lines: whatever a verb raises, the user reads one line and the shell gets an exit code.

    2     something that the user can put right
    70    a fault of this package (GMEXP_TRACEBACK=1 shows where)
    130   stopped by Ctrl-C, 141 the reader of the output is gone
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable

from gmexp.support.errors import UserError, first_line
from gmexp.support.extras import missing_package

__all__ = ["FAULT", "MISTAKE", "explain", "guarded"]

MISTAKE, FAULT, STOPPED, UNHEARD = 2, 70, 130, 141
# Libraries that complain of what they are given, in types of their own.
COMPLAINING = ("hydra.", "omegaconf.", "antlr4.", "zipfile", "zlib", "_csv", "csv", "json.", "PIL.", "yaml.",
               "submitit.", "ray.")
UNWRITTEN = (errno.ENOSPC, errno.EBADF, errno.EIO)  # of a file without a name, which is stdout
NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def guarded(name: str, action: Callable[[], int]) -> int:
    """Do what a verb does -> its exit code; what goes wrong is one line on stderr."""
    try:
        code = action()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _say(name, "stopped; the same command goes on where it was")
        return STOPPED
    except BrokenPipeError:
        _drop_output()
        return UNHEARD
    except Exception as error:
        if os.environ.get("GMEXP_TRACEBACK"):
            traceback.print_exc()
        message = explain(error)
        _drop_output()
        _say(name, message or _fault(error))
        return FAULT if message is None else MISTAKE


def explain(error: BaseException) -> str | None:
    """An error that the user can do something about, in a line; None for what is a fault of this package."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError) or any(words in str(error).lower() for words in NO_MEMORY):
        return f"not enough memory: {first_line(error)}"
    if isinstance(error, ModuleNotFoundError) and (hint := missing_package(error.name)):
        return hint
    if isinstance(error, OSError):
        words = error.strerror or first_line(error)
        return f"{error.filename}: {words}" if error.filename else (
            f"cannot write the output: {words}" if error.errno in UNWRITTEN else words)
    if type(error).__module__.startswith(COMPLAINING) or isinstance(error, UnicodeError):
        return f"{type(error).__name__}: {first_line(error)}"
    if isinstance(error, ValueError) and _is_of_a_value(error):
        return str(error)
    return None


def _is_of_a_value(error: ValueError) -> bool:
    """Whether a check of what was given raised it: a record's own, or one of the environments', which know no UserError."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(frame.f_code.co_name == "__post_init__" for frame in frames) or (
        bool(frames) and frames[-1].f_globals.get("__name__", "").startswith("gmexp_envs."))


def _fault(error: BaseException) -> str:
    """In a line, where this package went wrong."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = next((frame for frame in reversed(frames) if f"{os.sep}gmexp" in frame.filename), None)
    where = f" in {os.path.basename(ours.filename)}:{ours.lineno}" if ours else ""
    return (f"a fault of gmexp{where}: {type(error).__name__}: {first_line(error)}; please report it with what "
            "GMEXP_TRACEBACK=1 shows")


def _say(name: str, message: str) -> None:
    line = " ".join(message.split()).removeprefix(f"{name}: ")
    try:
        print(f"gmexp {name}: {line}", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        pass  # nobody can be told


def _drop_output() -> None:
    """Let the interpreter's own last flush go nowhere."""
    try:
        stdout = sys.stdout.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
    except (OSError, ValueError):
        return  # stdout is no file
    os.dup2(nowhere, stdout)
    os.close(nowhere)
