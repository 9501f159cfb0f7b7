"""`jit`: numba.njit with a disk cache that cannot be stale.

Numba's own cache notices an edit in a function's file but not in the functions it calls, and not an upgrade of this
package. The cache folder is therefore named by a hash over every source file of `gmexp_envs` and the numba version; an edit
or an upgrade compiles anew. `GMEXP_CACHE_DIR` moves the cache; without a writable place nothing is cached.
"""

import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numba
from numba.core import config, event, types

try:
    import fcntl
except ImportError:  # not a POSIX system: two processes may compile the same code
    fcntl = None

KEEP = 4  # source versions whose compiled code stays on disk
SLOW_SECONDS = 2.0  # compiling that takes longer says so


def source_hash(root: Path = Path(__file__).parents[1]) -> str:
    """First 16 hex digits over the names and bytes of all Python files below `root`."""
    digest = hashlib.sha256(f"{numba.__version__}".encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> str | None:
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gmexp"
    root = Path(os.environ.get("GMEXP_CACHE_DIR") or default) / "numba"
    folder = root / source_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        os.utime(folder)
        versions = sorted(root.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in versions[KEEP:]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError:
        return None
    return str(folder)


CACHE_FOLDER = _cache_folder()


class _Notice(event.Listener):
    """Says on stderr, once per process, why the first step takes so long: code is compiled when it is first used."""

    def __init__(self, clock=time.monotonic) -> None:
        self._clock, self._depth, self._began, self._silent = clock, 0, 0.0, False

    def on_start(self, event) -> None:
        module = event.data["dispatcher"].py_func.__module__
        self._depth += 1
        if self._depth == 1:
            self._began = self._clock()
        elif not self._silent and module.startswith("gmexp") and self._clock() - self._began > SLOW_SECONDS:
            self._silent = True
            lasts = "the first time only" if CACHE_FOLDER else (
                "in every process, as no folder can be written to: set GMEXP_CACHE_DIR to one that can")
            print(f"compiling {module.split('.')[1]}: about a minute, {lasts}", file=sys.stderr, flush=True)

    def on_end(self, event) -> None:
        self._depth -= 1


event.register("numba:compile", _Notice())


def _widened(argument: types.Type) -> types.Type:
    """The type as which compiled code passes an argument: no literals, and one signed integer."""
    argument = types.unliteral(argument)
    return types.int64 if isinstance(argument, types.Integer) and argument.signed else argument


@contextlib.contextmanager
def _alone(name: str) -> Iterator[None]:
    """Until it ends, no other process compiles the function of this name: it waits, and finds it in the cache."""
    with contextlib.ExitStack() as held:
        if CACHE_FOLDER and fcntl:
            with contextlib.suppress(OSError):  # without a lock it is compiled twice
                fcntl.flock(held.enter_context(open(Path(CACHE_FOLDER, f"{name}.lock"), "w")), fcntl.LOCK_EX)
        yield


def jit(function=None, *, allocates=False, **options):
    """`numba.njit(nogil=True)` cached in `CACHE_FOLDER`; usable as `@jit` or `@jit(inline="always")`.

    Numba compiles a function anew for every literal and integer width it is called with, which doubled the time the
    engine takes to compile; here, calls from compiled code pass every signed integer as int64. Numba also wraps every
    function for Python and for C, which took another third of it; here, what compiled code calls is wrapped for neither,
    and compiled apart from what Python calls. Numba also counts references to every array and row it touches, which took
    half of a step's time; functions that make no arrays need not, and those that do say so by `allocates`.
    """
    if function is None:
        return lambda f: jit(f, allocates=allocates, **options)

    def compiled(folder, **more):
        before = config.CACHE_DIR
        config.CACHE_DIR = folder
        try:
            return numba.njit(nogil=True, _nrt=allocates, error_model="numpy", cache=CACHE_FOLDER is not None,
                              no_cfunc_wrapper=True, **more, **options)(function)
        finally:
            config.CACHE_DIR = before

    dispatcher = compiled(CACHE_FOLDER or "")
    within = compiled(f"{CACHE_FOLDER}/within" if CACHE_FOLDER else "", no_cpython_wrapper=True)
    call_template = within.get_call_template
    dispatcher.get_call_template = lambda args, kws: call_template(tuple(map(_widened, args)), kws)
    dispatcher.get_overload = within.get_overload
    compile_ = dispatcher.compile

    def compile_alone(signature):
        with _alone(f"{function.__module__}.{function.__qualname__}"):
            return compile_(signature)

    dispatcher.compile = compile_alone
    return dispatcher
