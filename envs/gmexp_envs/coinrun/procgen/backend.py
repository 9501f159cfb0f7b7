"""The real binary behind the interface of the native engine: `make_vec(..., backend="procgen")`.

Levels are those the native engine would play, written into the binary's states where episodes start; moving, dying,
rewarding and drawing are procgen's own. Its signals tell the reward and that an episode ended. Where that is not enough
(was the end touched, or a hidden coin; did the last step also kill the agent) the position is read from the state,
but only in steps in which a watched cell could be reached, since no agent is faster than its maximum speed. What an
episode's last step touched is lost in procgen's reset: that step is repeated in a second binary in which nothing ends
the episode.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmexp_envs.coinrun.distribution import LevelDistribution, Physics
from gmexp_envs.coinrun.engine import CoinRun
from gmexp_envs.coinrun.episode import write_log
from gmexp_envs.coinrun.layout import (
    AIR_CONTROL, allocate, CELL, COIN_X, DIED, END_X, ENEMY, EPISODES, EVENTS, GOAL, HORIZON, INTENDED_STEP, LAVA_MID,
    LAVA_TOP, MAX_SPEED, MIXRATE, PROXY_STEP, RETURN, SAW, SEED, SPACE, TIME, TIMED_OUT, TOUCHED_COIN, TOUCHED_END, X,
    Y,
)
from gmexp_envs.coinrun.procgen.decode import read_world
from gmexp_envs.coinrun.procgen.edit import write_level
from gmexp_envs.coinrun.rules import TOUCH_X, touches
from gmexp_envs.coinrun.semantic import observe_semantic
from gmexp_envs.levels import SeedRange
from gmexp_envs.procgen_family.binary import Binary
from gmexp_envs.procgen_family.host import BinaryHost, NO_HORIZON
from gmexp_envs.procgen_family.state import State
from gmexp_envs.vec import FrameStyle, SemanticObservation


class ProcgenCoinRun(BinaryHost, CoinRun):
    """N worlds of CoinRun moved by procgen itself.

    Same arguments, level streams, observations and logs as `CoinRun`, whose levels these are; `world` holds the levels
    and event logs, not the agents' motion. Supervision, spec_quality and a permeable wall cannot be expressed in
    procgen's states. Use it as the reference: it is more than ten times slower than the native engine.
    """

    def __init__(self, num_envs: int, distributions: Sequence[LevelDistribution], seed: int | None = None,
                 observation: str = "semantic", threads: int = 1, action_repeat: int = 1,
                 style: FrameStyle | None = None, drawable: bool = False) -> None:
        if drawable and observation != "pixels":
            raise ValueError("drawable: the procgen backend draws frames only as observations; use the native backend")
        for distribution in distributions:
            if (reason := why_not(distribution)) is not None:
                raise ValueError(reason)
        super().__init__(num_envs, distributions, seed, observation, 1, action_repeat, style)
        first = self.distributions[0]
        self._host("coinrun", first.mode, threads)
        self._second = Binary(1, mode=first.mode, **self._looks)
        self._as_generated = [_is_as_generated(d, first) for d in self.distributions]
        self._seen = allocate(num_envs, trails=False)
        self._view = self._seen._replace(classes=self.world.classes)
        self._safe_steps = np.zeros(num_envs, np.int64)  # in which no watched cell can be reached
        self._before: dict[int, bytes] = {}  # states of worlds whose next step may touch something

    def _advance(self, actions: np.ndarray, rows: np.ndarray) -> None:
        """One game step of these worlds; logs what ends, but leaves procgen's own next level in place."""
        self._bring_back(rows.tolist())
        watched = [e for e in rows[self._is_close(rows)].tolist() if self._keep_state(e)]
        moves = self._step_binary(actions, rows)

        clock, body, b = self.world.clock, self.world.body, self._buffers
        rewards = self._binary.rewards[rows]
        ended = self._binary.firsts.copy()
        clock[rows, TIME] += 1
        clock[rows, EVENTS] = 0
        body[rows, RETURN] += rewards
        b.reward[rows] += rewards
        self._safe_steps[rows] -= 1
        for e in watched:
            before = self._before.pop(e)
            self._record(e, self._repeat_last_step(e, before, int(moves[e])) if ended[e] else self._look(e))
        for e in rows[ended[rows]].tolist():
            self._log_end(e)

    def _forget(self) -> None:
        self._before.clear()
        self._safe_steps[:] = 0

    def close(self) -> None:
        super().close()
        self._second.close()

    def _write_level(self, e: int) -> None:
        """Make procgen's fresh episode in world e the level that was drawn for it."""
        facts, body = self.world.facts[e], self.world.body[e]
        condition = facts[CELL]
        if not self._as_generated[condition] or self._binary.level_seeds[e] != facts[SEED]:
            state = State(self._binary.get_state(e))
            write_level(state, self.world, e, self.distributions[condition].mode)
            self._binary.set_state(e, state.to_bytes())
        self._safe_steps[e] = self._steps_to_reach(e, float(body[X]))
        self._before.pop(e, None)

    def _log_end(self, e: int) -> None:
        """Log the episode that just ended in world e."""
        world, b = self.world, self._buffers
        clock, paid = world.clock[e], self._binary.rewards[e] > 0
        if paid and not clock[EVENTS] & TOUCHED_COIN:
            raise RuntimeError(f"procgen paid for a coin that the agent of world {e} could not have reached")
        if clock[TIME] >= world.facts[e, HORIZON]:
            clock[EVENTS] |= TIMED_OUT
        elif not paid:
            clock[EVENTS] |= DIED
        b.terminated[e] = paid or clock[EVENTS] & DIED
        b.truncated[e] = not b.terminated[e]
        write_log(world, e, b.log[e])
        b.log_return[e] = world.body[e, RETURN]
        world.slots[e, EPISODES] += 1

    def _record(self, e: int, events: int) -> None:
        """Note what the step touched and when it was first touched."""
        clock = self.world.clock[e]
        clock[EVENTS] = events
        for column, event in ((INTENDED_STEP, TOUCHED_COIN), (PROXY_STEP, TOUCHED_END)):
            if events & event:
                clock[column] = min(clock[column], clock[TIME])

    def _steps_to_reach(self, e: int, x: float) -> int:
        """Steps in which an agent at x cannot touch the coin's or the end's column, at its maximum speed."""
        facts, body = self.world.facts[e], self.world.body[e]
        if body[MIXRATE] * max(1.0, body[AIR_CONTROL]) > 1:
            return 0  # such an agent overshoots its maximum speed
        columns = [int(facts[k]) for k in (COIN_X, END_X) if facts[k] >= 0]
        distance = min(max(c - (x + TOUCH_X), (x - TOUCH_X) - (c + 1), 0.0) for c in columns)
        return int(max(distance / body[MAX_SPEED] - 0.01, 0))

    def _is_close(self, rows: np.ndarray) -> np.ndarray:
        """Whether the next step of these worlds may touch something or reach the horizon."""
        return ((self._safe_steps[rows] <= 0)
                | (self.world.clock[rows, TIME] + 1 >= self.world.facts[rows, HORIZON]))

    def _keep_state(self, e: int) -> bool:
        """Have the state of a close world at hand before it steps; False if it turns out not to be close."""
        if e not in self._before:
            self._look(e)
        return e in self._before

    def _look(self, e: int) -> int:
        """What the agent of world e touches where it stands; its state is kept while the next step may touch more."""
        length = self._binary.fetch_state(e)
        read_world(self._binary.state, self._seen, e)
        x, y = self._seen.body[e, X], self._seen.body[e, Y]
        self._safe_steps[e] = self._steps_to_reach(e, float(x))
        if self._is_close(np.array([e]))[0]:
            self._before[e] = self._binary.state[:length].tobytes()
        return touches(self.world, e, x, y) & (TOUCHED_COIN | TOUCHED_END)

    def _repeat_last_step(self, e: int, before: bytes, move: int) -> int:
        """What the last step of an episode touched, and whether it killed the agent (both are lost in the reset)."""
        state = State(before)
        state["timeout"] = NO_HORIZON
        grid, entities = state["grid"], state["entities"]
        grid[grid == GOAL] = SPACE
        ended_otherwise = self._binary.rewards[e] > 0 or self.world.clock[e, TIME] >= self.world.facts[e, HORIZON]
        died = not ended_otherwise or self._ends_in_second(state, move)
        if died:
            grid[(grid == LAVA_MID) | (grid == LAVA_TOP)] = SPACE
            entities["collision_margin"][np.isin(entities["type"], (ENEMY, SAW))] = -10
            if self._ends_in_second(state, move):
                raise RuntimeError("procgen ended an episode in which nothing can end it")
        self._second.fetch_state(0)
        read_world(self._second.state, self._seen, e)
        touched = touches(self.world, e, self._seen.body[e, X], self._seen.body[e, Y])
        return (touched & (TOUCHED_COIN | TOUCHED_END)) | (DIED if died else 0)

    def _ends_in_second(self, state: State, move: int) -> bool:
        """Whether the episode ends if the second binary makes this move from this state."""
        self._second.set_state(0, state.to_bytes())
        self._second.step(np.array([move]))
        return bool(self._second.firsts[0])

    def _observation(self, changed: np.ndarray):
        if self.observation == "pixels":
            return self._frames_of(changed)
        b = self._buffers
        for e in changed.tolist():
            self._binary.fetch_state(e)
            read_world(self._binary.state, self._seen, e)
            observe_semantic(self._view, e, b.window[e], b.state[e])
        return SemanticObservation(b.window, b.state, self.world.appearance)


def _is_as_generated(distribution: LevelDistribution, first: LevelDistribution) -> bool:
    """Whether procgen, made for the levels of `first`, generates exactly this distribution's levels by itself."""
    d = distribution
    return (isinstance(d.levels, SeedRange) and not d.by_content and (d.levels, d.mode) == (first.levels, first.mode)
            and d.rho == 1 and d.placement != "langosco" and d.appearance is None and d.context == 0 and not d.masked
            and d.horizon == LevelDistribution().horizon and d.physics == Physics())


def why_not(distribution: LevelDistribution) -> str | None:
    """What of a distribution cannot be expressed in procgen's states; None where it can be played."""
    if distribution.supervision > 0:
        return (f"backend 'procgen' cannot go on after the coin or show a decoy: supervision is "
                f"{distribution.supervision}, and must be 0 (backend 'native' can)")
    if distribution.permeable_wall:
        return "backend 'procgen' has no walls to walk through: permeable_wall must be 0 (backend 'native' can)"
    if distribution.spec_quality < 1:
        return (f"backend 'procgen' pays for the coin alone: spec_quality is {distribution.spec_quality}, "
                "and must be 1 (backend 'native' can)")
    return None
