"""The real procgen, bare: its compiled games through the C interface of the installed wheel.

Only the shared library and the images of the wheel are used. Neither `gym` nor `gym3` is imported, so there is no
import noise and numpy's version does not matter. The library is opened once and never closed (reopening it would load
its 400 MB of images again); closing a `Binary` frees its games.
"""

import ctypes
import importlib.util
import os
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from gmexp_envs.vec import seed_32

PACKAGES = ("procgen", "procgen_gym")  # of the wheels procgen-mirror and procgen-gym
MODES = {"easy": 0, "hard": 1, "memory": 10}  # enum DistributionMode
GAMES = {"coinrun": ("easy", "hard"), "maze": ("easy", "hard", "memory"), "heist": ("easy", "hard", "memory")}
NUM_ACTIONS = 15  # of every game: 3 x direction_x + direction_y, both counted from -1; from 9 on, none of the directions
STATE_CAPACITY = 1 << 20  # procgen's own limit; a CoinRun state takes about 39 kB
LIBENV_VERSION = 1
NAME_LENGTH = 128
UINT8, INT32 = 1, 2  # enum libenv_dtype


class ProcgenUnavailable(ImportError):
    """procgen's wheel is missing or does not fit this machine; the message says what to do."""


class _Option(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char * NAME_LENGTH), ("dtype", ctypes.c_int), ("count", ctypes.c_int),
                ("data", ctypes.c_void_p)]


class _Options(ctypes.Structure):
    _fields_ = [("items", ctypes.POINTER(_Option)), ("count", ctypes.c_int)]


class _Buffers(ctypes.Structure):
    _fields_ = [("observations", ctypes.c_void_p), ("rewards", ctypes.c_void_p), ("firsts", ctypes.c_void_p),
                ("infos", ctypes.c_void_p), ("actions", ctypes.c_void_p)]


@lru_cache(maxsize=1)
def package_folder() -> Path:
    """Folder of the installed procgen wheel (found without importing it)."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise ProcgenUnavailable(
        f"procgen is not installed: pip install procgen-mirror, from Python 3.13 on procgen-gym "
        f"(the extra procgen; wheels exist for Linux x86-64, Python 3.11 to 3.13; "
        f"this is Python {python} on {sys.platform}); the native engine runs without it")


def assets_folder() -> Path:
    """Folder of the images that the installed wheel draws with."""
    return package_folder() / "data" / "assets"


def installed() -> bool:
    """Whether the real binary and its sprites can be found."""
    try:
        package_folder()
    except ProcgenUnavailable:
        return False
    return True


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    prebuilt = package_folder() / "data" / "prebuilt"
    path = next((p for name in ("libenv.so", "libenv.dylib", "env.dll") if (p := prebuilt / name).exists()), None)
    if path is None:
        raise ProcgenUnavailable(f"no compiled library in {prebuilt}: install a procgen wheel for this platform")
    flags = getattr(os, "RTLD_NOW", 0) | getattr(os, "RTLD_LOCAL", 0) | getattr(os, "RTLD_DEEPBIND", 0)
    try:
        library = ctypes.CDLL(str(path), mode=flags)
    except OSError as error:
        raise ProcgenUnavailable(f"procgen's library does not load here: {error}") from error
    handle, integer, pointer = ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
    for name, result, arguments in (
            ("libenv_version", integer, ()),
            ("libenv_make", handle, (integer, _Options)),
            ("libenv_set_buffers", None, (handle, ctypes.POINTER(_Buffers))),
            ("libenv_act", None, (handle,)),
            ("libenv_observe", None, (handle,)),
            ("libenv_close", None, (handle,)),
            ("get_state", integer, (handle, integer, pointer, integer)),
            ("set_state", None, (handle, integer, pointer, integer))):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    if (version := library.libenv_version()) != LIBENV_VERSION:
        raise ProcgenUnavailable(f"procgen's library speaks libenv {version}, not {LIBENV_VERSION}")
    return library


def exact_pixels() -> bool:
    """Whether the installed binary draws with the Qt (5.9.7, procgen-mirror) whose rounding the native frames equal."""
    return package_folder().name == PACKAGES[0]


class Binary:
    """`num_envs` sub-environments of one of procgen's `GAMES`, stepped together.

    `step` fills the arrays `frames`, `rewards`, `firsts`, `level_seeds`, `previous_level_seeds` and
    `previous_completed` in place. As in procgen, `firsts[e]` marks the first observation of a new episode: the reward
    and the `previous_*` arrays then belong to the episode that just ended.

    With `threads` > 0 the library steps on its own threads, which do not survive a fork: using the object in a forked
    child raises an error (make it there instead).
    """

    def __init__(self, num_envs: int, *, game: str = "coinrun", mode: str = "hard", seed: int = 0, start_level: int = 0,
                 num_levels: int = 0, threads: int = 0, use_backgrounds: bool = True, restrict_themes: bool = False,
                 use_monochrome_assets: bool = False):
        self._handle = None
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, not {num_envs}")
        if game not in GAMES:
            raise ValueError(f"game must be one of {', '.join(GAMES)}, not {game!r}")
        if mode not in GAMES[game]:
            raise ValueError(f"mode of {game} must be one of {', '.join(GAMES[game])}, not {mode!r}")
        self._library = _library()
        self.num_envs, self.threads, self._process = num_envs, threads, os.getpid()
        options, keep = _options({
            "env_name": game, "num_levels": num_levels, "start_level": start_level,
            "num_actions": NUM_ACTIONS, "use_sequential_levels": False, "debug_mode": 0,
            "rand_seed": ctypes.c_int32(seed_32(seed)).value,
            "num_threads": threads, "render_human": False,
            "resource_root": str(assets_folder()) + os.sep,
            "center_agent": True, "use_generated_assets": False, "use_monochrome_assets": use_monochrome_assets,
            "restrict_themes": restrict_themes, "use_backgrounds": use_backgrounds, "paint_vel_info": False,
            "distribution_mode": MODES[mode]})
        self._handle = self._library.libenv_make(num_envs, options)
        del keep
        self.frames = np.zeros((num_envs, 64, 64, 3), np.uint8)
        self.rewards = np.zeros(num_envs, np.float32)
        self.firsts = np.zeros(num_envs, np.bool_)
        self.previous_level_seeds = np.zeros(num_envs, np.int32)
        self.previous_completed = np.zeros(num_envs, np.uint8)
        self.level_seeds = np.zeros(num_envs, np.int32)
        self._actions = np.zeros(num_envs, np.int32)
        self._addresses = [
            _row_addresses(self.frames),
            _row_addresses(self.previous_level_seeds, self.previous_completed, self.level_seeds),
            _row_addresses(self._actions)]
        observations, infos, actions = (a.ctypes.data for a in self._addresses)
        self._buffers = _Buffers(observations, self.rewards.ctypes.data, self.firsts.ctypes.data, infos, actions)
        self._library.libenv_set_buffers(self._handle, ctypes.byref(self._buffers))
        self._library.libenv_observe(self._handle)
        self.state = np.zeros(STATE_CAPACITY, np.uint8)

    def step(self, actions: np.ndarray) -> None:
        """Apply one action per sub-environment and wait for the results."""
        self._check()
        self._actions[:] = actions
        self._library.libenv_act(self._handle)
        self._library.libenv_observe(self._handle)

    def fetch_state(self, index: int) -> int:
        """Copy the state of one sub-environment into the buffer `state`; returns its length."""
        self._check()
        return self._library.get_state(self._handle, index, self.state.ctypes.data, STATE_CAPACITY)

    def get_state(self, index: int) -> bytes:
        """State of one sub-environment as bytes (see `gmexp_envs.procgen_family.state`)."""
        return self.state[:self.fetch_state(index)].tobytes()

    def set_state(self, index: int, state: bytes) -> None:
        """Put a sub-environment into a state; its frame, reward, first and seeds are rewritten at once.

        The state carries the level-seed generator of the environment it was taken from.
        """
        self._check()
        self._library.set_state(self._handle, index, state, len(state))

    def close(self) -> None:
        """Free the games. Harmless when repeated."""
        handle, self._handle = self._handle, None
        if handle is not None and (self.threads == 0 or os.getpid() == self._process):
            self._library.libenv_close(handle)

    def _check(self) -> None:
        if self._handle is None:
            raise RuntimeError("this procgen binary is closed")
        if self.threads and os.getpid() != self._process:
            raise RuntimeError("procgen's threads do not survive a fork: make the environment in the child process, "
                               "or use threads=0")

    def __enter__(self) -> "Binary":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _options(values: dict[str, str | int | bool]) -> tuple[_Options, list]:
    """The C form of the options, and what must stay alive while it is read."""
    items, keep = (_Option * len(values))(), []
    for item, (name, value) in zip(items, values.items(), strict=True):
        if isinstance(value, str):
            data = ctypes.create_string_buffer(value.encode())
            item.dtype, item.count = UINT8, len(value.encode())
        elif isinstance(value, bool):
            data = ctypes.c_uint8(value)
            item.dtype, item.count = UINT8, 1
        else:
            data = ctypes.c_int32(value)
            item.dtype, item.count = INT32, 1
        item.name, item.data = name.encode(), ctypes.addressof(data)
        keep.append(data)
    return _Options(items, len(items)), [items, *keep]


def _row_addresses(*arrays: np.ndarray) -> np.ndarray:
    """Addresses of all rows of each array, one array after the other: libenv's table of buffers."""
    return np.array([a.ctypes.data + e * a.strides[0] for a in arrays for e in range(len(a))], np.uintp)
