"""The native engine against the real binary and the fork's record, on fresh seeds; faults are detected.

Every run draws a fresh seed and prints it; `PARITY_SEED=N pytest ...` repeats one.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from gmexp_envs.maze import layout as L
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.engine import Maze
from gmexp_envs.maze.procgen import recorded
from gmexp_envs.maze.procgen.compare import differences, generator_differs, read_states
from gmexp_envs.maze.procgen.parity import verify_engine
from gmexp_envs.procgen_family import binary as procgen
from gmexp_envs.procgen_family.state import State
from gmexp_envs.procgen_family.tally import Tally

needs_procgen = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed: nothing to compare with")
RECORD = Path(__file__).parents[4].parent / "shared" / "oracle" / "mazes.npz"
needs_record = pytest.mark.skipif(not RECORD.is_file(), reason=f"the fork's record is not at {RECORD}")


@pytest.fixture
def seed() -> int:
    seed = int(os.environ.get("PARITY_SEED") or np.random.SeedSequence().generate_state(1)[0] >> 1)
    print(f"PARITY_SEED={seed}")
    return seed


@needs_procgen
@pytest.mark.slow
def test_nothing_differs_on_fresh_seeds(seed):
    report = verify_engine(seed, levels=512, steps=16_384, frames=8_192, edited=8_320)
    assert report["differences"] == 0, (report["differing"], report["examples"])
    assert all(report["controls"].values()), report["controls"]
    for what, least in (("levels", 512), ("steps", 16_384), ("edited steps", 8_320), ("edited episodes", 100)):
        assert report["compared"][what] >= least, report["compared"]


@needs_procgen
def test_a_difference_is_found(seed):
    """Negative control: the comparison sees one changed cell, background, place or output."""
    native = Maze(8, [MazeDistribution(rho=0.0, placement="uniform")], seed)
    native.reset()
    theirs = L.allocate(8)
    with procgen.Binary(8, game="maze", seed=seed) as binary:
        read_states(binary, theirs)
        states = [State(binary.get_state(e)) for e in range(8)]
    assert differences(native.world, theirs) == {}
    assert not any(generator_differs(state, native.world, e) for e, state in enumerate(states))
    native.world.grid[1, 7, 7] ^= 1
    native.world.facts[2, L.BACKGROUND] += 1
    native.world.clock[3, L.X] += 1
    native.world.clock[4, L.MIRRORED] = 1
    native.world.gains.view(np.uint32)[5, L.BACKGROUND_SHIFT] ^= 1
    native.world.facts[6, L.DRAWN] += 1
    assert {name: rows.tolist() for name, rows in differences(native.world, theirs).items()} == {
        "grid": [1], "BACKGROUND": [2], "X": [3], "MIRRORED": [4], "BACKGROUND_SHIFT": [5]}
    assert [e for e, state in enumerate(states) if generator_differs(state, native.world, e)] == [6]


@needs_record
@needs_procgen
@pytest.mark.slow
def test_the_forks_variants_as_recorded():
    tally = Tally()
    recorded.compare_recorded(tally, RECORD)
    assert not tally.differing, tally.examples
    assert tally.compared["recorded levels"] == 3800 and tally.compared["recorded steps"] == 108_000


@pytest.mark.slow
@needs_record
@needs_procgen
def test_another_rule_than_the_recorded_one_is_found(monkeypatch):
    """Negative controls: without the draw that rand_region throws away, and with the goal where upstream has it."""
    for label, changes, what in (("maze_aisc_r3", {"rho": 0.0}, "recorded goal_xy"),
                                 ("maze_aisc_r5", {"rho": 0.0, "placement": "region", "region": 4}, "recorded next_draws"),
                                 ("maze_yellowline", {"game": "line_and_gem", "rho": 0.0}, "recorded second_xy"),
                                 ("maze_yellowstar_redgem", {"game": "line_and_gem", "rho": 0.0}, "recorded frames")):
        monkeypatch.setitem(recorded.VARIANTS, label, changes)
        tally = Tally()
        with np.load(RECORD) as file:
            data = {name: file[name] for name in file.files if name == "seeds" or name.startswith(f"{label}.hard")}
        monkeypatch.setattr(recorded.np, "load", lambda path, data=data: _Opened(data))
        recorded.compare_recorded(tally, RECORD)
        monkeypatch.undo()
        assert what in tally.differing, (label, tally.differing)


class _Opened(dict):
    files = property(lambda self: list(self))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass
