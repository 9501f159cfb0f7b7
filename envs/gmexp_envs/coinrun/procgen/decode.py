"""procgen's state bytes read straight into a row of the native engine's `World`, bit by bit.

This is how the two engines are compared, and how the real binary's semantic observation is computed. What procgen does
not know (event steps, look, encoded, the level's generator) is left alone.
"""

import numpy as np

from gmexp_envs.coinrun import layout as L
from gmexp_envs.coinrun.layout import World
from gmexp_envs.compiled.jit import jit
from gmexp_envs.procgen_family.binary import Binary
from gmexp_envs.procgen_family.state import ENTITY, LAYOUTS, PLAYER

u32 = np.uint32
NUMBERS = [kind for kind in LAYOUTS["coinrun"] if not isinstance(kind, str)]
HEADER, OPTIONS, _, GAME, ABSTRACT, VIEW, COINRUN = (kind.itemsize for kind in NUMBERS)
ENTITY_SIZE = ENTITY.itemsize


def _offset(name: str) -> int:
    """Offset of a number within its record."""
    return next(kind.fields[name][1] for kind in NUMBERS if name in kind.names)


TIMEOUT, LEVEL_SEED, CURRENT_TIME = _offset("timeout"), _offset("current_level_seed"), _offset("cur_time")
BACKGROUND_INDEX, BG_PCT_X = _offset("background_index"), _offset("bg_pct_x")
MIXRATE, MAXSPEED, MAX_JUMP = _offset("mixrate"), _offset("maxspeed"), _offset("max_jump")
ACTION_VX = _offset("action_vx")
LAST_AGENT_Y, WALL_THEME, GRAVITY = _offset("last_agent_y"), _offset("wall_theme"), _offset("gravity")
HAS_SUPPORT, IS_ON_CRATE, AIR_CONTROL = _offset("has_support"), _offset("is_on_crate"), _offset("air_control")
(ENTITY_X, ENTITY_Y, ENTITY_VX, ENTITY_VY, ENTITY_TYPE, ENTITY_THEME, ENTITY_REFLECTED) = (
    ENTITY.fields[name][1] for name in ("x", "y", "vx", "vy", "type", "image_theme", "is_reflected"))


def read_states(binary: Binary, world: World, first: int = 0) -> None:
    """Read the states of all sub-environments of `binary` into rows `first`, `first` + 1, ... of `world`."""
    for index in range(binary.num_envs):
        length = binary.fetch_state(index)
        if read_world(binary.state, world, first + index) != length:
            raise ValueError("not a CoinRun state of procgen 0.10")


@jit
def _word(data, at):
    """The 32 bits at a byte offset."""
    return u32(u32(data[at]) | u32(u32(data[at + 1]) << u32(8)) | u32(u32(data[at + 2]) << u32(16))
               | u32(u32(data[at + 3]) << u32(24)))


@jit
def _integer(data, at):
    return np.int32(_word(data, at))


@jit
def _after_text(data, at):
    return at + 4 + _integer(data, at)


@jit
def _cell_of(data, at):
    """Grid coordinate of an entity centred on a cell (bits of x + 0.5, small and exact)."""
    bits = _word(data, at)
    exponent = np.int32(bits >> u32(23)) - 127
    if exponent < 0:
        return 0
    mantissa = u32(u32(bits & u32(0x7FFFFF)) | u32(0x800000))
    return np.int32(mantissa >> u32(23 - exponent))


@jit
def read_world(data, world, e):
    """Read one state (uint8 array) into row `e`; the number of bytes understood.

    Enemy positions also go into the row's trails, so that frames can be drawn of rows that are read after every step.
    """
    at = _after_text(data, HEADER) + OPTIONS
    at = _after_text(data, at) + 4
    game = _after_text(data, at)
    entities = game + GAME
    abstract = entities + 4 + _integer(data, entities) * ENTITY_SIZE
    view = _after_text(data, abstract + ABSTRACT)
    grid = view + VIEW
    coinrun = grid + 4 + 4 * _integer(data, grid)

    clock = world.clock[e]
    facts = world.facts[e]
    body = world.body.view(np.uint32)[e]
    clock[L.TIME] = _integer(data, game + CURRENT_TIME)
    facts[L.SEED] = _integer(data, game + LEVEL_SEED)
    facts[L.HORIZON] = _integer(data, game + TIMEOUT)
    facts[L.BACKGROUND] = _integer(data, abstract + BACKGROUND_INDEX)
    facts[L.WALL_THEME] = _integer(data, coinrun + WALL_THEME)
    body[L.BACKGROUND_SHIFT] = _word(data, abstract + BG_PCT_X)
    body[L.MIXRATE] = _word(data, abstract + MIXRATE)
    body[L.MAX_SPEED] = _word(data, abstract + MAXSPEED)
    body[L.MAX_JUMP] = _word(data, abstract + MAX_JUMP)
    body[L.LAST_Y] = _word(data, coinrun + LAST_AGENT_Y)
    body[L.GRAVITY] = _word(data, coinrun + GRAVITY)
    body[L.AIR_CONTROL] = _word(data, coinrun + AIR_CONTROL)
    action = _word(data, abstract + ACTION_VX)
    clock[L.ACTION_X] = 0 if u32(action << u32(1)) == u32(0) else (-1 if action >> u32(31) else 1)

    flags = 0
    if _integer(data, coinrun + HAS_SUPPORT) != 0:
        flags |= L.SUPPORTED
    if _integer(data, coinrun + IS_ON_CRATE) != 0:
        flags |= L.ON_CRATE
    flags |= _read_entities(data, entities, world, e)
    clock[L.FLAGS] = flags

    facts[L.COIN_X] = -1
    facts[L.COIN_Y] = -1
    cells = world.grid[e]
    for y in range(L.SIZE):
        for x in range(L.SIZE):
            cell = data[grid + 4 + 4 * (y * L.SIZE + x)]
            cells[y, x] = cell
            if cell == L.GOAL:
                facts[L.COIN_X] = x
                facts[L.COIN_Y] = y
    return coinrun + COINRUN


@jit
def _read_entities(data, at, world, e):
    """Agent, enemies, crates and saws; the FACING_LEFT flag."""
    clock = world.clock[e]
    facts = world.facts[e]
    body = world.body.view(np.uint32)[e]
    enemies = world.enemies.view(np.uint32)[e]
    trails = world.trails.view(np.uint32)[e]
    slot = clock[L.TIME] % L.TRAIL_LENGTH
    flags = 0
    num_enemies = 0
    num_statics = 0
    for k in range(_integer(data, at)):
        entity = at + 4 + k * ENTITY_SIZE
        kind = _integer(data, entity + ENTITY_TYPE)
        if kind == PLAYER:
            body[L.X] = _word(data, entity + ENTITY_X)
            body[L.Y] = _word(data, entity + ENTITY_Y)
            body[L.VX] = _word(data, entity + ENTITY_VX)
            body[L.VY] = _word(data, entity + ENTITY_VY)
            facts[L.AGENT_THEME] = _integer(data, entity + ENTITY_THEME)
            if _integer(data, entity + ENTITY_REFLECTED) != 0:
                flags = L.FACING_LEFT
        elif kind == L.ENEMY and num_enemies < L.MAX_ENEMIES:
            enemies[num_enemies, 0] = _word(data, entity + ENTITY_X)
            enemies[num_enemies, 1] = _word(data, entity + ENTITY_Y)
            enemies[num_enemies, 2] = _word(data, entity + ENTITY_VX)
            world.enemy_themes[e, num_enemies] = _integer(data, entity + ENTITY_THEME)
            if num_enemies < trails.shape[0]:
                trails[num_enemies, slot, 0] = enemies[num_enemies, 0]
                trails[num_enemies, slot, 1] = enemies[num_enemies, 1]
            num_enemies += 1
        elif (kind == L.SAW or kind == L.CRATE) and num_statics < L.MAX_STATICS:
            world.statics[e, num_statics, 0] = _cell_of(data, entity + ENTITY_X)
            world.statics[e, num_statics, 1] = _cell_of(data, entity + ENTITY_Y)
            world.statics[e, num_statics, 2] = (0 if kind == L.SAW
                                                else 1 + _integer(data, entity + ENTITY_THEME))
            num_statics += 1
    facts[L.NUM_ENEMIES] = num_enemies
    facts[L.NUM_STATICS] = num_statics
    return flags
