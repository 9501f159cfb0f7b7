"""The real binary behind the interface of the native engine: `make_vec("maze", ..., backend="procgen")`.

Levels are those the native engine would play, written into the binary's states where episodes start; moving, rewarding
and drawing are procgen's own. The agent's cell is read from the state after every step. Of an episode's last step procgen
tells a reward, which is had in the goal's cell only; a last step without one is repeated in a second binary that has more
time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gmexp_envs.maze.distribution import MazeDistribution
from gmexp_envs.maze.draw.pixels import note_rows
from gmexp_envs.maze.engine import Maze
from gmexp_envs.maze.episode import write_log
from gmexp_envs.maze.layout import (
    allocate, BACKGROUND, BACKGROUND_SHIFT, CELL, DRAWN, GOAL_X, GOAL_Y, HIDDEN, HORIZON, INTENDED_STEP, PROXY_STEP,
    PROXY_X, PROXY_Y, RETURN, SEED, SEEN_X, SIZE, SIZES, SPACE, TIME, X, Y,
)
from gmexp_envs.maze.procgen.compare import read_state
from gmexp_envs.maze.semantic import observe_semantic
from gmexp_envs.procgen_family.binary import Binary
from gmexp_envs.procgen_family.host import BinaryHost, NO_HORIZON
from gmexp_envs.procgen_family.state import State, twister_after, twister_text
from gmexp_envs.procgen_family.streams import EPISODES
from gmexp_envs.vec import FrameStyle, SemanticObservation


class ProcgenMaze(BinaryHost, Maze):
    """N worlds of Maze moved by procgen itself: same arguments, level streams, observations and logs as `Maze`.

    `world` holds the levels and event logs, not where the agents are. Use it as the reference: it is hundreds of times
    slower than the native engine.
    """

    def __init__(self, num_envs: int, distributions: Sequence[MazeDistribution], seed: int | None = None,
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
        first = self.distributions[0]
        self._host("maze", first.mode, threads)
        self._second = Binary(1, game="maze", mode=first.mode, **self._looks)
        self._as_generated = [_is_as_generated(d, first) for d in self.distributions]
        self._side = SIZES[first.mode]
        self._seen = allocate(num_envs)

    def _begin(self, rows: np.ndarray) -> None:
        super()._begin(rows)
        if not self._semantic:
            note_rows(self._table, self._boards.table, rows)

    def _write_level(self, e: int) -> None:
        facts = self.world.facts[e]
        if self._as_generated[facts[CELL]] and self._binary.level_seeds[e] == facts[SEED]:
            return
        state = State(self._binary.get_state(e))
        grid = self.world.grid[e, :self._side, :self._side]
        state["grid"][...] = np.where(grid == HIDDEN, SPACE, grid)
        agent = state["entities"][:1]
        agent["x"], agent["y"] = self.world.clock[e, X] + 0.5, self.world.clock[e, Y] + 0.5
        state["maze_dim"], state["background_index"] = facts[SIZE], facts[BACKGROUND]
        state["bg_pct_x"], state["timeout"] = self.world.gains[e, BACKGROUND_SHIFT], facts[HORIZON]
        state["current_level_seed"] = facts[SEED]
        state["twister"] = twister_text(*twister_after(int(facts[SEED]), int(facts[DRAWN])))
        self._binary.set_state(e, state.to_bytes())

    def _advance(self, actions: np.ndarray, rows: np.ndarray) -> None:
        clock, facts, b = self.world.clock, self.world.facts, self._buffers
        self._bring_back(rows.tolist())
        last = rows[clock[rows, TIME] + 1 >= facts[rows, HORIZON]].tolist()
        before = {e: self._binary.get_state(e) for e in last}
        moves = self._step_binary(actions, rows)
        rewards, ended = self._binary.rewards, self._binary.firsts
        clock[rows, TIME] += 1
        self.world.gains[rows, RETURN] += rewards[rows]
        b.reward[rows] += rewards[rows]
        for e in rows.tolist():
            if ended[e] and rewards[e] > 0:
                cell = int(facts[e, GOAL_X]), int(facts[e, GOAL_Y])
            elif ended[e]:
                if e not in before:
                    raise RuntimeError(f"procgen ended the episode of world {e}, which nothing can end")
                cell = self._repeat_last_step(before[e], int(moves[e]))
            else:
                cell = _cell_of(State(self._binary.get_state(e)))
            for columns, step in (((GOAL_X, GOAL_Y), INTENDED_STEP), ((PROXY_X, PROXY_Y), PROXY_STEP)):
                if cell == tuple(facts[e, list(columns)].tolist()):
                    clock[e, step] = min(clock[e, step], clock[e, TIME])
            if ended[e]:
                b.terminated[e] = rewards[e] > 0
                b.truncated[e] = not b.terminated[e]
                write_log(self.world, e, b.log[e])
                b.log_return[e] = self.world.gains[e, RETURN]
                self.world.slots[e, EPISODES] += 1

    def _repeat_last_step(self, before: bytes, move: int) -> tuple[int, int]:
        """Where an agent was when its time was up, which is lost in procgen's reset."""
        state = State(before)
        state["timeout"] = NO_HORIZON
        self._second.set_state(0, state.to_bytes())
        self._second.step(np.array([move]))
        return _cell_of(State(self._second.get_state(0)))

    def close(self) -> None:
        super().close()
        self._second.close()

    def _observation(self, changed: np.ndarray):
        if self.observation == "pixels":
            return self._frames_of(changed)
        b = self._buffers
        for e in changed.tolist():
            self._seen.facts[e] = self.world.facts[e]
            read_state(State(self._binary.get_state(e)), self._seen, e)
            self._seen.clock[e, SEEN_X] = -1
            observe_semantic(self._seen, e, b.window[e], b.state[e])
        return SemanticObservation(b.window, b.state, self.world.appearance)


def _cell_of(state: State) -> tuple[int, int]:
    agent = state["entities"][0]
    return int(agent["x"]), int(agent["y"])


def _is_as_generated(distribution: MazeDistribution, first: MazeDistribution) -> bool:
    """Whether procgen, made for the levels of `first`, generates exactly this distribution's levels by itself."""
    plain = MazeDistribution(levels=first.levels, mode=first.mode, rho=0.0, placement="uniform",
                             sequential=distribution.sequential)
    return distribution == plain


def why_not(distribution: MazeDistribution) -> str | None:
    """What of a distribution cannot be expressed in procgen's states; None where it can be played."""
    native = "(backend 'native' can)"
    if distribution.game != "cheese":
        return f"backend 'procgen' has cheese only: it cannot play {distribution.game!r} {native}"
    if distribution.appearance is not None:
        return (f"backend 'procgen' has one wall and one mouse: appearance is {distribution.appearance}, and must be null "
                f"{native}")
    if distribution.supervision > 0:
        return (f"backend 'procgen' cannot go on after the cheese or show a decoy: supervision is "
                f"{distribution.supervision}, and must be 0 {native}")
    if distribution.spec_quality < 1:
        return (f"backend 'procgen' pays for the cheese alone: spec_quality is {distribution.spec_quality}, and must be 1 "
                f"{native}")
    return None
