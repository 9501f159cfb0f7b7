"""Every environment for Gymnasium: `gmexp/CoinRun-v0` and so on, known after `import gmexp` or `import gmexp_envs`, or, in
a spawned worker that imported neither, as `gmexp_envs:gmexp/CoinRun-v0`.

    gymnasium.make("gmexp/CoinRun-v0", mode="easy", levels=200)
    gymnasium.make_vec("gmexp/CoinRun-v0", num_envs=64, mode="easy", autoreset_mode="NextStep")

Keyword arguments are the fields of the task's level distribution (or a finished `distribution`), `observation` ("semantic"
or "pixels"), `action_repeat`, `style` and, for vectors, `threads` and `autoreset_mode`. The info of an episode's last step
holds what the episode showed: level_seed, distinguishing, outcome, and intended_step and proxy_step where the goals were
reached.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from gmexp_envs import find_task
from gmexp_envs.outcome import NEVER, OUTCOMES, first_event_outcomes
from gmexp_envs.task import Task
from gmexp_envs.vec import FrameStyle, SemanticObservation, VecEnv

RENDER_FPS = 15
METADATA = {"render_modes": ["rgb_array"], "render_fps": RENDER_FPS}
MASK = "reset_mask"  # of `reset`'s options


class TaskEnv(gymnasium.Env):
    """One instance of an environment; an episode that ended stays as it is until `reset`."""

    metadata = METADATA

    def __init__(self, name: str, render_mode: str | None = None, **options: Any) -> None:
        self._name = name
        self.render_mode = _checked(render_mode)
        self._engine = _build_engine(self.task, 1, render_mode, **options)
        self.observation_space = _observation_space(self.task, self._engine)
        self.action_space = spaces.Discrete(self.task.num_actions)
        self._over = True

    @property
    def task(self) -> Task:
        """Which environment it is."""
        return find_task(self._name)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[Any, dict]:
        """Begin an episode; with a seed, begin the stream of levels anew from it."""
        super().reset(seed=seed)
        observation = self._engine.reset(seed)
        self._over = False
        return _take(observation, 0), {"level_seed": int(self._engine.present.level_seed[0])}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict]:
        if self._over:
            raise gymnasium.error.ResetNeeded("no episode is running: call reset() before step()")
        observation, reward, terminated, truncated = self._engine.step(np.array([action]), autoreset=False)
        self._over = bool(terminated[0] or truncated[0])
        info = _episode_info(self._engine, 0) if self._over else {}
        return _take(observation, 0), float(reward[0]), bool(terminated[0]), bool(truncated[0]), info

    def render(self) -> np.ndarray | None:
        """The frame as uint8 [64, 64, 3], with render_mode "rgb_array"."""
        return None if self.render_mode is None else _frames(self._engine)[0]

    def close(self) -> None:
        self._engine.close()


class TaskVectorEnv(VectorEnv):
    """Many instances of an environment; `autoreset_mode` says when one whose episode ended begins the next.

    SAME_STEP   in the step that ends one, as procgen does; the last observation and info are `infos["final_obs"]` and
                `infos["final_info"]`
    NEXT_STEP   in the step after, which takes no notice of its action and gives no reward
    DISABLED    never: `reset(options={"reset_mask": ended})` does it
    Each does what gymnasium's own `SyncVectorEnv` does, but for an int `seed`, which seeds the streams of all instances
    as procgen's rand_seed does; a list of seeds is one each.
    """

    metadata = METADATA | {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, name: str, num_envs: int = 1, render_mode: str | None = None, threads: int = 1,
                 autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP, **options: Any) -> None:
        self._name = name
        self.num_envs = num_envs
        self.render_mode = _checked(render_mode)
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        self._engine = _build_engine(self.task, num_envs, render_mode, threads=threads, **options)
        self.single_observation_space = _observation_space(self.task, self._engine)
        self.single_action_space = spaces.Discrete(self.task.num_actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._begun = np.zeros(num_envs, bool)  # instances that have played since they were made
        self._ended = np.zeros(num_envs, bool)  # instances whose episode is over and the next not begun

    @property
    def task(self) -> Task:
        """Which environment it is."""
        return find_task(self._name)

    def reset(self, *, seed: int | Sequence[int | None] | None = None,
              options: dict | None = None) -> tuple[Any, dict]:
        """Begin episodes everywhere, or where `options["reset_mask"]`, bool [N], says so; with a seed, or one each, begin
        the streams of levels anew from it."""
        rows = np.flatnonzero(_reset_mask(options, self.num_envs))
        whole = len(rows) == self.num_envs
        if isinstance(seed, Sequence | np.ndarray):
            seeds = [None if each is None else int(each) for each in seed]
            if len(seeds) != self.num_envs:
                raise ValueError(f"seed names {len(seeds)} seeds for {self.num_envs} instances")
        elif seed is None or whole:
            super().reset(seed=seed)
            seeds = [None] * self.num_envs
        else:
            seeds = [seed + k for k in range(self.num_envs)]  # a part of the instances: as gymnasium's own
        if whole and seeds == [None] * self.num_envs:
            observation = self._engine.reset(seed if not isinstance(seed, Sequence | np.ndarray) else None)
        else:
            chosen = set(rows.tolist())
            self._engine.reseed([each if e in chosen else None for e, each in enumerate(seeds)])
            observation = self._engine.begin(rows)
        self._begun[rows], self._ended[rows] = True, False
        return _take(observation), self._with_levels({}, rows)

    def step(self, actions: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict]:
        if not self._begun.all():
            raise gymnasium.error.ResetNeeded("no episode is running: call reset() before step()")
        waiting = np.flatnonzero(self._ended)
        if len(waiting) and self.autoreset_mode is AutoresetMode.DISABLED:
            raise gymnasium.error.ResetNeeded(f"the episodes of the instances {waiting.tolist()} are over: call "
                                              "reset(options={'reset_mask': ...}) before step()")
        moving = np.flatnonzero(~self._ended)
        step = self._engine.step(np.asarray(actions), moving, autoreset=False)
        observation, infos = step.observation, {}
        reward, terminated, truncated = step.reward.copy(), step.terminated.copy(), step.truncated.copy()
        reward[waiting], terminated[waiting], truncated[waiting] = 0, False, False
        ended = np.flatnonzero(terminated | truncated)
        if len(waiting):
            observation = self._engine.begin(waiting)
            infos = self._with_levels(infos, waiting)
        for e in ended:
            about = _episode_info(self._engine, e)
            if self.autoreset_mode is AutoresetMode.SAME_STEP:
                about = {"final_obs": _take(observation, e), "final_info": about}
            infos = self._add_info(infos, about, e)
        if self.autoreset_mode is AutoresetMode.SAME_STEP and len(ended):
            observation = self._engine.begin(ended)
            infos = self._with_levels(infos, ended)
        else:
            self._ended[:] = False
            self._ended[ended] = True
        return _take(observation), reward, terminated, truncated, infos

    def _with_levels(self, infos: dict, rows: Iterable[int]) -> dict:
        """Add which levels the episodes that begin in these instances play."""
        level_seed = self._engine.present.level_seed
        for e in rows:
            infos = self._add_info(infos, {"level_seed": int(level_seed[e])}, e)
        return infos

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Every instance's frame as uint8 [64, 64, 3], with render_mode "rgb_array"."""
        return None if self.render_mode is None else tuple(_frames(self._engine))

    def close_extras(self, **kwargs: Any) -> None:
        self._engine.close()


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """A mode by its member, its value ("NextStep") or its name ("NEXT_STEP")."""
    known = {word: member for member in AutoresetMode for word in (member.value.lower(), member.name.lower())}
    if isinstance(mode, AutoresetMode):
        return mode
    if str(mode).lower() not in known:
        raise ValueError(f"there is no autoreset_mode {mode!r}: choose one of "
                         f"{', '.join(member.value for member in AutoresetMode)}")
    return known[str(mode).lower()]


def _reset_mask(options: dict | None, num_envs: int) -> np.ndarray:
    """Which instances `reset` is about, bool [N]."""
    if not options or MASK not in options:
        return np.ones(num_envs, bool)
    mask = options[MASK]
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (num_envs,):
        raise ValueError(f"options['{MASK}'] should be a boolean array of shape ({num_envs},)")
    if not mask.any():
        raise ValueError(f"options['{MASK}'] should name at least one instance")
    return mask


def _checked(render_mode: str | None) -> str | None:
    if render_mode not in (None, *METADATA["render_modes"]):
        raise ValueError(f"there is no render_mode {render_mode!r}: choose None or 'rgb_array'")
    return render_mode


def _build_engine(task: Task, num_envs: int, render_mode: str | None, *, observation: str = "semantic",
                  action_repeat: int = 1, style: FrameStyle | None = None, threads: int = 1, distribution: Any = None,
                  levels=None, **knobs: Any) -> VecEnv:
    if distribution is None:
        distribution = task.knobs(levels, **knobs)
    elif levels is not None or knobs:
        raise ValueError("give either a distribution or levels and knobs, not both")
    return task.make(num_envs, [distribution], seed=None, observation=observation, device="cpu", backend="native",
                     threads=threads, action_repeat=action_repeat, style=style, drawable=render_mode is not None)


def _observation_space(task: Task, engine: VecEnv) -> spaces.Space:
    if engine.observation == "pixels":
        return spaces.Box(0, 255, engine.style.shape(1)[1:], np.uint8)
    semantics = task.on(engine.distributions[0]).semantics
    bounds = np.array(task.state_bounds(engine.distributions[0]), np.float32)
    return spaces.Dict(
        window=spaces.Box(0, len(semantics.classes) - 1, semantics.window, np.uint8),
        state=spaces.Box(-bounds, bounds, dtype=np.float32),
        appearance=spaces.Box(0, 1, (semantics.appearance,), np.uint8))


def _take(observation: SemanticObservation | np.ndarray, row: Any = slice(None)) -> Any:
    """Copies of one instance's observation, or of all of them, in the form of the observation space."""
    if isinstance(observation, SemanticObservation):
        return {name: values[row].copy() for name, values in observation._asdict().items()}
    return observation[row].copy()


def _frames(engine: VecEnv) -> np.ndarray:
    frames = engine.frames()
    return np.moveaxis(frames, 1, 3) if engine.style.channels_first else frames


def _episode_info(engine: VecEnv, e: int) -> dict[str, Any]:
    """What the episode that just ended in instance e showed."""
    log = engine.log.take(slice(e, e + 1))
    outcome = first_event_outcomes(log.intended_step, log.proxy_step, log.died != 0, log.distinguishing != 0)[0]
    info = {"level_seed": int(log.level_seed[0]), "distinguishing": bool(log.distinguishing[0]),
            "outcome": OUTCOMES[outcome].value}
    touched = {"intended_step": int(log.intended_step[0]), "proxy_step": int(log.proxy_step[0])}
    return info | {name: step for name, step in touched.items() if step != NEVER}
