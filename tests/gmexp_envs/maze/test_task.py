"""Maze as tasks: shifts whose grade 0 is training, bit for bit; arms; observations for Gymnasium."""

import dataclasses
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

import gmexp_envs
from gmexp_envs import FrameStyle, split_levels
from gmexp_envs.maze import layout as L
from gmexp_envs.maze.task import CHEESE, LINE_AND_GEM, MazeConfig
from gmexp_envs.shifts import shift, shift_factor

TASKS = {task.name: task for task in (CHEESE, LINE_AND_GEM)}
FLAT = FrameStyle(use_backgrounds=False, use_monochrome_assets=True)
CONFIG = dict(name="maze", mode="easy", diversity=0.0, placement="off_path", region=0, sizes=[3, 9], appearance=0.0,
              context=0.0, spec_quality=1.0, horizon=500, train_levels=None)


def _training(task):
    return task.distribution(MazeConfig(**CONFIG | {"name": task.name}))


@pytest.mark.parametrize("name", TASKS)
def test_grade_0_is_the_training_distribution(name):
    """As a value; and bit for bit in levels, observations, frames, rewards and endings, for every type and factor."""
    task = TASKS[name]
    training = _training(task)
    for shifted in ([shift(task, training, kind, 0.0) for kind in range(5)]
                    + [shift_factor(task, training, factor.name, 0.0) for factor in task.factors]):
        assert shifted == training
        ours, theirs = (gmexp_envs.make_vec(task, 8, distribution=d, seed=3, drawable=True, style=FLAT)
                        for d in (shifted, training))
        for a, b in zip(ours.reset(), theirs.reset(), strict=True):
            np.testing.assert_array_equal(a, b)
        rng = np.random.default_rng(0)
        for _ in range(30):
            actions = rng.choice([5, 7, 3, 1], 8)
            a, b = ours.step(actions), theirs.step(actions)
            for x, y in zip((*a.observation, *a[1:]), (*b.observation, *b[1:]), strict=True):
                np.testing.assert_array_equal(x, y)
            np.testing.assert_array_equal(ours.frames(), theirs.frames())


@given(st.sampled_from(["appearance", "context", "correlation", "supervision"]), st.floats(-1, 1), st.floats(0, 1))
def test_factors_put_what_they_get(name, rho, value):
    task = CHEESE
    factor = next(factor for factor in task.factors if factor.name == name)
    d = dataclasses.replace(_training(task), rho=rho)
    assert factor.put(d, factor.get(d)) == d and factor.get(factor.put(d, value)) == value


@pytest.mark.parametrize("name", TASKS)
def test_targets_at_grade_1(name):
    task = TASKS[name]
    training = _training(task)
    for kind, rho in enumerate((1.0, 1.0, 0.5, 0.0, -1.0)):
        d = shift(task, training, kind, 1.0)
        assert (d.rho, d.appearance, d.context, d.supervision) == (rho, float(kind > 0), float(kind > 1), float(kind > 3))
        assert (d.levels, d.sizes, d.game) == (training.levels, (3, 9), training.game)
    with pytest.raises(ValueError, match="appearance"):
        shift(task, dataclasses.replace(training, appearance=None), 1, 0.5)


def test_a_task_shows_the_world_of_its_levels_whole():
    easy, hard = (_training(CHEESE), dataclasses.replace(_training(CHEESE), mode="hard"))
    for distribution, side in ((easy, 15), (hard, 25), (easy, 15)):
        task = CHEESE.on(distribution)
        assert task.semantics.window == (side, side) and task.on(distribution) is task is CHEESE.on(distribution)
        window, state, appearance = gmexp_envs.make_vec(task, 3, distribution=distribution, seed=0).reset()
        assert window.shape[1:] == task.semantics.window and window.max() < len(task.semantics.classes)
        assert (state.shape[1], appearance.shape[1]) == (len(task.semantics.state), task.semantics.appearance)
        assert CHEESE.on(easy).on(hard) is CHEESE
    assert gmexp_envs.find_task("coinrun").on(None) is gmexp_envs.find_task("coinrun")


def test_arms_differ_in_the_goal_alone():
    for task in TASKS.values():
        probe = dataclasses.replace(task.distinguishing(_training(task)), levels=split_levels("evaluation", 64),
                                    sequential=True)
        worlds = {}
        for arm, distribution in task.arms(probe).items():
            env = gmexp_envs.make_vec(task, 64, distribution=distribution, seed=0)
            env.reset()
            worlds[arm] = env.world
            at = env.present
            assert (at.placement == (1 if arm == "aligned" else 0)).all() and at.distinguishing.any() == (arm != "aligned")
        walls = [world.grid == L.WALL_CELL for world in worlds.values()]
        assert all((wall == walls[0]).all() for wall in walls)
        visible, masked = worlds["visible"], worlds["masked"]
        differ = visible.grid != masked.grid
        assert (differ.sum(axis=(1, 2)) == 1).all() and (visible.grid[differ] == L.GOAL).all()


def test_importing_the_tasks_needs_no_compiler(tmp_path):
    import subprocess
    import sys

    program = ("import sys; import gmexp_envs; gmexp_envs.find_task('maze'); "
               "assert not {'numba', 'torch'} & set(sys.modules), 'imported'")
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("changes", [{"diversity": 2.0}, {"sizes": [3]}, {"sizes": [3, 99]}, {"placement": "end"},
                                     {"name": "maze_line_and_gem", "placement": "region", "region": 3}])
def test_a_config_that_does_not_fit_is_one_line(changes):
    with pytest.raises(ValueError) as error:
        MazeConfig(**CONFIG | changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("id", ["gmexp/Maze-v0", "gmexp/MazeLineAndGem-v0"])
@pytest.mark.parametrize("options", [{"mode": "easy"}, {"mode": "hard", "observation": "pixels", "style": FLAT},
                                     {"mode": "easy", "render_mode": "rgb_array", "style": FLAT}],
                         ids=["semantic", "pixels", "frames"])
def test_check_env(id, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = gymnasium.make(id, **options)
        check_env(env.unwrapped)
    if "observation" not in options:
        assert env.observation_space["window"].shape == (15, 15)


def test_a_vector_of_them():
    env = gymnasium.make_vec("gmexp/Maze-v0", num_envs=8, mode="easy", levels=20)
    observation, _ = env.reset(seed=0)
    assert observation["window"].shape == (8, 15, 15)
    for _ in range(100):
        observation, reward, *_ = env.step(np.full(8, 7))
    assert observation in env.observation_space
    env.close()
