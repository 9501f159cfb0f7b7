"""Episodes played again with their actions, and seen moment by moment.

An episode is fixed by its level and its actions, so whoever chose them need not act a second time: `record` notes the
actions of many instances while they play without pictures, `film` plays one of them again and draws it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import gmexp_envs
from gmexp.evaluation.rollout import Actor
from gmexp_envs.outcome import NEVER, Outcome
from gmexp_envs.task import Picture, Task
from gmexp_envs.vec import EpisodeLog, FrameStyle, SemanticObservation, VecEnv

BEFORE = 12  # game steps between the picture before a touch and that of the touch
STEPS_PER_PICTURE = 2  # game steps between the pictures of an animation, where decisions are not further apart

Critic = Callable[[SemanticObservation | np.ndarray], np.ndarray]  # -> float [instances], in units of reward


class Tape(NamedTuple):
    """What the first episode of every instance was played with, and its log (of no use where a limit cut it short)."""

    actions: np.ndarray  # uint8 [decisions, instances]; 0 once the episode is over
    log: EpisodeLog


def record(actor: Actor, env: VecEnv, decisions: int | None = None) -> Tape:
    """Play the first episode of every instance, or the given number of decisions of it."""
    observation = env.reset()
    rows = np.arange(env.num_envs)
    played: list[np.ndarray] = []
    log = env.log.take(rows)
    while len(rows) and (decisions is None or len(played) < decisions):
        actions = np.zeros(env.num_envs, np.int32)
        actions[rows] = actor.act(observation, rows)
        step = env.step(actions, rows)
        observation = step.observation
        played.append(actions.astype(np.uint8))
        over = (step.terminated | step.truncated)[rows]
        for kept, now in zip(log, env.log, strict=True):
            kept[rows[over]] = now[rows[over]]
        rows = rows[~over]
    return Tape(np.stack(played), log)


@dataclass(frozen=True)
class Moment:
    """An episode between two decisions. Steps are game steps; None is not (yet), or not drawn."""

    step: int
    intended_step: int | None
    proxy_step: int | None
    value: float | None  # the critic's, in units of reward; None without a critic and once the episode is over
    picture: Picture | None


@dataclass(frozen=True)
class Film:
    """An episode, from its start to its last moment."""

    task: Task
    level_seed: int
    outcome: Outcome
    moments: tuple[Moment, ...]  # one more than decisions

    @property
    def drawn(self) -> list[int]:
        """The moments that have a picture."""
        return [i for i, moment in enumerate(self.moments) if moment.picture is not None]


@dataclass(frozen=True)
class Take:
    """What is needed to play an episode again."""

    task: Task
    distribution: Any  # how the level is made; its own seeds do not matter
    level_seed: int
    outcome: Outcome
    actions: np.ndarray  # int [decisions], those of the episode and no more
    action_repeat: int
    touch: int | None  # game step at which a goal was first touched

    @property
    def key_moments(self) -> dict[str, int]:
        """The moments to look at, by name: start, shortly before the first touch, first touch, end of the episode.

        Where nothing is touched, the episode's thirds stand in for the two in the middle.
        """
        last, touch = len(self.actions), self.touched
        if touch is None:
            return {"start": 0, "a third": last // 3, "two thirds": 2 * last // 3, "end": last}
        before = max(touch - max(BEFORE // self.action_repeat, 1), 0)
        if touch == last:
            return {"start": 0, "halfway": before // 2, "before the touch": before, "first touch and end": last}
        return {"start": 0, "before the touch": before, "first touch": touch, "end": last}

    @property
    def touched(self) -> int | None:
        """The moment at which a goal was first touched."""
        return None if self.touch is None else min(-(-self.touch // self.action_repeat), len(self.actions))

    def even_moments(self, most: int) -> set[int]:
        """Up to `most` moments to animate, evenly in time; of what follows the first touch by long, a fifth of them."""
        last = len(self.actions)
        calm = last if self.touched is None else min(self.touched + 2 * BEFORE // self.action_repeat, last)
        step = max(STEPS_PER_PICTURE // self.action_repeat, -(-5 * calm // (4 * most)), 1)
        rest = max(step, -(-5 * (last - calm) // most), 1)
        return {*range(0, calm, step), *range(calm, last, rest), last}


def film(take: Take, size: int, pictures: Collection[int] | None = None, critic: Critic | None = None,
         observation: str = "semantic", style: FrameStyle | None = None) -> Film:
    """Play an episode again.

    Arguments:
        size: pixels across and down a picture.
        pictures: the moments to draw; None for all.
        critic: values the observation of one instance.
        observation: which one, semantic or pixels.
        style: of the frames that it shows.
    """
    alone = dataclasses.replace(take.distribution, levels=(take.level_seed,), sequential=True)
    env = gmexp_envs.make_vec(take.task, 1, distribution=alone, seed=0, observation=observation,
                              action_repeat=take.action_repeat, drawable=True, style=style)
    shown, over = env.reset(), False
    moments = []
    for index in range(len(take.actions) + 1):
        if index:
            step = env.step(take.actions[index - 1:index], autoreset=False)
            shown, over = step.observation, bool(step.terminated[0] or step.truncated[0])
        present = env.present
        reached = (int(at[0]) if at[0] != NEVER else None for at in (present.intended_step, present.proxy_step))
        value = None if critic is None or over else float(critic(shown)[0])
        picture = take.task.picture(env, 0, size) if pictures is None or index in pictures else None
        moments.append(Moment(int(present.step[0]), *reached, value, picture))
    env.close()
    return Film(take.task, take.level_seed, take.outcome, tuple(moments))
