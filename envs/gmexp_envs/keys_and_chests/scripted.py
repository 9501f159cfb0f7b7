"""Agents whose goal is known: they go the only way there is, steering by a search over the exact motion.

Both take one object after the other, always the nearest one of those they are after (a maze is a tree, so distances and
ways are exact), and touch nothing beside the way that they must not touch. The intended policy opens chests: with a key
in hand it goes for a chest; without, for a key that lies on the way to a chest anyway, else for any; it leaves all other
keys alone. The proxy policy takes all keys, and leaves chests beside its ways alone; then it opens chests.

In heist both open what they can and leave by the exit, the proxy policy with all keys.

How to move is a best-first search over held actions, simulated on a copy of the instance. A plan is followed until the
agent is not where the plan expected it.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gmexp_envs.compiled.jit import jit
from gmexp_envs.keys_and_chests.engine import KeysAndChests
from gmexp_envs.keys_and_chests.layout import (
    allocate, CHEST, f32, HALF, HEIST, HELD, IN_HAND, KEY, KIND, MAX_SPEED, MIXRATE, NUM_OBJECTS, ONE, SEED, SIZE,
    STILL, TIME, VX, VY, World, X, Y,
)
from gmexp_envs.keys_and_chests.motion import DECAY, move_agent
from gmexp_envs.keys_and_chests.rules import touches
from gmexp_envs.keys_and_chests.ways import (
    allocate_ways, cell_at, choose, find_ways, INTENDED, mark_way, place_of, PROXY, Ways,
)

u64, i32, f64 = np.uint64, np.int32, np.float64
NODES = 8192  # states that a search may hold
TABLE = 4 * NODES  # slots for the states already seen
PLAN_LENGTH = 256  # decisions; a longer plan is cut off and made anew from there
ONLY = u64(0)  # the instance of a search, a number as the engine's are: its code is compiled once
GREED = f32(2)  # weight of the estimated rest of the way
MOVES = np.array([move for move in range(9) if move != STILL], np.int32)  # none of them asks the game for a coin toss
FINE = f32(32)  # states that differ by less than this part of a cell count as seen


class Search(NamedTuple):
    """Scratch space of a search: one row per state, and one instance to step in."""

    world: World  # a single instance
    bodies: np.ndarray  # float32 [NODES, 4]: x, y and velocity
    parents: np.ndarray  # int32 [NODES]
    moves: np.ndarray  # int32 [NODES]
    costs: np.ndarray  # float32 [NODES]
    rests: np.ndarray  # float32 [NODES]: estimated steps to the target
    table: np.ndarray  # uint64 [TABLE]
    ways: Ways


class Plans(NamedTuple):
    """The plan of every instance: what to do from a time on, and how the agent will move when doing it."""

    actions: np.ndarray  # uint8 [N, PLAN_LENGTH]
    bodies: np.ndarray  # float32 [N, PLAN_LENGTH, 4]
    heads: np.ndarray  # int32 [N, 3]: level seed, time of the start, number of decisions


def _allocate_search() -> Search:
    return Search(allocate(1), np.zeros((NODES, 4), f32), np.zeros(NODES, np.int32), np.zeros(NODES, np.int32),
                  np.zeros(NODES, f32), np.zeros(NODES, f32), np.zeros(TABLE, np.uint64), allocate_ways())


def _allocate_plans(num_envs: int) -> Plans:
    return Plans(np.zeros((num_envs, PLAN_LENGTH), np.uint8), np.zeros((num_envs, PLAN_LENGTH, 4), f32),
                 np.full((num_envs, 3), -1, np.int32))


@jit
def _rest(world, e, search, target, x, y, speed):
    """Estimated steps from (x, y) to the target, along the way."""
    cell = cell_at(x, y)
    if search.ways.on_way[cell] == 0:
        aim_x, aim_y, beyond = world.objects[e, target, 0], world.objects[e, target, 1], 0
    else:
        after = search.ways.following[cell]
        aim_x, aim_y = f32(f32(after % SIZE) + HALF), f32(f32(after // SIZE) + HALF)
        beyond = search.ways.on_way[cell] - 1
    return f32(f32(abs(x - aim_x) + abs(y - aim_y) + f32(beyond)) / speed)


@jit
def _touched(world, e, i, x, y):
    return touches(world.kinds[e, i, KIND], abs(f32(world.objects[e, i, 0] - x)), abs(f32(world.objects[e, i, 1] - y)))


@jit
def _touches_forbidden(world, e, goal, search, target, armed, x, y):
    """Whether the agent at (x, y) touches what it must not: a key beside the way, or for the proxy policy with a key in
    hand (`armed`) a chest beside the way."""
    forbidden = KEY if goal == INTENDED else CHEST
    if world.facts[e, HEIST] or (goal == PROXY and not armed):
        return False
    for i in range(world.facts[e, NUM_OBJECTS]):
        if (world.kinds[e, i, KIND] == forbidden and i != target and search.ways.on_way[place_of(world, e, i)] < 0
                and _touched(world, e, i, x, y)):
            return True
    return False


@jit
def _is_new(search, body):
    """Whether a state differs from all seen so far, up to small differences; notes it."""
    key = u64(i32(body[X] * FINE)) * u64(1024) + u64(i32(body[Y] * FINE))
    key = key * u64(512) + u64(i32((body[VX] + f32(4)) * FINE))
    key = key * u64(512) + u64(i32((body[VY] + f32(4)) * FINE))
    key = key * u64(2) + u64(1)  # never 0, which marks a free slot
    slot = i32((key * u64(0x9E3779B97F4A7C15)) >> u64(40)) % TABLE
    while search.table[slot] != 0:
        if search.table[slot] == key:
            return False
        slot = (slot + 1) % TABLE
    search.table[slot] = key
    return True


@jit
def _copy_instance(world, e, search):
    """Make the search's instance a copy of what moves as instance e does."""
    sim = search.world
    for k in range(sim.facts.shape[1]):
        sim.facts[0, k] = world.facts[e, k]
    for k in range(sim.body.shape[1]):
        sim.body[0, k] = world.body[e, k]
    sim.clock[0, HELD] = world.clock[e, HELD]
    for y in range(SIZE):
        for x in range(SIZE):
            sim.grid[0, y, x] = world.grid[e, y, x]
    for i in range(world.facts[e, NUM_OBJECTS]):  # of which doors stop the agent
        for k in range(2):
            sim.objects[0, i, k] = world.objects[e, i, k]
        for k in range(3):
            sim.kinds[0, i, k] = world.kinds[e, i, k]


@jit
def _store(search, node, parent, move, cost, rest):
    """Keep the simulated state as a node."""
    for k in range(4):
        search.bodies[node, k] = search.world.body[0, k]
    search.parents[node], search.moves[node], search.costs[node], search.rests[node] = parent, move, cost, rest


@jit
def _load(search, node):
    """Put the simulated instance into a node's state."""
    for k in range(4):
        search.world.body[0, k] = search.bodies[node, k]


@jit
def _try_move(world, e, goal, search, target, move, repeat, careful):
    """Simulate a decision -> (steps it took, whether it touches the target; 0 steps where it is forbidden)."""
    body = search.world.body[0]
    armed = world.clock[e, IN_HAND] > 0
    for step in range(repeat):
        move_agent(search.world, ONLY, i32(move // 3 - 1), i32(move % 3 - 1))
        x, y = body[X], body[Y]
        hit = _touched(world, e, target, x, y)
        if search.ways.on_way[cell_at(x, y)] < 0:
            return 0, False
        if careful and _touches_forbidden(world, e, goal, search, target, armed or hit, x, y):
            return 0, False
        if hit:
            return step + 1, True
    return repeat, False


@jit(allocates=True)
def _search(world, e, goal, search, target, repeat, careful):
    """Best-first search from instance e's state -> (state to head for, whether it touches the target)."""
    _copy_instance(world, e, search)
    body = search.world.body[0]
    mix = body[MIXRATE]
    speed = f32(DECAY * f64(mix) * f64(body[MAX_SPEED]) / (1.0 - DECAY * f64(ONE - mix)))
    search.table[:] = 0
    _store(search, 0, -1, STILL, f32(0), _rest(world, e, search, target, body[X], body[Y], speed))
    count, best = 1, 0
    heap = [(search.rests[0], i32(0))]
    while len(heap) > 0:
        _, node = heapq.heappop(heap)
        for k in range(len(MOVES)):
            _load(search, node)
            steps, hit = _try_move(world, e, goal, search, target, MOVES[k], repeat, careful)
            if steps == 0 or not (hit or _is_new(search, body)):
                continue
            cost = f32(search.costs[node] + f32(steps))
            rest = f32(0) if hit else _rest(world, e, search, target, body[X], body[Y], speed)
            _store(search, count, node, MOVES[k], cost, rest)
            if hit:
                return count, True
            if rest < search.rests[best]:
                best = count
            heapq.heappush(heap, (f32(cost + GREED * rest), i32(count)))
            count += 1
            if count == NODES:
                return best, False
    return best, False


@jit(allocates=True)
def _plan(world, e, goal, repeat, search, plans):
    """Make instance e's plan: to what it is after, else as near as can be, else standing still for a while."""
    head = plans.heads[e]
    head[0], head[1], head[2] = world.facts[e, SEED], world.clock[e, TIME], 0
    find_ways(world, e, search.ways)
    target = choose(world, e, goal, search.ways)
    node = 0
    if target >= 0:
        mark_way(world, e, search.ways, target)
        node, reached = _search(world, e, goal, search, target, repeat, True)
        if not reached:  # what must not be touched is in the only way
            node, _ = _search(world, e, goal, search, target, repeat, False)
    length = 0
    at = node
    while at > 0:
        length += 1
        at = search.parents[at]
    if length == 0:
        for k in range(4):
            plans.bodies[e, 0, k] = world.body[e, k]
        plans.actions[e, 0] = STILL
        head[2] = 1
        return
    at = node
    for place in range(length - 1, -1, -1):
        before = search.parents[at]
        if place < PLAN_LENGTH:
            plans.actions[e, place] = search.moves[at]
            for k in range(4):
                plans.bodies[e, place, k] = search.bodies[before, k]
        at = before
    head[2] = min(length, PLAN_LENGTH)


@jit
def _planned(world, e, repeat, plans):
    """The decision of instance e's plan that its state is at, or -1."""
    elapsed = world.clock[e, TIME] - plans.heads[e, 1]
    decision = elapsed // repeat
    if world.facts[e, SEED] != plans.heads[e, 0] or elapsed % repeat or not 0 <= decision < plans.heads[e, 2]:
        return -1
    for k in range(4):
        if world.body[e, k] != plans.bodies[e, decision, k]:
            return -1
    return decision


@jit(allocates=True)
def _act(world, goal, repeat, search, plans, rows, actions):
    """Write the actions of the instances `rows`."""
    for k in range(len(rows)):
        e = rows[k]
        decision = _planned(world, e, repeat, plans)
        if decision < 0:
            _plan(world, e, goal, repeat, search, plans)
            decision = 0
        actions[k] = plans.actions[e, decision]


class ScriptedPolicy:
    """Acts in the instances of a native environment, whose full state it reads.

    `goal` is INTENDED or PROXY. It stands still where nothing is left that it is after. `plans` are all it remembers from
    one act to the next.
    """

    def __init__(self, env: KeysAndChests, goal: int) -> None:
        if type(env) is not KeysAndChests:
            raise ValueError(f"scripted policies read the native engine's state, which {type(env).__name__} does not hold")
        self._env, self._goal = env, goal
        self._search = _allocate_search()
        self.plans = _allocate_plans(env.num_envs)

    def act(self, observation: Any = None, rows: np.ndarray | None = None) -> np.ndarray:
        """Actions of the instances `rows` (all for None) for their present state, int32 [len(rows)]; no observation is
        needed."""
        env = self._env
        rows = env.rows if rows is None else np.ascontiguousarray(rows, np.int64)
        actions = np.empty(len(rows), np.int32)
        _act(env.world, self._goal, env.action_repeat, self._search, self.plans, rows, actions)
        return actions

    def state(self) -> dict[str, np.ndarray]:
        """What it needs to go on exactly from here."""
        return {name: plan.copy() for name, plan in self.plans._asdict().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take over what `state` returned, in an environment of the same size."""
        for name, array in state.items():
            getattr(self.plans, name)[:] = array
