"""Play a small world's CUDA engine in numba's simulator beside the CPU engine: run by test_worlds.py.

    NUMBA_ENABLE_CUDASIM=1 python tests/gmexp_envs/worlds/simulate_cuda.py boat_race

The simulator is chosen when numba is imported, so it needs a process of its own. Exits with a message where anything
differs.
"""

import dataclasses
import sys

import numpy as np
import torch

import gmexp_envs
from gmexp_envs.vec import to_numpy
from gmexp_envs.worlds.cuda_engine import CudaWorld


def _same(cpu, device, where):
    """Compare nested tuples and dicts of arrays, byte for byte."""
    if isinstance(cpu, dict):
        assert cpu.keys() == device.keys()
        cpu, device = list(cpu.values()), list(device.values())
    if isinstance(cpu, (tuple, list)):
        for k, (a, b) in enumerate(zip(cpu, device, strict=True)):
            _same(a, b, f"{where}, part {k}")
        return
    cpu, device = to_numpy(cpu), to_numpy(device)
    if cpu.dtype != device.dtype or cpu.shape != device.shape or cpu.tobytes() != device.tobytes():
        sys.exit(f"the CUDA engine differs: {where}")


def _pair(name, distributions, **options):
    """The same environment on the CPU and on the simulated device, as they look after a reset."""
    pair = [gmexp_envs.make_vec(name, len(distributions), distribution=distributions, seed=5, device=device, **options)
            for device in ("cpu", "cuda")]
    assert isinstance(pair[1], CudaWorld) and pair[1].device == "cuda"
    _same(*(env.reset() for env in pair), "reset")
    return pair


def _play(cpu, device, steps, where, **options):
    rng, ended = np.random.default_rng(3), 0
    for t in range(steps):
        actions = rng.integers(0, cpu.num_actions, cpu.num_envs).astype(np.int32)
        a, b = cpu.step(actions, **options), device.step(torch.from_numpy(actions), **options)
        _same(a, b, f"{where}, step {t}")
        _same(cpu.log, device.log, f"{where}, log of step {t}")
        ended += int((a.terminated | a.truncated).sum())
    _same(cpu.state(), device.state(), f"{where}, state")
    return ended


def main(name):
    task = gmexp_envs.find_task(name)
    plain = task.knobs(None, horizon=12)
    distributions = [plain] + [dataclasses.replace(plain, **knobs) for knobs in (
        {"rho": 0.0, "appearance": 0.5, "context": 1.0, "supervision": 0.6}, {"rho": -1.0, "supervision": 1.0},
        {"rho": 0.0, "masked": True, "spec_quality": 0.4}, {"levels": (3, 99, 0), "sequential": True, "spec_quality": 0.0},
        {"rho": 0.5, "original": task.world.original})]
    cpu, device = _pair(name, distributions)
    assert _play(cpu, device, 26, "semantic") > 5
    _same(cpu.reset(seed=9), device.reset(seed=9), "reset with a seed")
    saved = device.state()
    cpu.restore(saved)
    device.restore(saved)
    _play(cpu, device, 10, "some rows", rows=np.array([4, 0]))
    cpu, device = _pair(name, distributions, observation="pixels", action_repeat=2)
    _play(cpu, device, 5, "pixels")


main(sys.argv[1])
