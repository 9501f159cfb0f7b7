"""The native Maze against the real binary, bit by bit, and against what was recorded of the fork's variants.

On fresh seeds: levels with their generators; steps, where cells, rewards and endings must be equal; frames, pixel by pixel;
and edited games (other sizes, places of the cheese, horizons) played by both backends, where observations and event logs
must be equal too. Negative controls then spoil the native side a little, on purpose, and must be detected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gmexp_envs.levels import SeedRange
from gmexp_envs.maze import layout as L
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.engine import Maze
from gmexp_envs.maze.procgen.backend import ProcgenMaze
from gmexp_envs.maze.procgen.compare import differences, generator_differs, read_states
from gmexp_envs.maze.procgen.recorded import compare_recorded
from gmexp_envs.maze.scripted import INTENDED, ScriptedPolicy
from gmexp_envs.procgen_family.alike import BAR, Progress, compare_edited, compare_steps, no_bar, summary
from gmexp_envs.procgen_family.binary import Binary, exact_pixels
from gmexp_envs.procgen_family.state import State
from gmexp_envs.procgen_family.streams import EPISODES
from gmexp_envs.procgen_family.tally import Tally

__all__ = ["CASES", "EDITED", "RECORDED", "verify_engine"]

RECORDED = "mazes.npz"  # the file that was recorded of the fork's variants

INSTANCES = 64  # stepped together
MODES = tuple(L.SIZES)
ONE_BY_ONE = 16  # of the levels that are compared, one in so many is made alone, by its number
Act = Callable[[Maze], np.ndarray]


def _procgens(**changes: Any) -> MazeDistribution:
    """procgen's own mazes, changed."""
    return MazeDistribution(**{"rho": 0.0, "placement": "uniform", **changes})


EDITED = {
    "corner": _procgens(rho=1.0),
    "off the path": _procgens(placement="off_path"),
    "against the corner": _procgens(rho=-1.0, mode="easy"),
    "half in the corner": _procgens(rho=0.5, mode="easy"),
    "region": _procgens(placement="region", region=5),
    "tiny region": _procgens(placement="region", region=1),
    "masked cheese": _procgens(rho=0.5, masked=True, horizon=60),
    "small mazes": _procgens(sizes=(3, 9)),
    "larger than those": _procgens(sizes=(3, 9), context=0.5, mode="easy"),
    "fixed size": _procgens(sizes=(25, 25)),
    "short horizon": _procgens(horizon=25),
    "listed levels": _procgens(levels=(3, 99, 12345678, 0)),
    "levels in order": _procgens(levels=SeedRange(77, 9), sequential=True),
}


CASES = (  # level distributions over which the CPU's and a device's engine are compared
    *EDITED.values(),
    MazeDistribution(rho=-0.5, appearance=0.5, context=0.5, supervision=0.6),
    MazeDistribution(rho=0.5, spec_quality=0.3, mode="easy"),
    MazeDistribution(rho=0.5, game="line_and_gem", placement="uniform", mode="easy"),
    MazeDistribution(rho=-0.7, game="line_and_gem", appearance=1.0, supervision=1.0),
    MazeDistribution(rho=0.2, game="star_and_gem", masked=True, spec_quality=0.5),
)


def verify_engine(seed: int, levels: int = 8192, steps: int = 1_048_576, frames: int = 131_072, edited: int = 107_520,
                  progress: Progress | None = None, recorded: Path | None = None) -> dict[str, Any]:
    """Compare about as much as asked for (rounded up to whole batches); the report as plain data.

    `differences` is the number of differing rows, 0 if the engines are equal; `controls` says of each deliberate fault
    whether it was detected. `recorded` is the file of the fork's recorded mazes, if it is there to be compared with.
    """
    started = time.perf_counter()
    progress = progress or no_bar
    tally = Tally()
    seeds = (int(s) for s in np.random.default_rng(seed).integers(0, 2**31 - 1, 10_000))
    with progress(levels, "levels", "level") as bar:
        for mode in MODES:
            alone = -(-levels // (len(MODES) * ONE_BY_ONE))
            _compare_random_levels(tally, mode, -(-levels // len(MODES)) - alone, seeds, bar)
            _compare_first_levels(tally, mode, alone, bar)
    runs = [(mode, policy) for mode in MODES for policy in POLICIES]
    with progress(steps, "steps and frames", "step") as bar:
        for mode, policy in runs:
            _compare_steps(tally, mode, policy, next(seeds), -(-steps // (len(runs) * INSTANCES)),
                           -(-frames // (len(runs) * INSTANCES)), bar)
    with progress(edited, "edited games", "step") as bar:
        for name, distribution in EDITED.items():
            _compare_edited(tally, name, distribution, next(seeds), -(-edited // (len(EDITED) * INSTANCES)), bar)
    if recorded is not None:
        compare_recorded(tally, recorded)
    return summary(seed, tally, _run_controls(seeds), EDITED, started)


def _native(n: int, mode: str, seed: int, observation: str = "semantic", **changes: Any) -> Maze:
    return Maze(n, [_procgens(mode=mode, **changes)], seed, observation)


def _compare_random_levels(tally: Tally, mode: str, count: int, seeds: Iterator[int], bar: Any) -> None:
    """Levels over the whole range of seeds: the first episodes of differently seeded environments."""
    for first in range(0, count, INSTANCES):
        n, seed = min(INSTANCES, count - first), next(seeds)
        native = _native(n, mode, seed)
        native.reset()
        with Binary(n, game="maze", mode=mode, seed=seed) as binary:
            _compare_levels(tally, native, binary, f"{mode} levels of rand_seed {seed}")
        bar.advance(n)


def _compare_first_levels(tally: Tally, mode: str, count: int, bar: Any) -> None:
    """Levels 0, 1, 2, ..."""
    native = _native(1, mode, 0, levels=SeedRange(0, count), sequential=True)
    for number in range(count):
        native.world.slots[0, EPISODES] = number
        native.reset()
        with Binary(1, game="maze", mode=mode, start_level=number, num_levels=1) as binary:
            _compare_levels(tally, native, binary, f"{mode} level {number}")
        bar.advance(1)


def _compare_levels(tally: Tally, native: Maze, binary: Binary, where: str) -> None:
    theirs = L.allocate(binary.num_envs)
    read_states(binary, theirs)
    tally.rows(differences(native.world, theirs), where)
    for e in range(binary.num_envs):
        differs = generator_differs(State(binary.get_state(e)), native.world, e)
        tally.differ("generator", differs, f"{where}, instance {e}")
    tally.compared["levels"] += binary.num_envs


def _compare_steps(tally: Tally, mode: str, policy: str, seed: int, steps: int, drawn: int, bar: Any,
                   spoil: Callable[[Maze], None] | None = None) -> None:
    """Play both engines alike and compare them after every step; the first `drawn` steps also by their frames."""
    native, theirs = _native(INSTANCES, mode, seed, "pixels"), L.allocate(INSTANCES)
    act = POLICIES[policy](native, np.random.default_rng(seed))
    with Binary(INSTANCES, game="maze", mode=mode, seed=seed) as binary:
        def states(step: int, where: str) -> None:
            read_states(binary, theirs)
            tally.rows(differences(native.world, theirs), where)
            for e in range(0, INSTANCES, 16) if step % 50 == 0 else ():
                differs = generator_differs(State(binary.get_state(e)), native.world, e)
                tally.differ("generator", differs, f"{where}, instance {e}")

        compare_steps(tally, native, binary, act, steps, drawn, states, bar, f"{mode}, {policy}, rand_seed {seed}", spoil)


def _compare_edited(tally: Tally, name: str, theirs_is: MazeDistribution, seed: int, steps: int, bar: Any,
                    ours_is: MazeDistribution | None = None) -> None:
    """Play an edited game on both backends and compare all that they return."""
    observation, rng = "pixels" if exact_pixels() else "semantic", np.random.default_rng(seed)
    native = Maze(INSTANCES, [ours_is or theirs_is], seed, observation)
    binary = ProcgenMaze(INSTANCES, [theirs_is], seed, observation)
    compare_edited(tally, name, native, binary, [policy(native, rng) for policy in POLICIES.values()], seed, steps, bar)


# --- what the agents do: each policy returns a function that acts once


def _random(native: Maze, rng: np.random.Generator) -> Callable[[], np.ndarray]:
    return lambda: rng.integers(0, L.NUM_ACTIONS, native.num_envs)


def _holder(native: Maze, rng: np.random.Generator) -> Callable[[], np.ndarray]:
    """Keeps an action until, in one step of seven, it takes another."""
    held = np.full(native.num_envs, 7)

    def act() -> np.ndarray:
        held[:] = np.where(rng.random(native.num_envs) < 0.15, rng.integers(0, L.NUM_ACTIONS, native.num_envs), held)
        return held.copy()
    return act


def _seeker(noise: float) -> Callable[[Maze, np.random.Generator], Callable[[], np.ndarray]]:
    """Takes the shortest way to the goal, but for a share of random steps."""
    def policy(native: Maze, rng: np.random.Generator) -> Callable[[], np.ndarray]:
        scripted = ScriptedPolicy(native, INTENDED)

        def act() -> np.ndarray:
            anything = rng.integers(0, L.NUM_ACTIONS, native.num_envs)
            return np.where(rng.random(native.num_envs) < noise, anything, scripted.act())
        return act
    return policy


POLICIES = {"seeker": _seeker(0.02), "wanderer": _seeker(0.4), "holder": _holder, "random": _random}


# --- negative controls: faults in the native engine that the comparison must find, and where it must find them


def _another_cell(native: Maze) -> None:
    native.world.grid[0, 7, 7] ^= 1


def _one_output_more(native: Maze) -> None:
    native.world.facts[0, L.DRAWN] += 1


def _beside(native: Maze) -> None:
    native.world.clock[:, L.X] += 1  # all: one may be brought back by a wall


def _another_background(native: Maze) -> None:
    native.world.facts[:, L.BACKGROUND] = (native.world.facts[:, L.BACKGROUND] + 1) % L.BACKGROUNDS
    native.world.clock[:, L.STALE] = 1


def _another_agent(native: Maze) -> None:
    native.world.facts[:, L.AGENT_THEME] = 1


LEVEL_CONTROLS = {"one cell changed": (_another_cell, "grid"), "one output more": (_one_output_more, "generator")}
STEP_CONTROLS = {"agent one cell aside": (_beside, "X"), "another background": (_another_background, "frames"),
                 "another agent": (_another_agent, "frames")}
EDIT_CONTROL = "cheese in a smaller region"


def _run_controls(seeds: Iterator[int]) -> dict[str, bool]:
    """Which of the deliberate faults were detected."""
    detected = {}
    for name, (spoil, quantity) in LEVEL_CONTROLS.items():
        tally, seed = Tally(), next(seeds)
        native = _native(INSTANCES, "hard", seed)
        native.reset()
        spoil(native)
        with Binary(INSTANCES, game="maze", seed=seed) as binary:
            _compare_levels(tally, native, binary, name)
        detected[name] = quantity in tally.differing
    for name, (spoil, quantity) in STEP_CONTROLS.items():
        if quantity == "frames" and not exact_pixels():
            continue
        tally = Tally()
        _compare_steps(tally, "hard", "wanderer", next(seeds), 5, 5, BAR, spoil)
        detected[name] = quantity in tally.differing
    tally = Tally()
    ours, theirs = (_procgens(placement="region", region=region, horizon=20) for region in (4, 5))
    _compare_edited(tally, EDIT_CONTROL, theirs, next(seeds), 25, BAR, ours)
    detected[EDIT_CONTROL] = {"edited observations", "log facts"} <= set(tally.differing)
    return detected
