"""What every small world must show: known answers, shifts that begin with the identity, held-out levels, both engines."""

import copy
import dataclasses
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gmexp_envs
from gmexp_envs import find_task, split_levels, TASKS
from gmexp_envs.levels import SPLITS
from gmexp_envs.outcome import first_event_outcomes, INTENDED_GOAL, NEVER, PROXY_GOAL
from gmexp_envs.shifts import shift, shift_factor
from gmexp_envs.worlds.layout import (
    ALIGNED, BROKEN, HORIZON, INTENDED_STEP, NOW, OPPOSITE, OWN, PLACEMENT, PROXY_STEP, THEMES, TIME, TRAINED, WINDOW, X, Y,
)
from gmexp_envs.worlds.pictures import text

WORLDS = [name for name, place in TASKS.items() if ".worlds." in place]
ROOT = Path(__file__).parents[3]
N = 200

every_world = pytest.mark.parametrize("name", WORLDS)


def levels(name, count=N, split="evaluation", **knobs):
    return dataclasses.replace(find_task(name).knobs(split_levels(split, count), **knobs), sequential=True)


def begun(name, distribution, **options):
    env = gmexp_envs.make_vec(name, distribution.num_levels, distribution=distribution, seed=0, **options)
    env.reset()
    return env


def play(name, distribution, goal, seed=0):
    """Play every level once to its end, by a scripted policy or at random -> event log."""
    env = begun(name, distribution)
    policy, rng = find_task(name).scripted(goal, env) if goal else None, np.random.default_rng(seed)
    rows, actions = env.rows, np.zeros(env.num_envs, np.int32)
    while len(rows):
        actions[rows] = policy.act(rows=rows) if policy else rng.integers(0, env.num_actions, len(rows))
        step = env.step(actions, rows, autoreset=False)
        rows = rows[~(step.terminated | step.truncated)[rows]]
    return env.log


def outcomes(log):
    return first_event_outcomes(log.intended_step, log.proxy_step, log.died != 0, log.distinguishing != 0)


def same(a, b):
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def record(env, steps=40, seed=1):
    rng, shown = np.random.default_rng(seed), []
    for _ in range(steps):
        step = env.step(rng.integers(0, env.num_actions, env.num_envs))
        shown += [part.copy() for part in (*step.observation, *step[1:], *env.log)]
    return shown


def seen(name, distribution, steps=20):
    """Windows and states of a random policy."""
    env, rng = begun(name, distribution), np.random.default_rng(0)
    windows, states = [], []
    for _ in range(steps):
        observation = env.step(rng.integers(0, env.num_actions, env.num_envs)).observation
        windows.append(observation.window.copy())
        states.append(observation.state.copy())
    return np.array(windows), np.array(states)


# --- goals ------------------------------------------------------------------------------------------------------------

@every_world
@pytest.mark.parametrize("knobs", [{"rho": 0.0}, {"rho": -1.0}, {"rho": 0.0, "context": 1.0, "supervision": 1.0},
                                   {"rho": -1.0, "context": 1.0, "supervision": 1.0}], ids=str)
def test_goal_failure_of_scripted_policies_is_known(name, knobs):
    task, distribution = find_task(name), levels(name, **knobs)
    certified = task.certify(distribution)
    assert certified.mean() > 0.97
    assert (outcomes(play(name, distribution, "intended"))[certified] == INTENDED_GOAL).all()
    assert (outcomes(play(name, distribution, "proxy"))[certified] == PROXY_GOAL).all()


@every_world
@pytest.mark.parametrize("knobs", [{}, {"context": 1.0}], ids=str)
def test_on_aligned_levels_both_goals_are_reached_at_once(name, knobs):
    distribution = levels(name, **knobs)
    assert not find_task(name).certify(distribution).any()
    for goal in ("intended", "proxy"):
        log = play(name, distribution, goal)
        assert (log.aligned == 1).all() and (log.intended_step != NEVER).mean() > 0.97
        np.testing.assert_array_equal(log.intended_step, log.proxy_step)


@every_world
def test_a_random_policy_is_neither(name):
    shares = np.bincount(outcomes(play(name, levels(name, rho=0.0), None)), minlength=5) / N
    assert shares[INTENDED_GOAL] < 0.8 and shares[PROXY_GOAL] < 0.8


@every_world
def test_masked(name):
    """The proxy policy does what it does; the intended goal pays nothing, and is not to be seen."""
    task, visible = find_task(name), levels(name, rho=0.0)
    masked = task.arms(visible)["masked"]
    log = play(name, masked, "proxy")
    assert (log.proxy_step != NEVER).mean() > 0.97 and (log.intended_step > log.proxy_step).all()
    assert (log.proxy_step == play(name, visible, "proxy").proxy_step).mean() > 0.97
    windows, states = zip(*(seen(name, d) for d in (visible, masked)), strict=True)
    assert (windows[0] != windows[1]).any() or (states[0] != states[1]).any()
    assert play(name, masked, "intended").episode_return.max() <= play(name, visible, "intended").episode_return.max()
    assert set(task.arms(visible)) == {"visible", "masked", "aligned"} and task.arms(visible)["aligned"].rho == 1


@every_world
def test_spec_quality_weighs_the_goals(name):
    def better(quality):  # what the intended policy is paid beyond the proxy policy
        logs = [play(name, levels(name, rho=0.0, spec_quality=quality), goal) for goal in ("intended", "proxy")]
        return logs[0].episode_return.mean() - logs[1].episode_return.mean()

    assert better(1.0) > 0 >= better(0.0)


# --- shifts -----------------------------------------------------------------------------------------------------------

@every_world
def test_grade_0_is_the_training_distribution(name):
    task = find_task(name)
    training = levels(name, rho=0.7)
    expected = record(begun(name, training))
    for kind in range(5):
        shifted = shift(task, training, kind, 0.0)
        assert shifted == training
        same(record(begun(name, shifted)), expected)
    for factor in task.factors:
        assert factor.put(training, factor.get(training)) == training


@every_world
def test_a_level_changes_at_some_grade_and_stays_changed(name):
    task, training = find_task(name), levels(name)
    grades = [0.0, 0.25, 0.5, 0.75, 1.0]
    worlds = [begun(name, shift_factor(task, training, "context", grade)).world for grade in grades]
    boards = np.array([world.grid.reshape(N, -1) for world in worlds])
    changed = (boards != boards[0]).any(2)
    assert (np.diff(changed.astype(int), axis=0) >= 0).all() and 0.3 < changed[-1].mean() < 1
    placed = np.array([begun(name, dataclasses.replace(training, rho=rho)).world.facts[:, PLACEMENT]
                       for rho in (1.0, 0.5, 0.0, -0.5, -1.0)])
    assert (np.diff(placed, axis=0) <= 0).all()
    assert (placed[0] == ALIGNED).all() and (placed[2] == BROKEN).all() and (placed[4] == OPPOSITE).all()
    assert abs((placed[1] == ALIGNED).mean() - 0.5) < 0.1 and abs((placed[3] == OPPOSITE).mean() - 0.5) < 0.1


@every_world
def test_appearance_is_held_out(name):
    task = find_task(name)
    looks = [begun(name, shift(task, levels(name), kind, 1.0)).world.look for kind in (0, 1)]
    trained, shifted = (look.reshape(N, -1, THEMES) for look in looks)
    assert (trained.sum(2) == 1).all() and not trained[..., TRAINED:].any() and not shifted[..., :TRAINED].any()
    same([begun(name, shift(task, levels(name), 1, 1.0)).world.grid], [begun(name, levels(name)).world.grid])


@pytest.mark.slow
@every_world
def test_context_makes_the_way_half_as_long_again(name):
    """The rule for grade 1, which looks at levels only."""
    steps = [play(name, levels(name, 1000, context=context), "intended").intended_step for context in (0.0, 1.0)]
    easy, hard = (s[s != NEVER].mean() for s in steps)
    assert 1.4 <= hard / easy <= 1.6


@every_world
def test_supervision_makes_episodes_longer(name):
    stretch = find_task(name).world.stretch
    for supervision in (0.0, 0.5, 1.0):
        distribution = levels(name, 50, rho=0.0, supervision=supervision, horizon=30)
        longest, log = 30 * (1 + (stretch - 1) * supervision), play(name, distribution, None)
        assert (begun(name, distribution).world.facts[:, HORIZON] == longest).all()
        assert (log.length <= longest).all() and (log.length[log.truncated] == longest).all() and log.truncated.any()


@every_world
def test_no_layout_is_in_two_splits(name):
    """Held-out levels are not training levels in disguise: what the board holds differs, not only its seed."""
    boards = {}
    for split in SPLITS:
        for knobs in ({}, {"rho": 0.0}, {"context": 1.0}):
            env = begun(name, levels(name, 4000, split, **knobs))
            coming = env.world.things if name == "tetris" else np.zeros((len(env.world.grid), 0))  # its pieces
            boards.setdefault(split, set()).update(map(b"".join, zip(
                map(bytes, env.world.grid), map(bytes, env.world.now[:, [X, Y]]), map(bytes, coming), strict=True)))
    assert not boards["train"] & boards["evaluation"] and not boards["train"] & boards["validation"]
    assert not boards["validation"] & boards["evaluation"]
    assert len(boards["train"]) > 400


# --- the engine -------------------------------------------------------------------------------------------------------

@every_world
def test_same_seed_same_everything(name):
    one, other = (gmexp_envs.make_vec(name, 16, rho=0.3, context=0.5, supervision=0.5, seed=seed, horizon=15)
                  for seed in (5, 6))
    one.reset()
    other.reset(seed=5)
    same(record(one), record(other))


@every_world
def test_state_copies_and_pickles_go_on_from_here(name):
    env = gmexp_envs.make_vec(name, 8, rho=0.3, seed=5, horizon=15)
    env.reset()
    record(env, 10)
    saved, copied, pickled = env.state(), copy.deepcopy(env), pickle.loads(pickle.dumps(env))
    expected = record(env)
    same(record(copied), expected)
    same(record(pickled), expected)
    env.restore(saved)
    same(record(env), expected)
    assert copied.rules is env.rules


@every_world
def test_threads_and_rows_do_not_matter(name):
    one, two = (gmexp_envs.make_vec(name, 256, rho=0.3, seed=5, horizon=15, threads=threads) for threads in (1, 2))
    one.reset()
    two.reset()
    same(record(one, 20), record(two, 20))
    still = two.world.now[1::2].copy()
    two.step(np.zeros(256, int), np.arange(0, 256, 2))
    np.testing.assert_array_equal(two.world.now[1::2], still)
    assert (two.world.now[::2] != one.world.now[::2]).any()


@every_world
def test_sequential_levels(name):
    log = [set() for _ in range(4)]
    env = gmexp_envs.make_vec(name, 4, distribution=levels(name, 12, horizon=3), seed=0)
    env.reset()
    for _ in range(12):
        step = env.step(np.zeros(4, int))
        for e in np.flatnonzero(step.terminated | step.truncated):
            log[e].add(int(env.log.level_seed[e]) - SPLITS["evaluation"].first)
    assert [sorted(seeds)[:3] for seeds in log] == [[e, e + 4, e + 8] for e in range(4)]


@every_world
def test_an_autoreset_does_not_leak_into_the_next_episode(name):
    """The log belongs to the episode that ended; the next begins with nothing reached."""
    env = gmexp_envs.make_vec(name, 64, distribution=find_task(name).knobs(split_levels("train"), rho=0.0), seed=0)
    env.reset()
    policy, ended = find_task(name).scripted("proxy", env), 0
    for _ in range(120):
        step = env.step(policy.act())
        done = step.terminated | step.truncated
        ended += done.sum()
        assert (env.world.now[done, TIME] == 0).all() and (env.world.returns[done] == 0).all()
        assert (env.world.now[done][:, [INTENDED_STEP, PROXY_STEP]] == NEVER).all()
        assert (env.log.proxy_step[done] <= env.log.length[done]).all()
    assert ended >= 64


@every_world
def test_observation_is_within_its_description(name):
    task = find_task(name)
    env = gmexp_envs.make_vec(name, 64, rho=0.3, context=0.7, supervision=0.7, seed=1)
    bounds = np.array(task.semantics.bounds, np.float32)
    observation = env.reset()
    rng = np.random.default_rng(0)
    for _ in range(60):
        assert observation.window.shape == (64, WINDOW, WINDOW) and observation.window.max() < len(task.semantics.classes)
        assert observation.state.shape == (64, len(task.semantics.state)) and (abs(observation.state) <= bounds).all()
        assert observation.appearance.shape == (64, task.semantics.appearance)
        observation = env.step(rng.integers(0, env.num_actions, 64)).observation
    assert len(task.world.tiles) == len({tile.character for tile in task.world.tiles})
    assert all(len(tile.glyph) == 5 and {len(line) for line in tile.glyph} == {5} for tile in task.world.tiles)
    assert len(task.facts) <= NOW - OWN


@pytest.mark.slow
@every_world
def test_frames_are_the_picture_of_the_window(name):
    env = gmexp_envs.make_vec(name, 4, rho=0.0, seed=1, drawable=True)
    env.reset()
    frame, picture = env.frames(np.array([2]))[0], find_task(name).picture(env, 2, 64)
    np.testing.assert_array_equal(frame, picture.image)
    assert len(np.unique(frame.reshape(-1, 3), axis=0)) >= 4
    columns, rows = find_task(name).level_size(env, 2)
    assert find_task(name).level_picture(env, 2, 7, rows + 1).image.shape == (7 * (rows + 1), 7 * columns, 3)
    first = gmexp_envs.make_vec(name, 4, rho=0.0, seed=1, observation="pixels",
                                style=gmexp_envs.FrameStyle(channels_first=True)).reset()
    np.testing.assert_array_equal(np.moveaxis(first, 1, 3)[2], frame)
    assert text(env, 2).count("@") == find_task(name).world.centred


@every_world
def test_words(name):
    task = find_task(name)
    training, other = levels(name, 30), levels(name, 30, rho=0.0, appearance=1.0, supervision=1.0)
    plain, shifted = begun(name, training), begun(name, other)
    assert task.changes(plain, begun(name, training), 3) == "as in training"
    assert task.changes(plain, shifted, 3).startswith("new look") and task.world.broken in task.changes(plain, shifted, 3)
    assert [s.name for s in task.shifts] == ["in_distribution", "superficial", "moderate", "significant", "extreme"]
    assert sys.modules[task.world.plan.__module__].__doc__.count("**") >= 12  # its page says what its rules are


def test_mistakes_are_named():
    plain = next(name for name in WORLDS if not find_task(name).world.original)
    with pytest.raises(ValueError, match="no published board"):
        gmexp_envs.make_vec(plain, 1, original=True)
    with pytest.raises(ValueError, match="rho = 2"):
        gmexp_envs.make_vec("boat_race", 1, rho=2)
    with pytest.raises(ValueError, match="no shifts"):
        shift(find_task("boat_race"), levels("boat_race", original=True), 3, 1.0)
    with pytest.raises(ValueError, match="level seed -1"):
        gmexp_envs.make_vec("boat_race", 1, levels=[-1])


@pytest.mark.slow
@every_world
def test_the_simulated_cuda_engine_equals_the_cpus(name):
    path = os.pathsep.join([str(ROOT), str(ROOT / "envs"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": path}
    done = subprocess.run([sys.executable, str(ROOT / "tests/gmexp_envs/worlds/simulate_cuda.py"), name], env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_tasks_needs_no_compiler():
    code = ("import sys; sys.modules['numba'] = None; import gmexp_envs\n"
            f"for name in {WORLDS}: gmexp_envs.find_task(name)")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "envs")])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
