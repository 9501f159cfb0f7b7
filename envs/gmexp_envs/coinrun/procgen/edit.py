"""Turning the level procgen has just generated into the one a level distribution asks for."""

import numpy as np

from gmexp_envs.coinrun import layout as L
from gmexp_envs.coinrun.layout import World
from gmexp_envs.coinrun.procgen.compare import generator_in_blocks
from gmexp_envs.procgen_family.binary import MODES
from gmexp_envs.procgen_family.state import PLAYER, State, new_entities, twister_text

ENEMY_IMAGE = 6  # ENEMY1 of coinrun.cpp


def write_level(state: State, world: World, e: int, mode: str) -> None:
    """Write the level in row `e` into the state of an episode that has not yet begun.

    Where the layout is already this level's, only what a distribution changes is touched: coin, agent's start,
    themes, background, physics and horizon. Otherwise enemies, crates, saws, level seed and generator are replaced too.
    """
    body, facts = world.body[e], world.facts[e]
    grid = np.where(world.grid[e] == L.HIDDEN, L.SPACE, world.grid[e])
    if not _has_layout(state, world, e, grid):
        _write_entities(state, world, e)
        state["current_level_seed"] = facts[L.SEED]
        state["twister"] = twister_text(
            *generator_in_blocks(world.twister[e], L.PREDRAWN, int(world.clock[e, L.TWISTER])))
    state["grid"][...] = grid
    entities = state["entities"]
    kinds = entities["type"]
    agent = entities[kinds == PLAYER]
    agent["x"], agent["y"], agent["image_theme"] = body[L.X], body[L.Y], facts[L.AGENT_THEME]
    entities[kinds == PLAYER] = agent
    entities["image_theme"][kinds == L.ENEMY] = world.enemy_themes[e, :facts[L.NUM_ENEMIES]]
    kind = world.statics[e, :facts[L.NUM_STATICS], 2].astype(np.int32)
    entities["image_theme"][kinds == L.CRATE] = kind[kind > 0] - 1
    state["wall_theme"], state["background_index"] = facts[L.WALL_THEME], facts[L.BACKGROUND]
    state["bg_pct_x"], state["last_agent_y"] = body[L.BACKGROUND_SHIFT], body[L.LAST_Y]
    state["gravity"], state["max_jump"] = body[L.GRAVITY], body[L.MAX_JUMP]
    state["maxspeed"], state["mixrate"] = body[L.MAX_SPEED], body[L.MIXRATE]
    state["air_control"], state["timeout"] = body[L.AIR_CONTROL], facts[L.HORIZON]
    state["distribution_mode"] = MODES[mode]


def _has_layout(state: State, world: World, e: int, grid: np.ndarray) -> bool:
    """Whether procgen generated the same layout from the same seed, apart from coin and themes."""
    facts = world.facts[e]
    if int(state["current_level_seed"]) != facts[L.SEED]:
        return False
    entities = state["entities"]
    walkers, saws, crates = (entities[entities["type"] == kind] for kind in (L.ENEMY, L.SAW, L.CRATE))
    enemies, statics = world.enemies[e, :facts[L.NUM_ENEMIES]], world.statics[e, :facts[L.NUM_STATICS]]
    is_saw = statics[:, 2] == 0
    return (np.array_equal(_without_coin(state["grid"]), _without_coin(grid))
            and np.array_equal(_columns(walkers, "x", "y", "vx"), enemies)
            and np.array_equal(_columns(saws, "x", "y"), statics[is_saw, :2] + L.HALF)
            and np.array_equal(_columns(crates, "x", "y"), statics[~is_saw, :2] + L.HALF))


def _without_coin(grid: np.ndarray) -> np.ndarray:
    return np.where(grid == L.GOAL, L.SPACE, grid)


def _columns(entities: np.ndarray, *names: str) -> np.ndarray:
    return np.stack([entities[name] for name in names], axis=-1)


def _write_entities(state: State, world: World, e: int) -> None:
    """The agent as it is, then this level's enemies, saws and crates."""
    facts = world.facts[e]
    source, statics = world.enemies[e, :facts[L.NUM_ENEMIES]], world.statics[e, :facts[L.NUM_STATICS]]
    enemies = new_entities(len(source), L.ENEMY)
    enemies["x"], enemies["y"], enemies["vx"] = source.T
    enemies["image_type"], enemies["render_z"], enemies["smart_step"] = ENEMY_IMAGE, 1, 1
    blocks = new_entities(len(statics), L.CRATE)
    blocks["type"] = blocks["image_type"] = np.where(statics[:, 2] == 0, L.SAW, L.CRATE)
    blocks["x"], blocks["y"] = (statics[:, :2] + L.HALF).T
    state["entities"] = np.concatenate([state["entities"][:1], enemies, blocks])
