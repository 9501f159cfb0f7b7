"""Who is measured: everything that steps N instances of a game of procgen, each through the interface its users have."""

from __future__ import annotations

import contextlib
import importlib.metadata
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import gmexp_envs
from gmexp.support.startup import imported
from gmexp_envs import DeviceUnavailable, find_task, FrameStyle
from gmexp_envs.coinrun.draw.sprites import load_sprites
from gmexp_envs.coinrun.layout import BACKGROUNDS, NUM_ACTIONS
from gmexp_envs.procgen_family.binary import package_folder

__all__ = ["BASELINES", "GAMES", "Baseline", "Runner", "Settings", "Unavailable"]

GAMES: dict[str, dict[str, Any]] = {  # environments whose games procgen has: its name, and what makes the levels procgen's
    "coinrun": {"procgen": "coinrun", "knobs": {}},
    "maze": {"procgen": "maze", "knobs": {"rho": 0.0, "placement": "uniform"}},
    "keys_and_chests": {"procgen": "heist", "knobs": {"game": "heist"}},
}


class Unavailable(Exception):
    """A baseline cannot run here; the message says why."""


@dataclass(frozen=True)
class Settings:
    """What all baselines play: a game in one mode, with levels and threads alike."""

    mode: str  # easy or hard
    threads: int
    seed: int  # procgen's rand_seed
    env: str = "coinrun"

    @property
    def game(self) -> str:
        """procgen's name of the game; Unavailable where it is none of GAMES."""
        if self.env not in GAMES:
            raise Unavailable("has no such game")
        return GAMES[self.env]["procgen"]

    @property
    def level_mode(self) -> str | None:
        """The mode of our levels; None for environments that have none."""
        return self.mode if "mode" in find_task(self.env).config.__dataclass_fields__ else None

    @property
    def knobs(self) -> dict[str, Any]:
        """Our levels' mode, and what makes them procgen's."""
        return ({"mode": self.mode} if self.level_mode else {}) | (GAMES[self.env]["knobs"] if self.env in GAMES else {})

    @property
    def procgen_threads(self) -> int:
        """procgen steps in the calling thread for 0, and beside it otherwise."""
        return self.threads if self.threads > 1 else 0


class Runner(NamedTuple):
    """N instances that stand at the start of their first episodes."""

    step: Callable[[np.ndarray], Any]  # one int32 action per instance
    close: Callable[[], Any]


class Baseline(NamedTuple):
    """One way of stepping a game."""

    label: str
    packages: tuple[str, ...]  # the installed one of these has the version to report
    start: Callable[[int, Settings], Runner]

    @property
    def version(self) -> str | None:
        """Package and version, as installed."""
        for package in self.packages:
            with contextlib.suppress(importlib.metadata.PackageNotFoundError):
                return f"{package} {importlib.metadata.version(package)}"
        return None


def _quietly(module: str) -> Any:
    """Import a module of a baseline."""
    try:
        return imported(module)
    except ImportError as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        raise Unavailable("not installed" if missing == module.split(".")[0] else f"does not load: {error}") from error


def _procgen(num_envs: int, settings: Settings) -> Runner:
    """procgen-mirror by its `ProcgenGym3Env`, procgen-gym by its `ProcgenVecEnv`."""
    game, package = settings.game, _quietly(package_folder().name)
    options = {"env_name": game, "distribution_mode": settings.mode, "rand_seed": settings.seed,
               "num_threads": settings.procgen_threads}
    if not hasattr(package, "ProcgenGym3Env"):
        env = package.ProcgenVecEnv(num_envs, **options)
        return Runner(env.step, env.close)
    env = package.ProcgenGym3Env(num_envs, **options)

    def step(actions: np.ndarray) -> Any:
        env.act(actions)
        return env.observe()

    return Runner(step, env.close)


def sb3_over_procgen(num_envs: int, settings: Settings) -> Any:
    """The recipe of Stable-Baselines3's documentation: VecMonitor(VecExtractDictObs(ProcgenEnv)).

    procgen describes its spaces by the old gym, which Stable-Baselines3 no longer accepts, so they are named anew.
    """
    game, wrappers = settings.game, _quietly("stable_baselines3.common.vec_env")
    package = _quietly(package_folder().name)
    if not hasattr(package, "ProcgenGym3Env"):
        raise Unavailable("needs procgen-mirror: procgen-gym has no interface for it")
    from gymnasium import spaces

    env = package.ProcgenEnv(num_envs, game, distribution_mode=settings.mode, rand_seed=settings.seed,
                             num_threads=settings.procgen_threads)
    env.observation_space = spaces.Dict(rgb=spaces.Box(0, 255, (64, 64, 3), np.uint8))
    env.action_space = spaces.Discrete(NUM_ACTIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that there is no render mode
        return wrappers.VecMonitor(wrappers.VecExtractDictObs(env, "rgb"))


def _sb3(num_envs: int, settings: Settings) -> Runner:
    env = sb3_over_procgen(num_envs, settings)
    env.reset()
    return Runner(env.step, env.close)


def _envpool(num_envs: int, settings: Settings) -> Runner:
    game, package = settings.game, _quietly("envpool")
    try:
        env = package.make(f"{game.capitalize()}{settings.mode.capitalize()}-v0", env_type="gymnasium",
                           num_envs=num_envs, num_threads=settings.threads, seed=settings.seed)
    except ImportError as error:
        raise Unavailable(f"does not load: {str(error).partition('. ')[0]}") from error
    env.reset()
    return Runner(env.step, env.close)


def _native(observation: str) -> Callable[[int, Settings], Runner]:
    def start(num_envs: int, settings: Settings) -> Runner:
        if (settings.env, observation, settings.mode) == ("coinrun", "pixels", "hard"):  # procgen loads all images, too
            load_sprites(*FrameStyle().options).require(np.arange(BACKGROUNDS))
        env = gmexp_envs.make_vec(settings.env, num_envs, seed=settings.seed, threads=settings.threads,
                                  observation=observation, **settings.knobs)
        env.reset()
        return Runner(env.step, env.close)

    return start


def _cuda(observation: str) -> Callable[[int, Settings], Runner]:
    def start(num_envs: int, settings: Settings) -> Runner:
        try:
            env = gmexp_envs.make_vec(settings.env, num_envs, seed=settings.seed, observation=observation, device="cuda",
                                      **settings.knobs)
        except DeviceUnavailable as error:
            raise Unavailable(f"not measured: {error}") from error
        env.reset()

        def step(actions: np.ndarray) -> Any:
            found = env.step(actions)
            env.synchronize()
            return found

        return Runner(step, env.close)

    return start


BASELINES = {
    "procgen": Baseline("procgen", ("procgen-mirror", "procgen", "procgen-gym"), _procgen),
    "sb3": Baseline("SB3 over procgen", ("stable-baselines3",), _sb3),
    "envpool": Baseline("EnvPool", ("envpool",), _envpool),
    "pixels": Baseline("gmexp, pixels", ("gmexp",), _native("pixels")),
    "semantic": Baseline("gmexp, semantic", ("gmexp",), _native("semantic")),
    "cuda_pixels": Baseline("on CUDA, pixels", ("gmexp",), _cuda("pixels")),
    "cuda_semantic": Baseline("on CUDA, semantic", ("gmexp",), _cuda("semantic")),
}
