"""The real binary as a backend: same observations, rewards, endings and logs as the native engine."""

import copy
import os

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import FrameStyle
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.procgen.parity import EDITED
from gmexp_envs.procgen_family import binary as procgen
from gmexp_envs.vec import EpisodeLog

pytestmark = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed")
N = 12
CASES = EDITED | {"as generated": MazeDistribution(rho=0.0, placement="uniform", mode="easy")}


@pytest.fixture
def seed() -> int:
    seed = int(os.environ.get("PARITY_SEED") or np.random.SeedSequence().generate_state(1)[0] >> 1)
    print(f"PARITY_SEED={seed}")
    return seed


def _pair(distribution, seed, observation, **options):
    return [gmexp_envs.make_vec("maze", N, distribution=distribution, seed=seed, observation=observation, backend=backend,
                                **options) for backend in ("native", "procgen")]


def _assert_same(ours, theirs):
    for a, b in zip(*((x,) if isinstance(x, np.ndarray) else x for x in (ours, theirs)), strict=True):
        np.testing.assert_array_equal(a, b)


def _play(native, binary, steps, rng):
    """Play both alike, sometimes with only half of the instances; returns the number of episodes."""
    episodes = 0
    scripted = gmexp_envs.find_task("maze").scripted("intended", native)
    for t in range(steps):
        actions = np.where(rng.random(N) < 0.8, scripted.act(), rng.integers(0, 15, N))
        rows = np.arange(0, N, 2) if t % 30 > 24 else np.arange(N)
        ours, theirs = native.step(actions, rows), binary.step(actions, rows)
        _assert_same(ours.observation, theirs.observation)
        _assert_same(ours[1:], theirs[1:])
        ended = ours.terminated | ours.truncated
        for name, a, b in zip(EpisodeLog._fields, native.log.take(ended), binary.log.take(ended), strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)
        episodes += int(ended[rows].sum())
    return episodes


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_same_as_native(name, seed):
    observation = "pixels" if procgen.exact_pixels() else "semantic"
    native, binary = _pair(CASES[name], seed, observation)
    _assert_same(native.reset(), binary.reset())
    assert _play(native, binary, 70, np.random.default_rng(seed)) > 0
    binary.close()


@pytest.mark.slow
def test_semantic_observation_reseeding_restoring_and_copying(seed):
    distributions = [CASES["as generated"], MazeDistribution(mode="easy", rho=-1.0, horizon=30)]
    native, binary = _pair(distributions, seed, "semantic", action_repeat=2)
    rng = np.random.default_rng(seed)
    _assert_same(native.reset(), binary.reset())
    _play(native, binary, 30, rng)
    saved, copied = (native.state(), binary.state()), copy.deepcopy(binary)
    _play(native, binary, 20, rng)
    native.restore(saved[0])
    _play(native, copied, 10, rng)
    native.restore(saved[0])
    binary.restore(saved[1])
    _play(native, binary, 10, rng)
    _assert_same(native.reset(seed=seed + 1), binary.reset(seed=seed + 1))
    _play(native, binary, 10, rng)
    binary.close()


@pytest.mark.slow
def test_frame_styles(seed):
    if not procgen.exact_pixels():
        pytest.skip("this procgen draws with a newer Qt, whose rounding differs")
    for style in (FrameStyle(use_backgrounds=False, channels_first=True), FrameStyle(use_monochrome_assets=True)):
        native, binary = _pair(CASES["off the path"], seed, "pixels", style=style)
        _assert_same(native.reset(), binary.reset())
        _play(native, binary, 20, np.random.default_rng(seed))
        binary.close()


@pytest.mark.parametrize(("knobs", "match"), [
    ({"game": "line_and_gem"}, "line_and_gem"), ({"supervision": 0.5}, "supervision"), ({"appearance": 0.0}, "appearance"),
    ({"spec_quality": 0.5}, "spec_quality"), ({"drawable": True}, "drawable")])
def test_what_procgen_cannot_express(knobs, match):
    with pytest.raises(ValueError, match=match) as error:
        gmexp_envs.make_vec("maze", 1, backend="procgen", **knobs)
    assert "\n" not in str(error.value)


def test_one_mode_at_a_time():
    with pytest.raises(ValueError, match="one mode"):
        gmexp_envs.make_vec("maze", 2, backend="procgen", distribution=[MazeDistribution(mode="easy"), MazeDistribution()])
