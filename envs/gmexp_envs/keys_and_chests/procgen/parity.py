"""The native engine against the real binary, bit by bit, and against what was recorded of the fork's variants.

On fresh seeds: heist's levels with their generators; its steps, where every float, reward and ending must be equal; its
frames, pixel by pixel; and edited games (the fork's rules and shifts of them), moved and drawn by both backends, where
observations and event logs must be equal too. Negative controls then spoil the native side a little, on purpose, and must
be detected.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.distribution import LevelDistribution, Physics
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.procgen.backend import ProcgenKeysAndChests
from gmexp_envs.keys_and_chests.procgen.compare import differences, read_states, read_world, same_generator
from gmexp_envs.keys_and_chests.procgen.playing import POLICIES
from gmexp_envs.keys_and_chests.procgen.recorded import compare_recorded
from gmexp_envs.levels import SeedRange
from gmexp_envs.procgen_family.alike import BAR, Progress, compare_edited, compare_steps, no_bar, summary
from gmexp_envs.procgen_family.binary import Binary, exact_pixels
from gmexp_envs.procgen_family.state import State
from gmexp_envs.procgen_family.streams import EPISODES
from gmexp_envs.procgen_family.tally import Tally

__all__ = ["CASES", "EDITED", "RECORDED", "verify_engine"]

RECORDED = "keys_and_chests.npz"  # the file that was recorded of the fork's variants

INSTANCES = 64  # stepped together
MODES = tuple(L.MODES)
ONE_BY_ONE = 16  # of the levels that are compared, one in so many is made alone, by its number

EDITED = {
    "many chests": LevelDistribution(),
    "many keys": LevelDistribution(rho=0.0, placement="many_keys"),
    "many keys, easy": LevelDistribution(rho=0.0, placement="many_keys", mode="easy"),
    "apart": LevelDistribution(rho=0.0),
    "as many": LevelDistribution(rho=0.0, placement="as_many", mode="easy"),
    "three keys a chest": LevelDistribution(rho=-1.0),
    "penalties": LevelDistribution(rho=0.5, key_penalty=3, step_penalty=7),
    "context": LevelDistribution(rho=0.0, context=0.7),
    "supervision": LevelDistribution(rho=0.0, supervision=0.6, horizon=60, mode="easy"),
    "masked chests": LevelDistribution(rho=0.0, masked=True, horizon=60),
    "paid for keys": LevelDistribution(rho=0.0, spec_quality=0.25),
    "fast and sliding": LevelDistribution(physics=Physics(max_speed=1.5, mixrate=0.2)),
    "short horizon": LevelDistribution(horizon=25),
    "listed levels": LevelDistribution(levels=(3, 99, 12345678, 0)),
    "levels in order": LevelDistribution(levels=SeedRange(77, 9), sequential=True),
    "heist": LevelDistribution(game="heist", horizon=90),
    "slow heist": LevelDistribution(game="heist", mode="easy", physics=Physics(max_speed=0.4)),
}
CASES = (  # level distributions over which the CPU's and a device's engine are compared
    *EDITED.values(),
    LevelDistribution(rho=-0.5, appearance=0.5, context=0.5, supervision=0.6),
    LevelDistribution(rho=0.5, appearance=1.0, mode="easy"),
)


def verify_engine(seed: int, levels: int = 8192, steps: int = 1_048_576, frames: int = 131_072, edited: int = 107_520,
                  progress: Progress | None = None, recorded: Path | None = None) -> dict[str, Any]:
    """Compare about as much as asked for (rounded up to whole batches); the report as plain data.

    `differences` is the number of differing rows, 0 if the engines are equal; `controls` says of each deliberate fault
    whether it was detected. `recorded` is a file recorded of the fork, if there is one to be compared with.
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
    return summary(seed, tally, _run_controls(seeds, recorded), EDITED, started)


def _native(n: int, mode: str, seed: int, observation: str = "semantic", **changes: Any) -> KeysAndChests:
    return KeysAndChests(n, [LevelDistribution(game="heist", mode=mode, **changes)], seed, observation)


def _states(binary: Binary) -> list[State]:
    return [State(binary.get_state(e)) for e in range(binary.num_envs)]


def _compare_random_levels(tally: Tally, mode: str, count: int, seeds: Iterator[int], bar: Any) -> None:
    """Levels over the whole range of seeds: the first episodes of differently seeded environments."""
    for first in range(0, count, INSTANCES):
        n, seed = min(INSTANCES, count - first), next(seeds)
        native = _native(n, mode, seed)
        native.reset()
        with Binary(n, game="heist", mode=mode, seed=seed) as binary:
            _compare_levels(tally, native, binary, f"{mode} levels of rand_seed {seed}")
        bar.advance(n)


def _compare_first_levels(tally: Tally, mode: str, count: int, bar: Any) -> None:
    """Levels 0, 1, 2, ..."""
    native = _native(1, mode, 0, levels=SeedRange(0, count), sequential=True)
    for number in range(count):
        native.world.slots[0, EPISODES] = number
        native.reset()
        with Binary(1, game="heist", mode=mode, start_level=number, num_levels=1) as binary:
            _compare_levels(tally, native, binary, f"{mode} level {number}")
        bar.advance(1)


def _compare_levels(tally: Tally, native: KeysAndChests, binary: Binary, where: str) -> None:
    states = _states(binary)
    tally.rows(differences(read_world(native.world), read_states(states)), where)
    for e, state in enumerate(states):
        tally.differ("generator", not same_generator(native.world, e, state), f"{where}, instance {e}")
    tally.compared["levels"] += len(states)


def _compare_steps(tally: Tally, mode: str, policy: str, seed: int, steps: int, drawn: int, bar: Any,
                   spoil: Callable[[KeysAndChests], None] | None = None) -> None:
    """Play both engines alike and compare them after every step; the first `drawn` steps also by their frames."""
    native = _native(INSTANCES, mode, seed, "pixels")
    act = POLICIES[policy](native, np.random.default_rng(seed))
    with Binary(INSTANCES, game="heist", mode=mode, seed=seed) as binary:
        def states(step: int, where: str) -> None:
            tally.rows(differences(read_world(native.world), read_states(_states(binary))), where)

        compare_steps(tally, native, binary, act, steps, drawn, states, bar, f"{mode}, {policy}, rand_seed {seed}", spoil)


def _compare_edited(tally: Tally, name: str, theirs_is: LevelDistribution, seed: int, steps: int, bar: Any,
                    ours_is: LevelDistribution | None = None) -> None:
    """Play an edited game on both backends and compare all that they return."""
    observation, rng = "pixels" if exact_pixels() else "semantic", np.random.default_rng(seed)
    native = KeysAndChests(INSTANCES, [ours_is or theirs_is], seed, observation)
    binary = ProcgenKeysAndChests(INSTANCES, [theirs_is], seed, observation)
    compare_edited(tally, name, native, binary, [policy(native, rng) for policy in POLICIES.values()], seed, steps, bar)


# --- negative controls: faults in the native engine that the comparison must find, and where it must find them


def _another_cell(native: KeysAndChests) -> None:
    native.world.grid[0, 4, 4] ^= 1


def _another_generator(native: KeysAndChests) -> None:
    native.world.twister[0, 500] ^= np.uint32(1)


def _key_by_one_bit(native: KeysAndChests) -> None:
    native.world.objects.view(np.uint32)[:, 0, 0] ^= np.uint32(1)


def _faster_by_one_bit(native: KeysAndChests) -> None:
    speed = native.world.body[:, L.MAX_SPEED]
    native.world.body[:, L.MAX_SPEED] = np.nextafter(speed, np.float32(9))


def _another_background(native: KeysAndChests) -> None:
    native.world.facts[:, L.BACKGROUND] = (native.world.facts[:, L.BACKGROUND] + 1) % L.BACKGROUNDS


def _turned(native: KeysAndChests) -> None:
    native.world.clock[:, L.FACING] = 1


LEVEL_CONTROLS = {"one cell changed": (_another_cell, "grid"),
                  "one bit of a generator changed": (_another_generator, "generator"),
                  "an object off by one bit": (_key_by_one_bit, "objects")}
STEP_CONTROLS = {"speed off by one bit": (_faster_by_one_bit, "velocity"), "agent turned": (_turned, "frames"),
                 "another background": (_another_background, "frames")}
EDIT_CONTROL = "another key penalty"
RECORD_CONTROL = "the record with a dearer step"


def _run_controls(seeds: Iterator[int], recorded: Path | None) -> dict[str, bool]:
    """Which of the deliberate faults were detected."""
    detected = {}
    for name, (spoil, quantity) in LEVEL_CONTROLS.items():
        tally, seed = Tally(), next(seeds)
        native = _native(INSTANCES, "hard", seed)
        native.reset()
        spoil(native)
        with Binary(INSTANCES, game="heist", seed=seed) as binary:
            _compare_levels(tally, native, binary, name)
        detected[name] = quantity in tally.differing
    for name, (spoil, quantity) in STEP_CONTROLS.items():
        if quantity == "frames" and not exact_pixels():
            continue
        tally = Tally()
        _compare_steps(tally, "hard", "holder", next(seeds), 10, 10, BAR, spoil)
        detected[name] = quantity in tally.differing
    tally = Tally()
    ours, theirs = (LevelDistribution(rho=0.0, key_penalty=penalty) for penalty in (2, 3))
    _compare_edited(tally, EDIT_CONTROL, theirs, next(seeds), 25, BAR, ours)
    detected[EDIT_CONTROL] = "edited rewards" in tally.differing
    if recorded is not None:
        tally = Tally()
        compare_recorded(tally, recorded, step_penalty=8)
        detected[RECORD_CONTROL] = "recorded rewards" in tally.differing
    return detected
