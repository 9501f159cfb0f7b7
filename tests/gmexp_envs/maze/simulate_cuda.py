"""Play Maze's CUDA engine in numba's simulator beside the CPU engine: run by test_cuda.py, which says what to play.

    NUMBA_ENABLE_CUDASIM=1 python tests/gmexp_envs/maze/simulate_cuda.py semantic

The simulator is chosen when numba is imported, so it needs a process of its own. Exits with a message where anything
differs.
"""

import sys

import numpy as np
import torch

import gmexp_envs
from gmexp_envs import FrameStyle
from gmexp_envs.maze import layout as L
from gmexp_envs.maze.cuda_engine import CudaMaze
from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.vec import to_numpy

DISTRIBUTIONS = (
    MazeDistribution(rho=0.0, placement="uniform", mode="easy", horizon=25, by_content=True),
    MazeDistribution(rho=0.0, placement="region", region=3, sizes=(3, 9), horizon=20),
    MazeDistribution(rho=-0.5, appearance=0.5, context=0.5, supervision=0.6, sizes=(3, 7), horizon=20),
    MazeDistribution(rho=0.5, game="line_and_gem", mode="easy", spec_quality=0.4, horizon=30),
    MazeDistribution(rho=0.2, game="star_and_gem", placement="uniform", masked=True, horizon=15, levels=(3, 99, 0),
                     sequential=True),
    MazeDistribution(sizes=(3, 3), horizon=30),
)
N = len(DISTRIBUTIONS)


def _pair(**options):
    """The same environment on the CPU and on the simulated device, as they look after a reset."""
    pair = [gmexp_envs.make_vec("maze", N, distribution=DISTRIBUTIONS, seed=5, device=device, **options)
            for device in ("cpu", "cuda")]
    assert isinstance(pair[1], CudaMaze) and pair[1].device == "cuda"
    return *pair, [env.reset() for env in pair]


def _actions(steps, seed=0):
    """Mostly right and up, so that goals are reached."""
    rng = np.random.default_rng(seed)
    shape = steps, N
    return np.where(rng.random(shape) < 0.6, rng.choice([5, 7], shape), rng.integers(0, 15, shape)).astype(np.int32)


def _same(ours, theirs, where):
    """Compare nested tuples and dicts of arrays."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        ours, theirs = list(ours.values()), list(theirs.values())
    if isinstance(ours, (tuple, list)):
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            _same(a, b, f"{where}, part {k}")
        return
    ours, theirs = to_numpy(ours), to_numpy(theirs)
    if ours.dtype != theirs.dtype or ours.shape != theirs.shape or ours.tobytes() != theirs.tobytes():
        sys.exit(f"the CUDA engine differs: {where}")


def _play(ours, theirs, actions, where, **options):
    """Step both and compare all that they show; returns how many episodes ended."""
    ended = 0
    for t, row in enumerate(actions):
        a, b = ours.step(row, **options), theirs.step(torch.from_numpy(row), **options)
        _same(a, b, f"{where}, step {t}")
        _same(ours.log, theirs.log, f"{where}, log of step {t}")
        ended += int((a.terminated | a.truncated).sum())
    _same(ours.state(), theirs.state(), f"{where}, state")
    return ended


def semantic():
    """Steps with autoreset, several to an action; a reset with a seed; a saved state taken over by the other engine."""
    ours, theirs, (a, b) = _pair(action_repeat=2)
    _same(a, b, "reset")
    assert _play(ours, theirs, _actions(25), "semantic") > 5
    _same(ours.reset(seed=9), theirs.reset(seed=9), "reset with a seed")
    saved = theirs.state()
    first = _play(ours, theirs, _actions(10, 2), "before restoring")
    ours.restore(saved)
    theirs.restore(saved)
    assert _play(ours, theirs, _actions(10, 2), "restored") == first
    _play(ours, theirs, _actions(10, 1), "rows", rows=np.array([5, 0, 3]))
    for row in _actions(12, 3):
        _play(ours, theirs, [row], "without autoreset", autoreset=False)
        rows = np.flatnonzero(ours._buffers.terminated | ours._buffers.truncated)
        _same(ours.begin(rows), theirs.begin(torch.from_numpy(rows)), "begin")


def pixels(steps=35, least=4, **options):
    """Frames as observations, and on request; a difference would be seen."""
    ours, theirs, (a, b) = _pair(observation="pixels", **options)
    _same(a, b, "first frames")
    assert _play(ours, theirs, _actions(steps), "pixels") >= least
    rows = np.array([4, 2])
    _same(ours.frames(rows), theirs.frames(torch.from_numpy(rows)), "frames of some")
    theirs.world.clock[0, L.STALE], theirs.world.facts[0, L.BACKGROUND] = 1, (theirs.world.facts[0, L.BACKGROUND] + 1) % 9
    assert (ours.frames() != to_numpy(theirs.frames())).any() or options


def flat():
    """Flat colours, channels first."""
    pixels(8, 0, style=FrameStyle(use_backgrounds=False, use_monochrome_assets=True, channels_first=True))


if __name__ == "__main__":
    {f.__name__: f for f in (semantic, pixels, flat)}[sys.argv[1]]()
