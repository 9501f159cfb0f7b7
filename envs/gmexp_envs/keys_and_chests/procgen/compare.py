"""States of the real binary's heist as arrays, and where the native engine's instances differ from them, bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gmexp_envs.compiled.mersenne_twister import draw
from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.layout import f32, World
from gmexp_envs.keys_and_chests.rotations import ROTATIONS
from gmexp_envs.procgen_family.state import PLAYER, State, twister_words

SIGNED = ("velocity",)  # the zeros of which may differ in sign


class Seen(NamedTuple):
    """What both know of N instances."""

    seed: np.ndarray  # int64 [N]
    time: np.ndarray  # int32 [N]
    horizon: np.ndarray  # int32 [N]
    background: np.ndarray  # int32 [N]
    background_shift: np.ndarray  # float32 [N]
    place: np.ndarray  # float32 [N, 2]
    velocity: np.ndarray  # float32 [N, 2]
    physics: np.ndarray  # float32 [N, 2]: maximum speed, mixrate
    rotation: np.ndarray  # float32 [N]
    grid: np.ndarray  # uint8 [N, 13, 13]
    objects: np.ndarray  # float32 [N, 24, 4]: x, y and half sizes of keys, chests and exit that are there
    kinds: np.ndarray  # int32 [N, 24, 2]: type and theme
    ring: np.ndarray  # int32 [N]: keys that the ring has room for
    held: np.ndarray  # int32 [N]: bits of heist's keys


def allocate(n: int) -> Seen:
    """Zeroed arrays for n instances."""
    shapes = {"place": (2,), "velocity": (2,), "physics": (2,), "grid": (L.SIZE, L.SIZE), "objects": (L.MAX_OBJECTS, 4),
              "kinds": (L.MAX_OBJECTS, 2)}
    floats = ("background_shift", "place", "velocity", "physics", "rotation", "objects")
    kinds = {name: f32 for name in floats} | {"seed": np.int64, "grid": np.uint8}
    return Seen(*(np.zeros((n, *shapes.get(name, ())), kinds.get(name, np.int32)) for name in Seen._fields))


def read_states(states: Sequence[State]) -> Seen:
    """What states of heist hold."""
    seen = allocate(len(states))
    for e, state in enumerate(states):
        entities = state["entities"]
        agent = entities[entities["type"] == PLAYER][0]
        things = entities[np.isin(entities["type"], (L.CHEST, L.KEY, L.EXIT))]
        seen.seed[e], seen.time[e], seen.horizon[e] = (int(state[name]) for name in
                                                       ("current_level_seed", "cur_time", "timeout"))
        seen.background[e], seen.background_shift[e] = state["background_index"], state["bg_pct_x"]
        seen.place[e], seen.velocity[e] = (agent["x"], agent["y"]), (agent["vx"], agent["vy"])
        seen.physics[e], seen.rotation[e] = (state["maxspeed"], state["mixrate"]), agent["rotation"]
        size = int(state["world_dim"])
        seen.grid[e, :size, :size] = state["grid"]
        for k, name in enumerate(("x", "y", "rx", "ry")):
            seen.objects[e, :len(things), k] = things[name]
        for k, name in enumerate(("type", "image_theme")):
            seen.kinds[e, :len(things), k] = things[name]
        seen.ring[e] = (entities["type"] == L.RING).sum()
        seen.held[e] = sum(1 << k for k, held in enumerate(state["has_keys"].tolist()) if held)
    return seen


def read_world(world: World) -> Seen:
    """What the native engine's instances hold, in the same form."""
    body, clock, facts = world.body, world.clock, world.facts
    n = len(body)
    seen = allocate(n)
    present = (world.kinds[:, :, L.KIND] != L.GONE) & (np.arange(L.MAX_OBJECTS) < facts[:, L.NUM_OBJECTS, None])
    order = np.argsort(~present, axis=1, kind="stable")
    rows = np.arange(n)[:, None]
    kinds = world.kinds[rows, order]
    half_width = np.where(kinds[:, :, L.KIND] == L.CHEST, L.CHEST_RADIUS, L.KEY_RADIUS)
    half_height = np.select([kinds[:, :, L.KIND] == kind for kind in (L.CHEST, L.KEY)], [L.CHEST_RADIUS, L.KEY_HEIGHT],
                            L.EXIT_HEIGHT)
    there = present[rows, order][:, :, None]
    seen.objects[:] = np.where(there, np.concatenate(
        [world.objects[rows, order], half_width[:, :, None], half_height[:, :, None]], 2), 0)
    seen.kinds[:] = np.where(there, kinds[:, :, [L.KIND, L.NUMBER]], 0)
    cells = np.arange(L.SIZE) < facts[:, L.CELLS, None]
    seen.grid[:] = np.where(cells[:, :, None] & cells[:, None, :], world.grid, 0)
    return seen._replace(
        seed=facts[:, L.SEED].astype(np.int64), time=clock[:, L.TIME], horizon=facts[:, L.HORIZON],
        background=facts[:, L.BACKGROUND], background_shift=body[:, L.BACKGROUND_SHIFT], place=body[:, [L.X, L.Y]],
        velocity=body[:, [L.VX, L.VY]], physics=body[:, [L.MAX_SPEED, L.MIXRATE]], rotation=ROTATIONS[clock[:, L.FACING]],
        ring=facts[:, L.NUM_KEYS], held=clock[:, L.HELD])


def differences(ours: Seen, theirs: Seen) -> dict[str, np.ndarray]:
    """Rows that differ, per quantity; quantities without a difference are left out. Floats are compared by their bits."""
    rows = {}
    for name, a, b in zip(Seen._fields, ours, theirs, strict=True):
        if a.dtype == f32 and name not in SIGNED:
            a, b = (np.ascontiguousarray(v).view(np.uint32) for v in (a, b))
        unequal = (a != b).reshape(len(a), -1).any(axis=1)
        if unequal.any():
            rows[name] = np.flatnonzero(unequal)
    return rows


def same_generator(world: World, e: int, state: State) -> bool:
    """Whether an instance's generator is where procgen's is, while fewer than 624 outputs have been used.

    Ours renews a word when it is drawn, std::mt19937 all 624 at once.
    """
    words, position = twister_words(state["twister"])
    ours = world.twister[e].copy()
    for index in range(int(world.clock[e, L.DRAWN]), L.WORDS):
        draw(ours, index)
    return position == world.clock[e, L.TWISTER] and np.array_equal(words, ours)
