"""What compiled engines share: arrays of N environment instances, the table of their addresses, the interface over kernels.

An environment's engine is `Engine` for what is common to its devices, `CpuArrays` or `CudaArrays` for where arrays live,
and its kernels. Kernels take the table: handing over the arrays themselves costs about as much as stepping ten instances.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from gmexp_envs.compiled.pages import paged_zeros
from gmexp_envs.vec import SemanticObservation, Step, VecEnv, seed_32

Array = Any  # np.ndarray, or a torch tensor on a device
PER_THREAD = 128  # instances; fewer are not worth handing over


class Engine(VecEnv):
    """N instances of one environment.

    With several distributions the instances are shared out evenly, the first N / D to the first distribution and so on.
    All returned arrays are overwritten by the next call.

    A subclass makes its arrays with `_zeros` and calls `_tabulate` with them: `world` holds the state of the games,
    `encoded` the level distributions, `_buffers` what a step writes for its reader (window, state, reward, terminated,
    truncated, ...). It runs the kernels (`_seed_streams`, `_begin`, `_move`, `_draw`) and names the columns of `log` and
    `present`.
    """

    world: Any
    encoded: Any
    _buffers: Any
    _drawable = False

    def _tabulate(self, world: NamedTuple, encoded: NamedTuple, buffers: NamedTuple, *sizes: int) -> None:
        """Keep the arrays, and the table of their addresses that kernels read, followed by sizes."""
        self.world, self.encoded, self._buffers = world, encoded, buffers
        self._table = self._placed(np.array([*map(self._address, (*world, *encoded, *buffers)), *sizes], np.uint64))

    def _shares(self) -> tuple[np.ndarray, int]:
        """Which distribution every instance draws its levels from, and how many instances each has."""
        share = self.num_envs // len(self.distributions)
        return np.arange(self.num_envs) // share, share

    @abstractmethod
    def _zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """A zeroed array where the instances live."""

    @abstractmethod
    def _placed(self, array: np.ndarray) -> Array:
        """An array's values where the instances live."""

    @abstractmethod
    def _fetched(self, array: Array) -> np.ndarray:
        """A copy of an array's values, in numpy."""

    @abstractmethod
    def _address(self, array: Array) -> int:
        """Where an array's data are."""

    @abstractmethod
    def _seed_streams(self, seed: int | Sequence[int]) -> None:
        """Level streams from a seed, or one each (`_stream_seeds`); sequences start over."""

    @abstractmethod
    def _begin(self, rows: Array) -> None:
        """Start the next episodes of the instances `rows`."""

    @abstractmethod
    def _move(self, actions: Array, rows: Array, autoreset: bool) -> None:
        """Step the instances `rows`."""

    @abstractmethod
    def _draw(self, rows: Array) -> Array:
        """Draw the instances `rows`; returns the frames of all."""

    @property
    @abstractmethod
    def _appearance(self) -> Array:
        """Appearance features of the present levels."""

    def _stream_seeds(self, seed: int | Sequence[int]) -> np.ndarray:
        """The seeds of the instances' level streams, uint32 [N], as procgen's vecgame.cpp draws them from rand_seed; of
        several seeds, those of as many environments of one instance."""
        generator = np.random.MT19937()

        def drawn(seed: int, count: int) -> np.ndarray:
            generator._legacy_seeding(seed_32(seed))
            return generator.random_raw(count).astype(np.uint32)

        if isinstance(seed, Sequence):
            return np.concatenate([drawn(each, 1) for each in seed])
        return drawn(seed, self.num_envs)

    def reseed(self, seeds: Sequence[int | None]) -> None:
        """Begin level streams anew, each as that of an environment of one instance with this seed; those given None go on
        where they are. Episodes begin with `begin` or `reset`."""
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} instances")
        before = {name: self._fetched(array) for name, array in self.world._asdict().items()}
        self._seed_streams([0 if seed is None else seed for seed in seeds])
        kept = np.flatnonzero([seed is None for seed in seeds])
        for name, array in self.world._asdict().items():
            if len(kept) and len(array) == self.num_envs:
                array[kept] = self._placed(before[name][kept])

    def _observation(self, changed: Array):
        """What the agents see after the instances `changed` have moved."""
        if self.observation != "semantic":
            return self._draw(changed)
        return SemanticObservation(self._buffers.window, self._buffers.state, self._appearance)

    def frames(self, rows: Array | None = None) -> Array:
        """What the instances `rows` (None for all) look like now, whatever the agents observe (copies); needs `drawable`."""
        if not self._drawable:
            raise ValueError("this environment draws no frames: build it with drawable=True")
        rows = self.rows if rows is None else self._checked_rows(rows)
        return self._draw(rows)[rows]

    def reset(self, seed: int | None = None):
        """Start new episodes everywhere; with a seed, begin the level streams anew from it."""
        if seed is not None:
            self.seed = seed
            self._seed_streams(seed)
        self._begin(self.rows)
        return self._observation(self.rows)

    def step(self, actions: Array, rows: Array | None = None, autoreset: bool = True) -> Step:
        """Apply actions as every `VecEnv`. Without autoreset, instances whose episode ends stay as they are, so that the
        observation is their last; `begin` starts their next episode."""
        rows = self.rows if rows is None else self._checked_rows(rows)
        self._move(self._checked(actions), rows, autoreset)
        b = self._buffers
        return Step(self._observation(rows), b.reward, b.terminated, b.truncated)

    def begin(self, rows: Array):
        """Start the next episode of the instances `rows`; returns the observation of all."""
        rows = self._checked_rows(rows)
        self._begin(rows)
        return self._observation(rows)

    def state(self) -> dict[str, np.ndarray]:
        """Everything needed to go on exactly from here, as copies; every engine of the environment can take it over."""
        parts = {f"world.{k}": v for k, v in self.world._asdict().items()}
        parts |= {f"buffers.{k}": v for k, v in self._buffers._asdict().items()}
        return {k: self._fetched(v) for k, v in parts.items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in an environment built with the same arguments."""
        for prefix, arrays in (("world", self.world), ("buffers", self._buffers)):
            for name, array in arrays._asdict().items():
                saved = state[f"{prefix}.{name}"]
                if saved.shape != tuple(array.shape) or saved.dtype != numpy_type(array):
                    raise ValueError(f"the saved environment has {prefix}.{name} {saved.dtype}{list(saved.shape)}, this "
                                     f"one {numpy_type(array)}{list(array.shape)}: build it with the same arguments")
                array[...] = self._placed(saved)
        self._observation(self.rows)  # frames are drawn anew rather than saved


def numpy_type(array: Array) -> np.dtype:
    """numpy's name for an array's or a tensor's type of element."""
    return np.dtype(str(array.dtype).removeprefix("torch."))


class CpuArrays:
    """An engine's arrays on the CPU, stepped by `threads`.

    Kernels take a range of instances and release the GIL; with more than one thread the ranges run in a small pool of the
    environment's own, so nothing spins, other threads may use numba as they like, and one thread means no pool at all.
    """

    _begin_chosen: Callable[..., None]  # kernel: table, semantic, seeds, places, rows, first, last

    def _share_out(self, threads: int, num_envs: int) -> None:
        """Use at most this many threads."""
        self._threads = max(1, min(threads, num_envs // PER_THREAD))
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0  # whose threads are in the pool: a forked child needs its own

    def _zeros(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        return paged_zeros(shape, dtype)

    def _placed(self, array: np.ndarray) -> np.ndarray:
        return array

    def _fetched(self, array: np.ndarray) -> np.ndarray:
        return array.copy()

    def _address(self, array: np.ndarray) -> int:
        return array.ctypes.data

    def begin_at(self, rows: np.ndarray, seeds: np.ndarray, places: np.ndarray) -> Any:
        rows, seeds, places = self._checked_levels(rows, seeds, places)
        self._run(self._begin_chosen, rows, self._table, self._semantic, seeds, places)
        return self._observation(rows)

    def _run(self, kernel, rows: np.ndarray, *arguments) -> None:
        """Run a kernel over the given instances, shared out over the threads."""
        if self._threads == 1 or len(rows) < 2 * PER_THREAD:
            kernel(*arguments, rows, 0, len(rows))
            return
        if self._pool is None or self._process != os.getpid():
            self._pool, self._process = ThreadPoolExecutor(self._threads), os.getpid()
        bounds = np.linspace(0, len(rows), self._threads + 1).astype(int).tolist()
        futures = [self._pool.submit(kernel, *arguments, rows, a, b)
                   for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
        for future in futures:
            future.result()

    def close(self) -> None:
        if self._pool is not None and self._process == os.getpid():
            self._pool.shutdown()
        self._pool = None


def encode_levels(distributions: Sequence[Any]) -> tuple[list[tuple[int, int, bool, int]], np.ndarray]:
    """(first seed, number of levels, listed?, offset in the list) of each distribution, and all listed level seeds."""
    from gmexp_envs.levels import SeedRange

    rows, seeds = [], []
    for d in distributions:
        listed = not isinstance(d.levels, SeedRange)
        rows.append((0 if listed else d.levels.first, d.num_levels, listed, len(seeds)))
        if listed:
            seeds.extend(d.levels)
    return rows, np.array(seeds or [0], np.int64)
