"""The CUDA engine against the CPU's, where numba simulates CUDA: run by `test_cuda` in a process of its own
(NUMBA_ENABLE_CUDASIM=1). Exits with a message where anything differs."""

import sys

import numpy as np
import torch

import gmexp_envs
from gmexp_envs import FrameStyle
from gmexp_envs.keys_and_chests.cuda_engine import CudaKeysAndChests
from gmexp_envs.keys_and_chests.distribution import LevelDistribution, Physics
from gmexp_envs.keys_and_chests.layout import EVENTS
from gmexp_envs.keys_and_chests.scripted import INTENDED, ScriptedPolicy
from gmexp_envs.vec import to_numpy

DISTRIBUTIONS = (
    LevelDistribution(mode="easy", by_content=True),
    LevelDistribution(),
    LevelDistribution(rho=0.0, appearance=0.5, context=0.7, supervision=0.6),
    LevelDistribution(rho=-1.0, mode="easy", supervision=1.0),
    LevelDistribution(rho=0.0, mode="easy", masked=True, placement="many_keys"),
    LevelDistribution(rho=0.3, placement="as_many", key_penalty=3, step_penalty=7, spec_quality=0.4),
    LevelDistribution(game="heist", mode="easy"),
    LevelDistribution(levels=(3, 99, 12345678, 0), sequential=True, horizon=20, physics=Physics(max_speed=1.5, mixrate=0.3)),
)


def _pair(**options):
    """The same environment on the CPU and on the simulated device, as they look after a reset."""
    pair = [gmexp_envs.make_vec("keys_and_chests", len(DISTRIBUTIONS), distribution=DISTRIBUTIONS, seed=5, device=device,
                                **options) for device in ("cpu", "cuda")]
    assert isinstance(pair[1], CudaKeysAndChests) and pair[1].device == "cuda"
    return *pair, [env.reset() for env in pair]


def _same(ours, theirs, where):
    """Compare nested tuples and dicts of arrays."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for name in ours:
            _same(ours[name], theirs[name], f"{where}, {name}")
    elif isinstance(ours, (tuple, list)):
        for k, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            _same(a, b, f"{where}, part {k}")
    else:
        ours, theirs = to_numpy(ours), to_numpy(theirs)
        if ours.dtype != theirs.dtype or ours.shape != theirs.shape or ours.tobytes() != theirs.tobytes():
            sys.exit(f"the CUDA engine differs: {where}")


def _play(ours, theirs, steps, where, seed=0, **options):
    """Step both, opening chests (in heist: holding random actions), and compare all that they show; returns how many keys
    and chests were touched."""
    rng = np.random.default_rng(seed)
    policy, touched = ScriptedPolicy(ours, INTENDED), 0
    opens = np.flatnonzero([d.game != "heist" for d in DISTRIBUTIONS])
    actions = rng.integers(0, 15, len(DISTRIBUTIONS))
    for t in range(steps):
        actions = np.where(rng.random(len(DISTRIBUTIONS)) < 0.2, rng.integers(0, 15, len(DISTRIBUTIONS)), actions)
        row = actions.astype(np.int32)
        row[opens] = policy.act(None, opens)
        a, b = ours.step(row, **options), theirs.step(torch.from_numpy(row), **options)
        _same(a, b, f"{where}, step {t}")
        _same(ours.log, theirs.log, f"{where}, log of step {t}")
        touched += int((ours.world.clock[:, EVENTS] != 0).sum())
    _same(ours.state(), theirs.state(), f"{where}, state")
    return touched


def semantic():
    """Steps with autoreset; a reset with a seed; a saved state taken over by the other engine."""
    ours, theirs, (a, b) = _pair()
    _same(a, b, "reset")
    assert _play(ours, theirs, 35, "semantic") > 5
    _same(ours.reset(seed=9), theirs.reset(seed=9), "reset with a seed")
    saved = theirs.state()
    first = _play(ours, theirs, 10, "before restoring", 2)
    ours.restore(saved)
    theirs.restore(saved)
    assert _play(ours, theirs, 10, "restored", 2) == first


def repeated():
    """Several game steps per action; instances that are left out."""
    ours, theirs, _ = _pair(action_repeat=3)
    _play(ours, theirs, 30, "repeated")
    _play(ours, theirs, 10, "rows", 1, rows=np.array([5, 0, 7]))


def pixels(steps=25, least=3, **options):
    """Frames as observations, and on request."""
    ours, theirs, (a, b) = _pair(observation="pixels", **options)
    _same(a, b, "first frames")
    assert _play(ours, theirs, steps, "pixels") >= least
    rows = np.array([6, 2])
    _same(ours.frames(rows), theirs.frames(torch.from_numpy(rows)), "frames of some")


def flat():
    """Flat colours, channels first."""
    pixels(6, 0, style=FrameStyle(use_backgrounds=False, use_monochrome_assets=True, channels_first=True))


if __name__ == "__main__":
    {f.__name__: f for f in (semantic, repeated, pixels, flat)}[sys.argv[1]]()
