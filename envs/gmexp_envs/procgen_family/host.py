"""The real binary behind the interface of a native engine, as far as it is the same for every game."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gmexp_envs.levels import ALL_LEVELS, SeedRange
from gmexp_envs.procgen_family.binary import Binary
from gmexp_envs.procgen_family.state import State, twister_text
from gmexp_envs.vec import Step

STAND_STILL = 4
RESET = -1  # procgen's action that ends an episode at once
NO_HORIZON = 2**31 - 1


class BinaryHost:
    """Put before a native CPU engine in a class's bases: the engine's levels, moved, rewarded and drawn by procgen itself.

    Levels are written into the binary's states where episodes start (`_write_level`). `_advance` makes a step of the
    binary (`_step_binary`), writes rewards and endings to the buffers and logs what ended; where procgen forgets what is
    kept for a running episode, `_forget` does too.
    """

    _binary: Binary

    def _host(self, game: str, mode: str, threads: int) -> None:
        """Start the binary's games, with the levels of the first distribution if it can draw them itself."""
        levels = self.distributions[0].levels
        levels = levels if isinstance(levels, SeedRange) else SeedRange(0, 1)
        self._looks = dict(zip(("use_backgrounds", "restrict_themes", "use_monochrome_assets"), self.style.options,
                               strict=True))
        self._binary = Binary(self.num_envs, game=game, mode=mode, seed=self.seed, start_level=levels.first,
                              num_levels=0 if levels == ALL_LEVELS else levels.count,
                              threads=threads if threads > 1 else 0, **self._looks)
        self._untouched = True  # the binary stands at the start of its first episodes
        self._left_out: dict[int, bytes] = {}  # states of instances that do not take part

    @abstractmethod
    def _write_level(self, e: int) -> None:
        """Make procgen's fresh episode in instance e the level that was drawn for it."""

    @abstractmethod
    def _advance(self, actions: np.ndarray, rows: np.ndarray) -> None:
        """One game step of these instances; logs what ends, but leaves procgen's own next level in place."""

    def _forget(self) -> None:
        """The binary's states were replaced."""

    def reset(self, seed: int | None = None) -> Any:
        self._bring_back(range(self.num_envs))
        if seed is not None:
            self.seed = seed
            self._seed_streams(seed)
            for e in range(self.num_envs):
                state = State(self._binary.get_state(e))
                state["level_stream"] = twister_text(self.world.level_stream[e], len(self.world.level_stream[e]))
                self._binary.set_state(e, state.to_bytes())
        if seed is not None or not self._untouched:
            self._binary.step(np.full(self.num_envs, RESET))
        self._untouched = False
        self._begin(self.rows)
        return self._observation(self.rows)

    def begin_at(self, rows: np.ndarray, seeds: np.ndarray, places: np.ndarray) -> Any:
        raise ValueError(f"the levels of {type(self).__name__} cannot be chosen: with backend=native they can")

    def step(self, actions: np.ndarray, rows: np.ndarray | None = None) -> Step:
        rows = self.rows if rows is None else self._checked_rows(rows)
        actions = self._checked(actions)
        b = self._buffers
        b.reward[rows] = 0
        b.terminated[rows] = b.truncated[rows] = False
        moving = rows
        for _ in range(self.action_repeat):
            self._advance(actions, moving)
            moving = moving[~(b.terminated | b.truncated)[moving]]
            if not len(moving):
                break
        ended = rows[(b.terminated | b.truncated)[rows]]
        if len(ended):
            self._begin(ended)
        return Step(self._observation(rows), b.reward, b.terminated, b.truncated)

    def _step_binary(self, actions: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Step these instances of the binary only; returns the actions of all, the others standing still."""
        self._bring_back(rows.tolist())
        self._leave_out(np.setdiff1d(self.rows, rows).tolist())
        moves = np.full(self.num_envs, STAND_STILL)
        moves[rows] = actions[rows]
        self._binary.step(moves)
        return moves

    def state(self) -> dict[str, np.ndarray]:
        states = [self._left_out.get(e) or self._binary.get_state(e) for e in range(self.num_envs)]
        return super().state() | {"binary.states": np.frombuffer(b"".join(states), np.uint8).copy(),
                                  "binary.lengths": np.array([len(s) for s in states])}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        ends = np.cumsum(state["binary.lengths"])
        for e, (end, length) in enumerate(zip(ends.tolist(), state["binary.lengths"].tolist(), strict=True)):
            self._binary.set_state(e, state["binary.states"][end - length:end].tobytes())
        self._left_out.clear()
        self._untouched = False
        self._forget()
        super().restore(state)

    def close(self) -> None:
        self._binary.close()

    def _begin(self, rows: np.ndarray) -> None:
        """Draw the next levels of these instances, and make procgen's fresh episodes those levels."""
        super()._begin(rows)
        self._bring_back(rows.tolist())
        for e in rows.tolist():
            self._write_level(e)

    def _leave_out(self, instances: Iterable[int]) -> None:
        """Keep the states of instances that do not take part; the binary can only move all of them."""
        for e in instances:
            if e not in self._left_out:
                self._left_out[e] = self._binary.get_state(e)

    def _bring_back(self, instances: Iterable[int]) -> None:
        for e in instances:
            if e in self._left_out:
                self._binary.set_state(e, self._left_out.pop(e))

    def _frames_of(self, changed: np.ndarray) -> np.ndarray:
        """procgen's frames of these instances, among those of all."""
        frames = self._binary.frames[changed]
        self._frames[changed] = frames.transpose(0, 3, 1, 2) if self.style.channels_first else frames
        return self._frames
