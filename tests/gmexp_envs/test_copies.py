"""Copies of environments go on exactly and touch nothing of the original, in this process and in others."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from gmexp_envs import TASKS, find_task, make_vec
from gmexp_envs.procgen_family.binary import installed
from gmexp_envs.vec import FrameStyle, SemanticObservation, to_numpy

FLAT = FrameStyle(use_backgrounds=False, use_monochrome_assets=True)
KINDS = {
    "native": {}, "several threads": {"threads": 4}, "frames": {"observation": "pixels", "style": FLAT},
    "procgen": {"backend": "procgen"}, "procgen frames": {"backend": "procgen", "observation": "pixels"},
}
CASES = [(task, kind) for task in TASKS for kind in KINDS]


def made(task: str, kind: str):
    if "procgen" in kind and not installed():
        pytest.skip("needs procgen")
    options = KINDS[kind]
    if options.get("backend", "native") not in find_task(task).backends:
        pytest.skip("this environment has no such backend")
    env = make_vec(task, 256 if "threads" in kind else 6, seed=9, **options)
    env.reset()
    return env


def play(env, steps: int, seed: int) -> list[np.ndarray]:
    """Everything that some steps of random actions show."""
    rng, shown = np.random.default_rng(seed), []
    for _ in range(steps):
        step = env.step(rng.integers(0, env.num_actions, env.num_envs))
        parts = step.observation if isinstance(step.observation, SemanticObservation) else [step.observation]
        shown += [to_numpy(part).copy() for part in (*parts, *step[1:], *env.present, *env.log)]
    return shown


def assert_same(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "kind"), CASES)
@pytest.mark.parametrize("through", [copy.deepcopy, copy.copy, lambda env: pickle.loads(pickle.dumps(env))],
                         ids=["deepcopy", "copy", "pickle"])
def test_a_copy_goes_on_exactly_and_leaves_the_original_alone(task, kind, through):
    env = made(task, kind)
    play(env, 30, 0)
    twin = through(env)
    held = {name: array.copy() for name, array in env.state().items()}
    ahead = play(twin, 40, 1)
    for name, array in env.state().items():
        np.testing.assert_array_equal(array, held[name], err_msg=name)
    assert_same(play(env, 40, 1), ahead)
    env.close()
    play(twin, 5, 2)


def test_the_original_may_be_gone():
    env = made("coinrun", "native")
    expected = play(copy.deepcopy(env), 30, 3)
    packed = pickle.dumps(env)
    del env
    assert_same(play(pickle.loads(packed), 30, 3), expected)


def stepped(packed: bytes) -> list[np.ndarray]:
    """What 30 steps of a packed environment show, in another process."""
    return play(pickle.loads(packed), 30, 4)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_process_pools(start):
    env = made("coinrun", "native")
    expected = play(copy.deepcopy(env), 30, 4)
    with ProcessPoolExecutor(2, multiprocessing.get_context(start)) as pool:
        for shown in pool.map(stepped, [pickle.dumps(env)] * 3):
            assert_same(shown, expected)


@pytest.mark.slow
def test_a_process_that_knows_nothing_else(tmp_path):
    """Unpickled by a fresh interpreter, of which the module of the environment was not imported."""
    env = made("coinrun", "native")
    (tmp_path / "env").write_bytes(pickle.dumps(env))
    program = ("import pickle, sys, numpy as np\nenv = pickle.load(open(sys.argv[1], 'rb'))\n"
               "print(float(sum(env.step(np.full(6, 7)).observation.state.sum() for _ in range(20))))")
    said = subprocess.run([sys.executable, "-c", program, str(tmp_path / "env")], capture_output=True, text=True,
                          check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    assert float(said.stdout) == float(sum(env.step(np.full(6, 7)).observation.state.sum() for _ in range(20)))
