"""The native engine against the real binary and the fork's record, on fresh seeds; faults are detected.

Every run draws a fresh seed and prints it; `PARITY_SEED=N pytest ...` repeats one. The record lies beside the repository,
at ../shared/oracle, and is not part of it.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.procgen.compare import differences, read_states, read_world, same_generator
from gmexp_envs.keys_and_chests.procgen.parity import verify_engine
from gmexp_envs.keys_and_chests.procgen.recorded import compare_recorded
from gmexp_envs.procgen_family import binary as procgen
from gmexp_envs.procgen_family.state import State
from gmexp_envs.procgen_family.tally import Tally

needs_procgen = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed: nothing to compare with")
RECORDS = Path(__file__).parents[5] / "shared" / "oracle"
needs_record = pytest.mark.skipif(not (RECORDS / "keys_and_chests.npz").is_file(),
                                  reason=f"the fork's record is not at {RECORDS}")


@pytest.fixture
def seed() -> int:
    seed = int(os.environ.get("PARITY_SEED") or np.random.SeedSequence().generate_state(1)[0] >> 1)
    print(f"PARITY_SEED={seed}")
    return seed


@needs_procgen
@pytest.mark.slow
def test_nothing_differs_on_fresh_seeds(seed):
    report = verify_engine(seed, levels=128, steps=8_192, frames=4_096, edited=8_704)
    assert report["differences"] == 0, (report["differing"], report["examples"])
    assert all(report["controls"].values()), report["controls"]
    for what, least in (("levels", 128), ("steps", 8_192), ("episodes", 30), ("edited steps", 8_704),
                        ("edited episodes", 10)):
        assert report["compared"][what] >= least, report["compared"]


@needs_procgen
def test_a_difference_is_found(seed):
    """Negative control: the comparison sees one changed bit wherever it is."""
    native = KeysAndChests(8, [LevelDistribution(game="heist")], seed)
    native.reset()
    with procgen.Binary(8, game="heist", seed=seed) as binary:
        states = [State(binary.get_state(e)) for e in range(8)]
    theirs = read_states(states)
    assert differences(read_world(native.world), theirs) == {}
    assert all(same_generator(native.world, e, state) for e, state in enumerate(states))
    world = native.world
    world.grid[0, 4, 4] ^= 1
    world.objects.view(np.uint32)[1, 0, 1] ^= 1
    world.kinds[2, 0, L.NUMBER] += 1
    world.body.view(np.uint32)[3, L.X] ^= 1
    world.clock[4, L.FACING] = 3
    world.facts[5, L.BACKGROUND] += 1
    world.body[6, L.VX] = 1e-30
    world.clock[7, L.TWISTER] += 1
    assert {name: rows.tolist() for name, rows in differences(read_world(world), theirs).items()} == {
        "grid": [0], "objects": [1], "kinds": [2], "place": [3], "rotation": [4], "background": [5], "velocity": [6]}
    assert [e for e, state in enumerate(states) if not same_generator(world, e, state)] == [7]


@needs_record
@needs_procgen
@pytest.mark.slow
@pytest.mark.parametrize(("name", "levels"), [("keys_and_chests", 800), ("keys_and_chests_penalties", 0)])
def test_the_forks_variants_as_recorded(name, levels):
    tally = Tally()
    compare_recorded(tally, RECORDS / f"{name}.npz")
    assert not tally.differing, tally.examples
    assert tally.compared["recorded levels"] == levels and tally.compared["recorded steps"] == 24_000
    assert tally.compared["recorded frames"] == 48 + 48 * (levels > 0) or not procgen.exact_pixels()


@pytest.mark.slow
@needs_record
@needs_procgen
@pytest.mark.parametrize(("name", "changes", "what"), [
    ("keys_and_chests", {"rho": 0.0, "placement": "as_many"}, "recorded keys_left"),
    ("keys_and_chests", {"rho": 0.5}, "recorded chests_left"),
    ("keys_and_chests", {"context": 1.0}, "recorded grid"),
    ("keys_and_chests_penalties", {"key_penalty": 2}, "recorded rewards"),
    ("keys_and_chests_penalties", {"step_penalty": 8}, "recorded rewards")])
def test_another_rule_than_the_recorded_one_is_found(name, changes, what):
    tally = Tally()
    compare_recorded(tally, RECORDS / f"{name}.npz", **changes)
    assert what in tally.differing, tally.differing


@pytest.mark.slow
@needs_record
@needs_procgen
@pytest.mark.parametrize(("column", "what"), [("grid", "recorded grid"), ("twister", "recorded next_draws"),
                                              ("objects", "recorded objects"), ("clock", "recorded rotation")])
def test_one_changed_bit_is_found(column, what):
    def spoil(env):
        if column == "clock":
            env.world.clock[:, L.FACING] = 1
        elif column == "grid":
            env.world.grid[0, 4, 4] ^= 1
        else:
            words = getattr(env.world, column)[0].view(np.uint32).reshape(-1)
            words[(env.world.clock[0, L.DRAWN] + 1) % L.WORDS if column == "twister" else 0] ^= 4

    tally = Tally()
    compare_recorded(tally, RECORDS / "keys_and_chests.npz", spoil)
    assert what in tally.differing, tally.differing
