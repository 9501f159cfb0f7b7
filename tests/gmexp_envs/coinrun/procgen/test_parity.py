"""The native engine against the real binary: levels and dynamics by their bits, frames by their pixels.

Every run draws a fresh seed and prints it; `PARITY_SEED=N pytest ...` repeats one.
"""

import os

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs.coinrun import layout as L
from gmexp_envs.coinrun.procgen.compare import differences, generator_in_blocks
from gmexp_envs.coinrun.procgen.decode import read_states
from gmexp_envs.procgen_family import binary as procgen
from gmexp_envs.procgen_family.state import State, twister_words

pytestmark = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed: nothing to compare with")
RIGHT, JUMP_RIGHT = 7, 8


@pytest.fixture
def seed() -> int:
    """A fresh seed, or PARITY_SEED of the environment; printed where a test fails."""
    seed = int(os.environ.get("PARITY_SEED") or np.random.SeedSequence().generate_state(1)[0] >> 1)
    print(f"PARITY_SEED={seed}")
    return seed


@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_levels_and_generators(mode, seed):
    """Levels of the first episodes, and both generators' complete states."""
    n = 128
    native = gmexp_envs.make_vec("coinrun", n, mode=mode, seed=seed)
    native.reset()
    theirs = L.allocate(n, trails=False)
    with procgen.Binary(n, mode=mode, seed=seed) as binary:
        read_states(binary, theirs)
        assert differences(native.world, theirs) == {}
        for e in range(0, n, 16):
            state = State(binary.get_state(e))
            levels = int(native.world.slots[e, L.LEVEL_STREAM])
            for words, drawn, taken, text in (
                    (native.world.twister[e], L.PREDRAWN, int(native.world.clock[e, L.TWISTER]), state["twister"]),
                    (native.world.level_stream[e], levels, levels, state["level_stream"])):
                expected, position = twister_words(text)
                actual, ours = generator_in_blocks(words, drawn, taken)
                assert position == ours
                np.testing.assert_array_equal(actual, expected)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["easy", "hard"])
def test_steps_and_frames(mode, seed):
    """Rewards, episode ends, every float and every pixel, over many episodes of agents that get about."""
    n, steps = 64, 150
    native = gmexp_envs.make_vec("coinrun", n, mode=mode, seed=seed, observation="pixels")
    frames = native.reset()
    theirs = L.allocate(n, trails=True)
    rng = np.random.default_rng(seed)
    with procgen.Binary(n, mode=mode, seed=seed) as binary:
        for _ in range(steps):
            read_states(binary, theirs)
            assert differences(native.world, theirs) == {}
            if procgen.exact_pixels():
                np.testing.assert_array_equal(frames, binary.frames)
            actions = np.where(rng.random(n) < 0.9, rng.choice([RIGHT, JUMP_RIGHT], n), rng.integers(0, 15, n))
            binary.step(actions)
            frames, reward, terminated, truncated = native.step(actions)
            np.testing.assert_array_equal(reward, binary.rewards)
            np.testing.assert_array_equal(terminated | truncated, binary.firsts)


def test_a_difference_is_found(seed):
    """Negative control: the comparison sees one changed bit, cell or theme."""
    n = 8
    native = gmexp_envs.make_vec("coinrun", n, seed=seed)
    native.reset()
    theirs = L.allocate(n, trails=False)
    with procgen.Binary(n, seed=seed) as binary:
        read_states(binary, theirs)
    assert differences(native.world, theirs) == {}
    native.world.body.view(np.uint32)[1, L.X] ^= 1
    native.world.grid[2, 40, 40] ^= 1
    native.world.facts[3, L.WALL_THEME] += 1
    native.world.clock[4, L.FLAGS] ^= L.ON_CRATE
    found = {name: rows.tolist() for name, rows in differences(native.world, theirs).items()}
    assert found == {"X": [1], "grid": [2], "WALL_THEME": [3], "FLAGS": [4]}
