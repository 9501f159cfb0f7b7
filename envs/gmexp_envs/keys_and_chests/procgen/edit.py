"""A level of the native engine in a state of the real binary's heist.

The fork's levels are told in heist's terms: its chests are doors, all of the chests' colour, its keys are all of the keys'
colour, and every key counts as held, so that no door stops the agent and every ring key that is there is shown. The exit
is an entity that looks like one and does nothing. So the binary moves the agent and draws; what is touched, paid and ended
is decided from where the agent is, and the entities are written again where heist took another one away.
"""

import numpy as np

from gmexp_envs.keys_and_chests import layout as L
from gmexp_envs.keys_and_chests.draw.sprites import CHEST_COLOURS, COLOURS, KEY_COLOURS
from gmexp_envs.keys_and_chests.layout import f32, World
from gmexp_envs.keys_and_chests.semantic import ring_shows
from gmexp_envs.procgen_family.host import NO_HORIZON
from gmexp_envs.procgen_family.state import new_entities, PLAYER, State, twister_after, twister_text

SHOWN_EXIT = 8  # an entity type without rules


def write_level(state: State, world: World, e: int) -> None:
    """Write the fresh level in row `e` into a state of any episode."""
    body, facts, clock = world.body[e], world.facts[e], world.clock[e]
    cells = int(facts[L.CELLS])
    state["grid"][...] = world.grid[e, :cells, :cells]
    agent = state["entities"][state["entities"]["type"] == PLAYER][:1].copy()
    for name, value in (("x", body[L.X]), ("y", body[L.Y]), ("vx", 0), ("vy", 0), ("rotation", 0)):
        agent[name] = value
    state["entities"] = agent
    heist = bool(facts[L.HEIST])
    state["num_keys"] = facts[L.NUM_KEYS] if heist else len(COLOURS)
    state["has_keys"] = np.full(state["num_keys"], not heist, np.int32)
    write_objects(state, world, e)
    state["current_level_seed"], state["background_index"] = facts[L.SEED], facts[L.BACKGROUND]
    state["bg_pct_x"], state["cur_time"], state["timeout"] = body[L.BACKGROUND_SHIFT], 0, NO_HORIZON
    state["maxspeed"], state["mixrate"] = body[L.MAX_SPEED], body[L.MIXRATE]
    state["twister"] = twister_text(*twister_after(int(facts[L.SEED]), int(clock[L.TWISTER])))


def write_objects(state: State, world: World, e: int) -> None:
    """Write what there is in row `e` besides the agent."""
    facts, kinds, objects = world.facts[e], world.kinds[e], world.objects[e]
    heist = bool(facts[L.HEIST])
    parts = [state["entities"][state["entities"]["type"] == PLAYER]]
    for k in range(int(facts[L.NUM_OBJECTS])):
        kind, number, _ = kinds[k].tolist()
        if kind == L.GONE or (kind == L.CHEST and facts[L.MASKED]):
            continue
        colours = CHEST_COLOURS[facts[L.CHEST_THEME]] if kind == L.CHEST else KEY_COLOURS[facts[L.KEY_THEME]]
        height = {L.CHEST: L.CHEST_RADIUS, L.KEY: L.KEY_HEIGHT, L.EXIT: L.EXIT_HEIGHT}[kind]
        thing = new_entities(1, SHOWN_EXIT if kind == L.EXIT else kind)
        for name, value in (("x", objects[k, 0]), ("y", objects[k, 1]), ("image_type", kind), ("ry", height),
                            ("rx", L.CHEST_RADIUS if kind == L.CHEST else L.KEY_RADIUS),
                            ("image_theme", 0 if kind == L.EXIT else number if heist else colours)):
            thing[name] = value
        parts.append(thing)
    shown = [i for i in range(int(facts[L.NUM_KEYS])) if heist or ring_shows(world, e, i)]
    ring = new_entities(len(shown), L.RING)
    for i, key in enumerate(shown):
        ring["x"][i] = f32(1.0 - float(L.RING_RADIUS) * (2 * key + 1.25))
        ring["image_theme"][i] = key if heist else KEY_COLOURS[facts[L.KEY_THEME]]
    ring["y"], ring["rx"], ring["ry"] = f32(float(L.RING_RADIUS) * 0.75), L.RING_RADIUS, L.RING_HEIGHT
    ring["image_type"], ring["render_z"], ring["use_abs_coords"] = L.KEY, 1, 1
    ring["rotation"] = f32(f32(np.pi) / f32(2))
    state["entities"] = np.concatenate([*parts, ring])


def same_objects(state: State, world: World, e: int) -> bool:
    """Whether the binary has as many keys, chests and ring keys as row `e` (what it takes away is never another one)."""
    types, facts = state["entities"]["type"], world.facts[e]
    kinds = world.kinds[e, :facts[L.NUM_OBJECTS], L.KIND]
    chests = 0 if facts[L.MASKED] else (kinds == L.CHEST).sum()
    ring = sum(facts[L.HEIST] != 0 or ring_shows(world, e, i) for i in range(int(facts[L.NUM_KEYS])))
    counts = (types == L.CHEST).sum(), (types == L.KEY).sum(), (types == L.RING).sum()
    return counts == (chests, (kinds == L.KEY).sum(), ring)
