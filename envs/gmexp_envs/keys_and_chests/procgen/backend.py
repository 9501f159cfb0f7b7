"""The real binary behind the interface of the native engine: `make_vec("keys_and_chests", ..., backend="procgen")`.

Levels are those the native engine would play, written into states of procgen's heist (`edit`); moving and drawing are
procgen's own. Where the agent is then, is read from the state after every step, and the fork's rules, which no wheel has,
decide what is touched, paid and ended.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.keys_and_chests.distribution import LevelDistribution
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.episode import conclude, opened
from gmexp_envs.keys_and_chests.layout import EVENTS, HEIST, VX, VY, X, Y
from gmexp_envs.keys_and_chests.procgen.edit import same_objects, write_level, write_objects
from gmexp_envs.keys_and_chests.rules import move_of, settle
from gmexp_envs.keys_and_chests.semantic import observe_semantic
from gmexp_envs.procgen_family.host import BinaryHost
from gmexp_envs.procgen_family.state import State
from gmexp_envs.vec import FrameStyle


class ProcgenKeysAndChests(BinaryHost, KeysAndChests):
    """N instances of Keys and Chests moved and drawn by procgen itself: same arguments, level streams, observations and
    logs as `KeysAndChests`. Use it as the reference: it is hundreds of times slower than the native engine.
    """

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None = None,
                 observation: str = "semantic", threads: int = 1, action_repeat: int = 1,
                 style: FrameStyle | None = None, drawable: bool = False) -> None:
        if drawable and observation != "pixels":
            raise ValueError("drawable: the procgen backend draws frames only as observations; use the native backend")
        for distribution in distributions:
            if (reason := why_not(distribution)) is not None:
                raise ValueError(reason)
        if len(modes := {distribution.mode for distribution in distributions}) > 1:
            raise ValueError(f"backend 'procgen' plays one mode at a time, not {' and '.join(sorted(modes))}")
        super().__init__(num_envs, distributions, seed, observation, 1, action_repeat, style)
        self._arguments = num_envs, distributions, seed, observation, threads, action_repeat, style, drawable
        self._host("heist", self.distributions[0].mode, threads)

    def _write_level(self, e: int) -> None:
        state = State(self._binary.get_state(e))
        write_level(state, self.world, e)
        self._binary.set_state(e, state.to_bytes())

    def _advance(self, actions: np.ndarray, rows: np.ndarray) -> None:
        self._step_binary(actions, rows)
        if self._binary.firsts[rows].any():
            raise RuntimeError("procgen ended an episode, which nothing can end there")
        body = self.world.body
        states = {}
        for e in rows.tolist():
            states[e] = State(self._binary.get_state(e))
            agent = states[e]["entities"][0]
            body[e, [X, Y, VX, VY]] = agent["x"], agent["y"], agent["vx"], agent["vy"]
        _settle_instances(self._table, actions, rows)
        for e, state in states.items():
            if not same_objects(state, self.world, e):
                if self.world.facts[e, HEIST]:
                    raise RuntimeError(f"procgen took away what the agent of instance {e} does not touch "
                                       f"(events {self.world.clock[e, EVENTS]})")
                write_objects(state, self.world, e)
                self._binary.set_state(e, state.to_bytes())

    def _observation(self, changed: np.ndarray):
        if self.observation == "pixels":
            return self._frames_of(changed)
        _observe_instances(self._table, changed)
        return super()._observation(changed)


@jit
def _settle_instances(table, actions, rows):
    """What follows from where the agents of the instances `rows` have come to; logs what ended."""
    world, encoded, buffers = opened(table)
    for k in range(len(rows)):
        e = np.uint64(rows[k])
        reward, ending = settle(world, e, encoded, move_of(actions[e]))
        buffers.reward[e] += reward
        conclude(world, e, buffers, ending)


@jit
def _observe_instances(table, rows):
    world, _, buffers = opened(table)
    for k in range(len(rows)):
        e = np.uint64(rows[k])
        observe_semantic(world, e, buffers.window[e], buffers.state[e])


def why_not(distribution: LevelDistribution) -> str | None:
    """What of a distribution cannot be expressed in procgen's states; None where it can be played."""
    if distribution.appearance is not None:
        return (f"backend 'procgen' has one wall for all levels: appearance is {distribution.appearance}, and must be null "
                "(backend 'native' can)")
    return None
