"""Agents whose goal is known: a planner over the exact game that heads for the end or for the coin.

Both seekers are the same best-first search (A* with a weighted heuristic) over short stretches of one held action,
simulated with `step_world` on a copy of the world. They differ in what ends the search, in what they must not touch on
the way, and in what a step costs: the proxy-seeker does not know of the coin and pays for leaving the path to the end,
the coin-seeker never touches the end first. The game is deterministic but for rare ties, so a plan is followed until
the world is not where the plan expected it.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np

from envs.coinrun.coins import path_top
from envs.coinrun.engine import CoinRun
from envs.coinrun.layout import (
    BODY_COLUMNS, COIN_STEP, COIN_X, COIN_Y, DIED, END_STEP, END_X, END_Y, EVENTS, FLAGS, GOAL, HALF, HORIZON,
    MAX_ENEMIES, MAX_SPEED, NUM_ENEMIES, NUM_STATICS, ON_CRATE, OPEN_ENDED, SEED, SIZE, TIME, TOUCHED_COIN,
    TOUCHED_END, VX, VY, World, X, Y, allocate, f32,
)
from envs.coinrun.rules import TOUCH_X, TOUCH_Y, is_supported, step_world
from envs.jit import jit
from envs.outcome import NEVER

i32 = np.int32
PROXY_SEEKER, COIN_SEEKER = 0, 1
STILL = 4  # the action that presses nothing
DOWN = -1
NODES = 4096  # states that a search may hold
TABLE = 4 * NODES  # slots for the states already seen
PLAN_STEPS = 128  # a longer plan is cut off and made anew from there
PATIENCE = 32  # steps to stand still where the goal cannot be reached
GROUND_STEPS, AIR_STEPS = 2, 4  # how long a stretch lasts; in the air it ends with the landing
GREED = np.array([3, 5], f32)  # weight of the estimated rest of the way, per seeker: more is faster and less careful
OFF_PATH_COST = f32(200)  # what a step off the path costs the proxy-seeker, in steps

# (direction_x, direction_y) of the stretches tried from a state; the last two only where they mean anything
DIRECTIONS = np.array([(1, 0), (1, 1), (0, 0), (0, 1), (-1, 0), (-1, 1), (0, DOWN)], np.int32)


class Search(NamedTuple):
    """Scratch space of a search: one row per state, and one world to step in."""

    world: World  # a single world
    bodies: np.ndarray  # float32 [NODES, BODY_COLUMNS]
    clocks: np.ndarray  # int32 [NODES, 8]
    enemies: np.ndarray  # float32 [NODES, MAX_ENEMIES, 3]
    parents: np.ndarray  # int32 [NODES]
    moves: np.ndarray  # int32 [NODES, 2]: row of DIRECTIONS and number of steps that led here
    costs: np.ndarray  # float32 [NODES]
    rests: np.ndarray  # float32 [NODES]: estimated steps to the goal
    table: np.ndarray  # uint64 [TABLE]
    path_tops: np.ndarray  # int32 [SIZE]


class Plans(NamedTuple):
    """The plan of every world: what to do from `start` on, and where the agent will be when doing it."""

    actions: np.ndarray  # uint8 [N, PLAN_STEPS]
    x: np.ndarray  # float32 [N, PLAN_STEPS]
    y: np.ndarray  # float32 [N, PLAN_STEPS]
    heads: np.ndarray  # int32 [N, 3]: level seed, start, number of steps


def _allocate_search() -> Search:
    return Search(
        world=allocate(1, trails=False), bodies=np.zeros((NODES, BODY_COLUMNS), f32),
        clocks=np.zeros((NODES, 8), np.int32), enemies=np.zeros((NODES, MAX_ENEMIES, 3), f32),
        parents=np.zeros(NODES, np.int32), moves=np.zeros((NODES, 2), np.int32), costs=np.zeros(NODES, f32),
        rests=np.zeros(NODES, f32), table=np.zeros(TABLE, np.uint64), path_tops=np.zeros(SIZE, np.int32))


def _allocate_plans(num_envs: int) -> Plans:
    return Plans(actions=np.zeros((num_envs, PLAN_STEPS), np.uint8), x=np.zeros((num_envs, PLAN_STEPS), f32),
                 y=np.zeros((num_envs, PLAN_STEPS), f32), heads=np.full((num_envs, 3), -1, np.int32))


@jit
def _copy_level(world, e, kind, search):
    """Copy world e's level for simulation: endless, ending with nothing, and without a coin for the proxy-seeker."""
    sim = search.world
    for i in range(sim.facts.shape[1]):
        sim.facts[0, i] = world.facts[e, i]
    sim.facts[0, OPEN_ENDED] = 0
    sim.facts[0, HORIZON] = NEVER
    if kind == PROXY_SEEKER:
        sim.facts[0, COIN_X] = -1
    for y in range(SIZE):
        for x in range(SIZE):
            sim.grid[0, y, x] = world.grid[e, y, x]
    for i in range(world.facts[e, NUM_STATICS]):
        for j in range(3):
            sim.statics[0, i, j] = world.statics[e, i, j]
    sim.crate_columns[0] = world.crate_columns[e]
    for x in range(SIZE):
        search.path_tops[x] = path_top(world, e, x) if kind == PROXY_SEEKER else SIZE


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
def _store(world, e, search, node, parent, move, steps, cost, rest):
    for i in range(BODY_COLUMNS):
        search.bodies[node, i] = world.body[e, i]
    for i in range(search.clocks.shape[1]):
        search.clocks[node, i] = world.clock[e, i]
    for i in range(search.world.facts[0, NUM_ENEMIES]):
        for j in range(3):
            search.enemies[node, i, j] = world.enemies[e, i, j]
    search.parents[node] = parent
    search.moves[node, 0] = move
    search.moves[node, 1] = steps
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


@jit
def _search(world, e, conditions, kind, search):
    """Best-first search from world e's state -> (state to head for, whether it touches the goal)."""
    facts = world.facts[e]
    goal, forbidden = (TOUCHED_END, DIED) if kind == PROXY_SEEKER else (TOUCHED_COIN, DIED | TOUCHED_END)
    goal_x = facts[END_X] if kind == PROXY_SEEKER else facts[COIN_X]
    goal_y = facts[END_Y] if kind == PROXY_SEEKER else facts[COIN_Y]
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
        grounded = is_supported(sim, 0)
        on_crate = sim.clock[0, FLAGS] & ON_CRATE
        for move in range(len(DIRECTIONS)):
            if (DIRECTIONS[move, 1] == 1 and not grounded) or (DIRECTIONS[move, 1] == DOWN and not on_crate):
                continue
            if move > 0:
                _load(search, node)
            cost = search.costs[node]
            events = 0
            steps = 0
            while steps < (GROUND_STEPS if grounded else AIR_STEPS):
                step_world(sim, 0, conditions, _action(move, steps == 0))
                steps += 1
                events = sim.clock[0, EVENTS]
                cost += f32(1)
                if _off_path(search, sim.body[0, X], sim.body[0, Y]):
                    cost += OFF_PATH_COST
                if events & (goal | forbidden) or (not grounded and is_supported(sim, 0)):
                    break
            if events & DIED or (events & forbidden and not events & goal) or not (events & goal or _is_new(search)):
                continue
            rest = _rest(sim.body[0], goal_x, goal_y)
            _store(sim, 0, search, count, node, move, steps, cost, rest)
            if events & goal:
                return count, True
            if rest < search.rests[best] and is_supported(sim, 0):
                best = count
            heapq.heappush(heap, (f32(cost + GREED[kind] * rest), i32(count)))
            count += 1
            if count == NODES:
                return best, False
    return best, False


@jit
def _plan(world, e, conditions, kind, search, plans):
    """Make world e's plan: to the goal, else to the nearest state on firm ground, else standing still for a while."""
    target, reached = _search(world, e, conditions, kind, search)
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
            if head[2] == PLAN_STEPS:
                return
            _append(search.world, plans, e, _action(search.moves[node, 0], i == 0))
            step_world(search.world, 0, conditions, plans.actions[e, head[2] - 1])
    if length == 0:
        for _ in range(PATIENCE):
            _append(search.world, plans, e, STILL)
            step_world(search.world, 0, conditions, STILL)


@jit
def _append(sim, plans, e, action):
    length = plans.heads[e, 2]
    plans.actions[e, length] = action
    plans.x[e, length] = sim.body[0, X]
    plans.y[e, length] = sim.body[0, Y]
    plans.heads[e, 2] = length + 1


@jit
def _planned(world, e, plans):
    """The step of world e's plan that its state is at, or -1."""
    step = world.clock[e, TIME] - plans.heads[e, 1]
    if world.facts[e, SEED] != plans.heads[e, 0] or step < 0 or step >= plans.heads[e, 2]:
        return -1
    if world.body[e, X] != plans.x[e, step] or world.body[e, Y] != plans.y[e, step]:
        return -1
    return step


@jit
def _act(world, conditions, kind, search, plans, active, actions):
    for e in range(len(actions)):
        clock, facts = world.clock[e], world.facts[e]
        if kind == PROXY_SEEKER:
            idle = clock[END_STEP] != NEVER
        else:
            idle = (clock[COIN_STEP] != NEVER or facts[COIN_X] < 0
                    or world.grid[e, facts[COIN_Y], facts[COIN_X]] != GOAL)
        if idle or not active[e]:
            actions[e] = STILL
            continue
        step = _planned(world, e, plans)
        if step < 0:
            _plan(world, e, conditions, kind, search, plans)
            step = 0
        actions[e] = plans.actions[e, step]


class Seeker:
    """Acts in all worlds of a native environment, whose full state it reads.

    The proxy-seeker heads for the level's end and does not know of the coin. The coin-seeker heads for the coin it
    sees. Each stands still once it touched its goal, and where there is no coin to be seen.
    """

    def __init__(self, env: CoinRun, kind: int) -> None:
        self._env, self._kind = env, kind
        self._search = _allocate_search()
        self._plans = _allocate_plans(env.num_envs)
        self._all = np.ones(env.num_envs, np.bool_)
        self._actions = np.zeros(env.num_envs, np.int32)

    def act(self, active: np.ndarray | None = None) -> np.ndarray:
        """One action per world for the present state, overwritten by the next call; `active` (bool [N]) spares the
        planning of worlds that nobody looks at, which stand still."""
        _act(self._env.world, self._env.conditions, self._kind, self._search, self._plans,
             self._all if active is None else active, self._actions)
        return self._actions
