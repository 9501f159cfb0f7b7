"""Vectors under every autoreset mode do what gymnasium's own do, and stand its wrappers."""

import copy
import os
import pickle
import subprocess
import sys

import cloudpickle
import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import vector as wrappers

from gmexp_envs import TASKS, FrameStyle, make_vec
from gmexp_envs.vec import seed_32

ID = "gmexp/CoinRun-v0"
FLAT = FrameStyle(use_backgrounds=False, use_monochrome_assets=True)
SHORT = {"mode": "easy", "horizon": 25}
MODES = list(AutoresetMode)


def ours(mode: AutoresetMode | str, num_envs: int = 3, **options):
    return gymnasium.make_vec(ID, num_envs, "vector_entry_point", autoreset_mode=mode, **SHORT | options)


def gymnasiums(mode: AutoresetMode, num_envs: int = 3, **options):
    return gymnasium.make_vec(ID, num_envs, "sync", vector_kwargs={"autoreset_mode": mode}, **SHORT | options)


def equal(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, tuple) or (isinstance(a, np.ndarray) and a.dtype == object):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return np.array_equal(a, b)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{}, {"observation": "pixels", "style": FLAT}], ids=["semantic", "pixels"])
def test_every_mode_equals_gymnasiums_own(mode, options):
    """Same observations, rewards, flags and infos, with a seed for each instance and masks where nothing begins itself."""
    a, b = ours(mode, **options), gymnasiums(mode, **options)
    assert a.autoreset_mode is b.autoreset_mode is a.metadata["autoreset_mode"] is mode
    assert equal(a.reset(seed=[5, 2**40, 7]), b.reset(seed=[5, 2**40, 7]))
    rng, ended = np.random.default_rng(0), 0
    for _ in range(120):
        actions = np.where(rng.random(3) < 0.4, 4, 7)
        x, y = a.step(actions), b.step(actions)
        assert x[0] in a.observation_space and equal(x, y)
        over = x[2] | x[3]
        ended += over.sum()
        if mode is AutoresetMode.DISABLED and over.any():
            with pytest.raises(gymnasium.error.ResetNeeded):
                a.step(actions)
            assert equal(a.reset(options={"reset_mask": over}), b.reset(options={"reset_mask": over}))
    assert ended > 6
    mask = np.array([False, True, True])
    assert equal(a.reset(seed=[None, 3, None], options={"reset_mask": mask}),
                 b.reset(seed=[None, 3, None], options={"reset_mask": mask}))
    assert equal(a.step(np.full(3, 7)), b.step(np.full(3, 7)))


def test_modes_by_name_and_what_is_refused():
    assert ours("NextStep").autoreset_mode is ours("NEXT_STEP").autoreset_mode is AutoresetMode.NEXT_STEP
    with pytest.raises(ValueError, match="there is no autoreset_mode 'sometimes'"):
        ours("sometimes")
    env = ours("SameStep")
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(np.full(3, 4))
    env.reset(options={"reset_mask": np.array([True, False, True])})
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        env.step(np.full(3, 4))
    for mask in ([True] * 3, np.ones(2, bool), np.ones(3), np.zeros(3, bool)):
        with pytest.raises(ValueError, match="reset_mask"):
            env.reset(options={"reset_mask": mask})
    with pytest.raises(ValueError, match="seed"):
        env.reset(seed=[1, 2])
    env.reset()
    for actions in (np.full(3, 7.9), np.full(3, True), np.full(2, 7), np.full(3, 15), np.full(3, -1), [None] * 3,
                    np.full(3, np.nan)):
        with pytest.raises(ValueError, match="action"):
            env.step(actions)


@pytest.mark.parametrize("action", [7.9, np.float32(7), True, None, "7", [7], 15, -1])
def test_actions_that_are_none_are_refused(action):
    env = gymnasium.make(ID, disable_env_checker=True, **SHORT)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action"):
        env.unwrapped.step(action)


def test_seeds_beyond_32_bits_are_seeds_of_their_own():
    assert seed_32(7) == 7 and len({seed_32(seed) for seed in (0, 2**32, 2**33, 2**63, 2**200)}) == 5
    first = [make_vec("coinrun", 4, seed=seed).reset().window.copy() for seed in (0, 2**32, 0)]
    assert not np.array_equal(first[0], first[1]) and np.array_equal(first[0], first[2])
    env = make_vec("coinrun", 4, seed=0)
    for seed in (-1, 1.5, "3"):
        with pytest.raises(ValueError, match="seed"):
            env.reset(seed)
        with pytest.raises(ValueError, match="seed"):
            make_vec("coinrun", 4, seed=seed)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wrap", [
    wrappers.RecordEpisodeStatistics, wrappers.DictInfoToList, wrappers.FlattenObservation,
    lambda env: wrappers.NormalizeReward(env), lambda env: wrappers.ClipReward(env, -1, 1),
    lambda env: wrappers.NormalizeObservation(wrappers.FlattenObservation(env)),
    lambda env: wrappers.VectorizeTransformObservation(env, gymnasium.wrappers.FlattenObservation),
    lambda env: wrappers.TransformAction(env, lambda actions: actions, env.action_space)])
def test_gymnasiums_vector_wrappers(mode, wrap):
    try:
        wrap(gymnasiums(mode))
    except (ValueError, AssertionError):  # some are not made for every mode
        with pytest.raises((ValueError, AssertionError), match="autoreset"):
            wrap(ours(mode))
        return
    env = wrap(ours(mode))
    env.reset(seed=1)
    for _ in range(60):
        *_, terminated, truncated, _ = env.step(np.full(3, 4))
        over = np.asarray(terminated) | np.asarray(truncated)
        if mode is AutoresetMode.DISABLED and over.any():
            env.reset(options={"reset_mask": over})
    env.close()


@pytest.mark.parametrize("mode", MODES)
def test_statistics_count_every_step_once(mode):
    env, lengths = wrappers.RecordEpisodeStatistics(ours(mode, horizon=10)), []
    env.reset(seed=1)
    for _ in range(64):
        *_, truncated, infos = env.step(np.full(3, 4))
        if truncated.any():
            lengths += infos["episode"]["l"][truncated].tolist()
            if mode is AutoresetMode.DISABLED:
                env.reset(options={"reset_mask": truncated})
    assert len(lengths) >= 15 and set(lengths) == {10}


@pytest.mark.parametrize("through", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env)),
                                     lambda env: cloudpickle.loads(cloudpickle.dumps(env))])
@pytest.mark.parametrize("make", [
    lambda: ours("NextStep"), lambda: wrappers.RecordEpisodeStatistics(ours("SameStep")),
    lambda: ours("Disabled", observation="pixels", style=FLAT)])
def test_copies_go_on_exactly(through, make):
    env = make()
    env.reset(seed=3)
    for k in range(7):
        env.step(np.full(3, 7 + k % 2))
    twin = through(env)
    before = [env.step(np.full(3, 7)) for _ in range(12)]
    for step, again in zip(before, [twin.step(np.full(3, 7)) for _ in range(12)], strict=True):
        assert equal(step[:4], again[:4])


def test_a_single_environments_copy_goes_on_exactly():
    env = gymnasium.make(ID, **SHORT)
    env.reset(seed=3)
    env.step(7)
    for twin in (copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        state = pickle.dumps(env)
        for _ in range(20):
            a, b = env.step(7), twin.step(7)
            assert equal(a, b)
            if a[2] or a[3]:
                break
        env = pickle.loads(state)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["", "import gmexp; ", "import gmexp_envs; "])
def test_ids_are_known_in_a_process_of_its_own(start):
    """After an import, or by the module that the id names."""
    name = ID if start else f"gmexp_envs:{ID}"
    program = f"{start}import gymnasium; print(gymnasium.make({name!r}, mode='easy').reset(seed=0)[1])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert "level_seed" in said.stdout


def test_every_environment_has_an_id_that_says_which_it_is():
    ids = {spec.kwargs["name"]: spec.id for spec in gymnasium.registry.values() if spec.namespace == "gmexp"}
    assert set(ids) >= set(TASKS)
    for name in TASKS:
        assert gymnasium.make(ids[name]).unwrapped.task.name == name


@pytest.mark.slow
def test_gymnasiums_processes():
    """Its asynchronous vectors, whose workers are started anew, play what its synchronous ones play."""
    options = {"vector_kwargs": {"context": "spawn", "shared_memory": False}}
    a = gymnasium.make_vec(ID, 2, "async", **options, **SHORT)
    b = gymnasiums(AutoresetMode.NEXT_STEP, 2)
    assert equal(a.reset(seed=[1, 2]), b.reset(seed=[1, 2]))
    for _ in range(30):
        assert equal(a.step(np.full(2, 7))[:4], b.step(np.full(2, 7))[:4])
    a.close()
