"""Agents whose goal is known: a planner over the exact game that heads for the end or for the coin.

Both scripted policies are the same best-first search (A* with a weighted heuristic) over short stretches of one held action,
simulated with `step_world` on a copy of the world. They differ in what ends the search, in what they must not touch on
the way, and in what they keep to: the proxy policy does not know of the coin and stays on the path to the end, which it
leaves only where it finds no other way; the intended policy never touches the end first. A plan is followed until the world
is not where the plan expected it.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gmexp_envs.coinrun.coins import path_top
from gmexp_envs.coinrun.engine import CoinRun
from gmexp_envs.coinrun.layout import (
    allocate, BODY_COLUMNS, COIN_X, COIN_Y, DIED, END_X, END_Y, EVENTS, f32, FLAGS, GOAL, HALF, HORIZON, INTENDED_STEP,
    MAX_ENEMIES, MAX_SPEED, NUM_ENEMIES, NUM_STATICS, ON_CRATE, OPEN_ENDED, PREDRAWN, PROXY_STEP, SEED, SIZE, TIME,
    TOUCHED_COIN, TOUCHED_END, VX, VY, World, X, Y,
)
from gmexp_envs.coinrun.rules import TOUCH_X, TOUCH_Y, is_supported, step_world
from gmexp_envs.compiled.jit import jit
from gmexp_envs.outcome import NEVER

i32 = np.int32
PROXY, INTENDED = 0, 1
STILL = 4  # the action that presses nothing
DOWN = -1
ONLY = np.uint64(0)  # the single world of a search, a number as the engine's are: its code is compiled once
NODES = 4096  # states that a search may hold
TABLE = 4 * NODES  # slots for the states already seen
PLAN_LENGTH = 128  # decisions; a longer plan is cut off and made anew from there
PATIENCE = 32  # decisions to stand still where the goal cannot be reached
GROUND_STEPS, AIR_STEPS = 2, 4  # game steps that a stretch lasts; in the air it ends with the landing
GREED = f32(5)  # weight of the estimated rest of the way: more is faster and finds longer ways
FORBIDDEN, FREE_OF_CHARGE, OFF_PATH_COST = f32(-1), f32(0), f32(10)  # what a step off the path costs, in steps

# (direction_x, direction_y) of the stretches tried from a state; the last two only where they mean anything
DIRECTIONS = np.array([(1, 0), (1, 1), (0, 0), (0, 1), (-1, 0), (-1, 1), (0, DOWN)], np.int32)


class Search(NamedTuple):
    """Scratch space of a search: one row per state, and one world to step in."""

    world: World  # a single world
    bodies: np.ndarray  # float32 [NODES, BODY_COLUMNS]
    clocks: np.ndarray  # int32 [NODES, 8]
    enemies: np.ndarray  # float32 [NODES, MAX_ENEMIES, 3]
    parents: np.ndarray  # int32 [NODES]
    moves: np.ndarray  # int32 [NODES, 2]: row of DIRECTIONS and number of decisions that led here
    costs: np.ndarray  # float32 [NODES]
    rests: np.ndarray  # float32 [NODES]: estimated steps to the goal
    table: np.ndarray  # uint64 [TABLE]
    path_tops: np.ndarray  # int32 [SIZE]


class Plans(NamedTuple):
    """The plan of every world: what to do from `start` on, and how the agent will move when doing it."""

    actions: np.ndarray  # uint8 [N, PLAN_LENGTH]
    bodies: np.ndarray  # float32 [N, PLAN_LENGTH, 4]: x, y, vx, vy
    heads: np.ndarray  # int32 [N, 3]: level seed, time of the start, number of decisions


def _allocate_search() -> Search:
    return Search(
        world=allocate(1, trails=False), bodies=np.zeros((NODES, BODY_COLUMNS), f32),
        clocks=np.zeros((NODES, 8), np.int32), enemies=np.zeros((NODES, MAX_ENEMIES, 3), f32),
        parents=np.zeros(NODES, np.int32), moves=np.zeros((NODES, 2), np.int32), costs=np.zeros(NODES, f32),
        rests=np.zeros(NODES, f32), table=np.zeros(TABLE, np.uint64), path_tops=np.zeros(SIZE, np.int32))


def _allocate_plans(num_envs: int) -> Plans:
    return Plans(actions=np.zeros((num_envs, PLAN_LENGTH), np.uint8), bodies=np.zeros((num_envs, PLAN_LENGTH, 4), f32),
                 heads=np.full((num_envs, 3), -1, np.int32))


@jit
def _copy_level(world, e, kind, search):
    """Copy world e's level for simulation: endless, ending with nothing, and without a coin for the proxy policy."""
    sim = search.world
    for i in range(sim.facts.shape[1]):
        sim.facts[0, i] = world.facts[e, i]
    sim.facts[0, OPEN_ENDED] = 0
    sim.facts[0, HORIZON] = NEVER
    if kind == PROXY:
        sim.facts[0, COIN_X] = -1
    for y in range(SIZE):
        for x in range(SIZE):
            sim.grid[0, y, x] = world.grid[e, y, x]
    for i in range(world.facts[e, NUM_STATICS]):
        for j in range(3):
            sim.statics[0, i, j] = world.statics[e, i, j]
    sim.crate_columns[0] = world.crate_columns[e]
    for i in range(PREDRAWN):
        sim.draws[0, i] = world.draws[e, i]
    for x in range(SIZE):
        search.path_tops[x] = path_top(world, e, x)


@jit
def _load(search, node):
    """Put the simulated world into a state of the search."""
    sim = search.world
    for i in range(BODY_COLUMNS):
        sim.body[0, i] = search.bodies[node, i]
    for i in range(search.clocks.shape[1]):
        sim.clock[0, i] = search.clocks[node, i]
    for i in range(sim.facts[0, NUM_ENEMIES]):
        for j in range(3):
            sim.enemies[0, i, j] = search.enemies[node, i, j]


@jit
def _store(world, e, search, node, parent, move, decisions, cost, rest):
    """Keep world e's state as a node of the search."""
    for i in range(BODY_COLUMNS):
        search.bodies[node, i] = world.body[e, i]
    for i in range(search.clocks.shape[1]):
        search.clocks[node, i] = world.clock[e, i]
    for i in range(search.world.facts[0, NUM_ENEMIES]):
        for j in range(3):
            search.enemies[node, i, j] = world.enemies[e, i, j]
    search.parents[node] = parent
    search.moves[node, 0] = move
    search.moves[node, 1] = decisions
    search.costs[node] = cost
    search.rests[node] = rest


@jit
def _rest(body, goal_x, goal_y):
    """Estimated steps from here until the goal cell is touched."""
    across = max(abs(f32(goal_x) + HALF - body[X]) - f32(1), f32(0))
    up = max(abs(f32(goal_y) + HALF - body[Y]) - f32(1.1), f32(0))
    return f32(across / body[MAX_SPEED] + f32(0.5) * up)


@jit
def _off_path(search, x, y):
    """Whether the agent at (x, y) overlaps a cell above the path."""
    row = i32(y + TOUCH_Y)
    first, last = i32(x - TOUCH_X), i32(x + TOUCH_X)
    return row > search.path_tops[first] or row > search.path_tops[last]


@jit
def _is_new(search):
    """Whether the simulated state differs from all seen so far, up to small differences; notes it."""
    body, clock = search.world.body[0], search.world.clock[0]
    key = np.uint64(i32(body[X] * f32(4)))
    key = key * np.uint64(512) + np.uint64(i32(body[Y] * f32(4)))
    key = key * np.uint64(64) + np.uint64(i32((body[VX] / body[MAX_SPEED] + f32(2)) * f32(8)))
    key = key * np.uint64(64) + np.uint64(i32((body[VY] + f32(8)) * f32(3)))
    if search.world.facts[0, NUM_ENEMIES] > 0:
        key = key * np.uint64(4096) + np.uint64(clock[TIME] >> 3)
    key = key * np.uint64(2) + np.uint64(1)  # never 0, which marks a free slot
    slot = i32((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)) % TABLE
    while search.table[slot] != 0:
        if search.table[slot] == key:
            return False
        slot = (slot + 1) % TABLE
    search.table[slot] = key
    return True


@jit
def _action(move, first):
    """The action that holds a direction; jumps and drops are pressed in the first step of a stretch only."""
    return i32(3 * (DIRECTIONS[move, 0] + 1) + (DIRECTIONS[move, 1] if first else 0) + 1)


@jit(allocates=True)
def _search(world, e, encoded, kind, repeat, off_path_cost, search):
    """Best-first search from world e's state -> (state to head for, whether it touches the goal)."""
    facts = world.facts[e]
    goal, forbidden = (TOUCHED_END, DIED) if kind == PROXY else (TOUCHED_COIN, DIED | TOUCHED_END)
    goal_x = facts[END_X] if kind == PROXY else facts[COIN_X]
    goal_y = facts[END_Y] if kind == PROXY else facts[COIN_Y]
    _copy_level(world, e, kind, search)
    search.table[:] = 0
    _store(world, e, search, 0, -1, 0, 0, f32(0), _rest(world.body[e], goal_x, goal_y))
    sim = search.world
    count = 1
    best = 0
    heap = [(search.rests[0], i32(0))]
    while len(heap) > 0:
        _, node = heapq.heappop(heap)
        _load(search, node)
        grounded = is_supported(sim, ONLY)
        on_crate = sim.clock[0, FLAGS] & ON_CRATE
        longest = max((GROUND_STEPS if grounded else AIR_STEPS) // repeat, 1)
        for move in range(len(DIRECTIONS)):
            if (DIRECTIONS[move, 1] == 1 and not grounded) or (DIRECTIONS[move, 1] == DOWN and not on_crate):
                continue
            if move > 0:
                _load(search, node)
            cost = search.costs[node]
            events = 0
            decisions = 0
            while decisions < longest and not events & (goal | forbidden):
                action = _action(move, decisions == 0)
                decisions += 1
                for _ in range(repeat):
                    step_world(sim, ONLY, encoded, action)
                    events = sim.clock[0, EVENTS]
                    cost += f32(1)
                    if off_path_cost != FREE_OF_CHARGE and _off_path(search, sim.body[0, X], sim.body[0, Y]):
                        cost += off_path_cost
                        if off_path_cost == FORBIDDEN:
                            events |= DIED
                    if events & (goal | forbidden):
                        break
                if not grounded and is_supported(sim, ONLY):
                    break
            if events & DIED or (events & forbidden and not events & goal) or not (events & goal or _is_new(search)):
                continue
            rest = _rest(sim.body[0], goal_x, goal_y)
            _store(sim, ONLY, search, count, node, move, decisions, cost, rest)
            if events & goal:
                return count, True
            if rest < search.rests[best] and is_supported(sim, ONLY):
                best = count
            heapq.heappush(heap, (f32(cost + GREED * rest), i32(count)))
            count += 1
            if count == NODES:
                return best, False
    return best, False


@jit(allocates=True)
def _plan(world, e, encoded, kind, repeat, search, plans):
    """Make world e's plan: to the goal, else to the nearest state on firm ground, else standing still for a while."""
    target, reached = _search(world, e, encoded, kind, repeat,
                              FORBIDDEN if kind == PROXY else FREE_OF_CHARGE, search)
    if kind == PROXY and not reached:
        target, reached = _search(world, e, encoded, kind, repeat, OFF_PATH_COST, search)
    head = plans.heads[e]
    head[0] = world.facts[e, SEED]
    head[1] = world.clock[e, TIME]
    head[2] = 0
    # the way back from the target, then forwards
    length = 0
    node = target
    while node > 0:
        length += 1
        node = search.parents[node]
    way = np.empty(length, np.int32)
    node = target
    for i in range(length - 1, -1, -1):
        way[i] = node
        node = search.parents[node]
    _load(search, 0)
    for node in way:
        for i in range(search.moves[node, 1]):
            _add_decision(search.world, encoded, plans, e, _action(search.moves[node, 0], i == 0), repeat)
    if length == 0:
        for _ in range(PATIENCE):
            _add_decision(search.world, encoded, plans, e, STILL, repeat)


@jit
def _add_decision(sim, encoded, plans, e, action, repeat):
    """Append a decision to world e's plan and simulate it."""
    length = plans.heads[e, 2]
    if length == PLAN_LENGTH:
        return
    plans.actions[e, length] = action
    for i in range(4):
        plans.bodies[e, length, i] = sim.body[0, i]
    plans.heads[e, 2] = length + 1
    for _ in range(repeat):
        step_world(sim, ONLY, encoded, action)


@jit
def _planned(world, e, repeat, plans):
    """The decision of world e's plan that its state is at, or -1."""
    elapsed = world.clock[e, TIME] - plans.heads[e, 1]
    decision = elapsed // repeat
    if world.facts[e, SEED] != plans.heads[e, 0] or elapsed % repeat or not 0 <= decision < plans.heads[e, 2]:
        return -1
    for i in range(4):
        if world.body[e, i] != plans.bodies[e, decision, i]:
            return -1
    return decision


@jit(allocates=True)
def _act(world, encoded, kind, repeat, search, plans, rows, actions):
    """Write the actions of the worlds `rows`."""
    for k in range(len(rows)):
        e = np.uint64(rows[k])
        clock, facts = world.clock[e], world.facts[e]
        if kind == PROXY:
            idle = clock[PROXY_STEP] != NEVER
        else:
            idle = (clock[INTENDED_STEP] != NEVER or facts[COIN_X] < 0
                    or world.grid[e, facts[COIN_Y], facts[COIN_X]] != GOAL)
        if idle:
            actions[k] = STILL
            continue
        decision = _planned(world, e, repeat, plans)
        if decision < 0:
            _plan(world, e, encoded, kind, repeat, search, plans)
            decision = 0
        actions[k] = plans.actions[e, decision]


class ScriptedPolicy:
    """Acts in the worlds of a native environment, whose full state it reads.

    The proxy policy heads for the level's end and does not know of the coin. The intended policy heads for the coin it
    sees. Each stands still once it touched its goal, and where there is no coin to be seen.
    `plans` are all it remembers from one act to the next.
    """

    def __init__(self, env: CoinRun, goal: int) -> None:
        if type(env) is not CoinRun:
            raise ValueError(f"scripted policies read the native engine's state, which {type(env).__name__} does not hold")
        self._env, self._goal = env, goal
        self._search = _allocate_search()
        self.plans = _allocate_plans(env.num_envs)

    def act(self, observation: Any = None, rows: np.ndarray | None = None) -> np.ndarray:
        """Actions of the worlds `rows` (all for None) for their present state, int32 [len(rows)]; no observation is
        needed."""
        env = self._env
        rows = env.rows if rows is None else np.ascontiguousarray(rows, np.int64)
        actions = np.empty(len(rows), np.int32)
        _act(env.world, env.encoded, self._goal, env.action_repeat, self._search, self.plans, rows, actions)
        return actions

    def state(self) -> dict[str, np.ndarray]:
        """What it needs to go on exactly from here."""
        return {name: plan.copy() for name, plan in self.plans._asdict().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in an environment of the same size."""
        for name, array in state.items():
            getattr(self.plans, name)[:] = array
