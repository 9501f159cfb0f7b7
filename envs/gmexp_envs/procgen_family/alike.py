"""An engine and procgen's binary played alike, and all that they return compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np

from gmexp_envs.procgen_family.binary import Binary, exact_pixels, package_folder
from gmexp_envs.procgen_family.tally import Tally
from gmexp_envs.vec import EpisodeLog, VecEnv

__all__ = ["BAR", "Progress", "compare_edited", "compare_steps", "no_bar", "summary"]

Progress = Callable[[int, str, str], AbstractContextManager[Any]]
HELD = 25  # steps of an edited game that a policy plays before the next one does
BAR = SimpleNamespace(advance=lambda amount: None)  # of progress that nobody sees


def no_bar(*arguments: Any) -> AbstractContextManager[Any]:
    return nullcontext(BAR)


def compare_steps(tally: Tally, native: VecEnv, binary: Binary, act: Callable[[], np.ndarray], steps: int, drawn: int,
                  states: Callable[[int, str], None], bar: Any, where: str, spoil: Callable[[Any], None] | None = None,
                  completes: bool = True) -> None:
    """Play both and compare them after every step, the first `drawn` steps also by their frames where these are exact.

    `states(step, where)` compares what both hold, before the step; `spoil` changes the engine on purpose. `completes`: an
    episode that ends before its time has been completed, which the binary says of itself.
    """
    frames = native.reset()
    drawn = drawn if exact_pixels() else 0
    for step in range(steps):
        here = f"{where}, step {step}"
        states(step, here)
        if step < drawn:
            tally.equal("frames", frames, binary.frames, here)
            tally.compared["frames"] += native.num_envs
        if spoil is not None:
            spoil(native)
        actions = act()
        binary.step(actions)
        frames, reward, terminated, truncated = native.step(actions)
        tally.equal("rewards", reward, binary.rewards, here)
        tally.equal("endings", terminated | truncated, binary.firsts, here)
        if completes:
            tally.equal("completed", terminated & binary.firsts, binary.previous_completed & binary.firsts, here)
        tally.compared["steps"] += native.num_envs
        tally.compared["episodes"] += int(binary.firsts.sum())
        bar.advance(native.num_envs)


def compare_edited(tally: Tally, name: str, native: VecEnv, binary: VecEnv, acts: Sequence[Callable[[], np.ndarray]],
                   seed: int, steps: int, bar: Any) -> None:
    """Play an edited game on both backends and compare all that they return, event logs included; closes the binary's."""
    ours, theirs = native.reset(), binary.reset()
    for step in range(steps):
        where = f"{name}, seed {seed}, step {step}"
        for a, b in zip(_arrays(ours), _arrays(theirs), strict=True):
            tally.equal("edited observations", a, b, where)
        actions = acts[step // HELD % len(acts)]()
        (ours, *after), (theirs, *expected) = native.step(actions), binary.step(actions)
        for what, a, b in zip(("rewards", "terminated", "truncated"), after, expected, strict=True):
            tally.equal(f"edited {what}", a, b, where)
        ended = (after[1] | after[2]) & (expected[1] | expected[2])
        if ended.any():
            for column, a, b in zip(EpisodeLog._fields, native.log.take(ended), binary.log.take(ended), strict=True):
                tally.equal(f"log {column}", a, b, where)
        tally.compared["edited steps"] += native.num_envs
        tally.compared["edited episodes"] += int(ended.sum())
        bar.advance(native.num_envs)
    binary.close()


def _arrays(observation: Any) -> Sequence[np.ndarray]:
    return (observation,) if isinstance(observation, np.ndarray) else observation


def summary(seed: int, tally: Tally, controls: dict[str, bool], edited: Collection[str], started: float) -> dict[str, Any]:
    """What was compared since `started` (time.perf_counter), as plain data."""
    return {
        "seed": seed,
        "differences": sum(tally.differing.values()),
        "compared": dict(tally.compared),
        "differing": dict(tally.differing),
        "examples": tally.examples,
        "controls": controls,
        "edited_games": list(edited),
        "procgen": package_folder().name,
        "frames_comparable": exact_pixels(),
        "seconds": round(time.perf_counter() - started, 1),
    }
