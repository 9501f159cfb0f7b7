"""CoinRun under Gymnasium's own checks."""

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import gmexp_envs
import gmexp_envs.gym_adapter
from gmexp_envs import FrameStyle, LevelDistribution
from gmexp_envs.vec import SemanticObservation

ID = "gmexp/CoinRun-v0"
FLAT = FrameStyle(use_backgrounds=False, use_monochrome_assets=True)


@pytest.mark.parametrize("options", [{"mode": "easy"}, {"observation": "pixels", "style": FLAT},
                                     {"render_mode": "rgb_array", "style": FLAT}], ids=["semantic", "pixels", "frames"])
def test_check_env(options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(ID, **options).unwrapped)


def test_an_episode_ends_and_stays():
    env = gymnasium.make(ID, mode="easy", levels=[4], horizon=20)
    _, info = env.reset(seed=0)
    assert info == {"level_seed": 4}
    for _ in range(20):
        observation, reward, terminated, truncated, info = env.step(4)
    assert truncated and not terminated
    assert info == {"level_seed": 4, "distinguishing": False, "outcome": "timeout"}
    assert observation in env.observation_space
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(4)
    env.reset()
    env.step(4)


def test_info_tells_the_outcome():
    env = gymnasium.make(ID, mode="easy", rho=0.0, placement="cell", cell=(3, 1))
    env.reset(seed=0)
    terminated = False
    while not terminated:
        _, reward, terminated, _, info = env.step(7)
    assert reward == 10 and info["outcome"] == "ambiguous" and info["intended_step"] > 0 and "proxy_step" not in info


def test_single_equals_native():
    env = gymnasium.make(ID, mode="hard")
    native = gmexp_envs.make_vec("coinrun", 1, mode="hard", seed=11)
    observation, _ = env.reset(seed=11)
    expected = native.reset()
    rng = np.random.default_rng(0)
    for _ in range(300):
        for name in SemanticObservation._fields:
            np.testing.assert_array_equal(observation[name], getattr(expected, name)[0])
        action = int(rng.integers(6, 9))
        observation, reward, terminated, truncated, _ = env.step(action)
        step = native.step(np.array([action]))
        assert (reward, terminated, truncated) == (step.reward[0], step.terminated[0], step.truncated[0])
        expected = step.observation
        if terminated or truncated:  # the native engine has begun the next episode in the same step
            observation, _ = env.reset()


@pytest.mark.parametrize("options", [{}, {"observation": "pixels", "style": FLAT}], ids=["semantic", "pixels"])
def test_vector_equals_gymnasiums_own(options):
    """SAME_STEP as `SyncVectorEnv` does it: observations, final observations, infos, spaces."""
    options = {"mode": "easy", "levels": [4], "horizon": 25} | options
    ours = gymnasium.make_vec(ID, num_envs=3, vectorization_mode="vector_entry_point", **options)
    theirs = gymnasium.make_vec(ID, num_envs=3, vectorization_mode="sync",
                                vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}, **options)
    assert ours.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert ours.observation_space == theirs.observation_space and ours.action_space == theirs.action_space
    assert _equal(ours.reset(seed=0), theirs.reset(seed=0))
    ours.action_space.seed(0)
    ended = 0
    for _ in range(80):
        actions = np.where(ours.action_space.sample() < 4, 4, 7)
        a, b = ours.step(actions), theirs.step(actions)
        assert a[0] in ours.observation_space
        assert _equal(a, b)
        ended += (a[2] | a[3]).sum()
    assert ended > 3
    ours.close()
    theirs.close()


def _equal(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    if isinstance(a, tuple) or (isinstance(a, np.ndarray) and a.dtype == object):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    return np.array_equal(a, b)


def test_vector_by_default_and_wrapped():
    env = gymnasium.make_vec(ID, num_envs=4, mode="easy", horizon=10)
    assert type(env.unwrapped).__name__ == "TaskVectorEnv"
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(env)
    env.reset(seed=1)
    for _ in range(10):
        *_, truncated, infos = env.step(np.full(4, 4))
    assert truncated.all()
    np.testing.assert_array_equal(infos["episode"]["l"], 10)
    assert infos["final_info"]["outcome"].tolist() == ["timeout"] * 4


def test_returned_observations_are_kept_apart():
    env = gymnasium.make_vec(ID, num_envs=2, mode="easy")
    first, _ = env.reset(seed=0)
    kept = {name: values.copy() for name, values in first.items()}
    for _ in range(5):
        env.step(np.full(2, 8))
    for name, values in kept.items():
        np.testing.assert_array_equal(first[name], values)


def test_frames():
    env = gymnasium.make_vec(ID, num_envs=2, render_mode="rgb_array", style=FLAT)
    env.reset(seed=0)
    frames = env.render()
    assert len(frames) == 2 and frames[0].shape == (64, 64, 3) and frames[0].dtype == np.uint8
    pixels = gmexp_envs.make_vec("coinrun", 2, seed=0, observation="pixels", style=FLAT)
    np.testing.assert_array_equal(np.stack(frames), pixels.reset())
    turned = gymnasium.make_vec(ID, num_envs=2, render_mode="rgb_array",
                                style=FrameStyle(False, False, True, channels_first=True))
    turned.reset(seed=0)
    np.testing.assert_array_equal(np.stack(turned.render()), np.stack(frames))


def test_bad_arguments():
    for options, message in (({"mode": "medium"}, "mode 'medium'"),
                             ({"render_mode": "human"}, "render_mode"),
                             ({"distribution": LevelDistribution(), "rho": 0.0}, "not both")):
        with pytest.raises(ValueError, match=message):
            gmexp_envs.gym_adapter.TaskEnv("coinrun", **options)


@pytest.mark.slow
def test_gymnasium_records_a_video(tmp_path):
    """With what the extra `video` installs, beside procgen too."""
    pytest.importorskip("moviepy.video.io.ImageSequenceClip", exc_type=ImportError)
    env = gymnasium.wrappers.RecordVideo(gymnasium.make(ID, render_mode="rgb_array"), str(tmp_path), disable_logger=True)
    env.reset(seed=1)
    for _ in range(20):
        env.step(env.action_space.sample())
    env.close()
    (film,) = tmp_path.glob("*.mp4")
    assert b"ftyp" in film.read_bytes()[:32]
