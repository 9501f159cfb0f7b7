"""Keys and Chests as a task: shifts whose grade 0 is training, bit for bit; arms; words; Gymnasium."""

import dataclasses
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import gmexp_envs
from gmexp_envs import FrameStyle, split_levels
from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.distribution import LevelDistribution, Physics
from gmexp_envs.keys_and_chests.task import KeysAndChestsConfig, TASK
from gmexp_envs.shifts import shift, shift_factor

FLAT = FrameStyle(use_backgrounds=False, use_monochrome_assets=True)
CONFIG = dict(name="keys_and_chests", mode="easy", diversity=0.0, placement="apart", appearance=0.0, context=0.0,
              spec_quality=1.0, key_penalty=0, step_penalty=0, horizon=1000, train_levels=None)
TRAINING = TASK.distribution(KeysAndChestsConfig(**CONFIG))


def test_grade_0_is_the_training_distribution():
    """As a value; and bit for bit in levels, observations, frames, rewards and endings, for every type and factor."""
    for shifted in ([shift(TASK, TRAINING, kind, 0.0) for kind in range(5)]
                    + [shift_factor(TASK, TRAINING, factor.name, 0.0) for factor in TASK.factors]):
        assert shifted == TRAINING
        ours, theirs = (gmexp_envs.make_vec(TASK, 8, distribution=d, seed=3, drawable=True, style=FLAT)
                        for d in (shifted, TRAINING))
        for a, b in zip(ours.reset(), theirs.reset(), strict=True):
            np.testing.assert_array_equal(a, b)
        rng = np.random.default_rng(0)
        for _ in range(30):
            actions = rng.integers(0, 9, 8)
            a, b = ours.step(actions), theirs.step(actions)
            for x, y in zip((*a.observation, *a[1:]), (*b.observation, *b[1:]), strict=True):
                np.testing.assert_array_equal(x, y)
            np.testing.assert_array_equal(ours.frames(), theirs.frames())


@given(st.sampled_from([f.name for f in TASK.factors]), st.floats(-1, 1), st.floats(0, 1))
def test_factors_put_what_they_get(name, rho, value):
    factor = next(factor for factor in TASK.factors if factor.name == name)
    d = dataclasses.replace(TRAINING, rho=rho)
    assert factor.put(d, factor.get(d)) == d and factor.get(factor.put(d, value)) == value


def test_targets_at_grade_1():
    for kind, rho in enumerate((1.0, 1.0, 0.5, 0.0, -1.0)):
        d = shift(TASK, TRAINING, kind, 1.0)
        assert (d.rho, d.appearance, d.context, d.supervision) == (rho, float(kind > 0), float(kind > 1), float(kind > 3))
        assert (d.levels, d.physics, d.spec_quality) == (TRAINING.levels, TRAINING.physics, 1.0)
    with pytest.raises(ValueError, match="appearance"):
        shift(TASK, dataclasses.replace(TRAINING, appearance=None), 1, 0.5)
    with pytest.raises(ValueError, match="heist"):
        shift_factor(TASK, LevelDistribution(game="heist"), "context", 0.5)


def test_arms_differ_in_the_chests_alone():
    probe = dataclasses.replace(TASK.distinguishing(TRAINING), levels=split_levels("evaluation", 64), sequential=True)
    worlds = {}
    for arm, distribution in TASK.arms(probe).items():
        env = gmexp_envs.make_vec(TASK, 64, distribution=distribution, seed=0)
        env.reset()
        worlds[arm] = env.world
        at = env.present
        assert (at.placement == (1 if arm == "aligned" else 0)).all() and at.distinguishing.all() == (arm != "aligned")
    assert all((world.grid == worlds["visible"].grid).all() for world in worlds.values())
    visible, masked = worlds["visible"], worlds["masked"]
    np.testing.assert_array_equal(visible.objects, masked.objects)
    differ = visible.classes != masked.classes
    assert (visible.classes[differ] == L.CHEST_CELL).all() and (masked.classes[differ] == L.FREE).all()
    np.testing.assert_array_equal(differ.sum(axis=1), visible.facts[:, L.CHESTS])


def test_importing_the_task_needs_no_compiler():
    program = ("import sys; import gmexp_envs; gmexp_envs.find_task('keys_and_chests'); "
               "assert not {'numba', 'torch'} & set(sys.modules), 'imported'")
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("changes", [{"diversity": 2.0}, {"placement": "end"}, {"physics": {"gravity": 1.0}},
                                     {"horizon": 0}, {"mode": "memory"}])
def test_a_config_that_does_not_fit_is_one_line(changes):
    with pytest.raises(ValueError) as error:
        KeysAndChestsConfig(**CONFIG | changes)
    assert "\n" not in str(error.value)


def test_a_config_says_all_that_training_needs():
    config = KeysAndChestsConfig(**CONFIG | {"diversity": 0.25, "train_levels": 100, "physics": {"mixrate": 0.4}})
    d = TASK.distribution(config)
    assert (d.rho, d.num_levels, d.physics) == (0.75, 100, Physics(mixrate=0.4))


def test_words_match_numbers():
    env = gmexp_envs.make_vec(TASK, 2, mode="easy", seed=0)
    observation = env.reset()
    semantics = TASK.semantics
    assert observation.window.shape[1:] == semantics.window and len(semantics.classes) == L.NUM_CLASSES
    assert observation.state.shape[1] == len(semantics.state) == len(semantics.bounds) == L.NUM_STATE
    assert observation.appearance.shape[1] == semantics.appearance
    assert env.log.facts.shape[1] == len(TASK.facts)


@pytest.mark.parametrize("options", [{"mode": "easy"}, {"observation": "pixels", "style": FLAT},
                                     {"mode": "easy", "render_mode": "rgb_array", "style": FLAT}],
                         ids=["semantic", "pixels", "frames"])
def test_check_env(options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make("gmexp/KeysAndChests-v0", **options).unwrapped)


def test_a_vector_of_them():
    env = gymnasium.make_vec("gmexp/KeysAndChests-v0", num_envs=8, mode="easy", levels=20)
    observation, _ = env.reset(seed=0)
    for _ in range(50):
        observation, *_ = env.step(np.full(8, 7))
    assert observation in env.observation_space
    env.close()
