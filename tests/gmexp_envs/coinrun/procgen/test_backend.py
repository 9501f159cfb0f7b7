"""The real binary as a backend: same observations, rewards, endings and logs as the native engine."""

import multiprocessing
import os

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import FrameStyle, LevelDistribution, Physics, SeedRange
from gmexp_envs.procgen_family import binary as procgen
from gmexp_envs.procgen_family.state import FIELDS, State, differing_fields, offset_of, twister_text, twister_words
from gmexp_envs.vec import EpisodeLog

pytestmark = pytest.mark.skipif(not procgen.installed(), reason="procgen is not installed")
N = 16

DISTRIBUTIONS = {
    "as generated": LevelDistribution(),
    "coin off the path": LevelDistribution(rho=0.0),
    "coin opposite the end": LevelDistribution(rho=-1.0),
    "coin on the start": LevelDistribution(rho=0.0, placement="cell", cell=(3, 1)),
    "langosco's fork": LevelDistribution(rho=0.0, placement="langosco"),
    "hidden coin": LevelDistribution(rho=0.5, placement="section_start", masked=True),
    "appearance and context": LevelDistribution(appearance=0.5, context=0.7, mode="easy"),
    "short horizon": LevelDistribution(horizon=25),
    "listed levels": LevelDistribution(levels=(3, 99, 0)),
    "levels in order": LevelDistribution(levels=SeedRange(77, 9), sequential=True),
    "physics": LevelDistribution(physics=Physics(gravity=0.15, max_jump=1.8, max_speed=0.7, air_control=0.5), rho=0.5),
    "overshooting physics": LevelDistribution(physics=Physics(mixrate=2.0, air_control=1.0, max_jump=1.0)),
}


@pytest.fixture
def seed() -> int:
    seed = int(os.environ.get("PARITY_SEED") or np.random.SeedSequence().generate_state(1)[0] >> 1)
    print(f"PARITY_SEED={seed}")
    return seed


def _pair(distribution, seed, observation, **options):
    return [gmexp_envs.make_vec("coinrun", N, distribution=distribution, seed=seed, observation=observation, backend=backend,
                          **options) for backend in ("native", "procgen")]


def _assert_same(ours, theirs):
    for a, b in zip(*((x,) if isinstance(x, np.ndarray) else x for x in (ours, theirs)), strict=True):
        np.testing.assert_array_equal(a, b)


def _play(native, binary, steps, rng):
    """Play both alike, sometimes with only half of the worlds; returns the number of episodes."""
    episodes = 0
    for t in range(steps):
        actions = np.where(rng.random(N) < 0.9, rng.choice([7, 8], N), rng.integers(0, 15, N))
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
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_same_as_native(name, seed):
    observation = "pixels" if procgen.exact_pixels() else "semantic"
    native, binary = _pair(DISTRIBUTIONS[name], seed, observation)
    _assert_same(native.reset(), binary.reset())
    assert _play(native, binary, 80, np.random.default_rng(seed)) > 0
    binary.close()


@pytest.mark.slow
def test_semantic_observation_reseeding_and_restoring(seed):
    distributions = [LevelDistribution(), LevelDistribution(mode="easy", rho=0.0)]
    rng = np.random.default_rng(seed)
    native, binary = _pair(distributions, seed, "semantic", action_repeat=2)
    _assert_same(native.reset(), binary.reset())
    _play(native, binary, 30, rng)
    saved = native.state(), binary.state()
    _play(native, binary, 30, rng)
    native.restore(saved[0])
    binary.restore(saved[1])
    _play(native, binary, 10, rng)
    _assert_same(native.reset(), binary.reset())
    _assert_same(native.reset(seed=seed + 1), binary.reset(seed=seed + 1))
    _play(native, binary, 10, rng)
    binary.close()


@pytest.mark.slow
def test_frame_styles(seed):
    if not procgen.exact_pixels():
        pytest.skip("this procgen draws with a newer Qt, whose rounding differs")
    for style in (FrameStyle(use_backgrounds=False, channels_first=True), FrameStyle(restrict_themes=True),
                  FrameStyle(use_monochrome_assets=True)):
        native, binary = _pair(LevelDistribution(), seed, "pixels", style=style)
        _assert_same(native.reset(), binary.reset())
        _play(native, binary, 20, np.random.default_rng(seed))
        binary.close()


def test_what_procgen_cannot_express():
    with pytest.raises(ValueError, match="supervision"):
        gmexp_envs.make_vec("coinrun", 1, backend="procgen", supervision=0.5)
    with pytest.raises(ValueError, match="spec_quality"):
        gmexp_envs.make_vec("coinrun", 1, backend="procgen", spec_quality=0.5)
    with pytest.raises(ValueError, match="permeable_wall"):
        gmexp_envs.make_vec("coinrun", 1, backend="procgen", permeable_wall=15)


@pytest.mark.slow
def test_states_survive_parsing_and_editing():
    with procgen.Binary(2, seed=5) as binary:
        for _ in range(20):
            binary.step(np.full(2, 7))
        before, other = binary.get_state(0), binary.get_state(1)
        frame = binary.frames[0].copy()
        assert State(before).to_bytes() == before
        words, position = twister_words(State(before)["twister"])
        assert twister_text(words, position) == State(before)["twister"]
        at = offset_of(before, "gravity")
        assert np.frombuffer(before, "<f4", 1, at)[0] == State(before)["gravity"]

        edited = State(before)
        edited["gravity"] = 0.5
        assert differing_fields(State(before), edited) == ["gravity"]
        edited["entities"] = edited["entities"][:1]
        binary.set_state(0, edited.to_bytes())
        assert binary.get_state(0) == edited.to_bytes()
        assert (binary.frames[0] != frame).any() or len(State(before)["entities"]) == 1
        binary.set_state(0, before)
        np.testing.assert_array_equal(binary.frames[0], frame)
        assert binary.get_state(1) == other
        assert len(set(FIELDS["coinrun"])) == len(FIELDS["coinrun"])
    with pytest.raises(ValueError, match="not a state of procgen 0.10's coinrun"):
        State(before + b"....")


@pytest.mark.slow
def test_closing_and_importing():
    binary = procgen.Binary(1)
    binary.close()
    binary.close()
    with pytest.raises(RuntimeError, match="closed"):
        binary.step(np.zeros(1))
    with pytest.raises(ValueError, match="mode"):
        procgen.Binary(1, mode="medium")


def test_its_levels_cannot_be_chosen():
    env = gmexp_envs.make_vec("coinrun", 1, seed=0, backend="procgen")
    with pytest.raises(ValueError, match="cannot be chosen"):
        env.begin_at(np.array([0]), np.array([1]), np.zeros((1, 2)))
    env.close()


def _step_in_child(binary, queue):
    try:
        binary.step(np.full(2, 7))
        queue.put("stepped")
    except RuntimeError as error:
        queue.put(str(error))


@pytest.mark.parametrize(("threads", "expected"), [(0, "stepped"), (2, "fork")])
def test_in_a_forked_child(threads, expected):
    """Without threads a fork is harmless; with threads it is a clear error rather than a hang."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with procgen.Binary(2, threads=threads) as binary:
        child = context.Process(target=_step_in_child, args=(binary, queue))
        child.start()
        assert expected in queue.get(timeout=60)
        child.join()
        binary.step(np.full(2, 7))
