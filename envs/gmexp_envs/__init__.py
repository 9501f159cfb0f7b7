"""Environments with a controllable spurious correlation, usable without the rest of gmexp.

    import gmexp_envs

    env = gmexp_envs.make_vec("coinrun", 256, mode="easy", rho=1.0, levels=gmexp_envs.split_levels("train"), seed=0)
    observation = env.reset()
    observation, reward, terminated, truncated = env.step(actions)
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from gmexp_envs.coinrun.distribution import LevelDistribution, Physics
from gmexp_envs.levels import SeedRange, split_levels
from gmexp_envs.task import Task
from gmexp_envs.vec import DeviceUnavailable, FrameStyle, VecEnv

__all__ = ["DeviceUnavailable", "FrameStyle", "LevelDistribution", "Physics", "SeedRange", "TASKS", "Task", "VecEnv",
           "find_task", "make_vec", "split_levels", "task_names", "task_of"]

TASKS = {  # the environments that come with the package: where the `Task` of each is
    "coinrun": "gmexp_envs.coinrun.task:TASK",
    "maze": "gmexp_envs.maze.task:CHEESE",
    "maze_line_and_gem": "gmexp_envs.maze.task:LINE_AND_GEM",
    "keys_and_chests": "gmexp_envs.keys_and_chests.task:TASK",
    "boat_race": "gmexp_envs.worlds.boat_race:TASK",
    "supervisor": "gmexp_envs.worlds.supervisor:TASK",
    "follow_me": "gmexp_envs.worlds.follow_me:TASK",
    "monsters": "gmexp_envs.worlds.monsters:TASK",
    "grasping": "gmexp_envs.worlds.grasping:TASK",
    "tetris": "gmexp_envs.worlds.tetris:TASK",
}
BACKENDS = ("native", "procgen")
_imported: dict[str, str] = {}  # by name, the tasks that were named by their import path: counts know them by name alone


def task_names() -> list[str]:
    """Names of all environments there are, those of installed plugins (entry points `gmexp.tasks`) included."""
    return [*TASKS, *sorted({*_plugins(), *_imported} - set(TASKS))]


def _plugins() -> dict[str, str]:
    """Where the tasks of installed plugins are."""
    return {point.name: point.value for point in entry_points(group="gmexp.tasks")}


@cache
def find_task(name: str) -> Task:
    """The task of a name: one of `TASKS`, a plugin's, or an import path "package.module:TASK".

    Raises ValueError where there is none.
    """
    place = TASKS.get(name) or _imported.get(name) or _plugins().get(name, name)
    module, _, attribute = place.partition(":")
    if not re.fullmatch(r"[\w.]+:\w+", place):
        raise ValueError(f"there is no environment {name!r}: choose one of {', '.join(task_names())}, or give an import "
                         "path such as 'package.module:TASK'")
    try:
        task = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"the environment {name!r} cannot be imported from {place}: {error}") from error
    if not isinstance(task, Task):
        raise ValueError(f"the environment {name!r}: {place} is a {type(task).__name__}, not a gmexp_envs.Task")
    if task.name not in TASKS:
        _imported[task.name] = place
    return task


def task_of(env: str) -> Task:
    """The task of an environment as counts name it: its name, or that of a variant of it ("coinrun_hard").

    Raises ValueError where there is none.
    """
    names = [name for name in task_names() if env == name or env.startswith(f"{name}_")]
    return find_task(max(names, key=len, default=env))


def make_vec(name: str | Task, num_envs: int, *, observation: str = "semantic", levels=None, seed: int | None = None,
             device: str = "cpu", backend: str = "native", threads: int = 1, action_repeat: int = 1,
             style: FrameStyle | None = None, drawable: bool = False,
             distribution: Any | Sequence[Any] | None = None, **knobs) -> VecEnv:
    """A vector environment of `num_envs` instances.

    Arguments:
        name: an environment (`task_names`), or its task.
        observation: "semantic" (classes of the cells around the agent, state, appearance) or "pixels" (uint8
            [N, 64, 64, 3]).
        levels: level seeds: None for all, n for 0..n-1, a `SeedRange`, a range or a list.
        seed: seeds the level streams as procgen's rand_seed does; None draws one (see `env.seed`).
        device: "cpu", or "cuda" (or "cuda:1") for tensors on a CUDA device: needs torch and the extra `cuda`.
        backend: "native", or "procgen" for the real binary, where the task has it.
        threads: threads that share the instances; natively at most one per 128 of them, since fewer are not worth one;
            a CUDA device has its own.
        action_repeat: game steps that an action lasts; rewards add up, logs and horizons count game steps.
        style: how frames look; None is procgen's look, or flat colours on black where procgen is not installed.
        drawable: a semantic environment can draw frames too (`frames`); pixel environments always can.
        distribution: one of the task's level distributions in place of levels and knobs; or several, over which the
            instances are shared out evenly.
        knobs: fields of the task's level distribution (rho, placement, appearance, context, supervision, ...).

    Memory of CoinRun's native engine: 17 kB per instance, 32 kB where frames are drawn, and once per process the images in
    use (10 MB of sprites, up to 303 MB where all of procgen's 62 backgrounds are). Backend "procgen": about 0.5 GB once per
    process, and 0.8 MB per instance. Nothing grows with the number of episodes, or of environments made and closed.

    Environments survive a fork, except procgen's with more than one thread, which say so when they are stepped.

    Raises ValueError naming the argument that does not fit, DeviceUnavailable where there is no such device.
    """
    task = find_task(name) if isinstance(name, str) else name
    if backend not in task.backends:
        raise ValueError(f"{task.name} has no backend {backend!r}: choose one of {', '.join(task.backends)}")
    if device != "cpu" and (backend != "native" or not re.fullmatch("cuda(:[0-9]+)?", device)):
        raise ValueError(f"device {device!r}: " + ("procgen runs on the CPU" if backend == "procgen" else
                                                   "choose 'cpu', 'cuda', or one of several as 'cuda:1'"))
    if distribution is None:
        distributions = (task.knobs(levels, **knobs),)
    elif levels is not None or knobs:
        raise ValueError("give either a distribution or levels and knobs, not both")
    else:
        distributions = tuple(distribution) if isinstance(distribution, list | tuple) else (distribution,)
    return task.make(num_envs, distributions, seed=seed, observation=observation, device=device, backend=backend,
                     threads=threads, action_repeat=action_repeat, style=style, drawable=drawable)


def _register() -> None:
    """Make `gymnasium.make("gmexp/CoinRun-v0")` and the like work; the adapter itself is imported when it is used."""
    try:
        import gymnasium
    except ImportError:
        return
    for name, title in TITLES.items():
        gymnasium.register(f"gmexp/{title}-v0", entry_point="gmexp_envs.gym_adapter:TaskEnv",
                           vector_entry_point="gmexp_envs.gym_adapter:TaskVectorEnv", kwargs={"name": name})


TITLES = {"coinrun": "CoinRun"}  # ids for Gymnasium; others are their names' words, joined
TITLES |= {name: "".join(word.capitalize() for word in name.split("_")) for name in TASKS if name not in TITLES}
_register()
