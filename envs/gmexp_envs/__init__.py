"""Environments with a controllable spurious correlation, usable without the rest of gmexp.

    env = gmexp_envs.make_vec("coinrun", 256, mode="easy", rho=1.0, levels=gmexp_envs.split_levels("train"), seed=0)
    observation = env.reset()
    observation, reward, terminated, truncated = env.step(actions)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gmexp_envs.coinrun.distribution import LevelDistribution, Physics
from gmexp_envs.levels import SeedRange, as_levels, split_levels
from gmexp_envs.vec import DeviceUnavailable, FrameStyle, VecEnv

__all__ = ["DeviceUnavailable", "FrameStyle", "LevelDistribution", "Physics", "SeedRange", "VecEnv", "make_vec",
           "split_levels"]

BACKENDS = ("native", "procgen")


def make_vec(name: str, num_envs: int, *, observation: str = "semantic", levels=None, mode: str | None = None,
             seed: int | None = None, device: str = "cpu", backend: str = "native", threads: int = 1,
             action_repeat: int = 1, style: FrameStyle | None = None, drawable: bool = False,
             distribution: LevelDistribution | Sequence[LevelDistribution] | None = None, **knobs):
    """A vector environment of `num_envs` worlds.

    Arguments:
        name: "coinrun".
        observation: "semantic" (13 x 13 tile classes, state, appearance) or "pixels" (uint8 [N, 64, 64, 3]).
        levels: level seeds: None for all, n for 0..n-1, a `SeedRange`, a range or a list.
        mode: "easy" or "hard" (the default), as procgen's distribution_mode.
        seed: seeds the level streams as procgen's rand_seed does; None draws one (see `env.seed`).
        device: "cpu", or "cuda" (or "cuda:1") for tensors on a CUDA device: needs torch and the extra `cuda`.
        backend: "native", or "procgen" for the real binary.
        threads: threads that share the worlds; natively at most one per 128 of them, since fewer are not worth one;
            a CUDA device has its own.
        action_repeat: game steps that an action lasts; rewards add up, logs and horizons count game steps.
        style: how frames look; None is procgen's look, or flat colours on black where procgen is not installed.
        drawable: a semantic environment can draw frames too (`frames`); pixel environments always can.
        distribution: a `LevelDistribution` in place of levels, mode and knobs; or several, over which the worlds are
            shared out evenly.
        knobs: further fields of `LevelDistribution` (rho, placement, appearance, context, supervision, ...).

    Memory of the native backend: 17 kB per world, 32 kB where frames are drawn, and once per process the images in use
    (10 MB of sprites, up to 177 MB where all of procgen's 62 backgrounds are). Backend "procgen": about 0.5 GB once per
    process, and 0.8 MB per world. Nothing grows with the number of episodes, or of environments made and closed.

    Environments survive a fork, except procgen's with more than one thread, which say so when they are stepped.

    Raises ValueError naming the argument that does not fit, DeviceUnavailable where there is no such device.
    """
    if name != "coinrun":
        raise ValueError(f"there is no environment {name!r}: choose 'coinrun'")
    if backend not in BACKENDS:
        raise ValueError(f"there is no backend {backend!r}: choose one of {', '.join(BACKENDS)}")
    if device != "cpu" and (backend != "native" or not re.fullmatch("cuda(:[0-9]+)?", device)):
        raise ValueError(f"device {device!r}: " + ("procgen runs on the CPU" if backend == "procgen" else
                                                   "choose 'cpu', 'cuda', or one of several as 'cuda:1'"))
    if distribution is None:
        distribution = LevelDistribution(levels=as_levels(levels), mode=mode or "hard", **knobs)
    elif levels is not None or mode is not None or knobs:
        raise ValueError("give either a distribution or levels, mode and knobs, not both")
    distributions = (distribution,) if isinstance(distribution, LevelDistribution) else tuple(distribution)
    if device != "cpu":
        from gmexp_envs.coinrun.cuda_engine import CudaCoinRun

        return CudaCoinRun(num_envs, distributions, seed, observation, action_repeat, style, drawable, device)
    if backend == "procgen":
        from gmexp_envs.coinrun.procgen.backend import ProcgenCoinRun as Engine
    else:
        from gmexp_envs.coinrun.engine import CoinRun as Engine
    return Engine(num_envs, distributions, seed, observation, threads, action_repeat, style, drawable)


def _register() -> None:
    """Make `gymnasium.make("gmexp/CoinRun-v0")` work; the adapter itself is imported when it is used."""
    try:
        import gymnasium
    except ImportError:
        return
    gymnasium.register("gmexp/CoinRun-v0", entry_point="gmexp_envs.gym_adapter:CoinRunEnv",
                       vector_entry_point="gmexp_envs.gym_adapter:CoinRunVectorEnv")


_register()
