"""The native CoinRun against the real binary, bit by bit.

Four comparisons, each on fresh seeds: levels with their generators; steps, where every float, reward and ending must be
equal; frames, pixel by pixel; and edited games (moved coins, changed physics and themes) played by both backends, where
observations and event logs must be equal too. Negative controls then spoil the native side a little, on purpose, and
must be found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import gmexp_envs
from gmexp_envs import LevelDistribution, Physics, SeedRange
from gmexp_envs.coinrun import layout as L
from gmexp_envs.coinrun.engine import CoinRun
from gmexp_envs.coinrun.procgen.compare import differences, generator_in_blocks
from gmexp_envs.coinrun.procgen.decode import read_states
from gmexp_envs.procgen_family.alike import BAR, Progress, compare_edited, compare_steps, no_bar, summary
from gmexp_envs.procgen_family.binary import Binary, GAMES, exact_pixels
from gmexp_envs.procgen_family.state import State, twister_words
from gmexp_envs.procgen_family.tally import Tally

__all__ = ["CASES", "EDITED", "verify_engine"]

MODES = GAMES["coinrun"]
WORLDS = 64  # stepped together
RIGHT, JUMP_RIGHT, JUMP, STILL = 7, 8, 5, 4

EDITED = {
    "coin off the path": LevelDistribution(rho=0.0),
    "coin at a section": LevelDistribution(rho=0.3, placement="section_start"),
    "coin on the ground": LevelDistribution(rho=0.0, placement="uniform_ground"),
    "coin near the end": LevelDistribution(rho=0.0, placement="near_end"),
    "coin opposite the end": LevelDistribution(rho=-1.0, mode="easy"),
    "no coin": LevelDistribution(rho=0.0, placement="none"),
    "hidden coin": LevelDistribution(rho=0.0, placement="section_start", masked=True),
    "langosco's fork": LevelDistribution(rho=0.0, placement="langosco"),
    "appearance": LevelDistribution(appearance=0.5),
    "context": LevelDistribution(context=0.7, mode="easy"),
    "short horizon": LevelDistribution(horizon=40),
    "listed levels": LevelDistribution(levels=(3, 99, 12345678, 0)),
    "low gravity": LevelDistribution(physics=Physics(gravity=0.1)),
    "high gravity": LevelDistribution(physics=Physics(gravity=0.3)),
    "low jump": LevelDistribution(physics=Physics(max_jump=1.0)),
    "high jump": LevelDistribution(physics=Physics(max_jump=2.0)),
    "slow": LevelDistribution(physics=Physics(max_speed=0.3)),
    "fast": LevelDistribution(physics=Physics(max_speed=0.9)),
    "steered in the air": LevelDistribution(physics=Physics(air_control=1.0)),
    "less inertia": LevelDistribution(physics=Physics(mixrate=0.5)),
    "other physics": LevelDistribution(
        rho=0.0, physics=Physics(gravity=0.15, max_jump=1.8, max_speed=0.7, air_control=0.5)),
}


CASES = (  # level distributions over which the CPU's and a device's engine are compared
    LevelDistribution(mode="easy"), LevelDistribution(), *EDITED.values(),
    LevelDistribution(rho=-0.5, appearance=1.0, context=1.0, supervision=1.0),
    LevelDistribution(rho=0.5, spec_quality=0.3, permeable_wall=15, mode="easy"),
)


def verify_engine(seed: int, levels: int = 8192, steps: int = 1_048_576, frames: int = 131_072, edited: int = 107_520,
                  progress: Progress | None = None) -> dict[str, Any]:
    """Compare about as much as asked for (rounded up to whole batches); the report as plain data.

    `differences` is the number of differing rows, 0 if the engines are equal; `controls` says of each deliberate fault
    whether it was found.
    """
    started = time.perf_counter()
    progress = progress or no_bar
    tally = Tally()
    seeds = (int(s) for s in np.random.default_rng(seed).integers(0, 2**31 - 1, 10_000))
    with progress(levels, "levels", "level") as bar:
        for mode in MODES:
            _compare_random_levels(tally, mode, -(-levels // 4), seeds, bar)
            _compare_first_levels(tally, mode, -(-levels // 4), bar)
    runs = [(mode, policy) for mode in MODES for policy in POLICIES]
    with progress(steps, "steps and frames", "step") as bar:
        for mode, policy in runs:
            _compare_steps(tally, mode, policy, next(seeds), -(-steps // (len(runs) * WORLDS)),
                           -(-frames // (len(runs) * WORLDS)), bar)
    with progress(edited, "edited games", "step") as bar:
        for name, distribution in EDITED.items():
            _compare_edited(tally, name, distribution, next(seeds), -(-edited // (len(EDITED) * WORLDS)), bar)
    return summary(seed, tally, _run_controls(seeds), EDITED, started)


def _compare_random_levels(tally: Tally, mode: str, count: int, seeds: Iterator[int], bar: Any) -> None:
    """Levels over the whole range of seeds: the first episodes of differently seeded environments."""
    for first in range(0, count, WORLDS):
        n = min(WORLDS, count - first)
        seed = next(seeds)
        native = gmexp_envs.make_vec("coinrun", n, mode=mode, seed=seed)
        native.reset()
        with Binary(n, mode=mode, seed=seed) as binary:
            _compare_levels(tally, native, binary, f"{mode} levels of rand_seed {seed}")
        bar.advance(n)


def _compare_first_levels(tally: Tally, mode: str, count: int, bar: Any) -> None:
    """Levels 0, 1, 2, ..."""
    native = gmexp_envs.make_vec("coinrun", 1, mode=mode, levels=SeedRange(0, count), sequential=True, seed=0)
    for number in range(count):
        native.world.slots[0, L.EPISODES] = number
        native.reset()
        with Binary(1, mode=mode, start_level=number, num_levels=1) as binary:
            _compare_levels(tally, native, binary, f"{mode} level {number}")
        bar.advance(1)


def _compare_levels(tally: Tally, native: CoinRun, binary: Binary, where: str) -> None:
    theirs = L.allocate(binary.num_envs, trails=False)
    read_states(binary, theirs)
    tally.rows(differences(native.world, theirs), where)
    for e in range(binary.num_envs):
        words, position = twister_words(State(binary.get_state(e))["twister"])
        ours, our_position = generator_in_blocks(native.world.twister[e], L.PREDRAWN,
                                                 int(native.world.clock[e, L.TWISTER]))
        tally.differ("generator", position != our_position or not np.array_equal(words, ours), f"{where}, world {e}")
    tally.compared["levels"] += binary.num_envs


def _compare_steps(tally: Tally, mode: str, policy: str, seed: int, steps: int, drawn: int, bar: Any,
                   spoil: Callable[[CoinRun], None] | None = None) -> None:
    """Play both engines alike and compare them after every step; the first `drawn` steps also by their frames."""
    native = gmexp_envs.make_vec("coinrun", WORLDS, mode=mode, seed=seed, observation="pixels")
    theirs, act = L.allocate(WORLDS, trails=False), POLICIES[policy](np.random.default_rng(seed))
    with Binary(WORLDS, mode=mode, seed=seed) as binary:
        def states(step: int, where: str) -> None:
            read_states(binary, theirs)
            tally.rows(differences(native.world, theirs), where)

        compare_steps(tally, native, binary, act, steps, drawn, states, bar, f"{mode}, {policy}, rand_seed {seed}", spoil,
                      completes=False)


def _compare_edited(tally: Tally, name: str, theirs_is: LevelDistribution, seed: int, steps: int, bar: Any,
                    ours_is: LevelDistribution | None = None) -> None:
    """Play an edited game on both backends and compare all that they return."""
    rng = np.random.default_rng(seed)
    native, binary = (gmexp_envs.make_vec("coinrun", WORLDS, distribution=distribution, seed=seed, backend=backend,
                                          observation="pixels" if exact_pixels() else "semantic")
                      for backend, distribution in (("native", ours_is or theirs_is), ("procgen", theirs_is)))
    compare_edited(tally, name, native, binary, [policy(rng) for policy in POLICIES.values()], seed, steps, bar)


# --- what the agents do: each policy returns a function that acts once


def _random(rng: np.random.Generator) -> Callable[[], np.ndarray]:
    return lambda: rng.integers(0, L.NUM_ACTIONS, WORLDS)


def _runner(rng: np.random.Generator) -> Callable[[], np.ndarray]:
    """Runs right, jumping often."""
    def act() -> np.ndarray:
        u = rng.random(WORLDS)
        return np.where(u < 0.55, RIGHT, np.where(u < 0.9, JUMP_RIGHT, rng.integers(0, L.NUM_ACTIONS, WORLDS)))
    return act


def _holder(change: float, choices: tuple[int, ...]) -> Callable[[np.random.Generator], Callable[[], np.ndarray]]:
    """Keeps an action until, with probability `change`, it takes another."""
    def policy(rng: np.random.Generator) -> Callable[[], np.ndarray]:
        held = np.full(WORLDS, RIGHT)

        def act() -> np.ndarray:
            held[:] = np.where(rng.random(WORLDS) < change, rng.choice(choices, WORLDS), held)
            return held.copy()
        return act
    return policy


POLICIES = {
    "runner": _runner,
    "wanderer": _holder(0.15, (RIGHT, RIGHT, JUMP_RIGHT, JUMP_RIGHT, 0, 1, 2, 3, 4, 5, 6)),
    "jumper": _holder(0.3, (RIGHT, JUMP_RIGHT, JUMP_RIGHT, JUMP, STILL, 2, 3)),
    "random": _random,
}


# --- negative controls: faults in the native engine that the comparison must find, and where it must find them


def _heavier(native: CoinRun) -> None:
    body = native.world.body
    body[:, L.GRAVITY] = np.nextafter(body[:, L.GRAVITY], np.float32(1))


def _another_agent(native: CoinRun) -> None:
    themes = native.world.facts[:, L.AGENT_THEME]
    themes[:] = (themes + 1) % L.AGENT_THEMES


def _shifted_background(native: CoinRun) -> None:
    native.world.body[:, L.BACKGROUND_SHIFT] *= np.float32(0.5)


def _another_cell(native: CoinRun) -> None:
    native.world.grid[0, 40, 40] ^= 1


def _another_generator(native: CoinRun) -> None:
    native.world.twister[0, 500] ^= np.uint32(1)


STEP_CONTROLS = {"gravity off by one bit": (_heavier, "VY"), "another agent": (_another_agent, "frames"),
                 "background shifted": (_shifted_background, "frames")}
LEVEL_CONTROLS = {"one cell changed": (_another_cell, "grid"),
                  "one bit of a generator changed": (_another_generator, "generator")}
COIN_CONTROL = "coin one cell further"


def _run_controls(seeds: Iterator[int]) -> dict[str, bool]:
    """Which of the deliberate faults were found."""
    found = {}
    for name, (spoil, quantity) in LEVEL_CONTROLS.items():
        tally, seed = Tally(), next(seeds)
        native = gmexp_envs.make_vec("coinrun", WORLDS, seed=seed)
        native.reset()
        spoil(native)
        with Binary(WORLDS, seed=seed) as binary:
            _compare_levels(tally, native, binary, name)
        found[name] = quantity in tally.differing
    for name, (spoil, quantity) in STEP_CONTROLS.items():
        if quantity == "frames" and not exact_pixels():
            continue
        tally = Tally()
        _compare_steps(tally, "hard", "runner", next(seeds), 10, 10, BAR, spoil)
        found[name] = quantity in tally.differing
    tally = Tally()
    here, there = (LevelDistribution(rho=0.0, placement="cell", cell=(x, 1)) for x in (3, 4))
    _compare_edited(tally, COIN_CONTROL, here, next(seeds), 20, BAR, there)
    found[COIN_CONTROL] = {"edited observations", "log facts"} <= set(tally.differing)
    return found
