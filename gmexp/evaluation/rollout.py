"""Policy x vector environment -> equally many episodes from every slot.

Stopping at a total number of episodes would oversample short ones (a true rate of .5 has been measured as .96 that
way), so each slot plays a fixed number and is then left out. A log row is taken in the very step that ended its
episode, never from the episode after.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmexp_envs.task import Actor
from gmexp_envs.vec import EpisodeLog, VecEnv, to_numpy

__all__ = ["Actor", "play"]


def play(actor: Actor, env: VecEnv, episodes_per_slot: int,
         on_progress: Callable[[int, int], None] | None = None) -> tuple[EpisodeLog, np.ndarray]:
    """Play `episodes_per_slot` episodes in every slot from a reset -> (logs, slot of each), ordered by slot and index.

    `on_progress(steps, episodes)` is called after each step with how many were added. On a device everything stays on it
    to the end; a step waits for it once, to know which episodes ended.
    """
    observation = env.reset()
    rows = env.rows
    remaining, actions = rows * 0 + episodes_per_slot, rows * 0
    logs, slots = [], []
    while len(rows):
        actions[rows] = actor.act(observation, rows) + rows * 0  # of one integer type, which tensors insist on
        step = env.step(actions, rows)
        observation = step.observation
        ended = rows[(step.terminated | step.truncated)[rows]]
        if on_progress:
            on_progress(len(rows), len(ended))
        if len(ended):
            logs.append(env.log.take(ended))
            slots.append(ended)
            remaining[ended] -= 1
            rows = rows[remaining[rows] > 0]
    slot = np.concatenate([to_numpy(part) for part in slots])
    log = EpisodeLog(*(np.concatenate([to_numpy(part) for part in column]) for column in zip(*logs, strict=True)))
    order = np.lexsort((log.index, slot))
    return log.take(order), slot[order]
