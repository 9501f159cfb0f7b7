"""CoinRun for Gymnasium: `gmexp/CoinRun-v0`, registered by `import envs`.

    gymnasium.make("gmexp/CoinRun-v0", mode="easy", levels=200)
    gymnasium.make_vec("gmexp/CoinRun-v0", num_envs=64, mode="easy")    # one native environment of 64 worlds

Keyword arguments are those of `LevelDistribution` (or a finished `distribution`), `observation` ("semantic" or
"pixels"), `action_repeat`, `style` and, for vectors, `threads`. The info of an episode's last step holds what the
episode showed: level_seed, separated, outcome, and coin_step and end_step where coin and end were touched.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from gmexp_envs.coinrun.distribution import LevelDistribution
from gmexp_envs.coinrun.engine import CoinRun
from gmexp_envs.coinrun.layout import NUM_ACTIONS, NUM_CLASSES, NUM_LOOK, NUM_STATE, SEED, WINDOW
from gmexp_envs.levels import as_levels
from gmexp_envs.outcome import NEVER, OUTCOMES, first_event_outcomes
from gmexp_envs.vec import FrameStyle, SemanticObservation

RENDER_FPS = 15
METADATA = {"render_modes": ["rgb_array"], "render_fps": RENDER_FPS}


class CoinRunEnv(gymnasium.Env):
    """One world of CoinRun; an episode that ended stays as it is until `reset`."""

    metadata = METADATA

    def __init__(self, render_mode: str | None = None, **options: Any) -> None:
        self.render_mode = _checked(render_mode)
        self._engine = _build_engine(1, render_mode, **options)
        self.observation_space = _observation_space(self._engine)
        self.action_space = spaces.Discrete(NUM_ACTIONS)
        self._over = True

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Any, dict]:
        """Begin an episode; with a seed, begin the stream of levels anew from it."""
        super().reset(seed=seed)
        observation = self._engine.reset(seed)
        self._over = False
        return _take(observation, 0), _level_info(self._engine, 0)

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict]:
        if self._over:
            raise gymnasium.error.ResetNeeded("the episode is over: call reset() before step()")
        observation, reward, terminated, truncated = self._engine.step(np.array([action]), autoreset=False)
        self._over = bool(terminated[0] or truncated[0])
        info = _episode_info(self._engine, 0) if self._over else {}
        return _take(observation, 0), float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> np.ndarray | None:
        """The frame as uint8 [64, 64, 3], with render_mode "rgb_array"."""
        return None if self.render_mode is None else _frames(self._engine)[0]

    def close(self) -> None:
        self._engine.close()


class CoinRunVectorEnv(VectorEnv):
    """Many worlds of CoinRun, each beginning its next episode in the step that ends one.

    Of an ended episode, the last observation and info are `infos["final_obs"]` and `infos["final_info"]`, as with
    gymnasium's own vector environments.
    """

    metadata = METADATA | {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, num_envs: int = 1, render_mode: str | None = None, threads: int = 1, **options: Any) -> None:
        self.num_envs = num_envs
        self.render_mode = _checked(render_mode)
        self._engine = _build_engine(num_envs, render_mode, threads=threads, **options)
        self.single_observation_space = _observation_space(self._engine)
        self.single_action_space = spaces.Discrete(NUM_ACTIONS)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Any, dict]:
        """Begin episodes everywhere; with a seed, begin the streams of levels anew from it."""
        super().reset(seed=seed)
        observation, infos = self._engine.reset(seed), {}
        for e in range(self.num_envs):
            infos = self._add_info(infos, _level_info(self._engine, e), e)
        return _take(observation), infos

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict]:
        step = self._engine.step(actions, autoreset=False)
        observation, infos = step.observation, {}
        ended = np.flatnonzero(step.terminated | step.truncated)
        if len(ended):
            for e in ended:
                final = {"final_obs": _take(observation, e), "final_info": _episode_info(self._engine, e)}
                infos = self._add_info(infos, final, e)
            observation = self._engine.begin(ended)
            for e in ended:
                infos = self._add_info(infos, _level_info(self._engine, e), e)
        return _take(observation), step.reward.copy(), step.terminated.copy(), step.truncated.copy(), infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Every world's frame as uint8 [64, 64, 3], with render_mode "rgb_array"."""
        return None if self.render_mode is None else tuple(_frames(self._engine))

    def close_extras(self, **kwargs: Any) -> None:
        self._engine.close()


def _checked(render_mode: str | None) -> str | None:
    if render_mode not in (None, *METADATA["render_modes"]):
        raise ValueError(f"there is no render_mode {render_mode!r}: choose None or 'rgb_array'")
    return render_mode


def _build_engine(num_envs: int, render_mode: str | None, *, observation: str = "semantic", action_repeat: int = 1,
                  style: FrameStyle | None = None, threads: int = 1, distribution: LevelDistribution | None = None,
                  levels=None, **knobs: Any) -> CoinRun:
    if distribution is None:
        distribution = LevelDistribution(levels=as_levels(levels), **knobs)
    elif levels is not None or knobs:
        raise ValueError("give either a distribution or levels and knobs, not both")
    return CoinRun(num_envs, [distribution], None, observation, threads, action_repeat, style,
                   drawable=render_mode is not None)


def _observation_space(engine: CoinRun) -> spaces.Space:
    if engine.observation == "pixels":
        return spaces.Box(0, 255, engine.style.shape(1)[1:], np.uint8)
    physics = engine.distributions[0].physics
    tame = physics.mixrate <= 1 and physics.mixrate * physics.air_control <= 1  # else speeds overshoot their maximum
    bounds = np.array([1.01 if tame else np.inf, 1.01, 0.5, 0.5, 1, 1, 1], np.float32)
    assert bounds.shape == (NUM_STATE,)
    return spaces.Dict(
        window=spaces.Box(0, NUM_CLASSES - 1, (WINDOW, WINDOW), np.uint8),
        state=spaces.Box(-bounds, bounds, dtype=np.float32),
        look=spaces.Box(0, 1, (NUM_LOOK,), np.uint8))


def _take(observation: SemanticObservation | np.ndarray, row: Any = slice(None)) -> Any:
    """Copies of one world's observation, or of all of them, in the form of the observation space."""
    if isinstance(observation, SemanticObservation):
        return {name: values[row].copy() for name, values in observation._asdict().items()}
    return observation[row].copy()


def _frames(engine: CoinRun) -> np.ndarray:
    frames = engine.frames()
    return np.moveaxis(frames, 1, 3) if engine.style.channels_first else frames


def _level_info(engine: CoinRun, e: int) -> dict[str, Any]:
    """Which level the episode that begins in world e plays."""
    return {"level_seed": int(engine.world.facts[e, SEED])}


def _episode_info(engine: CoinRun, e: int) -> dict[str, Any]:
    """What the episode that just ended in world e showed."""
    log = engine.log.take(slice(e, e + 1))
    outcome = first_event_outcomes(log.coin_step, log.end_step, log.died != 0, log.separated != 0)[0]
    info = {"level_seed": int(log.level_seed[0]), "separated": bool(log.separated[0]),
            "outcome": OUTCOMES[outcome].value}
    touched = {"coin_step": int(log.coin_step[0]), "end_step": int(log.end_step[0])}
    return info | {name: step for name, step in touched.items() if step != NEVER}
