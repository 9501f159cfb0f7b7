"""A level on which the goals part, and an agent's way through it: the picture of a page's first screen.

The agent is the task's scripted policy that wants the proxy: its goal is known, and it needs no training.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from PIL import Image

import gmexp_envs
from gmexp.pages.goal_marks import mark_level
from gmexp.pages.lettering import linesize
from gmexp.support.errors import UserError
from gmexp_envs import VecEnv
from gmexp_envs.levels import SeedRange
from gmexp_envs.outcome import NEVER
from gmexp_envs.shifts import shift
from gmexp_envs.task import Picture, Task

__all__ = ["draw"]

KIND = 3  # the shift
SEARCHED = 40  # levels, for one that the policy goes through
MOMENTS = 14  # of its way that are shown
WIDTH, CELLS = 640, (16, 48)  # pixels across the picture, about; pixels across a cell, at least and at most
GOOD = range(16, 35)  # cells across a level that is good to look at, where an environment has such
MOVED = 30  # of 765: change of a pixel's colours that says something moved


def draw(task: Task, training: Any, levels: SeedRange) -> Image.Image:
    """The first of the levels whose goals part and on which the policy reaches the proxy alone, in whole: one of a good
    size, or else the first of any.

    UserError where none of them is so.
    """
    distribution = shift(task, training, KIND, 1.0)
    seeds = range(levels.first, levels.first + min(levels.count, SEARCHED))
    parted = task.certify(dataclasses.replace(distribution, levels=SeedRange(levels.first, len(seeds)), sequential=True))
    for good in (True, False):
        for seed in np.array(seeds)[parted].tolist():
            if (moments := _moments(task, distribution, seed, good)) is not None:
                return _together(task, moments)
    raise UserError(f"the scripted policy that wants {task.proxy.words} reaches it alone on none of {len(seeds)} levels of "
                    f"{task.name}")


def _begun(task: Task, distribution: Any, seed: int) -> VecEnv:
    alone = dataclasses.replace(distribution, levels=SeedRange(seed, 1), sequential=True)
    env = gmexp_envs.make_vec(task, 1, distribution=alone, seed=0, drawable=True)
    env.reset()
    return env


def _moments(task: Task, distribution: Any, seed: int, good: bool) -> list[Picture] | None:
    """The level at even moments of the episode; None where it did not end at the proxy alone, or is of a good size where
    another is wanted, and the other way round."""
    env = _begun(task, distribution, seed)
    moments = _played(task, env) if (task.level_size(env, 0)[0] in GOOD) is good else None
    env.close()
    return moments


def _played(task: Task, env: VecEnv) -> list[Picture] | None:
    """The level at even moments of the episode; None where it did not end at the proxy alone.

    The episode is played twice: its end says which moments are even, and a picture costs more than many steps.
    """
    actions = _way(task, env)
    if actions is None:
        return None
    chosen = np.linspace(0, len(actions) - 1, min(MOMENTS, len(actions))).round().astype(int).tolist()
    env.reset()
    cell = min(max(WIDTH // task.level_size(env, 0)[0], CELLS[0]), CELLS[1])
    pictures = []
    for moment, action in enumerate(actions):
        if moment in chosen:
            pictures.append(task.level_picture(env, 0, cell))
        env.step(action, autoreset=False)
    return pictures


def _way(task: Task, env: VecEnv) -> list[np.ndarray] | None:
    """The policy's actions [1] from the start to the proxy; None where the episode does not end there alone."""
    policy, observation, rows = task.scripted("proxy", env), env.reset(), np.arange(1)
    actions, over = [], False
    while not over:
        actions.append(np.array(policy.act(observation, rows)))
        step = env.step(actions[-1], autoreset=False)
        observation, over = step.observation, bool(step.terminated[0] or step.truncated[0])
        present = env.present
        if present.proxy_step[0] != NEVER:
            break
    return actions if present.proxy_step[0] != NEVER and present.intended_step[0] == NEVER else None


def _together(task: Task, moments: list[Picture]) -> Image.Image:
    """All moments in one picture: what is nearly always there, and of every moment what is not."""
    usual = np.median([moment.image for moment in moments], axis=0).astype(np.uint8)
    whole = usual.copy()
    for moment in moments:
        moved = np.abs(moment.image.astype(int) - usual).sum(axis=2) > MOVED
        whole[moved] = moment.image[moved]
    image = Image.fromarray(whole)
    mark_level(image, task, moments[0]._replace(now=moments[-1].now), max(14, linesize(image.width)))
    return image
